"""info, history, verify: what a memory is and whether it is whole."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from memories.cli import options
from memories.cli.output import Output, count, line, size
from memories.engine.config import Config
from memories.engine.errors import MemvidError
from memories.engine.model import Commit

if TYPE_CHECKING:
    from memories.engine import Memory

MOST_FRAMES = 10


def info_arguments(parser: argparse.ArgumentParser) -> None:
    options.memory_arguments(parser)
    options.as_of_argument(parser)


def info(args: argparse.Namespace, config: Config, out: Output) -> int:
    from memories.engine.indexing import coverage

    path = options.memory_path(args)
    with options.opened(path, config, out, args.as_of) as memory:
        document = {"video": str(path), "id": memory.id, **memory.stats(), **coverage(memory)}
        document["hardware_acceleration"] = {
            "requested": config.video.use_hardware_acceleration,
            "used": memory.hardware,
        }
        if args.index:
            document["sidecar"] = _sidecar(memory, args.index, out)
    out.answer(document, _info_lines(document))
    return 0


def _info_lines(document: dict[str, Any]) -> Iterator[str]:
    share = document["bytes"] / document["text_bytes"] if document["text_bytes"] else None
    yield line(document["video"])
    yield f"  documents  {document['documents']:,}"
    how = f"by {line(document['model'])}" if document["model"] else "by words"
    indexed = f"{document['indexed_chunks']:,} indexed {how}" if document["indexed_chunks"] else "not indexed"
    yield f"  chunks     {document['chunks']:,} ({indexed})"
    yield f"  frames     {document['frames']:,} ({document['codec']}, {document['profile']})"
    yield f"  commits    {document['commits']:,}"
    yield f"  text       {size(document['text_bytes'])}"
    yield f"  file       {size(document['bytes'])}" + (f" ({share:.2f} bytes a byte of text)" if share else "")


def _sidecar(memory: "Memory", path: str, out: Output) -> dict[str, Any]:
    from memories.engine.indexing import sidecar_note

    note = sidecar_note(memory, path)
    if note:
        out.note(note)
    return {"path": path, "fresh": not note}


def history_arguments(parser: argparse.ArgumentParser) -> None:
    options.memory_arguments(parser)


def history(args: argparse.Namespace, config: Config, out: Output) -> int:
    with options.opened(options.memory_path(args), config, out) as memory:
        commits = memory.commits()
    rows = [_row(commit) for commit in commits]
    columns = ["COMMIT", "TIME", "PUT", "DELETED", "FRAMES", "AUTHOR", "MESSAGE"]
    out.answer({"commits": [_shown(commit) for commit in commits]}, lambda: out.table(columns, rows))
    return 0


def _row(commit: Commit) -> list[str]:
    time = commit.time.isoformat(sep=" ", timespec="seconds")
    numbers = [f"{number:,}" for number in (commit.put, commit.deleted, commit.frames)]
    return [str(commit.number), time, *numbers, commit.author, commit.message]


def _shown(commit: Commit) -> dict[str, Any]:
    return {
        "number": commit.number,
        "time": commit.time.isoformat(),
        "author": commit.author,
        "message": commit.message,
        "put": commit.put,
        "deleted": commit.deleted,
        "frames": commit.frames,
        "first_frame": commit.first_frame,
        "hash": commit.hash.hex(),
    }


def verify_arguments(parser: argparse.ArgumentParser) -> None:
    options.memory_arguments(parser)


def verify(args: argparse.Namespace, config: Config, out: Output) -> int:
    path = options.memory_path(args)
    with options.opened(path, config, out) as memory, out.progress("verifying") as progress:
        report = memory.verify(progress)
    document = {
        "ok": report.ok,
        "frames": report.frames,
        "bad_frames": list(report.bad_frames),
        "readers": list(report.readers),
        "problems": list(report.problems),
    }
    found = [f"  {line(problem)}" for problem in report.problems]
    state = "ok" if report.ok else "NOT ok"
    summary = f"{line(path)}: {state}: {count(report.frames, 'frame')} read with {', '.join(report.readers)}"
    out.answer(document, [summary, *found])
    if not report.ok:
        raise MemvidError(
            f"{path} is damaged{_where(document)}; `memvid repair {path} -o OUT.mp4` keeps what can be read"
        )
    return 0


def _where(document: dict[str, Any]) -> str:
    bad = document["bad_frames"]
    if not bad:
        return f": {document['problems'][0]}" if document["problems"] else ""
    more = f" and {len(bad) - MOST_FRAMES} more" if len(bad) > MOST_FRAMES else ""
    return f" (frames {', '.join(map(str, bad[:MOST_FRAMES]))}{more})"
