"""From the commits of a file to rows: a constant number of statements a batch, and one batch in memory."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import connection

from .engine import Memory as MemoryFile
from .engine.errors import Damaged
from .engine.history import ChunkHistory, ChunkVersion, DocumentChange, commits_after, document_changes
from .models import Commit, Document, Memory

BATCH = 500  # rows
BATCH_CHARACTERS = 4_000_000
Progress = Callable[[int, int, str], None]

INSERT = """
INSERT INTO memories_chunk (memory_id, document_id, "order", added, removed, frame, frame_span, size, lines, text,
    metadata, flag)
SELECT d.memory_id, d.id, v.ord, v.added, v.removed, v.frame, v.span, v.size, v.lines, v.text,
    v.metadata::jsonb, ''
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::text[], %s::text[])
    WITH ORDINALITY AS v(document, ord, added, removed, frame, span, size, lines, text, metadata, position)
JOIN memories_document AS d ON d.memory_id = %s AND d.number = v.document
ORDER BY v.position
"""


def copy(row: Memory, file: MemoryFile, after: int, progress: Progress | None = None) -> None:
    """Rows of the commits after `after`; those of the commits up to it are there."""
    _copy_commits(row, file, after)
    documents = _Documents(row)
    for change in document_changes(file, after):
        documents.take(change)
    documents.save()
    history = ChunkHistory(file, after)
    if after:
        _end_replaced(row, history)
        _end_deleted(row, documents.deleted)
    _copy_chunks(row, history, documents.deleted, progress)
    _add_words(row)


def _add_words(row: Memory) -> None:
    from search import postings  # loads numpy, which a process that only shows pages does without

    postings.add(row)


def _copy_commits(row: Memory, file: MemoryFile, after: int) -> None:
    rows = (
        Commit(
            memory=row, number=c.number, time=c.time, author=clean(c.author), message=clean(c.message),
            request_id=clean(c.request_id), hash=c.hash.hex(), first_frame=c.first_frame, frames=c.frames,
            put=c.put, deleted=c.deleted, metadata=clean_json(c.metadata),
        )
        for c in commits_after(file, after)
    )  # fmt: skip
    while some := list(islice(rows, BATCH)):
        Commit.objects.bulk_create(some)


# -- documents


class _Documents:
    """The document rows that a run of commits touches."""

    def __init__(self, row: Memory):
        self._memory = row
        self._last: dict[int, DocumentChange] = {}
        self._added: dict[int, int] = {}
        self._changed: dict[int, DocumentChange] = {}
        self.deleted: dict[int, list[int]] = {}

    def take(self, change: DocumentChange) -> None:
        self._last[change.number] = change
        if change.record is None:
            self.deleted.setdefault(change.number, []).append(change.commit)
        else:
            self._added.setdefault(change.number, change.commit)
            self._changed[change.number] = change

    def save(self) -> None:
        fields = [field.name for field in Document._meta.concrete_fields if not field.primary_key]
        numbers = iter(self._last)
        while some := list(islice(numbers, BATCH)):
            known = {d.number: d for d in Document.objects.filter(memory=self._memory, number__in=some)}
            rows = [row for number in some if (row := self._row(number, known.get(number))) is not None]
            Document.objects.bulk_create([row for row in rows if row.pk is None])
            Document.objects.bulk_update([row for row in rows if row.pk is not None], fields)

    def _row(self, number: int, row: Document | None) -> Document | None:
        """None for the deletion of a document that was never there."""
        if change := self._changed.get(number):
            row = row or Document(memory=self._memory, number=number, added=self._added[number])
            _fill(row, change)
        if row is not None:
            last = self._last[number]
            row.removed = last.commit if last.record is None else None
        return row


def _fill(row: Document, change: DocumentChange) -> None:
    record = change.record
    if not isinstance(record["path"], str) or not isinstance(record["type"], str):
        raise Damaged(f"commit {change.commit}: the record of document {change.number} has no path")
    row.path, row.media_type = clean(record["path"])[:1100], clean(record["type"])[:120]
    row.encoding, row.size, row.digest = record["encoding"], record["size"], record["digest"]
    row.tags = [clean(str(tag)) for tag in record["tags"]]
    row.metadata, row.has_original, row.changed = clean_json(record["meta"]), "original" in record, change.commit


# -- chunks


def _end_replaced(row: Memory, history: ChunkHistory) -> None:
    """Versions that stood before and were put again, or deleted, since."""
    ended = history.ended()
    for start in range(0, len(ended.commits), BATCH * 10):
        some = slice(start, start + BATCH * 10)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE memories_chunk AS c SET removed = gone.commit"
                " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS gone(number, ord, commit)"
                " JOIN memories_document AS d ON d.memory_id = %s AND d.number = gone.number"
                ' WHERE c.document_id = d.id AND c."order" = gone.ord AND c.removed IS NULL',
                [ended.documents[some].tolist(), ended.orders[some].tolist(), ended.commits[some].tolist(), row.pk],
            )


def _end_deleted(row: Memory, deleted: dict[int, list[int]]) -> None:
    """Versions that stood before, of documents that were deleted since: that may have been earlier than another end."""
    firsts = [(number, min(commits)) for number, commits in deleted.items()]
    for start in range(0, len(firsts), BATCH * 10):
        numbers, commits = zip(*firsts[start : start + BATCH * 10], strict=True)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE memories_chunk AS c SET removed = gone.commit"
                " FROM unnest(%s::bigint[], %s::bigint[]) AS gone(number, commit)"
                " JOIN memories_document AS d ON d.memory_id = %s AND d.number = gone.number"
                " WHERE c.document_id = d.id AND (c.removed IS NULL OR c.removed > gone.commit)",
                [list(numbers), list(commits), row.pk],
            )


def _copy_chunks(row: Memory, history: ChunkHistory, deleted: dict[int, list[int]], progress: Progress | None) -> None:
    done = 0
    for batch in _batches(history.versions(deleted)):
        _insert(row, batch)
        done += len(batch)
        if progress:
            progress(done, len(history), "updating the pages")


def _batches(versions: Iterable[ChunkVersion]) -> Iterator[list[ChunkVersion]]:
    batch: list[ChunkVersion] = []
    characters = 0
    for version in versions:
        batch.append(version)
        characters += len(version.text)
        if len(batch) >= BATCH or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _insert(row: Memory, versions: list[ChunkVersion]) -> None:
    """One statement, in which the server finds the documents. Primary keys are given in the order of the file."""
    table = [
        (
            v.document, v.order, v.added, v.removed, v.frame, v.frames, v.size, v.lines,
            clean(v.text), json.dumps(clean_json(v.metadata)),
        )
        for v in versions
    ]  # fmt: skip
    columns = [list(column) for column in zip(*table, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [*columns, row.pk])


def clean(text: str) -> str:
    """PostgreSQL stores neither U+0000 nor lone surrogates; the file holds the text as it was."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean(str(key)): clean_json(item) for key, item in value.items()}
    return value
