"""From sources to records: what is new, what changed, what stays, spooled to disk before anything is encoded."""

import json
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

import zstandard

from .align import Change, OldChunk, OrderExhausted, align
from .errors import IngestError, MemvidError, NotFound
from .model import ORDER_STEP, Draft, Metadata, Outcome, Source
from .present import Known
from .records import Head, Operation, build, deflate_json, may_inflate

MAX_PATH = 1024
MAX_RECORD = 1200  # compressed bytes of a document record, which is never cut
MAX_METADATA = 1000  # bytes of JSON; more is shortened, so that a record always fits a page
SAMPLE = 8192
MOST_SAMPLES = 800
SOURCE = "source"  # in the metadata of a document that was edited


@contextmanager
def spooling() -> Iterator[None]:
    """A full disk is no fault of the source that is being read: the whole run ends, and says which folder is full."""
    try:
        yield
    except OSError as error:
        folder = tempfile.tempdir or "the folder for temporary files"
        raise MemvidError(
            f"{folder} cannot hold the working files: {error.strerror or error}; "
            "free some space, or name another folder in TMPDIR"
        ) from None


class Spool:
    """Records in order, in a temporary file; remembers samples of the text for a dictionary."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=1 << 20, prefix="memvid-spool-")  # noqa: SIM115
        self.text_bytes = self.put = self.deleted = self.records = 0
        self._samples: list[bytes] = []
        self._every, self._since = 1, 0
        self.example = b""  # a document record, as pages hold it

    def add(self, record: Operation | Head) -> None:
        with spooling():
            pickle.dump(record, self._file, protocol=5)
        self.records += 1
        if isinstance(record, Operation):
            if record.text is None:
                self.deleted += 1
            else:
                self.put += 1
                self.text_bytes += len(record.text)
                self._sample(record.text)
        elif record.put is not None:
            self.example = build([record], [])[1]

    def _sample(self, text: bytes) -> None:
        self._since += len(text)
        if self._samples and len(self._samples[-1]) < SAMPLE:
            self._samples[-1] += text
        elif self._since >= self._every:
            self._samples.append(text)
            self._since = 0
        if len(self._samples) > MOST_SAMPLES:
            self._samples, self._every = self._samples[::2], max(SAMPLE, self._every) * 2

    @property
    def samples(self) -> list[bytes]:
        return self._samples

    def mark(self) -> tuple[int, ...]:
        return self._file.tell(), self.text_bytes, self.put, self.deleted, self.records

    def rewind(self, mark: tuple[int, ...]) -> None:
        """Forgets everything since the mark."""
        with spooling():
            self._file.seek(mark[0])
            self._file.truncate()
        _, self.text_bytes, self.put, self.deleted, self.records = mark

    def __iter__(self) -> Iterator[Operation | Head]:
        with spooling():
            self._file.seek(0)
        for _ in range(self.records):
            yield pickle.load(self._file)

    def close(self) -> None:
        with suppress(OSError):  # what could not be written is not wanted any more
            self._file.close()


@dataclass
class Attachment:
    """Original bytes waiting in a temporary file."""

    document: int
    offset: int
    length: int
    size: int  # of the original
    packed: bool  # zstd


@dataclass
class Changes:
    """One commit's worth of records and what they add up to."""

    spool: Spool = field(default_factory=Spool)
    attachments: list[Attachment] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    documents: int = 0  # how many more documents there are
    chunks: int = 0
    text_bytes: int = 0
    next_document: int = 1
    _blobs: Any = field(default_factory=lambda: tempfile.SpooledTemporaryFile(max_size=1 << 20))  # noqa: SIM115

    @property
    def empty(self) -> bool:
        return self.spool.records == 0

    def attach(self, document: int, original: bytes) -> None:
        packed = zstandard.ZstdCompressor(level=12).compress(original)
        smaller = len(packed) < len(original) and may_inflate(len(original), len(packed))
        data = packed if smaller else original
        with spooling():
            self._blobs.seek(0, 2)
            self.attachments.append(Attachment(document, self._blobs.tell(), len(data), len(original), smaller))
            self._blobs.write(data)

    def blob(self, attachment: Attachment) -> bytes:
        with spooling():
            self._blobs.seek(attachment.offset)
            return self._blobs.read(attachment.length)

    def close(self) -> None:
        self.spool.close()
        with suppress(OSError):
            self._blobs.close()


