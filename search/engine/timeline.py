"""What a query finds, over time: when it was first said, how the hits spread over months, what changed since.

Works on versions of passages: each was added by a commit and perhaps taken away by a later one. Nothing here reads a
file or a database.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Literal

from memories.engine.duplicates import normalised, shingles, similarity
from search.engine.claims import claim, root_of

COVERS = 0.6  # of the words that were asked for, the share that a passage must hold to count
MEANS = 0.45  # the cosine from which on a passage counts without them (all-MiniLM-L6-v2)
REPLACES = 0.4  # of their runs of four words, what two passages share of which one stands for the other
LONGEST_DIFF = 600  # words of each side
MOST_BUCKETS = 24
AROUND = 6  # unchanged words that are shown beside a change

_WORD = re.compile(r"[^\W\d_]+|\d+")

What = Literal["added", "removed", "replaced"]


@dataclass(frozen=True)
class Version:
    """`chunk`: the place in its document. `removed_at` None: it still stands. `key` finds it again."""

    key: Hashable
    memory: Hashable
    document: str
    chunk: Hashable
    text: str
    commit: int
    added_at: datetime
    removed: int | None = None
    removed_at: datetime | None = None
    source: object = None


@dataclass(frozen=True)
class Bucket:
    """`key` 2026-03 of a month or 2026 of a year; `added` and `removed` count passages."""

    key: str
    added: int = 0
    removed: int = 0


@dataclass(frozen=True)
class Word:
    """A run of words of a comparison: `kind` is same, gone or new."""

    kind: Literal["same", "gone", "new"]
    text: str


@dataclass(frozen=True)
class Change:
    what: What
    at: datetime
    old: Version | None
    new: Version | None
    words: list[Word] = field(default_factory=list)


@dataclass(frozen=True)
class Timeline:
    first: Version | None
    spread: list[Bucket]
    changes: list[Change]
    total: int
    standing: int
    since: datetime | None


def timeline(versions: Sequence[Version], since: datetime | None = None, most_changes: int = 20) -> Timeline:
    """`since` None: since the first of them was added, that passage itself left out."""
    if not versions:
        return Timeline(None, [], [], 0, 0, since)
    first = first_said(versions)
    changed = changes(versions, since if since is not None else first.added_at)
    standing = sum(version.removed is None for version in versions)
    return Timeline(first, spread(versions), changed[:most_changes], len(versions), standing, since)


def first_said(versions: Sequence[Version]) -> Version:
    """The earliest, of several in one commit the one that comes first in the ranking."""
    return min(versions, key=lambda version: version.added_at)


def asked(query: str) -> list[str]:
    """The words of a query that carry meaning, as they are written."""
    return list(claim(query).written.values()) or _WORD.findall(query)


def matches(query: str, text: str) -> bool:
    """Whether most words of the query stand in the text; by meaning is for the caller to say."""
    wanted = {root_of(word) for word in asked(query)}
    return bool(wanted) and len(wanted & {root_of(word) for word in _WORD.findall(text)}) >= COVERS * len(wanted)


def spread(versions: Sequence[Version]) -> list[Bucket]:
    """By month without gaps, or by year where that would be more than MOST_BUCKETS."""
    moments = [(version.added_at, 1, 0) for version in versions]
    moments += [(version.removed_at, 0, 1) for version in versions if version.removed_at]
    months = [_month(at) for at, _, _ in moments]
    by_year = max(months) - min(months) >= MOST_BUCKETS
    places = [month // 12 for month in months] if by_year else months
    counts = {place: [0, 0] for place in range(min(places), max(places) + 1)}
    for place, (_, added, removed) in zip(places, moments, strict=True):
        counts[place][0] += added
        counts[place][1] += removed
    name = (lambda place: f"{place:04}") if by_year else (lambda place: f"{place // 12:04}-{place % 12 + 1:02}")
    found = [Bucket(name(place), *count) for place, count in counts.items()]
    return found[-MOST_BUCKETS:] if by_year else found


def _month(at: datetime) -> int:
    at = at.astimezone(UTC)
    return at.year * 12 + at.month - 1


def changes(versions: Sequence[Version], since: datetime) -> list[Change]:
    """After that moment, the newest first. A version that one of the same commit stands in for is `replaced`."""
    added = [version for version in versions if version.added_at > since]
    gone = [version for version in versions if version.removed_at and version.removed_at > since]
    pairs = _pairs(gone, added)
    found = [Change("replaced", new.added_at, old, new, word_diff(old.text, new.text)) for old, new in pairs]
    olds, news = {old.key for old, _ in pairs}, {new.key for _, new in pairs}
    found += [Change("removed", old.removed_at, old, None) for old in gone if old.key not in olds and old.removed_at]
    found += [Change("added", new.added_at, None, new) for new in added if new.key not in news]
    return sorted(found, key=lambda change: change.at, reverse=True)


def _pairs(gone: Sequence[Version], added: Sequence[Version]) -> list[tuple[Version, Version]]:
    """Of one document and one commit: the same place first, then what shares most of its words."""
    pairs: list[tuple[Version, Version]] = []
    taken: set[Hashable] = set()
    for old in gone:
        rivals = [
            new for new in added
            if (new.memory, new.document, new.commit) == (old.memory, old.document, old.removed)
            and new.key not in taken
        ]  # fmt: skip
        best = max(rivals, key=lambda new: (new.chunk == old.chunk, _alike(old, new)), default=None)
        if best is not None and (best.chunk == old.chunk or _alike(old, best) >= REPLACES):
            pairs.append((old, best))
            taken.add(best.key)
    return pairs


def _alike(one: Version, other: Version) -> float:
    return similarity(shingles(normalised(one.text)), shingles(normalised(other.text)))


def word_diff(old: str, new: str) -> list[Word]:
    """Word by word; of long unchanged stretches only what stands beside a change, the rest as “…”."""
    before, after = old.split()[:LONGEST_DIFF], new.split()[:LONGEST_DIFF]
    found: list[Word] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(Word("same", " ".join(before[a:b])))
            continue
        found += [Word("gone", " ".join(before[a:b]))] if b > a else []
        found += [Word("new", " ".join(after[c:d]))] if d > c else []
    return [_shortened(word, place, len(found)) for place, word in enumerate(found)]


def _shortened(word: Word, place: int, count: int) -> Word:
    words = re.split(r" ", word.text)
    if word.kind != "same" or len(words) <= 2 * AROUND:
        return word
    head = words[:AROUND] if place else []
    tail = words[-AROUND:] if place < count - 1 else []
    return Word("same", " ".join([*head, "…", *tail]))
