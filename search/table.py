"""The chunks that a search may find, as columns in this process.

What a segment of postings says never changes, so it is kept between searches: its columns, and the postings of words
that were asked for. Which segments a search reads is asked anew each time, with the rights in the query.
"""

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

import numpy as np
from django.db.models import QuerySet

from memories.access import sql_of
from memories.engine.errors import MemvidError
from memories.models import Chunk, Document, Memory
from memories.sql import fetch

from .engine import bm25
from .keeping import Kept
from .models import Segment
from .postings import split

KEPT = 96 << 20  # bytes of columns and postings
MANY = 0.3  # of the chunks of a segment
FEW = 4_000  # postings that come along when they are counted: a rare word is looked for in any case
PAUSES = (0.0, 0.02, 0.1, 0.3)  # seconds before a search is done once more: merges are seldom, and a person waits
NEVER = np.iinfo(np.uint32).max  # the commit that removed a present chunk
P, Result = ParamSpec("P"), TypeVar("Result")


_kept = Kept(KEPT)


class Moved(MemvidError):
    """A segment was merged into another, or made anew, since it was listed."""

    def __init__(self) -> None:
        super().__init__("The words of the memories were being put in order: search again.")


def steady(search: Callable[P, Result]) -> Callable[P, Result]:
    """A search that begins again, with a new list of segments, when one of them is gone."""

    @wraps(search)
    def again(*args: P.args, **options: P.kwargs) -> Result:
        for pause in PAUSES:
            with suppress(Moved):
                return search(*args, **options)
            time.sleep(pause)
        return search(*args, **options)

    return again


class Columns(NamedTuple):
    """Of a segment, by the place of its chunks."""

    chunks: np.ndarray
    documents: np.ndarray
    added: np.ndarray
    lengths: np.ndarray


@dataclass
class Part:
    """One segment of the table: its chunks stand at `start` and after. `dead` are the places that do not count."""

    pk: int
    memory: UUID
    head: str
    size: int
    start: int
    columns: Columns
    languages: tuple[str, ...]
    dead: np.ndarray | None = None  # bool (size,), or nothing is dead


@dataclass
class Table:
    """All chunks of the scope; a row is the place of a chunk among all parts. `size` counts the living ones."""

    parts: list[Part]
    rows: int
    size: int
    mean: float  # terms of a chunk
    languages: list[str]

    @cached_property
    def memories(self) -> list[UUID]:
        return list(dict.fromkeys(part.memory for part in self.parts))

    def chunk(self, rows: Sequence[int]) -> list[int]:
        """Primary keys."""
        return self._column("chunks", rows).tolist()

    def documents(self, rows: Sequence[int]) -> np.ndarray:
        """Primary keys of the documents that the rows are of, int64."""
        return self._column("documents", rows)

    def _column(self, name: str, rows: Sequence[int]) -> np.ndarray:
        places = np.asarray(rows, np.int64)
        found = np.zeros(len(places), np.int64)
        owners = self._owners(places)
        for owner in np.unique(owners).tolist():
            part, own = self.parts[owner], owners == owner
            found[own] = getattr(part.columns, name)[places[own] - part.start]
        return found

    def find(self, chunks: Collection[int]) -> dict[int, int]:
        """Rows by primary key, of those that are in the table and count."""
        wanted = np.array(sorted(chunks), np.int64)
        found: dict[int, int] = {}
        for part in self.parts:
            places = np.searchsorted(part.columns.chunks, wanted)
            near = np.minimum(places, part.size - 1)
            there = part.columns.chunks[near] == wanted
            if part.dead is not None:
                there &= ~part.dead[near]
            found |= zip(wanted[there].tolist(), (part.start + near[there]).tolist(), strict=True)
        return found

    def living(self) -> np.ndarray:
        """Primary keys of all chunks that count."""
        kept = [part.columns.chunks if part.dead is None else part.columns.chunks[~part.dead] for part in self.parts]
        return np.concatenate(kept) if kept else np.zeros(0, np.int64)

    def memory_of(self, rows: Sequence[int]) -> list[UUID]:
        return [self.parts[owner].memory for owner in self._owners(np.asarray(rows, np.int64)).tolist()]

    def by_memory(self, rows: np.ndarray) -> dict[UUID, int]:
        """How many of the rows lie in each memory."""
        counts: dict[UUID, int] = {}
        for place, count in zip(*np.unique(self._owners(rows), return_counts=True), strict=True):
            memory = self.parts[int(place)].memory
            counts[memory] = counts.get(memory, 0) + int(count)
        return counts

    def _owners(self, rows: np.ndarray) -> np.ndarray:
        """Places of the parts that rows lie in."""
        return np.searchsorted(self._starts, rows, "right") - 1

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.array([part.start for part in self.parts], np.int64)


Dead = Callable[[Part, np.ndarray], np.ndarray | None]


