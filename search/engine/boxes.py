"""What an index box holds: which chunks it covers, and their vectors or postings.

The header (small, readable) says format, serial, which serials it replaces, how many chunks, the vectors' dimension
and quantisation, and the name and size of each section of the payload. The payload is the sections one after
another. Every box begins with three columns, `documents`, `orders` and `commits`: a row counts only while the
memory has a living chunk of exactly that document, order key and commit. So nothing in a box needs to be taken
back when a chunk is deleted or replaced, and a memory opened in the past uses the same boxes.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from memories.engine.errors import Damaged
from memories.engine.model import ChunkRef
from search.engine import columns, quantise
from search.engine.keyword import Segment

if TYPE_CHECKING:
    from memories.engine import Memory
    from memories.engine.memory import IndexBox

FORMAT = 1
VECTOR = "vector"
KEYWORD = "keyword"
QUANTISATION = "int8"
ROUNDED = 0.05  # how far quantisation may leave the length of a vector from 1, and more than it does

# What boxes may take: a file that anybody may have made must not claim gigabytes in a few bytes. Real vectors
# and postings hardly shrink by compression; rows alone do.
LARGEST_BOX = 1 << 28
ROOM = 1 << 28  # bytes that all boxes of a kind may inflate to, and more by `RATIO` for each of their bytes
RATIO = 16
ROW_SIZE = 40  # bytes of a chunk's place, and of its length or scale

Sections = dict[str, bytes]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """Which chunk each row of a box belongs to: three int64 columns."""

    documents: np.ndarray
    orders: np.ndarray
    commits: np.ndarray

    @classmethod
    def of(cls, refs: Sequence[ChunkRef]) -> "Rows":
        table = np.array([(ref.document, ref.order, ref.commit) for ref in refs], np.int64).reshape(-1, 3)
        return cls(*table.T)

    def __len__(self) -> int:
        return len(self.documents)

    def sections(self) -> Sections:
        return {name: columns.pack_deltas(getattr(self, name)) for name in ("documents", "orders", "commits")}

    @classmethod
    def read(cls, sections: Mapping[str, bytes], count: int) -> "Rows":
        rows = cls(*(columns.unpack_deltas(sections[name], count) for name in ("documents", "orders", "commits")))
        if not len(rows.documents) == len(rows.orders) == len(rows.commits) == count:
            raise ValueError("its columns differ in length")
        return rows


class Living:
    """The chunks a memory has now (or had at the commit it was opened at), in reading order, by place."""

    def __init__(self, refs: Iterable[ChunkRef]):
        self.refs = list(refs)

    def __len__(self) -> int:
        return len(self.refs)

    @cached_property
    def _place(self) -> dict[tuple[int, int, int], int]:
        return {(ref.document, ref.order, ref.commit): place for place, ref in enumerate(self.refs)}

    def places(self, rows: Rows) -> np.ndarray:
        """For each row the place of its chunk, or -1 when that chunk is gone or was replaced."""
        keys = zip(rows.documents.tolist(), rows.orders.tolist(), rows.commits.tolist(), strict=True)
        return np.array([self._place.get(key, -1) for key in keys], np.int64)


@dataclass(frozen=True)
class Vectors:
    packed: np.ndarray  # int8 (n, d)
    scales: np.ndarray  # float32 (n,)

    @classmethod
    def of(cls, vectors: np.ndarray) -> "Vectors":
        return cls(*quantise.pack(vectors))

    def __len__(self) -> int:
        return len(self.packed)

    def sections(self) -> Sections:
        return {"vectors": columns.deflate(self.packed.tobytes()), "scales": columns.deflate(self.scales.tobytes())}

    @classmethod
    def read(cls, sections: Mapping[str, bytes], dimension: int, count: int) -> "Vectors":
        packed = np.frombuffer(columns.inflate(sections["vectors"], count * dimension), np.int8)
        scales = np.frombuffer(columns.inflate(sections["scales"], count * 4), np.float32)
        return cls(packed.reshape(count, dimension), scales)


def sound(rows: Rows, vectors: Vectors) -> tuple[Rows, Vectors]:
    """Without vectors whose length is not near 1: a long one would be the nearest to every question."""
    squares = np.einsum("ij,ij->i", vectors.packed, vectors.packed, dtype=np.int32)
    with np.errstate(all="ignore"):  # any file may hold infinite scales
        good = np.abs(np.sqrt(squares) * vectors.scales - 1) < ROUNDED
    if good.all():
        return rows, vectors
    kept = Rows(rows.documents[good], rows.orders[good], rows.commits[good])
    return kept, Vectors(vectors.packed[good], vectors.scales[good])


@dataclass(frozen=True)
class Box:
    serial: int
    replaces: frozenset[int]
    rows: Rows
    content: Vectors | Segment


def read(memory: "Memory", kind: str, model: str) -> list[Box]:
    """The boxes that count, oldest first: whole, of this format, and not replaced by a later one.

    One that contradicts itself is left out like one that is not there: its chunks are then not covered,
    searches say so, and the next build covers them.
    """
    boxes, room = [], ROOM
    for box in reversed([box for box in memory.indexes() if (box.kind, box.model) == (kind, model)]):
        room += RATIO * box.size
        if found := _read(box, room):
            room -= _inflated(box.header)
            boxes.append(found)
    boxes.sort(key=lambda box: box.serial)
    gone = frozenset().union(*(box.replaces for box in boxes))
    return [box for box in boxes if box.serial not in gone]


def _read(box: "IndexBox", room: int) -> Box | None:
    header = box.header
    try:
        if header["format"] != FORMAT:
            return None
        if box.size > LARGEST_BOX or not 0 <= _inflated(header) <= room:
            raise ValueError("it is larger than an index may be")
        sections, count = _split(box.load(), header["sections"]), header["chunks"]
        rows = Rows.read(sections, count)
        vectors = box.kind == VECTOR
        content = Vectors.read(sections, header["dimension"], count) if vectors else Segment(sections, count)
        if len(content) != len(rows):
            raise ValueError("it does not hold what its columns say")
        if isinstance(content, Vectors):
            rows, content = sound(rows, content)
        return Box(int(header["serial"]), frozenset(header.get("replaces", ())), rows, content)
    except (Damaged, ValueError, KeyError, TypeError, OverflowError) as error:
        log.warning("an index box was left out: %s", error)
        return None


def _inflated(header: Mapping[str, Any]) -> int:
    """Bytes that a box says it takes; ValueError or TypeError when it says no numbers."""
    count, dimension = header["chunks"], header.get("dimension", 0)
    if not isinstance(count, int) or not isinstance(dimension, int) or min(count, dimension) < 0:
        raise ValueError("its header has odd numbers")
    return count * (ROW_SIZE + dimension)


def _split(payload: bytes, layout: list[list[Any]]) -> Sections:
    sections, start = {}, 0
    for name, size in layout:
        if not 0 <= size <= len(payload) - start:
            raise ValueError("its sections do not fit")
        sections[name] = payload[start : start + size]
        start += size
    return sections


def join(boxes: Sequence[Box], living: Living) -> list[np.ndarray]:
    """For each box, where its rows are among the living chunks, -1 for a row that does not count.

    A chunk counts once, in the newest box that has it, however often two indexers at work wrote it.
    """
    covered = np.zeros(len(living), bool)
    joined = []
    for box in reversed(boxes):
        places = living.places(box.rows)
        found, first = np.unique(places, return_index=True)
        new = found >= 0
        new[new] = ~covered[found[new]]  # nothing may be living: then no place is one
        counted = np.full(len(places), -1)
        counted[first[new]] = found[new]
        covered[found[new]] = True
        joined.append(counted)
    return joined[::-1]


def uncovered(joined: Sequence[np.ndarray], size: int) -> np.ndarray:
    """The places that no box has an entry for."""
    there = np.zeros(size, bool)
    for places in joined:
        there[places[places >= 0]] = True
    return np.flatnonzero(~there)


def gather(parts: Sequence[Vectors], joined: Sequence[np.ndarray]) -> tuple[Vectors, np.ndarray]:
    """All vectors that count as one table, and the place of each one's chunk."""
    kept = [places >= 0 for places in joined]
    if not kept:
        return Vectors(np.zeros((0, 0), np.int8), np.zeros(0, np.float32)), np.zeros(0, np.int64)
    packed = np.concatenate([part.packed[rows] for part, rows in zip(parts, kept, strict=True)])
    scales = np.concatenate([part.scales[rows] for part, rows in zip(parts, kept, strict=True)])
    return Vectors(packed, scales), np.concatenate([p[rows] for p, rows in zip(joined, kept, strict=True)])


