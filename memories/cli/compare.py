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
from memories.engine.meaning import Meaning, by_meaning, verdict
from memories.engine.publishing import writing

if TYPE_CHECKING:
    from memories.engine.diff import Diff, Side

LINES_AROUND = 2  # unchanged lines shown with a change
PAIR, PAIR_WITH_SIDECARS = 2, 4


def diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memories", nargs="+", metavar="OLD NEW", help="also OLD.mp4 OLD.json NEW.mp4 NEW.json")
    parser.add_argument(
        "--semantic",
        action="store_true",
        help="how far the meaning of each changed chunk moved, and which passages went elsewhere in other words",
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
            **_document(found, _meaning(found, config) if args.semantic else None),
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


def _document(found: "Diff", meaning: "Meaning | None") -> dict[str, Any]:
    modified = [
        {
            "document": new.path,
            "kind": change.kind,
            "similarity": round(change.similarity, 4),
            "old": _side(old),
            "new": _side(new),
            "text_diff": _text_diff(old, new),
        }
        for (old, new), change in zip(found.modified, found.changes, strict=True)
    ]
    document = {
        "summary": {
            "added": len(found.added),
            "removed": len(found.removed),
            "modified": len(found.modified),
            "unchanged": found.unchanged,
            "old_chunks": found.old_chunks,
            "new_chunks": found.new_chunks,
            "similarity": round(found.similarity, 4),
            "growth": None if found.growth is None else round(found.growth, 4),
        },
        "documents": {
            "added": found.documents_added,
            "removed": found.documents_removed,
            "changed": found.documents_changed,
            "renamed": [{"old": old, "new": new} for old, new in found.documents_renamed],
        },
        "added": [{"document": side.path, **_side(side)} for side in found.added],
        "removed": [{"document": side.path, **_side(side)} for side in found.removed],
        "modified": modified,
    }
    return document if meaning is None else document | _by_meaning(document, meaning)


def _by_meaning(document: dict[str, Any], meaning: "Meaning") -> dict[str, Any]:
    """Each modified pair with its cosine and what that says; the passages that went elsewhere."""
    for pair, cosine in zip(document["modified"], meaning.cosines, strict=False):
        pair |= {"cosine": round(cosine, 6), "meaning": verdict(cosine)}
    moved = [
        {
            "document": one.new.path,
            "was_in": one.old.path,
            "old": _side(one.old),
            "new": _side(one.new),
            "cosine": round(one.cosine, 6),
        }
        for one in meaning.moved
    ]
    return {"moved": moved, "not_compared": meaning.left_out}


def _side(side: "Side") -> dict[str, Any]:
    return {"chunk_id": side.id, "frame": side.frame, "text": side.text}


def _text_diff(old: "Side", new: "Side") -> list[str]:
    rows = difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), lineterm="", n=LINES_AROUND)
    return list(rows)[2:]  # without the two lines for file names


def _meaning(found: "Diff", config: Config) -> "Meaning":
    from memories.engine.indexing import load_embedder

    if not (found.modified or found.added):
        return Meaning()
    embedder = load_embedder(config)
    return by_meaning(found, embedder.embed)


def _lines(document: dict[str, Any]) -> Iterator[str]:
    for what, mark in (("added", "+"), ("removed", "-"), ("changed", "~")):
        yield from (f"{mark} {line(path)}" for path in document["documents"][what])
    for one in document["documents"]["renamed"]:
        yield f"> {line(one['old'])} is now {line(one['new'])}"
    whole = {*document["documents"]["added"], *document["documents"]["removed"]}
    for pair in document["modified"]:
        how = f"{pair['kind']}, {pair['similarity']:.0%} the same"
        if "cosine" in pair:
            how += f"; cosine {pair['cosine']:.3f}: {pair['meaning']}"
        yield f"\n{line(pair['document'])}  chunk {pair['old']['chunk_id']} -> {pair['new']['chunk_id']}  {how}"
        yield from map(paragraph, pair["text_diff"])
    for what, mark in (("removed", "-"), ("added", "+")):
        for side in document[what]:
            if side["document"] not in whole:
                yield f"\n{line(side['document'])}  chunk {side['chunk_id']} {what}"
                yield from (mark + paragraph(row) for row in side["text"].splitlines())
    yield from _moved_lines(document)
    summary = document["summary"]
    parts = [f"{summary[key]:,} {key}" for key in ("added", "removed", "modified", "unchanged")]
    yield f"chunks: {', '.join(parts)}; {count(summary['old_chunks'], 'chunk')} before, {summary['new_chunks']:,} now"
    growth = "" if summary["growth"] is None else f", {summary['growth']:+.1%} text"
    yield f"{summary['similarity']:.1%} the same{growth}"


def _moved_lines(document: dict[str, Any]) -> Iterator[str]:
    for one in document.get("moved", ()):
        yield (
            f"\n{line(one['was_in'])}  chunk {one['old']['chunk_id']} now stands in {line(one['document'])}  "
            f"chunk {one['new']['chunk_id']}  cosine {one['cosine']:.3f}"
        )
        yield from ("  " + paragraph(row) for row in one["new"]["text"].splitlines())
    if document.get("not_compared"):
        yield f"\n{count(document['not_compared'], 'chunk')} more were not compared by meaning"
