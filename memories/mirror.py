"""Keeps the rows of a memory at the head of its file. The file is the truth: nothing here is written back to it.

1. Under a row lock, compare the commit that the mirror saw last with the file's commit of that number.
2. The same: copy what the commits after it changed. Fewer commits in the file: raise an alarm and change nothing.
3. Another history (a vacuum or an erase rewrote the file): take the mirror down and copy everything.
"""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from collab import events

from .engine import Memory as MemoryFile
from .engine.errors import MemvidError, NotFound
from .engine.history import ChunkChange, DocumentChange, chunk_changes, commits_after, document_changes
from .models import Chunk, Commit, Document, Memory

BATCH = 500
TEXT_SEARCH = "english"


def follow(memory: Memory) -> bool:
    """Brings the rows to the file's head; True when something changed. A file that is gone or damaged is an alarm."""
    try:
        with MemoryFile.open(memory.path) as file:
            return _follow(memory, file)
    except NotFound:
        return memory.head > 0 and _alarm(
            memory, Memory.State.BEHIND, "its file is gone: put it back from a backup, or delete the memory"
        )
    except MemvidError as error:
        return _alarm(memory, Memory.State.DAMAGED, f"{error}")


def _follow(memory: Memory, file: MemoryFile) -> bool:
    with transaction.atomic():
        row = Memory.objects.select_for_update().get(pk=memory.pk)
        commits = {commit.number: commit for commit in file.commits()}
        known = commits.get(row.head)
        if row.head == 0 or (known is not None and known.hash.hex() == row.head_hash and file.id == row.file_id):
            after = row.head
        elif file.id == row.file_id and file.head.number < row.head:
            return _alarm(
                memory,
                Memory.State.BEHIND,
                f"the file ends at commit {file.head.number}, but commit {row.head} was seen before: "
                "put back the newer file, or rebuild the mirror to accept this one",
            )
        else:
            _take_down(row)
            after = 0
        changed = after < file.head.number
        if changed:
            _copy(row, file, after)
        if changed or row.state != Memory.State.READY or row.file_bytes != file.stats()["bytes"]:
            _show_head(row, file)
    memory.refresh_from_db()
    if changed:
        events.memory_changed(memory.workspace_id, memory.pk, memory.head)
    return changed


def rebuild(memory: Memory) -> None:
    """Takes the mirror down and copies the whole file again, whatever it says."""
    with transaction.atomic():
        _take_down(Memory.objects.select_for_update().get(pk=memory.pk))
    memory.refresh_from_db()
    follow(memory)


def _take_down(row: Memory) -> None:
    """Rows of the memory's content; vectors go with their chunks."""
    Document.objects.filter(memory=row).delete()
    Commit.objects.filter(memory=row).delete()
    row.head, row.head_hash = 0, ""
    row.save(update_fields=("head", "head_hash"))


def _alarm(memory: Memory, state: str, reason: str) -> bool:
    if (memory.state, memory.alarm) == (state, reason):
        return False
    Memory.objects.filter(pk=memory.pk).update(state=state, alarm=reason)
    memory.refresh_from_db()
    events.memory_changed(memory.workspace_id, memory.pk, memory.head)
    return True


def _show_head(row: Memory, file: MemoryFile) -> None:
    stats, head = file.stats(), file.head
    row.state, row.alarm = Memory.State.READY, ""
    row.file_id, row.codec, row.profile = file.id, stats["codec"], stats["profile"]
    row.head, row.head_hash, row.frames = head.number, head.hash.hex(), stats["frames"]
    row.file_bytes, row.text_bytes = stats["bytes"], stats["text_bytes"]
    row.documents_count, row.chunks_count = stats["documents"], stats["chunks"]
    row.save()


# -- copying


def _copy(row: Memory, file: MemoryFile, after: int) -> None:
    Commit.objects.bulk_create(
        [
            Commit(
                memory=row, number=c.number, time=c.time, author=_clean(c.author), message=_clean(c.message),
                request_id=_clean(c.request_id), hash=c.hash.hex(), first_frame=c.first_frame, frames=c.frames,
                put=c.put, deleted=c.deleted, metadata=_clean_json(c.metadata),
            )
            for c in commits_after(file, after)
        ],
        batch_size=BATCH,
    )  # fmt: skip
    documents = _Documents(row)
    gone: list[tuple[int, int]] = []
    for change in document_changes(file, after):
        if change.record is None:
            gone.append((change.number, change.commit))
        documents.take(change)
    documents.save()
    _copy_chunks(row, documents.keys(), chunk_changes(file, after))
    for number, commit in gone:
        chunks = Chunk.objects.present().filter(memory=row, document__number=number, added__lte=commit)
        chunks.update(removed=commit)