class Planner:
    def __init__(self, present: Known, next_document: int):
        self._present = present
        self.changes = Changes(next_document=next_document)
        self._seen: set[str] = set()
        self._copied: dict[str, dict[str, Any]] = {}

    def put(self, source: Source) -> Outcome:
        mark, totals = self.changes.spool.mark(), self._totals()
        try:
            outcome = self._put(source)
        except (IngestError, OSError, UnicodeError) as error:
            self.changes.spool.rewind(mark)
            self._restore(totals)
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            outcome = Outcome(source.path, "failed", reason)
        self.changes.outcomes.append(outcome)
        return outcome

    def _totals(self) -> tuple[int, int, int, int, int]:
        changes = self.changes
        return changes.documents, changes.chunks, changes.text_bytes, changes.next_document, len(changes.attachments)

    def _restore(self, totals: tuple[int, int, int, int, int]) -> None:
        changes = self.changes
        changes.documents, changes.chunks, changes.text_bytes, changes.next_document, attachments = totals
        del changes.attachments[attachments:]

    def _put(self, source: Source) -> Outcome:
        check_path(source.path)
        if source.path in self._seen:
            raise IngestError("another input of this run has the same path")
        self._seen.add(source.path)
        record = self._present.find_path(source.path)
        if record is None:
            return self._new(source)
        if (source.digest.hex(), source.split, tuple(source.tags)) in (_facts(record), _source_facts(record)):
            return Outcome(source.path, "unchanged", document=record["number"])
        return self._changed(source, record)

    def _new(self, source: Source) -> Outcome:
        changes = self.changes
        number = changes.next_document
        changes.next_document += 1
        changes.documents += 1
        self._record(source, number)
        count = 0
        for count, draft in enumerate(_filled(source.drafts()), 1):
            self._operation(number, count * ORDER_STEP, draft.text, draft.metadata)
        return Outcome(source.path, "stored", document=number, chunks=count)

    def _changed(self, source: Source, record: dict[str, Any]) -> Outcome:
        number = record["number"]
        old = self._present.old_chunks(number)
        drafts = list(_filled(source.drafts()))
        same = record["split"] == source.split
        try:
            operations = align(old, drafts, source.max_chunk, source.settled) if same else _afresh(old, drafts)
        except OrderExhausted:
            operations = _afresh(old, drafts)
        self._record(source, number)
        sizes = {chunk.order: len(chunk.text.encode()) for chunk in old}
        for change in operations:
            if change.order in sizes:
                self.changes.text_bytes -= sizes[change.order]
                self.changes.chunks -= 1
            self._operation(number, change.order, change.text, change.metadata)
        return Outcome(source.path, "stored", "changed", document=number, chunks=len(operations))

    def _record(self, source: Source, number: int) -> None:
        record = {
            "number": number, "path": source.path, "type": source.media_type, "encoding": source.encoding,
            "size": source.size, "digest": source.digest.hex(), "tags": list(source.tags),
            "meta": fit_metadata(source.metadata), "overlap": source.overlap, "split": source.split,
        }  # fmt: skip
        if len(deflate_json(record)) > MAX_RECORD:
            raise IngestError("its path, tags and metadata are too long for one page")
        if source.encoding is None and source.original is not None:
            self.changes.attach(number, source.original())
        self.changes.spool.add(Head(put=record))

    def _operation(self, number: int, order: int, text: str | None, metadata: Metadata | None) -> None:
        data = None if text is None else text.encode()
        self.changes.spool.add(Operation(number, order, data, fit_metadata(metadata) if metadata else None))
        if data is not None:
            self.changes.chunks += 1
            self.changes.text_bytes += len(data)

    def remove(self, path: str) -> Outcome:
        record = self._present.find_path(path)
        if record is None or path in self._seen:
            raise NotFound(f"there is no document {path!r} in this memory")
        self._seen.add(path)
        chunks, size = self._present.chunk_stats(record["number"])
        self.changes.spool.add(Head(delete=record["number"]))
        self.changes.spool.deleted += chunks
        self.changes.documents -= 1
        self.changes.chunks -= chunks
        self.changes.text_bytes -= size
        outcome = Outcome(path, "removed", document=record["number"], chunks=chunks)
        self.changes.outcomes.append(outcome)
        return outcome

    def edit(self, path: str, edits: Iterable[Change], metadata: Metadata | None = None) -> Outcome:
        """Puts and deletes single chunks of a document; a put without metadata keeps what the chunk had.

        A text document's record then describes the edited text, so that it still gives back what it says. `metadata`
        is added to the document's.
        """
        record = self._present.find_path(path)
        if record is None or path in self._seen:
            raise NotFound(f"there is no document {path!r} in this memory")
        self._seen.add(path)
        chunks = {chunk.order: chunk for chunk in self._present.old_chunks(record["number"])}
        edits = [edit for edit in edits if _differs(chunks.get(edit.order), edit)]
        if not edits:
            return self._edited(Outcome(path, "unchanged", document=record["number"]))
        texts = {order: chunk.text for order, chunk in chunks.items()} | {edit.order: edit.text for edit in edits}
        if "original" not in record and record["encoding"] is not None:
            record = _describing("".join(texts[order] or "" for order in sorted(texts)), record)
        self.rewrite({**record, "meta": fit_metadata({**record["meta"], **(metadata or {})})})
        for edit in edits:
            if (old := chunks.get(edit.order)) is not None:
                self.changes.chunks -= 1
                self.changes.text_bytes -= len(old.text.encode())
            kept = old.metadata if old is not None and edit.metadata is None else edit.metadata
            self._operation(record["number"], edit.order, edit.text or None, kept if edit.text else None)
        return self._edited(Outcome(path, "stored", "changed", document=record["number"], chunks=len(edits)))

    def _edited(self, outcome: Outcome) -> Outcome:
        self.changes.outcomes.append(outcome)
        return outcome

    def rewrite(self, record: dict[str, Any]) -> None:
        """Puts a document's record again: another path, other tags or metadata; its chunks stay."""
        self.changes.spool.add(Head(put=record))

    def present(self, path: str) -> dict[str, Any] | None:
        """The record at a path, in the memory or among what this plan has put."""
        return self._copied.get(path) or self._present.find_path(path)

    def chunks(self, number: int) -> list[OldChunk]:
        """A document's, as the memory has them."""
        return self._present.old_chunks(number)

    def copy(
        self,
        record: dict[str, Any],
        chunks: Iterable[tuple[int, str, Metadata]],
        original: bytes | None,
        number: int | None,
    ) -> Outcome:
        """A document of another memory, with its own chunks and order keys, under its number or (None) the next one."""
        changes = self.changes
        number = number or changes.next_document
        changes.next_document = max(changes.next_document, number + 1)
        self._copied[record["path"]] = record
        changes.documents += 1
        if original is not None:
            changes.attach(number, original)
        changes.spool.add(Head(put={k: v for k, v in record.items() if k != "original"} | {"number": number}))
        count = 0
        for order, text, metadata in chunks:
            self._operation(number, order, text, metadata)
            count += 1
        outcome = Outcome(record["path"], "stored", document=number, chunks=count)
        changes.outcomes.append(outcome)
        return outcome


