"""Comparing two memories, or one at two commits: with the engine's diff, as `memvid diff` does.

What was found is kept in the cache for a day, under a key that names both memories, so that erasing a document of
either takes it away; the numbers and hashes of the commits in the key make it true for as long as it is there.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from django.core.cache import cache

from .engine import Memory as MemoryFile
from .engine.diff import KINDS, Diff, Side
from .engine.meaning import Embed, Meaning, by_meaning, verdict
from .models import Commit, Memory

AT_ONCE = 400  # chunks of both: what a page may read while somebody waits
KEPT_FOR = 86_400
MOST_SHOWN = 300  # passages of a kind
LONGEST_SHOWN = 4000  # characters of one
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class State:
    """A memory as of a commit."""

    memory: Memory
    commit: Commit

    @property
    def is_head(self) -> bool:
        return self.commit.number == self.memory.head

    def __str__(self) -> str:
        return self.memory.name if self.is_head else f"{self.memory.name}, commit {self.commit.number}"


def state_of(memory: Memory, at: int | None) -> State | None:
    """None for a commit that there is not."""
    commit = memory.commits.filter(number=at or memory.head).first()
    return State(memory, commit) if commit else None


def key_of(old: State, new: State, semantic: bool) -> str:
    sides = (f"{side.memory.pk}.{side.commit.number}.{side.commit.hash[:16]}" for side in (old, new))
    return ".".join(("compare.1", *sides, "meaning" if semantic else "words"))


def known(old: State, new: State, semantic: bool) -> dict[str, Any] | None:
    return cache.get(key_of(old, new, semantic))


def is_quick(old: State, new: State, semantic: bool) -> bool:
    return not semantic and old.memory.chunks_count + new.memory.chunks_count <= AT_ONCE


def compare(old: State, new: State, embed: Embed | None = None) -> dict[str, Any]:
    """Reads both files and remembers what it found. Raises MemvidError."""
    with (
        MemoryFile.open(old.memory.path, at=old.commit.number) as before,
        MemoryFile.open(new.memory.path, at=new.commit.number) as after,
    ):
        found = before.diff(after)
    document = _document(found, by_meaning(found, embed) if embed else None)
    cache.set(key_of(old, new, embed is not None), document, KEPT_FOR)
    return document


def _document(found: Diff, meaning: Meaning | None) -> dict[str, Any]:
    document = {
        "counts": {
            "added": len(found.added), "removed": len(found.removed), "modified": len(found.modified),
            "unchanged": found.unchanged,
        },
        "similarity": found.similarity,
        "growth": found.growth,
        "old_bytes": found.old_bytes,
        "new_bytes": found.new_bytes,
        "documents": {
            "added": found.documents_added[:MOST_SHOWN], "removed": found.documents_removed[:MOST_SHOWN],
            "changed": found.documents_changed[:MOST_SHOWN], "renamed": found.documents_renamed[:MOST_SHOWN],
        },
        "documents_count": {
            "added": len(found.documents_added), "removed": len(found.documents_removed),
            "changed": len(found.documents_changed), "renamed": len(found.documents_renamed),
        },
        "kinds": _kinds(found),
        "modified": _modified(found, meaning),
        "added": _others(found.added, found.documents_added),
        "removed": _others(found.removed, found.documents_removed),
    }  # fmt: skip
    return document | (_meaning(meaning) if meaning else {})


def _kinds(found: Diff) -> list[tuple[str, str, int]]:
    kinds = [change.kind for change in found.changes]
    return [(kind, words, kinds.count(kind)) for kind, words in KINDS.items() if kind in kinds]


def _modified(found: Diff, meaning: Meaning | None) -> list[dict[str, Any]]:
    """By meaning what moved furthest first, else in the order of the documents."""
    rows = [
        {"path": new.path, "kind": change.kind, "similarity": change.similarity, "old": _side(old), "new": _side(new)}
        for (old, new), change in zip(found.modified, found.changes, strict=True)
    ]
    if meaning is not None:
        for row, cosine in zip(rows, meaning.cosines, strict=False):
            row |= {"cosine": cosine, "verdict": verdict(cosine)}
        rows.sort(key=lambda row: row.get("cosine", 1.0))
    return rows[:MOST_SHOWN]


def _others(sides: list[Side], whole: list[str]) -> list[dict[str, Any]]:
    """Of documents that both have: what a new or a removed document holds is said by its name."""
    known = set(whole)
    return [_side(side) for side in sides if side.path not in known][:MOST_SHOWN]


def _meaning(meaning: Meaning) -> dict[str, Any]:
    moved = [{"old": _side(one.old), "new": _side(one.new), "cosine": one.cosine} for one in meaning.moved]
    return {"moved": moved[:MOST_SHOWN], "not_compared": meaning.left_out}


def _side(side: Side) -> dict[str, Any]:
    return {**asdict(side), "text": side.text[:LONGEST_SHOWN], "cut": len(side.text) > LONGEST_SHOWN}