class _Documents:
    """The document rows that a run of commits touches."""

    def __init__(self, row: Memory):
        self._memory = row
        self._rows: dict[int, Document] = {}

    def take(self, change: DocumentChange) -> None:
        row = self._rows.get(change.number) or self._known(change.number)
        if change.record is None:
            if row is not None:
                row.removed = change.commit
        else:
            row = row or Document(memory=self._memory, number=change.number, added=change.commit)
            _fill(row, change)
        if row is not None:
            self._rows[change.number] = row

    def _known(self, number: int) -> Document | None:
        return Document.objects.filter(memory=self._memory, number=number).first()

    def save(self) -> None:
        new = [row for row in self._rows.values() if row.pk is None]
        old = [row for row in self._rows.values() if row.pk is not None]
        fields = [field.name for field in Document._meta.concrete_fields if not field.primary_key]
        Document.objects.bulk_create(new, batch_size=BATCH)
        Document.objects.bulk_update(old, fields, batch_size=BATCH)

    def keys(self) -> dict[int, int]:
        """Primary key by document number, of every document of the memory."""
        return dict(Document.objects.filter(memory=self._memory).values_list("number", "pk"))


def _fill(row: Document, change: DocumentChange) -> None:
    record = change.record
    row.path, row.media_type, row.encoding = record["path"], record["type"], record["encoding"]
    row.size, row.digest, row.tags = record["size"], record["digest"], [_clean(tag) for tag in record["tags"]]
    row.metadata, row.has_original = _clean_json(record["meta"]), "original" in record
    row.changed, row.removed = change.commit, None


def _copy_chunks(row: Memory, documents: dict[int, int], changes: Iterator[ChunkChange]) -> None:
    """Each chunk put becomes a row; the version that it replaces ends with the commit that did it."""
    pending: dict[tuple[int, int], Chunk] = {}
    batch: list[Chunk] = []
    ended: dict[int, list[tuple[int, int]]] = {}
    for change in changes:
        key = documents.get(change.document), change.order
        if key[0] is None:
            continue
        before = pending.pop(key, None)
        if before is not None:
            before.removed = change.commit
        else:
            ended.setdefault(change.commit, []).append(key)
        if change.text is not None and not (before is not None and before.added == change.commit):
            pending[key] = chunk = _chunk(row, key[0], change)
            batch.append(chunk)
    for commit, keys in ended.items():
        _end_versions(row, commit, keys)
    for start in range(0, len(batch), BATCH):
        _insert(batch[start : start + BATCH])


def _chunk(row: Memory, document: int, change: ChunkChange) -> Chunk:
    return Chunk(
        memory=row, document_id=document, order=change.order, added=change.commit, frame=change.frame,
        frame_span=change.frames, size=change.size, lines=change.lines, text=_clean(change.text),
        metadata=_clean_json(change.metadata),
    )  # fmt: skip


def _end_versions(row: Memory, commit: int, keys: list[tuple[int, int]]) -> None:
    """Ends the mirrored versions of those (document, order) pairs that stood before the commit."""
    if not Chunk.objects.present().filter(memory=row, added__lt=commit).exists():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE memories_chunk AS c SET removed = %s"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS gone(document, ord)"
            " WHERE c.document_id = gone.document AND c.order = gone.ord AND c.removed IS NULL AND c.added < %s",
            [commit, [key[0] for key in keys], [key[1] for key in keys], commit],
        )


def _insert(chunks: list[Chunk]) -> None:
    """By COPY into the table; the words of the text search are computed by the server afterwards."""
    columns = ("memory_id", "document_id", '"order"', "added", "removed", "frame", "frame_span", "size", "lines",
               "text", "metadata", "flag")  # fmt: skip
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY memories_chunk ({', '.join(columns)}) FROM STDIN") as copy:
            for c in chunks:
                copy.write_row((
                    c.memory_id, c.document_id, c.order, c.added, c.removed, c.frame, c.frame_span, c.size, c.lines,
                    c.text, json.dumps(c.metadata), "",
                ))  # fmt: skip
        cursor.execute(
            "UPDATE memories_chunk SET words = to_tsvector(%s::regconfig, text) WHERE memory_id = %s AND words IS NULL",
            [TEXT_SEARCH, chunks[0].memory_id],
        )


def _clean(text: str) -> str:
    """PostgreSQL stores neither U+0000 nor lone surrogates; the file holds the text as it was."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_clean_json(item) for item in value]
    if isinstance(value, dict):
        return {_clean(str(key)): _clean_json(item) for key, item in value.items()}
    return value
