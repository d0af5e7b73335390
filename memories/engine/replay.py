"""The commits of one file written again into another, in whole or in part; for erase and repair."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import varint
from .changes import Changes, Planner
from .errors import Damaged
from .memory import Memory
from .model import chunk_id
from .pages import CONTINUED, CONTINUES, Kind, Page
from .records import Block, Head, Operation, unpacked
from .writer import Note


@dataclass
class OldCommit:
    """`attachments` holds the stored form of the originals by document number; `lost` collects what is missing."""

    info: dict[str, Any]
    records: Iterable[Head | Operation]
    attachments: dict[int, bytes] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


@dataclass
class Tally:
    """Running state of a replay, from which the totals of each commit are counted."""

    sizes: dict[int, dict[int, int]] = field(default_factory=dict)  # of the chunks of each present document
    next_document: int = 1


def replay(
    fresh: Memory, commit: OldCommit, keep: Callable[[int], bool], tally: Tally, progress: Callable | None
) -> None:
    """Adds the commit to `fresh` with its author, message, time and the records of the documents to keep."""
    info = commit.info
    note = Note(info["author"], info["message"], info["request"], dict(info["metadata"]), info["time"])

    def plan(planner: Planner) -> None:
        for record in commit.records:
            number = _document_of(record)
            if keep(number):
                if isinstance(record, Head) and record.put is not None:
                    _carry_original(fresh, commit, record.put, planner.changes)
                _count(record, number, tally, planner.changes)
        tally.next_document = max(tally.next_document, info["next_document"])
        planner.changes.next_document = tally.next_document

    fresh.apply(plan, note, progress=progress, even_if_empty=True)


def _document_of(record: Head | Operation) -> int:
    if isinstance(record, Operation):
        return record.document
    return record.delete if record.put is None else record.put["number"]


def _carry_original(fresh: Memory, commit: OldCommit, record: dict[str, Any], changes: Changes) -> None:
    """Stores the original that came with this record, or points to where an earlier commit has stored it."""
    place = record.pop("original", None)
    if place is None:
        return
    number = record["number"]
    stored = commit.attachments.get(number, b"" if place["parts"] == 0 else None)
    if place["commit"] == commit.info["number"] and stored is not None:
        changes.attach(number, unpacked(stored, place))
        return
    earlier = fresh.log.directory.record_of(number) if fresh.exists else None
    if earlier and "original" in earlier and place["commit"] != commit.info["number"]:
        record["original"] = earlier["original"]
    else:
        commit.lost.append(f"the original of {record['path']}")


def _count(record: Head | Operation, number: int, tally: Tally, changes: Changes) -> None:
    """Adds the record and what it does to the totals; operations of documents that are not there are left out."""
    sizes = tally.sizes.get(number)
    if isinstance(record, Head) and record.put is not None:
        changes.documents += sizes is None
        tally.sizes.setdefault(number, {})
        tally.next_document = max(tally.next_document, number + 1)
    elif sizes is None:
        return
    elif isinstance(record, Head):
        changes.documents -= 1
        changes.chunks -= len(sizes)
        changes.text_bytes -= sum(sizes.values())
        changes.spool.deleted += len(sizes)
        del tally.sizes[number]
    else:
        before = sizes.pop(record.order, None)
        changes.chunks -= before is not None
        changes.text_bytes -= before or 0
        if record.text is not None:
            sizes[record.order] = len(record.text)
            changes.chunks += 1
            changes.text_bytes += len(record.text)
    changes.spool.add(record)


def records_of(
    pages: Iterable[Page],
    read: Callable[[Page], Block],
    harmless: frozenset[int] = frozenset(),
    lost: list[str] | None = None,
) -> Iterator[Head | Operation]:
    """Records of a commit's pages in order.

    What a missing page cuts off is left out and named in `lost`; `harmless` are page numbers that may be
    missing because they held parity.
    """
    pending: Operation | None = None
    expected = None
    for page in pages:
        missing = range(expected, page.number) if expected is not None else ()
        expected = page.number + 1
        if pending is not None and not harmless.issuperset(missing):
            _note_lost(lost, pending)
            pending = None
        if page.kind != Kind.RECORDS:
            continue
        block = read(page)
        yield from (Head(put=record) for record in block.documents)
        yield from (Head(delete=number) for number in block.deleted)
        pieces = list(block.pieces)
        if page.flags & CONTINUED and pieces:
            piece, ends = pieces.pop(0), bool(len(block.pieces) > 1 or not page.flags & CONTINUES)
            if pending is not None:
                pending.text += piece.text or b""
                if ends:
                    yield pending
            if ends:
                pending = None
        for index, piece in enumerate(pieces):
            operation = Operation(piece.document, piece.order, piece.text, piece.metadata)
            if index == len(pieces) - 1 and page.flags & CONTINUES:
                pending = operation
            else:
                yield operation
    if pending is not None:
        _note_lost(lost, pending)


def _note_lost(lost: list[str] | None, operation: Operation) -> None:
    name = f"chunk {chunk_id(operation.document, operation.order)}"
    if lost is None:
        raise Damaged(f"{name} is cut off")
    lost.append(name)


def join_attachments(pages: Iterable[Page]) -> dict[int, bytes]:
    """Stored originals by document number; those that lack a part are left out."""
    parts: dict[int, list[bytes]] = {}
    totals: dict[int, int] = {}
    for page in pages:
        (document, part, total), at = varint.get_all(page.payload, 0, 3)
        if part == len(parts.setdefault(document, [])):
            parts[document].append(page.payload[at:])
        totals[document] = total
    return {document: b"".join(pieces) for document, pieces in parts.items() if len(pieces) == totals[document]}
