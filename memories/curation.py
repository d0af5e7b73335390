"""What a curator does to documents and chunks. Each act is a job that becomes a commit of the file.

The rows are a mirror and are not written here, but for the flags, which only they hold.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from django.db import transaction

from collab.models import User

from .engine.model import ORDER_STEP
from .jobs.duplicates import MEANING, TEXT
from .jobs.editing import LONGEST_CHUNK
from .models import Chunk, Commit, Document, Job, Memory, MemoryQuerySet
from .services import OPEN, start_job, start_once

MARK = "=== split here ==="
LINE = r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+"
MOST_JOBS = 50  # one act may queue, a commit each
MOVED_ON = "the memory has changed since you opened this page: look at the text as it is now, then do it again"
COMPARE = ((TEXT, "By their words"), (MEANING, "By their meaning"))


class CannotCurate(Exception):
    """One line: why not, and what to do."""


def reach(user: Any) -> MemoryQuerySet:
    """A superuser's are all memories, private ones too; other staff's are those that they manage in the workspaces."""
    if not getattr(user, "is_staff", False) or not user.is_active:
        return Memory.objects.none()
    return Memory.objects.all() if user.is_superuser else Memory.objects.manageable_by(user)


# -- what was seen


@dataclass(frozen=True)
class Seen:
    """The commit of the memory that a curator's page showed."""

    head: int
    hash: str

    @classmethod
    def of(cls, memory: Memory) -> "Seen":
        return cls(memory.head, memory.head_hash)

    @classmethod
    def parse(cls, text: str) -> "Seen":
        """Raises CannotCurate for what no page has sent."""
        found = re.fullmatch(r"([0-9]{1,9})\.([0-9a-f]{64})", text)
        if found is None:
            raise CannotCurate("the form does not say what you saw: reload the page, then do it again")
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.head}.{self.hash}"


def _check(memory: Memory, seen: Seen, documents: Iterable[Document] = ()) -> None:
    if memory.deleted_at is not None:
        raise CannotCurate("the memory is in the trash: restore it first")
    if not Commit.objects.filter(memory=memory, number=seen.head, hash=seen.hash).exists():
        raise CannotCurate(MOVED_ON)
    if any(document.changed > seen.head or document.removed is not None for document in documents):
        raise CannotCurate(MOVED_ON)


def _check_chunk(chunk: Chunk, seen: Seen) -> None:
    if chunk.removed is not None:
        raise CannotCurate(MOVED_ON)
    _check(chunk.memory, seen, (chunk.document,))


def is_exact(chunk: Chunk) -> bool:
    """Whether the row holds what the frame holds: U+0000, which PostgreSQL cannot store, is shown as another one."""
    return len(chunk.text.encode()) == chunk.size


def _check_exact(*chunks: Chunk) -> None:
    if not all(map(is_exact, chunks)):
        raise CannotCurate(
            "the text holds the character U+0000, which a page cannot give back: upload a corrected file instead"
        )


# -- texts