def models(memory: "Memory") -> list[str]:
    """The models that the memory has vectors of."""
    return list(dict.fromkeys(box.model for box in memory.indexes() if box.kind == VECTOR))


def widest(memory: "Memory") -> str | None:
    """The model that has made most vectors, None when there is none."""
    sizes = {model: sum(len(box.rows) for box in read(memory, VECTOR, model)) for model in models(memory)}
    return max(sizes, key=sizes.__getitem__, default=None)


def append(
    memory: "Memory",
    kind: str,
    model: str,
    rows: Rows,
    content: Vectors | Segment,
    *,
    replaces: Sequence[Box] = (),
    wait: float = 0.0,
) -> None:
    sections = rows.sections() | content.sections()
    header = {
        "format": FORMAT,
        "serial": _next_serial(memory, kind, model),
        "chunks": len(rows),
        "sections": [[name, len(data)] for name, data in sections.items()],
    }
    if isinstance(content, Vectors):
        header |= {"dimension": content.packed.shape[1], "quantisation": QUANTISATION}
    if replaces:
        header["replaces"] = [box.serial for box in replaces]
    first, last = int(rows.commits.min()), int(rows.commits.max())
    payload = b"".join(sections.values())
    memory.append_index(kind, model, header, payload, first_commit=first, last_commit=last, wait=wait)


def _next_serial(memory: "Memory", kind: str, model: str) -> int:
    # Two indexers at once may both take a number. Should one of the two boxes then be replaced with the other
    # unread, its chunks are merely not covered any more, and the next run covers them.
    serials = [box.header.get("serial") for box in memory.indexes() if (box.kind, box.model) == (kind, model)]
    return max((serial for serial in serials if isinstance(serial, int)), default=0) + 1
