"""The public face of a memory file."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from . import locks, varint
from .align import OldChunk
from .changes import Changes, Planner
from .commits import as_commit
from .container import INDEX, UserBox, make_box
from .directory import Columns
from .errors import Conflict, Damaged, MemvidError, NotFound, Unsupported, UsageError
from .log import Log
from .model import Chunk, ChunkRef, Commit, Document, Outcome, Source, parse_chunk_id
from .pages import FORMAT, Kind
from .state import State, newest, state_at
from .video import Profile, choose_profile
from .writer import CommitWriter, Note, Target, payload_limit

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CommitResult:
    """`commit` is None when nothing changed; `repeated` says that the request id had been committed before."""

    commit: Commit | None
    outcomes: list[Outcome] = field(default_factory=list)
    repeated: bool = False


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


class Memory:
    """A memory file, opened for reading as of its head or of an earlier commit.

    Readers never lock and see the file as it was when they opened it. Writing methods take the writer
    lock, append, and show the new head afterwards.
    """

    def __init__(self, path: Path, log: Log | None, *, at: int | None = None, settings: dict[str, Any] | None = None):
        self.path = path
        self._log = log
        self._at = at
        self._settings = settings or {}
        self._state: State | None = None

    # -- opening

    @classmethod
    def create(
        cls, path: str | os.PathLike, profile: str = "compact", codec: str | None = None, config: Any = None
    ) -> "Memory":
        """A memory that its first commit will write to `path`; nothing must be there.

        `config` may carry `video` and `qr` sections (see Config) that override the profile's settings.
        """
        path = Path(path)
        if path.exists():
            raise MemvidError(f"{path} exists already: append to it, or choose another name")
        chosen = _profile(profile, codec, config)
        payload_limit(chosen)
        return cls(path, None, settings={"profile": chosen, **_reading(config)})

    @classmethod
    def open(cls, path: str | os.PathLike, at: int | str | datetime | None = None, config: Any = None) -> "Memory":
        """Raises NotFound, NotAMemory or Damaged. `at` is a commit number or a time (naive means local)."""
        reading = _reading(config)
        log = Log(Path(path), **reading)
        memory = cls(Path(path), log, settings=reading)
        try:
            memory._at = memory._commit_number(at) if at is not None else None
        except BaseException:
            log.close()
            raise
        return memory

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def __enter__(self) -> "Memory":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def settle_profile(self, profile: Profile) -> None:
        """Sets how a memory that has no commit yet will be drawn."""
        if self._log is not None:
            raise UsageError("a memory that has commits keeps its profile")
        payload_limit(profile)
        self._settings["profile"] = profile

    def _commit_number(self, at: int | str | datetime) -> int:
        infos = self.log.commit_infos
        if isinstance(at, str):
            at = _parse_moment(at)
        if isinstance(at, int):
            if not 1 <= at <= infos[-1]["number"]:
                raise NotFound(f"{self.path} has no commit {at}: its commits are 1 to {infos[-1]['number']}")
            return at
        limit = at.astimezone(UTC).timestamp() * 1000
        number = max((info["number"] for info in infos if info["time"] <= limit), default=0)
        if not number:
            first = as_commit(infos[0]).time.astimezone().isoformat(timespec="seconds")
            raise NotFound(f"{self.path} did not exist yet at that time: its first commit is of {first}")
        return number

    @property
    def log(self) -> Log:
        if self._log is None:
            raise NotFound(f"{self.path} has no commit yet")
        return self._log

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
        mended = sorted(self.log.mended)
        return self.log.notes + ([f"parity restored frames {mended}"] if mended else [])

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
            except (Damaged, KeyError, TypeError, IndexError):  # a box that lies: the pages know better
                self.log.rebuild()
                self._state = state_at(self.log.directory, self._at)
        return self._state

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
        data, metadata = self.log.piece_text(page, int(table["index"][row]))
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
        if place["packed"]:
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=place["size"])
        if len(data) != place["size"]:
            raise Damaged(f"{self.path}: the original of {document.path} is not whole")
        return data

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
            return b"".join(piece.text or b"" for piece in self.log.block(number).pieces).decode("utf-8", "replace")
        return f"[{page.kind.name.lower().replace('_', ' ')} page of commit {page.commit}]"

    # -- writing

    def commit(
        self,
        sources: Iterable[Source],
        *,
        remove: Iterable[str] = (),
        message: str = "",
        author: str = "",
        request_id: str | None = None,
        expected_parent: bytes | None = None,
        roots: Iterable[dict[str, Any]] = (),
        metadata: dict[str, Any] | None = None,
        wait: float = 0.0,
        progress: Progress | None = None,
    ) -> CommitResult:
        """Stores the sources and removes the documents at `remove`, all or nothing.

        Acknowledged means on disk and read back. A repeated `request_id` answers with the earlier
        commit. Raises Conflict when the head is not `expected_parent` (a commit hash), Locked when
        another writer holds the file for longer than `wait` seconds.
        """
        facts = dict(metadata or {})
        if kept := list(roots):
            facts["roots"] = kept

        def plan(planner: Planner) -> None:
            for source in sources:
                planner.put(source)
            for path in remove:
                planner.remove(path)

        note = Note(author, message, request_id or "", facts)
        return self.apply(plan, note, expected_parent=expected_parent, wait=wait, progress=progress)

    def remove(self, paths: Iterable[str], **options: Any) -> CommitResult:
        """Deletes documents; their text stays in the history until the memory is vacuumed or erased."""
        return self.commit([], remove=paths, **options)

    def apply(
        self,
        plan: Callable[[Planner], None],
        note: Note,
        *,
        expected_parent: bytes | None = None,
        wait: float = 0.0,
        progress: Progress | None = None,
        even_if_empty: bool = False,
    ) -> CommitResult:
        """Lets `plan` fill a planner under the writer lock, then writes what it planned."""
        if self._at is not None:
            raise UsageError("a memory opened as of an earlier commit cannot be written: open it without `at`")
        if self._log is None and not self.path.exists():
            return self._create(plan, note, progress, even_if_empty)
        with locks.writer(self.path, wait) as descriptor:
            self._refresh()
            if (earlier := self._earlier(note.request)) is not None:
                return CommitResult(earlier, repeated=True)
            self._check_writable(descriptor, expected_parent)
            planner = Planner(_Present(self), self.log.directory.head["next_document"])
            try:
                plan(planner)
                if planner.changes.empty and not even_if_empty:
                    return CommitResult(None, planner.changes.outcomes)
                info = CommitWriter(self._target(descriptor), planner.changes, note, progress).write()
            finally:
                planner.changes.close()
            self._refresh()
        return CommitResult(as_commit(info), planner.changes.outcomes)

    def _create(
        self, plan: Callable[[Planner], None], note: Note, progress: Progress | None, even_if_empty: bool
    ) -> CommitResult:
        """The first commit: written beside its final name and linked there when it is whole."""
        profile = self._settings["profile"]
        memory = secrets.token_bytes(16)
        manifest = {"format": FORMAT, "id": memory.hex(), "profile": profile.as_dict()}
        planner = Planner(_Nothing(), 1)
        temporary = None
        try:
            plan(planner)
            if planner.changes.empty and not even_if_empty:
                return CommitResult(None, planner.changes.outcomes)
            descriptor, temporary = _temporary(self.path)
            try:
                target = Target(descriptor, profile, manifest, memory)
                info = CommitWriter(target, planner.changes, note, progress).write()
            finally:
                os.close(descriptor)
            publish(temporary, self.path)
        finally:
            planner.changes.close()
            if temporary is not None and os.path.exists(temporary):
                os.unlink(temporary)
        self._refresh()
        return CommitResult(as_commit(info), planner.changes.outcomes)

    def _refresh(self) -> None:
        """Shows the file as it is now."""
        if self._log is not None and self._log.is_current():
            return
        log = Log(self.path, **{key: value for key, value in self._settings.items() if key != "profile"})
        if self._log is not None:
            if log.memory != self._log.memory:
                log.close()
                raise Conflict(f"{self.path} was replaced by another memory: open it again")
            self._log.close()
        self._log, self._state = log, None

    def _earlier(self, request: str) -> Commit | None:
        if not request:
            return None
        return next((as_commit(info) for info in self.log.commit_infos if info["request"] == request), None)

    def _check_writable(self, descriptor: int, expected_parent: bytes | None) -> None:
        if not self.log.native:
            raise Unsupported(f"{self.path} was re-muxed and cannot be appended to: `memvid vacuum` writes one that can")
        if expected_parent is not None and expected_parent.hex() != self.log.directory.head["hash"]:
            raise Conflict(f"{self.path} has moved on to commit {self.log.directory.head['number']}: look at it and try again")
        if self.log.length < self.log.view.length:
            os.ftruncate(descriptor, self.log.length)
            os.fsync(descriptor)

    def _target(self, descriptor: int) -> Target:
        log = self.log
        return Target(
            descriptor, log.profile, log.manifest, log.memory, log.length, log.init, log.directory,
            log.newest_index, lambda: log.dictionary(log.directory.pages),
        )  # fmt: skip

    # -- index boxes

    def indexes(self) -> list[IndexBox]:
        """Whole index boxes up to the shown commit, oldest first."""
        limit = self.head.number
        boxes = [_index_box(box) for box in reversed(self.log.index_boxes())]
        return [box for box in boxes if box is not None and box.first_commit <= limit]

    def append_index(
        self, kind: str, model: str, header: dict[str, Any], payload: bytes, *,
        first_commit: int, last_commit: int, wait: float = 0.0,
    ) -> None:  # fmt: skip
        """Adds a derived box, outside the hash chain, under the writer lock."""
        with locks.writer(self.path, wait) as descriptor:
            self._refresh()
            self._check_writable(descriptor, None)
            facts = {
                "kind": kind, "model": model, "commits": [first_commit, last_commit], "header": header,
                "directory": self._newest_directory(), "previous": self.log.newest_index,
            }  # fmt: skip
            _append_box(descriptor, self.log.length, make_box(INDEX, facts, {"payload": payload}))
            self._refresh()

    def _newest_directory(self) -> int:
        box = self.log.directory.segments[-1].box
        if box < 0:
            raise Damaged(f"{self.path} has lost its directory: append a commit or run `memvid repair` first")
        return box

    # -- whole-file operations, in maintenance.py

    def verify(self, progress: Progress | None = None) -> Any:
        from .maintenance import verify

        return verify(self, progress)

    def diff(self, other: "Memory") -> Any:
        from .diff import diff

        return diff(self, other)

    def export(self, folder: str | os.PathLike) -> list[Outcome]:
        from .maintenance import export

        return export(self, Path(folder))

    def vacuum(self, out: str | os.PathLike, config: Any = None, progress: Progress | None = None) -> "Memory":
        from .rewrite import vacuum

        return vacuum(self, Path(out), config, progress)

    def erase(self, paths: Iterable[str], out: str | os.PathLike, progress: Progress | None = None) -> "Memory":
        from .rewrite import erase

        return erase(self, list(paths), Path(out), progress)

    @staticmethod
    def repair(path: str | os.PathLike, out: str | os.PathLike, progress: Progress | None = None) -> Any:
        from .rewrite import repair

        return repair(Path(path), Path(out), progress)

    @staticmethod
    def merge(out: str | os.PathLike, sources: Iterable[str | os.PathLike], config: Any = None, **options: Any) -> "Memory":
        from .rewrite import merge

        return merge(Path(out), [Path(source) for source in sources], config, **options)


class _Present:
    """What the planner asks, answered from the directory without computing the whole state."""

    def __init__(self, memory: Memory):
        self._memory = memory

    def find_path(self, path: str) -> dict[str, Any] | None:
        return self._memory.log.directory.find_path(path)

    def _rows(self, document: int) -> Columns:
        return newest(self._memory.log.directory.operations_of(document))

    def chunk_stats(self, document: int) -> tuple[int, int]:
        rows = self._rows(document)
        return len(rows["size"]), int(rows["size"].sum(dtype=np.int64))

    def old_chunks(self, document: int) -> list[OldChunk]:
        rows, found = self._rows(document), []
        for order, page, index in zip(*(rows[name].tolist() for name in ("order", "page", "index")), strict=True):
            data, metadata = self._memory.log.piece_text(page, index)
            found.append(OldChunk(order, data.decode(), metadata or {}))
        return found


class _Nothing:
    """A memory before its first commit."""

    def find_path(self, path: str) -> None:
        return None

    def chunk_stats(self, document: int) -> tuple[int, int]:
        return 0, 0

    def old_chunks(self, document: int) -> list[OldChunk]:
        return []


def _profile(name: str, codec: str | None, config: Any) -> Profile:
    if config is None:
        return choose_profile(name, codec)
    video, qr = config.video, config.qr
    return choose_profile(
        name, codec or video.default_codec or None, video.encoding_threads or 2, fps=_fps(video.fps),
        version=qr.version or None, error=qr.error_correction, scale=qr.box_size or None, border=qr.border,
        width=video.frame_width, height=video.frame_height,
    )  # fmt: skip


def _fps(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _reading(config: Any) -> dict[str, Any]:
    if config is None:
        return {}
    return {"cache_pages": config.search.cache_size, "hardware": config.video.use_hardware_acceleration}


def _parse_moment(text: str) -> int | datetime:
    if text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is neither a commit number nor a date like 2026-01-31 or 2026-01-31T12:00") from None
    whole_day = len(text) == 10
    return moment.replace(hour=23, minute=59, second=59, microsecond=999999) if whole_day else moment


def _parse_id(text: str) -> tuple[int, int]:
    try:
        return parse_chunk_id(text)
    except ValueError:
        raise NotFound(f"{text!r} is not a chunk id like 3.12") from None


def _index_box(box: UserBox) -> IndexBox | None:
    try:
        header = box.header
        first, last = header["commits"]
        load = lambda: box.load("payload")  # noqa: E731
        return IndexBox(header["kind"], header["model"], first, last, header["header"], box.size, load)
    except (KeyError, TypeError, ValueError):
        return None


def _append_box(descriptor: int, position: int, data: bytes) -> None:
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], position + written)
        os.fsync(descriptor)
    except OSError as error:
        os.ftruncate(descriptor, position)
        raise MemvidError(f"the index was not stored: {error.strerror}") from None


def _temporary(path: Path) -> tuple[int, str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise MemvidError(f"{path} cannot be written: {error.strerror}") from None


def publish(temporary: str, path: Path) -> None:
    """Gives the finished file its name unless something has taken it meanwhile; the folder is fsynced too."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise MemvidError(f"{path} exists already: append to it, or choose another name") from None
    except OSError:
        os.rename(temporary, path)  # a file system without hard links
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
