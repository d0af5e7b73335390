"""Reading a memory: documents, chunks, frames and index boxes as of one commit."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from . import varint
from .commits import as_commit
from .container import UserBox
from .errors import Damaged, MemvidError, NotFound, UsageError
from .log import Log
from .model import Chunk, ChunkRef, Commit, Document, parse_chunk_id
from .pages import Kind
from .profiles import Profile
from .records import unpacked
from .state import State, state_at

LONGEST_NUMBER = 18  # digits of a commit number; more are no number


@dataclass(frozen=True)
class IndexBox:
    """Vectors or postings that somebody appended for the chunks of a run of commits."""

    kind: str
    model: str
    first_commit: int
    last_commit: int
    header: dict[str, Any]
    size: int
    load: Callable[[], bytes]


class Reader:
    """A memory file as of its head or of an earlier commit.

    Readers never lock and see the file as it was when they opened it.
    """

    def __init__(self, path: Path, log: Log | None, *, at: int | None = None, settings: dict[str, Any] | None = None):
        self.path = path
        self._log = log
        self._at = at
        self._settings = settings or {}
        self._state: State | None = None
        self._closed = False

    def close(self) -> None:
        self._closed = True
        if self._log is not None:
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _commit_number(self, at: int | str | datetime) -> int:
        infos = self.log.commit_infos
        if isinstance(at, str):
            at = _parse_moment(at)
        if isinstance(at, int):
            if not 1 <= at <= infos[-1]["number"]:
                raise NotFound(f"{self.path} has no commit {at}: its commits are 1 to {infos[-1]['number']}")
            return at
        limit = _milliseconds(at)
        number = max((info["number"] for info in infos if info["time"] <= limit), default=0)
        if not number:
            first = as_commit(infos[0]).time.astimezone().isoformat(timespec="seconds")
            raise NotFound(f"{self.path} did not exist yet at that time: its first commit is of {first}")
        return number

    @property
    def log(self) -> Log:
        self._check_open()
        if self._log is None:
            raise NotFound(f"{self.path} has no commit yet")
        return self._log

    def _check_open(self) -> None:
        if self._closed:
            raise MemvidError(f"{self.path} was closed: open it again")

    @property
    def exists(self) -> bool:
        """Whether there is a commit; a memory that was only created has none, and no file."""
        return self._log is not None

    # -- what it is

    @property
    def id(self) -> str:
        return self.log.memory.hex()

    @property
    def profile(self) -> Profile:
        return self._settings["profile"] if self._log is None else self._log.profile

    @property
    def hardware(self) -> bool:
        """Whether frames are decoded by a hardware decoder."""
        return self.log.hardware

    @property
    def notes(self) -> list[str]:
        """What a reader should know: a torn tail, a rebuilt directory, frames that parity mended."""
        found, log = list(self.log.notes), self.log
        if log.torn:
            found.append(f"{log.torn} bytes after the last whole commit are ignored: the next writer removes them")
        if log.mended:
            found.append(f"parity restored frames {sorted(log.mended)}")
        return found

    @property
    def head(self) -> Commit | None:
        """The commit whose state is shown."""
        if self._log is None:
            return None
        if self._at is None:
            return as_commit(self._log.directory.head)
        return as_commit(self._log.commit_infos[self._at - 1])

    def commits(self) -> list[Commit]:
        return self.log.commits()[: self._at]

    @property
    def state(self) -> State:
        if self._state is None:
            try:
                self._state = state_at(self.log.directory, self._at)
                self._check_counts(self._state)
            except (Damaged, KeyError, TypeError, IndexError):  # a box that lies: the pages know better
                self.log.rebuild()
                self._state = state_at(self.log.directory, self._at)
        return self._state

    def _check_counts(self, state: State) -> None:
        """What the directory's columns add up to must be what the end page says."""
        head = self.log.directory.head if self._at is None else self.log.commit_infos[self._at - 1]
        found = len(state.documents), len(state.chunks["size"]), int(state.chunks["size"].sum(dtype=np.int64))
        if self.log.native and found != (head["documents"], head["chunks"], head["text_bytes"]):
            raise Damaged("the directory does not add up to what the end page says")

    def stats(self) -> dict[str, Any]:
        head = self.log.directory.head if self._at is None else self.log.commit_infos[self._at - 1]
        return {
            "id": self.id, "chunks": head["chunks"], "documents": head["documents"],
            "frames": head["first_frame"] + head["frames"], "commits": head["number"],
            "bytes": self.log.view.length, "text_bytes": head["text_bytes"],
            "codec": self.profile.codec, "profile": self.profile.name,
        }  # fmt: skip

    # -- documents and chunks

    def documents(self) -> list[Document]:
        """Present documents by path."""
        records = sorted(self.state.documents.values(), key=lambda record: record["path"])
        return [self._document(record) for record in records]

    def document(self, wanted: str | int) -> Document:
        """By path or number; raises NotFound."""
        if isinstance(wanted, int):
            record = self.state.documents.get(wanted)
        elif self._at is None and self._state is None:
            record = self.log.directory.find_path(wanted)
        else:
            record = next((r for r in self.state.documents.values() if r["path"] == wanted), None)
        if record is None:
            raise NotFound(f"{self.path} has no document {wanted!r}")
        return self._document(record)

    def _document(self, record: dict[str, Any]) -> Document:
        rows = self.state.chunk_rows(record["number"])
        pages = self.state.chunks["page"][rows]
        commit = self.state.commit_of(int(pages.max())) if len(pages) else 0
        return Document(
            record["number"], record["path"], record["type"], record["encoding"], record["size"],
            bytes.fromhex(record["digest"]), tuple(record["tags"]), record["meta"], record["overlap"],
            record["split"], commit, record.get("original"),
        )  # fmt: skip

    def chunks(self, document: str | int | None = None) -> list[ChunkRef]:
        """Present chunks in reading order; no frame is decoded."""
        table = self.state.chunks
        if document is not None:
            rows = self.state.chunk_rows(self.document(document).number)
            table = {name: values[rows] for name, values in table.items()}
        commits = np.searchsorted(self.state.commit_of_page, table["page"]) + 1
        names = ("document", "order", "page", "span", "size", "lines")
        lists = [table[name].tolist() for name in names]
        return [
            ChunkRef(d, o, c, page, span, size, lines)
            for d, o, page, span, size, lines, c in zip(*lists, commits.tolist(), strict=True)
        ]

    def _row(self, chunk: str | ChunkRef) -> int:
        document, order = (chunk.document, chunk.order) if isinstance(chunk, ChunkRef) else _parse_id(chunk)
        rows = self.state.chunk_rows(document)
        row = rows.start + int(np.searchsorted(self.state.chunks["order"][rows], order))
        if row >= rows.stop or self.state.chunks["order"][row] != order:
            raise NotFound(f"{self.path} has no chunk {chunk if isinstance(chunk, str) else chunk.id}")
        return row

    def ref(self, chunk: str) -> ChunkRef:
        """Where a present chunk lies, by its id; raises NotFound."""
        return self._ref(self._row(chunk))

    def read(self, chunk: str | ChunkRef) -> Chunk:
        """A chunk, its text read from its frame; raises NotFound, or Damaged naming commit and frame."""
        return self._read_row(self._row(chunk))

    def read_many(self, chunks: Iterable[str | ChunkRef]) -> Iterator[Chunk]:
        """In the order of the file, so that each frame is decoded once."""
        rows = sorted((self._row(chunk) for chunk in chunks), key=lambda row: int(self.state.chunks["page"][row]))
        return (self._read_row(row) for row in rows)

    def _read_row(self, row: int) -> Chunk:
        table = self.state.chunks
        ref = self._ref(row)
        text, metadata = self._text(row)
        record = self.state.documents[ref.document]
        start = self.state.chunk_rows(ref.document).start
        line = 1 + int(table["lines"][start:row].sum())
        overlap = record["overlap"]
        before = self._text(row - 1)[0][-overlap:] if overlap and row > start else ""
        return Chunk(ref, record["path"], text, before, metadata or {}, line)

    def _ref(self, row: int) -> ChunkRef:
        table = self.state.chunks
        page = int(table["page"][row])
        return ChunkRef(
            int(table["document"][row]), int(table["order"][row]), self.state.commit_of(page),
            page, int(table["span"][row]), int(table["size"][row]), int(table["lines"][row]),
        )  # fmt: skip

    def _text(self, row: int) -> tuple[str, dict[str, Any] | None]:
        table = self.state.chunks
        page, size = int(table["page"][row]), int(table["size"][row])
        data, metadata = self.log.blocks.piece_text(
            page, int(table["index"][row]), (int(table["document"][row]), int(table["order"][row]))
        )
        if len(data) != size:
            raise Damaged(f"{self.path}, frame {page}: the chunk has {len(data)} bytes where the directory says {size}")
        return data.decode(), metadata

    def text(self, document: str | int) -> str:
        """The whole text of a document."""
        return "".join(self.chunk_texts(document))

    def chunk_texts(self, document: str | int) -> Iterator[str]:
        """The cores of a document in order, one at a time."""
        rows = self.state.chunk_rows(self.document(document).number)
        return (self._text(row)[0] for row in range(rows.start, rows.stop))

    def content(self, document: str | int) -> bytes:
        """The original bytes where they were kept, else the extracted text as UTF-8."""
        found = self.document(document)
        if found.original is not None:
            return self._original(found)
        return self.text(found.number).encode(found.encoding or "utf-8")

    def _original(self, document: Document) -> bytes:
        place = document.original
        info = self.log.commit_infos[place["commit"] - 1]
        directory = self.log.directory
        span = range(info["first_frame"], info["first_frame"] + info["frames"])
        pages = [n for n in span if directory.kind(n) == Kind.ATTACHMENT][place["at"] : place["at"] + place["parts"]]
        data = b""
        for part, number in enumerate(pages):
            page = self.log.page(number)
            facts, at = varint.get_all(page.payload, 0, 3)
            if facts != [document.number, part, place["parts"]]:
                raise Damaged(f"{self.path}, frame {number}: it is not the part of the original that belongs there")
            data += page.payload[at:]
        return unpacked(data, place)

    # -- frames

    def frame_image(self, number: int) -> np.ndarray:
        """(height, width) uint8 luma of frame `number`."""
        return np.array(self.log.luma(number))

    def page_text(self, number: int) -> str:
        """What frame `number` holds, in words for a reader: the text of a records page, else what it is."""
        if not 0 <= number < self.log.directory.pages:
            self.log.luma(number)
        page = self.log.page(number)
        if page.kind == Kind.RECORDS:
            return b"".join(piece.text or b"" for piece in self.log.blocks.at(number).pieces).decode("utf-8", "replace")
        return f"[{page.kind.name.lower().replace('_', ' ')} page of commit {page.commit}]"

    # -- index boxes

    def indexes(self) -> list[IndexBox]:
        """Whole index boxes up to the shown commit, oldest first."""
        limit = self.head.number
        boxes = [_index_box(box) for box in reversed(self.log.index_boxes())]
        return [box for box in boxes if box is not None and box.first_commit <= limit]


