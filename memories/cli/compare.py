"""diff: what changed between two memories, or between two commits of one."""

import argparse
import difflib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memories.cli import options
from memories.cli.output import Output, count, line, paragraph
from memories.engine.config import Config
from memories.engine.errors import UsageError
from memories.engine.publishing import writing

if TYPE_CHECKING:
    from memories.engine.diff import Diff, Side

LINES_AROUND = 2  # unchanged lines shown with a change
PAIR, PAIR_WITH_SIDECARS = 2, 4


def diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memories", nargs="+", metavar="OLD NEW", help="also OLD.mp4 OLD.json NEW.mp4 NEW.json")
    parser.add_argument(
        "--semantic", action="store_true", help="how near each changed chunk is to what it was, by meaning"
    )
    parser.add_argument("--from", dest="old_at", metavar="N|DATE", help="OLD as it was then")
    parser.add_argument("--to", dest="new_at", metavar="N|DATE", help="NEW as it was then")
    parser.add_argument("-o", "--output", metavar="FILE.json", help="write the document into a file")


def diff(args: argparse.Namespace, config: Config, out: Output) -> int:
    old_path, new_path = _pair(args.memories)
    target = options.new_file(args.output) if args.output else None
    with ExitStack() as stack:
        old = stack.enter_context(options.opened(old_path, config, out, args.old_at))
        new = stack.enter_context(options.opened(new_path, config, out, args.new_at))
        found = old.diff(new)
        document: dict[str, Any] = {
            "old": {"video": str(old_path), "commit": old.head.number},
            "new": {"video": str(new_path), "commit": new.head.number},
            **_document(found, _cosines(found, config) if args.semantic else None),
        }
    if target:
        with writing(target) as file:
            file.write(json.dumps(document, indent=2).encode() + b"\n")
    out.answer(document, [f"written to {line(target)}"] if target else _lines(document))
    return 0


def _pair(names: list[str]) -> tuple[Path, Path]:
    if len(names) == PAIR_WITH_SIDECARS:
        names = names[::2]
    if len(names) != PAIR:
        raise UsageError("name two memories, OLD and NEW (each may be followed by its index)")
    return options.existing(names[0]), options.existing(names[1])


def _document(found: "Diff", cosines: list[float] | None) -> dict[str, Any]:
    modified = [
        {"document": new.path, "old": _side(old), "new": _side(new), "text_diff": _text_diff(old, new)}
        for old, new in found.modified
    ]
    for pair, cosine in zip(modified, cosines or [], strict=False):
        pair["cosine"] = round(cosine, 6)
    return {
        "summary": {
            "added": len(found.added),
            "removed": len(found.removed),
            "modified": len(found.modified),
            "unchanged": found.unchanged,
            "old_chunks": found.old_chunks,
            "new_chunks": found.new_chunks,
        },
        "documents": {
            "added": found.documents_added,
            "removed": found.documents_removed,
            "changed": found.documents_changed,
        },
        "added": [{"document": side.path, **_side(side)} for side in found.added],
        "removed": [{"document": side.path, **_side(side)} for side in found.removed],
        "modified": modified,
    }


def _side(side: "Side") -> dict[str, Any]:
    return {"chunk_id": side.id, "frame": side.frame, "text": side.text}


def _text_diff(old: "Side", new: "Side") -> list[str]:
    rows = difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), lineterm="", n=LINES_AROUND)
    return list(rows)[2:]  # without the two lines for file names


def _cosines(found: "Diff", config: Config) -> list[float]:
    """For each modified pair the cosine of the embeddings of its two texts."""
    from memories.engine.indexing import load_embedder

    if not found.modified:
        return []
    embedder = load_embedder(config)
    before = embedder.embed([old.text for old, _ in found.modified])
    after = embedder.embed([new.text for _, new in found.modified])
    return (before * after).sum(axis=1).tolist()


def _lines(document: dict[str, Any]) -> Iterator[str]:
    for what, mark in (("added", "+"), ("removed", "-"), ("changed", "~")):
        yield from (f"{mark} {line(path)}" for path in document["documents"][what])
    whole = {*document["documents"]["added"], *document["documents"]["removed"]}
    for pair in document["modified"]:
        cosine = f"  cosine {pair['cosine']:.3f}" if "cosine" in pair else ""
        yield f"\n{line(pair['document'])}  chunk {pair['old']['chunk_id']} -> {pair['new']['chunk_id']}{cosine}"
        yield from map(paragraph, pair["text_diff"])
    for what, mark in (("removed", "-"), ("added", "+")):
        for side in document[what]:
            if side["document"] not in whole:
                yield f"\n{line(side['document'])}  chunk {side['chunk_id']} {what}"
                yield from (mark + paragraph(row) for row in side["text"].splitlines())
    summary = document["summary"]
    parts = [f"{summary[key]:,} {key}" for key in ("added", "removed", "modified", "unchanged")]
    yield f"chunks: {', '.join(parts)}; {count(summary['old_chunks'], 'chunk')} before, {summary['new_chunks']:,} now"
