"""encode and append: files, folders and texts go into a memory."""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memories.cli import indexing, options
from memories.cli.output import Output, count, line, shown, size
from memories.engine.config import Config
from memories.engine.errors import MemvidError, UsageError
from memories.engine.gather import Gathering, first_failure, refuse_empty
from memories.engine.model import Outcome
from memories.engine.roots import recorded_roots

if TYPE_CHECKING:
    from memories.engine import Memory
    from memories.engine.indexing import Indexed

MOST_LINES = 20


def encode_arguments(parser: argparse.ArgumentParser) -> None:
    _input_arguments(parser)
    parser.add_argument("-o", "--output", metavar="M.mp4", help="the memory to make")
    parser.add_argument("-c", "--codec", help="av1, h264, h265, vp9 or mp4v (default: the profile's)")
    parser.add_argument("--profile", help="compact (default), universal or durable")
    parser.add_argument("--sync", action="store_true", help="make an existing memory follow the given folders")
    parser.add_argument("--yes", action="store_true", help="let --sync delete more than 20 %% of the documents")


def append_arguments(parser: argparse.ArgumentParser) -> None:
    _input_arguments(parser)
    parser.add_argument("-v", "--video", metavar="M.mp4", required=True, help="the memory to add to")


def _input_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="files and folders")
    add("-f", "--files", nargs="+", action="extend", default=[], metavar="F", help="files and folders")
    add("-d", "--dirs", nargs="+", action="extend", default=[], metavar="D", help="folders")
    add("-t", "--text", nargs="+", action="extend", default=[], metavar="T", help="texts, each a document")
    options.index_argument(parser)
    add("--chunk-size", type=int, metavar="N", help="characters a chunk aims at (1000)")
    add("--overlap", type=int, metavar="N", help="characters shown from the chunk before (50)")
    add("--max-depth", type=int, metavar="N", help="how deep to go into folders (10; 0: not at all)")
    add("--include-extensions", metavar="rs,py", help="take only these")
    add("--exclude-extensions", metavar="log,bak", help="leave these out")
    add("--include-hidden", action="store_true", default=None, help="names that begin with a dot, too")
    add("--follow-symlinks", action="store_true", default=None)
    add("--max-file-size", type=options.megabytes, metavar="MB", help="leave larger files out (100)")
    add("--max-original", type=options.megabytes, metavar="MB", help="keep the bytes of pdf, docx, ... up to (10)")
    indexing.choice_arguments(parser)
    add("--preview", action="store_true", help="show what would be taken and write nothing")
    add("--message", default="", metavar="TEXT", help="why, for the history")
    add("--author", default="", metavar="NAME", help="who, for the history")
    options.wait_argument(parser)


def encode(args: argparse.Namespace, config: Config, out: Output) -> int:
    if args.preview:
        return _preview(_gathered(args, config, Path(args.output or "memory.mp4"), []), out)
    if not args.output:
        raise UsageError("where to? give -o M.mp4")
    if Path(args.output).exists():
        return _encode_again(args, config, out)
    path = options.new_file(args.output)
    return _store_new(path, _gathered(args, config, path, []), args, config, out)


def append(args: argparse.Namespace, config: Config, out: Output) -> int:
    path = options.existing(args.video)
    with options.opened(path, config, out, writing=not args.preview) as memory:
        gathering = _gathered(args, config, path, recorded_roots(memory.commits()))
        if args.preview:
            return _preview(gathering, out)
        return _store(memory, gathering, [], args, config, out)


def _encode_again(args: argparse.Namespace, config: Config, out: Output) -> int:
    from memories.engine.sync import gone

    if not args.sync:
        raise MemvidError(
            f"{args.output} exists; `memvid append --video {args.output}` adds to it, "
            "--sync makes it follow the folders"
        )
    path = options.existing(args.output)
    with options.opened(path, config, out, writing=True) as memory:
        if args.codec and args.codec != memory.profile.codec:
            raise UsageError(
                f"{path} is {memory.profile.codec}; its codec cannot change, a new memory can have another"
            )
        gathering = _gathered(args, config, path, recorded_roots(memory.commits()))
        lost = gone(memory, gathering, args.yes)
        if not gathering.complete:
            out.note("nothing is deleted, because not everything could be looked at")
        return _store(memory, gathering, lost, args, config, out)


