"""remove, and the commands that write a new memory: erase, merge, repair, vacuum."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memories.cli import indexing, options
from memories.cli.output import Output, Progress, count, line, size
from memories.engine.config import Config
from memories.engine.errors import NotFound, UsageError

if TYPE_CHECKING:
    from memories.engine import Memory


def remove_arguments(parser: argparse.ArgumentParser) -> None:
    _documents_arguments(parser)
    parser.add_argument("--message", default="", metavar="TEXT", help="why, for the history")
    parser.add_argument("--author", default="", metavar="NAME", help="who, for the history")
    options.wait_argument(parser)


def remove(args: argparse.Namespace, config: Config, out: Output) -> int:
    with options.opened(options.existing(args.memory), config, out, writing=True) as memory:
        paths = _paths(memory, args.documents)
        result = memory.remove(paths, message=args.message, author=args.author, wait=args.wait)
    document = {
        "video": args.memory,
        "commit": result.commit.number if result.commit else None,
        "removed": paths,
        "history_keeps_text": True,
    }
    hint = f"the history keeps the text; `memvid erase {args.memory} DOCUMENT -o OUT.mp4` writes a memory without it"
    out.answer(document, [f"removed {count(len(paths), 'document')}; {line(hint)}"])
    return 0


def erase_arguments(parser: argparse.ArgumentParser) -> None:
    _documents_arguments(parser)
    _new_memory_arguments(parser)


def erase(args: argparse.Namespace, config: Config, out: Output) -> int:
    def write(memory: "Memory", target: Path, progress: Progress) -> None:
        memory.erase(args.documents, target, progress)

    return _rewrite(args, config, out, write, "erased from every commit")


def repair_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="M.mp4")
    _new_memory_arguments(parser)


def repair(args: argparse.Namespace, config: Config, out: Output) -> int:
    from memories.engine import Memory

    source, target = options.existing(args.memory), options.new_file(args.output)
    with out.progress("reading") as progress, options.naming(source):
        saved = Memory.repair(source, target, progress)
    lost = {"restored_frames": saved.restored_frames, "lost_frames": saved.lost_frames, "lost": saved.lost}
    lost["incomplete"] = saved.incomplete
    what = f"saved {count(saved.commits, 'commit')}, lost {count(len(saved.lost_frames), 'frame')}"
    return _report(target, args, config, out, what, True, lost)


def vacuum_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="M.mp4")
    _new_memory_arguments(parser)


def vacuum(args: argparse.Namespace, config: Config, out: Output) -> int:
    return _rewrite(
        args,
        config,
        out,
        lambda memory, target, progress: memory.vacuum(target, config.drawing(), progress),
        "the present state, no history",
    )


def merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memories", nargs="*", metavar="M.mp4")
    parser.add_argument(
        "--videos", action="append", default=[], metavar="A.mp4,A.json,B.mp4,B.json", help="the same as a list"
    )
    _new_memory_arguments(parser)


def merge(args: argparse.Namespace, config: Config, out: Output) -> int:
    from memories.engine import Memory

    target = options.new_file(args.output)
    sources = [options.existing(name) for name in _videos([*args.memories, *args.videos])]
    if len(sources) < 2:
        raise UsageError("name at least two memories to merge")
    for source in sources:
        options.opened(source, config, out).close()  # one that cannot be read is named before anything is written
    with out.progress("merging") as progress:
        Memory.merge(target, sources, config.drawing(), progress=progress).close()
    return _report(target, args, config, out, f"merged from {len(sources)} memories", True)


def _documents_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="M.mp4")
    parser.add_argument("documents", nargs="+", metavar="DOCUMENT", help="a document's path or number")


def _new_memory_arguments(parser: argparse.ArgumentParser) -> None:
    options.output_argument(parser)
    options.index_argument(parser)
    indexing.choice_arguments(parser)


def _paths(memory: "Memory", names: list[str]) -> list[str]:
    """Every name must be a document before anything is done about one of them."""
    return list(dict.fromkeys(_path(memory, name) for name in names))


def _path(memory: "Memory", name: str) -> str:
    try:
        return memory.document(name).path
    except NotFound:
        if (number := options.number(name)) is None:
            raise
        return memory.document(number).path


def _rewrite(
    args: argparse.Namespace,
    config: Config,
    out: Output,
    write: Callable[["Memory", Path, Progress], object],
    what: str,
) -> int:
    target = options.new_file(args.output)
    with options.opened(options.existing(args.memory), config, out) as memory:
        indexed = bool(memory.indexes())
        with out.progress("writing") as progress:
            write(memory, target, progress)
    return _report(target, args, config, out, what, indexed)


def _report(
    target: Path,
    args: argparse.Namespace,
    config: Config,
    out: Output,
    what: str,
    indexed: bool,
    facts: dict[str, Any] | None = None,
) -> int:
    """The new memory is indexed if the old one was."""
    index = indexing.after_writing(target, indexed, args, config, out)
    with options.opened(target, config, out) as memory:
        stats = memory.stats()
    document: dict[str, Any] = {"video": str(target), "index": args.index, "indexing": indexing.shown(index)}
    document |= facts or {}
    document |= {key: stats[key] for key in ("documents", "chunks", "frames", "commits", "bytes", "text_bytes")}
    summary = f"{count(stats['documents'], 'document')}, {count(stats['chunks'], 'chunk')}, {size(stats['bytes'])}"
    lost = [f"lost: {line(one)}" for one in document.get("lost", [])]
    lost += [f"incomplete: {line(path)}" for path in document.get("incomplete", [])]
    out.answer(document, [f"{line(target)}: {what}: {summary}", *lost, *indexing.lines(index)])
    indexing.refuse_failed(index)
    return 0


def _videos(names: list[str]) -> list[str]:
    """A list may name a sidecar after each memory; the index is in the memory, so they are not needed."""
    parts = [part for name in names for part in ([name] if Path(name).exists() else name.split(","))]
    return [part.strip() for part in parts if part.strip() and not part.strip().endswith(".json")]
