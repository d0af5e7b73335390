"""Segments of postings: written with the rows of each commit, merged like the levels of a log-structured merge tree.

A new commit adds a small segment. Of FAN neighbours of one level (powers of FAN chunks) one of the next is made, so a
chunk's postings are written O(log n) times and a memory of n chunks has O(log n) segments, besides those that are full.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby, islice, pairwise
from typing import NamedTuple

import numpy as np
from django.db import connection
from django.db.models import Exists, OuterRef, Subquery
from django.db.models.functions import Left

from memories.models import Chunk, Document, Memory

from .engine.counting import Counted, count
from .engine.languages import DEFAULT, detect
from .models import Posting, Segment
from .scope import family_of

FULL = 1 << 16  # chunks of the largest segment: a place takes two bytes
FAN = 8
BATCH = 8_192  # chunks whose words are counted at once: some 60 MB
ROWS = 20_000
LONGEST = 100_000  # characters of a chunk that are searched
SAMPLE = 4_000  # characters that tell the language of a document
DOCUMENTS = 500
COLUMNS = ("chunks", "documents", "added", "lengths")


class Row(NamedTuple):
    pk: int
    document: int
    added: int
    text: str
    language: str


def add(memory: Memory) -> None:
    """The words of the chunks that no segment holds yet; in the transaction that wrote their rows."""
    last = Segment.objects.filter(memory=memory).order_by("-last").values_list("last", flat=True).first() or 0
    _tell_languages(memory, last)
    rows = _rows(memory, last)
    while batch := list(islice(rows, BATCH)):
        _write(memory, batch)
        _merge_levels(memory)


def take_down(memory: Memory) -> None:
    Posting.objects.filter(segment__memory=memory)._raw_delete(Posting.objects.db)
    Segment.objects.filter(memory=memory)._raw_delete(Segment.objects.db)


def _tell_languages(memory: Memory, last: int) -> None:
    """Of the documents that have chunks for the first time; a document keeps its language afterwards."""
    written = Chunk.objects.filter(document=OuterRef("pk"), pk__gt=last)
    new = Document.objects.filter(Exists(written), memory=memory, language="")
    first = Chunk.objects.filter(document=OuterRef("pk")).order_by("added", "order")
    beginnings = new.annotate(beginning=Subquery(first.values(head=Left("text", SAMPLE))[:1])).only("media_type")
    documents = list(islice(beginnings.iterator(chunk_size=DOCUMENTS), DOCUMENTS))
    while documents:
        for document in documents:
            document.language = DEFAULT if family_of(document.media_type) == "code" else detect(document.beginning)
        Document.objects.bulk_update(documents, ["language"])
        documents = list(islice(beginnings.all().iterator(chunk_size=DOCUMENTS), DOCUMENTS))


def _rows(memory: Memory, last: int) -> Iterator[Row]:
    chunks = Chunk.objects.filter(memory=memory, pk__gt=last).order_by("pk")
    fields = ("pk", "document_id", "added", "text", "document__language")
    return (Row(*row) for row in chunks.values_list(*fields).iterator(chunk_size=500))


def _write(memory: Memory, rows: list[Row]) -> None:
    counted = count((row.text[:LONGEST], row.language) for row in rows)
    lengths = np.minimum(counted.lengths, 65_535).astype("<u2")
    segment = Segment.objects.create(
        memory=memory, size=len(rows), last=rows[-1].pk, terms=int(lengths.sum()),
        languages=sorted({row.language for row in rows}),
        chunks=np.array([row.pk for row in rows], "<i8").tobytes(),
        documents=np.array([row.document for row in rows], "<i8").tobytes(),
        added=np.array([row.added for row in rows], "<u4").tobytes(),
        lengths=lengths.tobytes(),
    )  # fmt: skip
    _copy(segment, _postings(counted))


def _postings(counted: Counted) -> Iterator[tuple[str, int, bytes]]:
    places = counted.chunk.astype("<u2")
    times = np.minimum(counted.times, 255).astype("u1")
    ends = np.flatnonzero(np.diff(counted.term, append=-1)) + 1
    for start, end in pairwise([0, *ends.tolist()]):
        term = counted.terms[counted.term[start]].decode()
        yield term, end - start, places[start:end].tobytes() + times[start:end].tobytes()


def _copy(segment: Segment, postings: Iterable[tuple[str, int, bytes]]) -> None:
    statement = "COPY search_posting (segment_id, term, count, data) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int8", "varchar", "int4", "bytea"])
        for term, size, data in postings:
            copy.write_row((segment.pk, term, size, data))


# -- merging


def _merge_levels(memory: Memory) -> None:
    while run := _mergeable(memory):
        _merge(run)


def _mergeable(memory: Memory) -> list[Segment]:
    """FAN neighbours of one level that fit into one segment."""
    segments = list(Segment.objects.filter(memory=memory).only("size", "last", "terms", "languages").order_by("last"))
    for _, same in groupby(segments, key=lambda segment: _level(segment.size)):
        run = list(same)[-FAN:]
        if len(run) == FAN and sum(segment.size for segment in run) <= FULL:
            return run
    return []


def _level(size: int) -> int:
    return (size.bit_length() - 1) // (FAN.bit_length() - 1)


def _merge(run: list[Segment]) -> None:
    whole = Segment.objects.in_bulk([segment.pk for segment in run])
    parts = [whole[segment.pk] for segment in run]
    merged = Segment.objects.create(
        memory_id=parts[0].memory_id, size=sum(part.size for part in parts), last=parts[-1].last,
        terms=sum(part.terms for part in parts), languages=sorted({name for part in parts for name in part.languages}),
        **{name: b"".join(getattr(part, name) for part in parts) for name in COLUMNS},
    )  # fmt: skip
    starts = dict(zip([part.pk for part in parts], _starts(parts), strict=True))
    terms = _merged_postings(starts)
    while some := list(islice(terms, ROWS)):
        _copy(merged, some)
    Posting.objects.filter(segment__in=list(starts))._raw_delete(Posting.objects.db)
    Segment.objects.filter(pk__in=list(starts))._raw_delete(Segment.objects.db)


def _starts(parts: list[Segment]) -> list[int]:
    return (np.cumsum([part.size for part in parts]) - [part.size for part in parts]).tolist()


def _merged_postings(starts: dict[int, int]) -> Iterator[tuple[str, int, bytes]]:
    """By term, page by page, so that a large merge takes no more memory than a small one."""
    rows = Posting.objects.filter(segment__in=list(starts)).order_by("term").values_list("term", "segment", "data")
    for term, same in groupby(rows.iterator(chunk_size=ROWS), key=lambda row: row[0]):
        found = sorted((starts[segment], *split(data)) for _, segment, data in same)
        places = np.concatenate([start + places for start, places, _ in found]).astype("<u2")
        times = np.concatenate([times for _, _, times in found])
        yield term, len(places), places.tobytes() + times.tobytes()


def split(data: bytes | memoryview) -> tuple[np.ndarray, np.ndarray]:
    """(places uint16, times uint8) of a posting's data."""
    size = len(data) // 3
    return np.frombuffer(data, "<u2", size), np.frombuffer(data, "u1", size, offset=2 * size)