def _gathered(args: argparse.Namespace, config: Config, memory: Path, recorded: list[Any]) -> Gathering:
    paths = [*args.paths, *args.files, *args.dirs]
    if not paths and not args.text:
        raise UsageError("nothing to store: name files, folders or --text")
    if wrong := [name for name in args.dirs if Path(name).is_file()]:
        raise UsageError(f"--dirs {wrong[0]}: that is a file; use --files")
    gathering = Gathering(config, memory, recorded, (Path(args.index),) if args.index else ())
    gathering.add_paths(paths)
    gathering.add_texts(args.text)
    return gathering


def _preview(gathering: Gathering, out: Output) -> int:
    taken = [{"path": name, "bytes": found.size} for found, name in gathering.files]
    taken += [{"path": source.path, "bytes": source.size} for source in gathering.ready]
    total = sum(item["bytes"] for item in taken)
    document = {
        "taken": taken,
        "left_out": [shown(outcome) for outcome in gathering.outcomes],
        "files": len(taken),
        "bytes": total,
    }

    def lines() -> Iterator[str]:
        for item in taken:
            yield f"{size(item['bytes']):>10}  {line(item['path'])}"
        yield f"{count(len(taken), 'file')}, {size(total)} would be taken; nothing was written"
        yield from _left_out(gathering.outcomes)

    out.answer(document, lines())
    return 0 if gathering.complete else 1


def _store_new(path: Path, gathering: Gathering, args: argparse.Namespace, config: Config, out: Output) -> int:
    from memories.engine import Memory

    if not gathering.files and not gathering.ready:
        reasons = "; ".join(_left_out(gathering.outcomes)) or "the folders are empty"
        raise MemvidError(f"nothing to store: {reasons}")
    memory = Memory.create(path, profile=config.video.profile, codec=config.video.default_codec, config=config)
    with memory:
        return _store(memory, gathering, [], args, config, out)


def _store(
    memory: "Memory", gathering: Gathering, lost: list[str], args: argparse.Namespace, config: Config, out: Output
) -> int:
    begun = time.monotonic()
    with out.progress("encoding") as progress, options.naming(memory.path):
        result = memory.commit(
            gathering.sources(),
            remove=lost,
            message=args.message,
            author=args.author,
            roots=gathering.records(memory.path),
            wait=args.wait,
            progress=progress,
        )
    seconds = time.monotonic() - begun
    outcomes = [*result.outcomes, *gathering.outcomes]
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    refuse_empty(memory, result, outcomes)
    index = indexing.after_writing(memory.path, result.commit is not None, args, config, out)
    _report(memory, result.commit, outcomes, index, seconds, args, out)
    indexing.refuse_failed(index)
    if failed:
        raise MemvidError(f"{count(failed, 'file')} failed, the rest is stored: {first_failure(outcomes)}")
    return 0


def _report(
    memory: "Memory",
    commit: Any,
    outcomes: list[Outcome],
    index: "Indexed",
    seconds: float,
    args: argparse.Namespace,
    out: Output,
) -> None:
    stats = memory.stats()
    states = Counter(outcome.state for outcome in outcomes)
    document = {
        "video": str(memory.path),
        "index": args.index,
        "commit": commit.number if commit else None,
        "counts": dict(states),
        "outcomes": [shown(outcome) for outcome in outcomes],
        "indexing": indexing.shown(index),
        "seconds": round(seconds, 3),
        **{key: stats[key] for key in ("documents", "chunks", "frames", "bytes", "text_bytes")},
    }
    first = f"{line(memory.path)}: {_summary(commit, states)}"
    out.answer(document, [first, _holds(stats), *_left_out(outcomes), *indexing.lines(index)])


def _holds(stats: dict[str, Any]) -> str:
    parts = [count(stats[f"{noun}s"], noun) for noun in ("document", "chunk", "frame")]
    return f"holds {', '.join(parts)}, {size(stats['bytes'])} for {size(stats['text_bytes'])} of text"


def _summary(commit: Any, states: Counter[str]) -> str:
    if commit is None:
        return "nothing changed"
    parts = [f"{states[state]:,} {state}" for state in ("stored", "removed", "unchanged") if states[state]]
    return f"commit {commit.number}: {', '.join(parts)}"


def _left_out(outcomes: list[Outcome]) -> Iterator[str]:
    """Skipped files by reason, failed ones by name."""
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.state == "skipped")
    for reason, number in reasons.most_common(MOST_LINES):
        yield f"skipped {number:,}: {line(reason)}"
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    for outcome in failed[:MOST_LINES]:
        yield f"failed: {line(outcome.path)}: {line(outcome.reason)}"
    if len(failed) > MOST_LINES:
        yield f"failed: {len(failed) - MOST_LINES:,} more (--json lists all)"