class Reach(NamedTuple):
    """What is true, as SQL, of the rows `m` of the memories that are searched."""

    sql: str
    params: tuple[Any, ...]

    @classmethod
    def of(cls, memories: QuerySet[Memory]) -> "Reach":
        return cls.within(*sql_of(memories))

    @classmethod
    def within(cls, sql: str, params: tuple[Any, ...]) -> "Reach":
        """Of the memories whose primary keys it selects."""
        return cls(f"m.id IN ({sql})", params)


SEGMENTS = """
SELECT s.id, m.id, m.head_hash, s.size, s.terms, s.languages
FROM search_segment AS s JOIN memories_memory AS m ON m.id = s.memory_id WHERE {} ORDER BY m.id, s.last
"""
COUNTS = """
SELECT segment_id, term, count, CASE WHEN count <= %s THEN data END
FROM search_posting WHERE segment_id = ANY(%s) AND term = ANY(%s)
UNION ALL SELECT id, NULL, 0, NULL FROM search_segment WHERE id = ANY(%s)
"""  # the second part tells a segment that holds none of the terms from one that is gone
PLACES = "SELECT segment_id, term, data FROM search_posting WHERE segment_id = ANY(%s) AND term = ANY(%s)"


def load(reach: Reach, dead: Dead | None = None) -> Table:
    """`dead`, given a part and the commit that removed each of its chunks, says which do not count (None: no chunk);
    by default those that were removed."""
    rows = fetch(SEGMENTS.format(reach.sql), reach.params)
    parts, start, terms, languages = [], 0, 0, set()
    columns = _columns([pk for pk, *_ in rows])
    if len(columns) < len(rows):
        raise Moved
    for pk, memory, head, size, total, names in rows:
        parts.append(Part(pk, memory, head, size, start, columns[pk], tuple(names)))
        start, terms = start + size, terms + total
        languages |= set(names)
    removed = _removed(parts)
    for part in parts:
        part.dead = dead(part, removed[part.pk]) if dead else _or_none(removed[part.pk] != NEVER)
    living = start - sum(int(part.dead.sum()) for part in parts if part.dead is not None)
    return Table(parts, start, living, terms / max(start, 1), sorted(languages))


def _or_none(dead: np.ndarray) -> np.ndarray | None:
    return dead if dead.any() else None


def _columns(segments: list[int]) -> dict[int, Columns]:
    found = {pk: kept for (_, pk), kept in _kept.some(("columns", pk) for pk in segments).items()}
    missing = [pk for pk in segments if pk not in found]
    if not missing:
        return found
    rows = Segment.objects.filter(pk__in=missing).values_list("pk", "chunks", "documents", "added", "lengths")
    for pk, chunks, documents, added, lengths in rows.iterator():
        found[pk] = Columns(
            np.frombuffer(chunks, "<i8"), np.frombuffer(documents, "<i8"),
            np.frombuffer(added, "<u4"), np.frombuffer(lengths, "<u2"),
        )  # fmt: skip
        _kept.put(("columns", pk), found[pk], 22 * len(found[pk].chunks))
    return found


def _removed(parts: list[Part]) -> dict[int, np.ndarray]:
    """By segment: the commit that removed each chunk, NEVER for a present one."""
    found = {pk: kept for (_, pk, _), kept in _kept.some(("removed", part.pk, part.head) for part in parts).items()}
    missing = [part for part in parts if part.pk not in found]
    if not missing:
        return found
    memories = {part.memory for part in missing}
    rows = Chunk.objects.filter(memory__in=memories, removed__isnull=False).order_by("pk").values_list("pk", "removed")
    gone = np.array(list(rows.iterator(chunk_size=10_000)), np.int64).reshape(-1, 2)
    for part in missing:
        places = np.searchsorted(gone[:, 0], part.columns.chunks)
        there = (
            (places < len(gone)) & (gone[np.minimum(places, len(gone) - 1), 0] == part.columns.chunks)
            if len(gone)
            else None
        )
        removed = np.full(part.size, NEVER, np.uint32)
        if there is not None:
            removed[there] = gone[places[there], 1]
        _kept.put(("removed", part.pk, part.head), removed, removed.nbytes)
        found[part.pk] = removed
    return found


# -- languages


def speaking(part: Part, languages: Collection[str]) -> np.ndarray | None:
    """bool (size,): which chunks are of a document in one of the languages; None where all are."""
    known = [name in languages for name in part.languages]
    if all(known):
        return None
    return np.array([*known, False])[_tongues(part)] if any(known) else np.zeros(part.size, bool)


def _tongues(part: Part) -> np.ndarray:
    """uint8 (size,): the place of each chunk's language among the part's. A document keeps its language."""
    key = ("tongues", part.pk)
    kept = _kept.get(key)
    if kept is None:
        documents, own = np.unique(part.columns.documents, return_inverse=True)
        names = dict(Document.objects.filter(pk__in=documents.tolist()).values_list("pk", "language"))
        place = {name: number for number, name in enumerate(part.languages)}
        numbers = [place.get(names.get(document, ""), len(place)) for document in documents.tolist()]
        kept = np.array(numbers, np.uint8)[own]
        _kept.put(key, kept, kept.nbytes)
    return kept