def _parse_moment(text: str) -> int | datetime:
    if text.isdecimal() and len(text) <= LONGEST_NUMBER:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is neither a commit number nor a date like 2026-01-31 or 2026-01-31T12:00"
        ) from None
    whole_day = len(text) == 10
    return moment.replace(hour=23, minute=59, second=59, microsecond=999999) if whole_day else moment


def _milliseconds(moment: datetime) -> float:
    """Since 1970 UTC; a moment that another time zone would push out of the calendar is before or after everything."""
    try:
        return moment.astimezone(UTC).timestamp() * 1000
    except (OverflowError, ValueError, OSError):
        return math.inf if moment.year > 1970 else -math.inf


def _parse_id(text: str) -> tuple[int, int]:
    try:
        document, order = parse_chunk_id(text)
        if document >= 1 << 32 or order >= 1 << 63:
            raise ValueError
        return document, order
    except ValueError:
        raise NotFound(f"{text[:40]!r} is not a chunk id like 3.12") from None


def _index_box(box: UserBox) -> IndexBox | None:
    try:
        header = box.header
        first, last = header["commits"]
        load = lambda: box.load("payload")  # noqa: E731
        return IndexBox(header["kind"], header["model"], first, last, header["header"], box.size, load)
    except (KeyError, TypeError, ValueError):
        return None