def plain(text: str) -> str:
    """As a browser shows and counts it: a line end is one line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def with_line_ends(text: str, old: str) -> str:
    """What a form sent, with the line ends of the old text: a line that stays, or replaces another, has its."""
    before, after = re.findall(LINE, old), plain(text).splitlines(keepends=True)
    if "\r" not in old:
        return "".join(after)
    usual = "\r\n" if old.count("\r\n") * 2 >= old.count("\n") else "\n"
    ends = [usual] * len(after)
    matcher = SequenceMatcher(None, [plain(line) for line in before], after, False)
    for _, first, last, start, end in matcher.get_opcodes():
        for place, line in zip(range(start, end), before[first:last], strict=False):
            ends[place] = re.search(r"[\r\n]*$", line)[0] or usual
    return "".join(line.replace("\n", end) for line, end in zip(after, ends, strict=True))


def parts_at_marks(text: str) -> list[str]:
    """The text between the lines that are nothing but the mark; they are taken out."""
    parts = [""]
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        if line.strip() == MARK:
            parts.append("")
        else:
            parts[-1] += line
    return parts


def parts_at(text: str, offset: int) -> list[str]:
    """Before and after so many characters, counted as `plain` shows them."""
    at = taken = 0
    while taken < offset and at < len(text):
        at += 2 if text.startswith("\r\n", at) else 1
        taken += 1
    return [text[:at], text[at:]]


# -- chunks


def correct(chunk: Chunk, text: str, by: User, seen: Seen) -> Job | None:
    """Another text; marks in it split the chunk. None when nothing is different."""
    _check_chunk(chunk, seen)
    _check_exact(chunk)
    parts = parts_at_marks(with_line_ends(text, chunk.text))
    if parts == [chunk.text]:
        return None
    return _store_parts(chunk, parts, by, seen)


def split(chunk: Chunk, offset: int, by: User, seen: Seen) -> Job:
    _check_chunk(chunk, seen)
    _check_exact(chunk)
    return _store_parts(chunk, parts_at(chunk.text, offset), by, seen)


def _store_parts(chunk: Chunk, parts: list[str], by: User, seen: Seen) -> Job:
    if not all(parts):
        raise CannotCurate(
            "a part would be empty: split inside the text"
            if len(parts) > 1
            else "no text is left: remove the chunk instead"
        )
    if any(len(part) > LONGEST_CHUNK for part in parts):
        raise CannotCurate(f"a chunk has {LONGEST_CHUNK:,} characters at most: split it")
    orders = _orders(chunk, len(parts))
    changes: list[dict[str, Any]] = [{"order": orders[0], "text": parts[0]}]
    changes += [
        {"order": order, "text": part, "metadata": chunk.metadata}
        for order, part in zip(orders[1:], parts[1:], strict=True)
    ]
    message = "Correct a chunk" if len(parts) == 1 else f"Split a chunk into {len(parts)}"
    return _edit(chunk.document, changes, message, by, seen)


def _orders(chunk: Chunk, count: int) -> list[int]:
    """Order keys for the parts, evenly between the chunk and the one after it."""
    following = next_chunk(chunk)
    step = (following.order - chunk.order) // count if following else ORDER_STEP
    if step < 1:
        raise CannotCurate("there is no room for so many chunks before the next one: merge the two first, then split")
    return [chunk.order + step * place for place in range(count)]


def next_chunk(chunk: Chunk) -> Chunk | None:
    later = Chunk.objects.present().filter(document=chunk.document_id, order__gt=chunk.order)
    return later.order_by("order").first()


def present_version(chunk: Chunk) -> Chunk | None:
    """What stands in its place now."""
    return Chunk.objects.present().filter(document=chunk.document_id, order=chunk.order).first()


def previous_chunk(chunk: Chunk) -> Chunk | None:
    earlier = Chunk.objects.present().filter(document=chunk.document_id, order__lt=chunk.order)
    return earlier.order_by("-order").first()


def merge_with_next(chunk: Chunk, by: User, seen: Seen) -> Job:
    _check_chunk(chunk, seen)
    following = next_chunk(chunk)
    if following is None:
        raise CannotCurate("it is the last chunk of its document: there is nothing to merge it with")
    _check_exact(chunk, following)
    text = chunk.text + following.text
    if len(text) > LONGEST_CHUNK:
        raise CannotCurate(f"together they are longer than the {LONGEST_CHUNK:,} characters of a chunk")
    changes = [{"order": chunk.order, "text": text}, {"order": following.order, "text": None}]
    return _edit(chunk.document, changes, "Merge two chunks", by, seen)


@transaction.atomic
def remove_chunks(memory: Memory, chunks: Iterable[Chunk], by: User, seen: Seen) -> list[Job]:
    """A commit for each document; those that would have no chunk left are removed as a whole, in one more."""
    by_document: dict[Document, list[Chunk]] = {}
    for chunk in chunks:
        if chunk.memory_id != memory.pk or chunk.removed is not None:
            raise CannotCurate(MOVED_ON)
        by_document.setdefault(chunk.document, []).append(chunk)
    if not by_document:
        raise CannotCurate("choose a chunk first")
    _check(memory, seen, by_document)
    whole = [document for document, some in by_document.items() if _count(document) == len(some)]
    parts = [document for document in by_document if document not in whole]
    if len(parts) > MOST_JOBS:
        raise CannotCurate(f"they are of {len(parts)} documents, {MOST_JOBS} at once are the most: choose fewer")
    jobs = [_remove_from(document, by_document[document], by, seen) for document in parts]
    return jobs + ([remove_documents(memory, whole, by)] if whole else [])


def _count(document: Document) -> int:
    return Chunk.objects.present().filter(document=document).count()


def _remove_from(document: Document, chunks: list[Chunk], by: User, seen: Seen) -> Job:
    changes = [{"order": chunk.order, "text": None} for chunk in sorted(chunks, key=lambda chunk: chunk.order)]
    message = "Remove a chunk" if len(chunks) == 1 else f"Remove {len(chunks)} chunks"
    return _edit(document, changes, message, by, seen)


def _edit(document: Document, changes: list[dict[str, Any]], message: str, by: User, seen: Seen) -> Job:
    """The message names no document: an erase rewrites what commits hold, not what they are called."""
    params = {
        "document": document.number, "changes": changes, "head": seen.head, "head_hash": seen.hash, "message": message,
    }  # fmt: skip
    memory = document.memory
    return start_job(Job.Kind.EDIT, workspace=memory.workspace, by=by, memory=memory, params=params)


def flag(chunks: Iterable[Chunk], note: str) -> int:
    """A note for other curators; an empty one takes the flag away. It is no part of the file."""
    return Chunk.objects.filter(pk__in=[chunk.pk for chunk in chunks]).update(flag=note)


# -- documents and memories


def remove_documents(memory: Memory, documents: Iterable[Document], by: User) -> Job:
    if memory.deleted_at is not None:
        raise CannotCurate("the memory is in the trash: restore it first")
    numbers = sorted(document.number for document in documents)
    message = "Remove a document" if len(numbers) == 1 else f"Remove {len(numbers)} documents"
    return start_once(Job.Kind.REMOVE, memory, by, {"documents": numbers, "message": message})


def keep_up(kind: str, memory: Memory, by: User) -> Job:
    """Re-index, verify, vacuum or follow; an open job of that kind is enough."""
    if memory.deleted_at is not None:
        raise CannotCurate(f"{memory} is in the trash: restore it first")
    return start_once(kind, memory, by)


def find_duplicates(memory: Memory, how: str, percent: int, by: User) -> Job:
    if memory.deleted_at is not None:
        raise CannotCurate("the memory is in the trash: restore it first")
    return start_once(Job.Kind.DUPLICATES, memory, by, {"by": how, "percent": percent})


def open_changes(memory: Memory) -> int:
    """Jobs that will change the file: what a page shows may be old in a moment."""
    kinds = (Job.Kind.EDIT, Job.Kind.REMOVE, Job.Kind.ERASE, Job.Kind.VACUUM, Job.Kind.UPLOAD)
    return memory.jobs.filter(kind__in=kinds, state__in=OPEN).count()