def _differs(chunk: OldChunk | None, edit: Change) -> bool:
    if chunk is None:
        return bool(edit.text)
    return (edit.text or "") != chunk.text or edit.metadata not in (None, chunk.metadata)


def _describing(text: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record with digest and size of `text`, in UTF-8 where its encoding lacks a character of it."""
    try:
        encoding, data = record["encoding"], text.encode(record["encoding"])
        if data.decode(encoding) != text:
            raise UnicodeError
    except (UnicodeError, LookupError):
        encoding, data = "utf-8", text.encode()
    return {**record, "encoding": encoding, "size": len(data), "digest": sha256(data).hexdigest()}


def _facts(record: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """What decides whether a document has changed."""
    return record["digest"], record["split"], tuple(record["tags"])


def _source_facts(record: dict[str, Any]) -> tuple[Any, str, tuple[str, ...]]:
    """The same of the file that a document came from, where it was edited since: that file again changes nothing."""
    source = record["meta"].get(SOURCE)
    return source.get("digest") if isinstance(source, dict) else None, record["split"], tuple(record["tags"])


def source_of(record: dict[str, Any], commit: int) -> Metadata:
    """What an edit notes in a document's metadata: the commit and digest of the file that it was before."""
    return {SOURCE: record["meta"].get(SOURCE) or {"commit": commit, "digest": record["digest"]}}


def _filled(drafts: Iterable[Draft]) -> Iterator[Draft]:
    return (draft for draft in drafts if draft.text)


def _afresh(old: list[OldChunk], drafts: list[Draft]) -> list[Change]:
    fresh = [Change((i + 1) * ORDER_STEP, draft.text, draft.metadata) for i, draft in enumerate(drafts)]
    taken = {change.order for change in fresh}
    return fresh + [Change(chunk.order, None) for chunk in old if chunk.order not in taken]


def check_path(path: str) -> None:
    """Raises IngestError unless `path` is a relative POSIX path that stays inside any folder it is joined to."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise IngestError("its name is not valid Unicode: rename it") from None
    parts = PurePosixPath(path).parts
    if not path or size > MAX_PATH or "\0" in path:
        raise IngestError(f"its path is empty, holds NUL or is longer than {MAX_PATH} bytes")
    if path.startswith("/") or ".." in parts or not parts:
        raise IngestError("its path leaves the folder: use a relative path without '..'")
    if path != (normal := PurePosixPath(path).as_posix()):
        raise IngestError(f"its path is not written plainly: use {normal!r}")


def fit_metadata(metadata: Metadata) -> Metadata:
    """The metadata, or a shortened form that says so, within MAX_METADATA bytes of JSON."""
    try:
        if len(json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()) <= MAX_METADATA:
            return metadata
    except (TypeError, ValueError, UnicodeEncodeError) as error:
        raise IngestError(f"its metadata cannot be stored as JSON ({error})") from None
    keep = 16
    while keep:
        short = {str(key)[:60]: _shortened(value, keep) for key, value in list(metadata.items())[:16]}
        short["shortened"] = True
        if len(json.dumps(short, ensure_ascii=False).encode()) <= MAX_METADATA:
            return short
        keep //= 2
    return {"shortened": True}


def _shortened(value: Any, keep: int) -> Any:
    if isinstance(value, str):
        return value[: keep * 8]
    if isinstance(value, list):
        return [_shortened(item, keep) for item in value[:keep]]
    if isinstance(value, dict):
        return {str(key)[:60]: _shortened(item, keep) for key, item in list(value.items())[:keep]}
    return value