# -- postings


def counts(table: Table, terms: Collection[str]) -> dict[str, dict[int, int]]:
    """By term and segment, in how many chunks the term stands; removed ones are counted too."""
    found: dict[str, dict[int, int]] = {term: {} for term in terms}
    keys = [("count", part.pk, term) for term in terms for part in table.parts]
    kept = _kept.some(keys)
    for (_, pk, term), count in kept.items():
        if count:
            found[term][pk] = count
    if unknown := [(pk, term) for _, pk, term in keys if ("count", pk, term) not in kept]:
        _ask_counts(table, unknown, found)
    return found


def _ask_counts(table: Table, unknown: list[tuple[int, str]], found: dict[str, dict[int, int]]) -> None:
    known, keep = dict.fromkeys(unknown, 0), _Keeping(table)
    segments, terms = _wanted(unknown)
    there = 0
    for pk, term, count, data in fetch(COUNTS, [FEW, segments, terms, segments]):
        there += term is None
        if (pk, term) in known:
            known[pk, term] = count
            if data is not None:
                keep.impacts(pk, term, data)
    if there < len(segments):
        raise Moved
    for pk, term in unknown:
        count = known[pk, term]
        _kept.put(("count", pk, term), count, 120)
        if count:
            found[term][pk] = count


class Impacts(NamedTuple):
    """What a term counts in the chunks of a segment: BM25 without its rarity, float32. `places` uint16, or None where
    there is a value for every chunk, which is faster to add where many hold the term."""

    places: np.ndarray | None
    values: np.ndarray

    def add_to(self, scores: np.ndarray, factor: np.float32, among: np.ndarray | None = None) -> None:
        """`among`: bool, the chunks in which it counts."""
        if self.places is None:
            scores += factor * (self.values if among is None else self.values * among)
        else:
            places = self.places.astype(np.intp)
            scores[places] += factor * (self.values if among is None else self.values * among[places])

    def mark(self, rows: np.ndarray) -> None:
        """Sets the rows, bool, that hold the term."""
        if self.places is None:
            rows |= self.values > 0
        else:
            rows[self.places.astype(np.intp)] = True

    def within(self, rows: np.ndarray) -> bool:
        """Whether all that hold the term are among the rows, bool."""
        return bool((rows | (self.values == 0)).all() if self.places is None else rows[self.places].all())

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.values.nbytes + (self.places.nbytes if self.places is not None else 0)


def impacts(table: Table, wanted: dict[str, dict[int, int]]) -> dict[tuple[int, str], Impacts]:
    """By segment and term."""
    mean = bm25.even(table.mean)
    kept = _kept.some(("impacts", pk, term, mean) for term, segments in wanted.items() for pk in segments)
    found = {(pk, term): value for (_, pk, term, _), value in kept.items()}
    missing = {(pk, term) for term, segments in wanted.items() for pk in segments} - found.keys()
    if missing:
        keep = _Keeping(table)
        for pk, term, data in fetch(PLACES, _wanted(missing)):
            if (pk, term) in missing:
                found[pk, term] = keep.impacts(pk, term, data)
        if not missing <= found.keys():
            raise Moved
    return found


def standing(table: Table, counts: dict[str, dict[int, int]]) -> set[str]:
    """The terms that chunks which count hold. Places are looked at only where a term is rare enough to stand in dead
    chunks alone, and came along with its count."""
    dead = {part.pk: part.dead for part in table.parts if part.dead is not None}
    most = {pk: min(FEW, int(rows.sum())) for pk, rows in dead.items()}
    doubtful = {
        term: segments
        for term, segments in counts.items()
        if all(count <= most.get(pk, 0) for pk, count in segments.items())
    }
    postings = impacts(table, doubtful)
    gone = {term for term, some in doubtful.items() if all(postings[pk, term].within(dead[pk]) for pk in some)}
    return counts.keys() - gone


class _Keeping:
    """Keeps what postings count in the segments of a table."""

    def __init__(self, table: Table):
        self._mean = bm25.even(table.mean)
        self._lengths = {part.pk: part.columns.lengths for part in table.parts}

    def impacts(self, pk: int, term: str, data: bytes) -> Impacts:
        made = _impacts(data, self._lengths[pk], self._mean)
        _kept.put(("impacts", pk, term, self._mean), made, made.size + 300)
        return made


def _impacts(data: bytes, lengths: np.ndarray, mean: float) -> Impacts:
    places, times = split(data)
    values = bm25.impacts(times, lengths[places], mean)
    if len(places) < MANY * len(lengths):
        return Impacts(places, values)
    whole = np.zeros(len(lengths), np.float32)
    whole[places] = values
    return Impacts(None, whole)


def _wanted(keys: Collection[tuple[int, str]]) -> tuple[list[int], list[str]]:
    """Segments and terms; together they are more than the pairs that are wanted."""
    return list({pk for pk, _ in keys}), list({term for _, term in keys})
