"""The words of the engine: what goes in (Source, Draft) and what comes out (Document, Chunk, Commit)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

Metadata = dict[str, Any]

# Order keys start this far apart, so that 24 chunks can be put between any two neighbours by halving.
ORDER_STEP = 1 << 24


class Draft(NamedTuple):
    """A chunk before it has a place: its core text and position-independent metadata."""

    text: str
    metadata: Metadata | None = None


@dataclass
class Source:
    """A document on its way in.

    `drafts` is called at most once per commit and may stream; the drafts' texts, joined, are the
    document's whole text. With an `encoding`, that text encoded is the original file byte for byte;
    without one the text was extracted and `original` (if any) returns the original bytes.
    """

    path: str
    digest: bytes  # SHA-256 of the original bytes
    drafts: Callable[[], Iterable[Draft]]
    size: int = 0  # original bytes
    media_type: str = "text/plain"
    encoding: str | None = "utf-8"
    original: Callable[[], bytes] | None = None
    tags: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    overlap: int = 50
    max_chunk: int = 1500
    settled: bool = True  # False: the parser met errors, so chunks that did not change keep their metadata
    split: str = ""  # names how it was cut (parser and sizes); another value re-chunks an unchanged file


@dataclass(frozen=True)
class Outcome:
    """What became of one input: stored, unchanged, skipped, failed, removed (and why)."""

    path: str
    state: str
    reason: str = ""
    document: int | None = None
    chunks: int = 0


@dataclass(frozen=True)
class Document:
    number: int
    path: str
    media_type: str
    encoding: str | None
    size: int
    digest: bytes
    tags: tuple[str, ...]
    metadata: Metadata
    overlap: int
    split: str
    commit: int  # the commit that last changed it
    original: Metadata | None = None  # where the original bytes lie


class ChunkRef(NamedTuple):
    """Where a chunk lies; knowing it needs no frame."""

    document: int
    order: int
    commit: int
    frame: int
    frames: int  # how many consecutive frames hold it
    size: int  # UTF-8 bytes of the core
    lines: int  # newlines in the core

    @property
    def id(self) -> str:
        return chunk_id(self.document, self.order)


@dataclass(frozen=True)
class Chunk:
    """A chunk read back from its frames; `line` is the first line of its core, counted from 1."""

    ref: ChunkRef
    path: str
    text: str
    before: str
    metadata: Metadata
    line: int

    @property
    def id(self) -> str:
        return self.ref.id


@dataclass(frozen=True)
class Commit:
    number: int
    time: datetime
    author: str
    message: str
    put: int  # chunks put
    deleted: int  # chunks deleted
    frames: int
    first_frame: int
    request_id: str
    hash: bytes
    metadata: Metadata = field(default_factory=dict)  # roots, origin of a merge


def chunk_id(document: int, order: int) -> str:
    whole, rest = divmod(order, ORDER_STEP)
    return f"{document}.{whole}.{rest}" if rest else f"{document}.{whole}"


def parse_chunk_id(text: str) -> tuple[int, int]:
    """Returns (document number, order key); ValueError on anything else."""
    parts = [int(part) for part in text.split(".")]
    if len(parts) not in (2, 3) or min(parts) < 0:
        raise ValueError(f"not a chunk id: {text!r}")
    document, whole, rest = parts if len(parts) == 3 else (*parts, 0)
    return document, whole * ORDER_STEP + rest
