"""Keeps the rows of a memory at the head of its file. The file is the truth: nothing here is written back to it.

1. One follower of a memory at a time; the file is opened when it is its turn, so that nobody looks at an older one.
2. Compare the commit that the mirror saw last with the file's commit of that number.
3. The same: copy what the commits after it changed. Fewer commits in the file, or others: raise an alarm and change
   nothing.
4. Another identity (a vacuum or an erase rewrote the file): take the rows down and copy everything.

All of it is one transaction. Readers see the old head until the new one is whole; of the memory's row only the
columns that describe the file are written, and only at the end, so that nobody waits to rename it.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.db import DataError, models, transaction
from django.utils import timezone

from collab import events

from . import mirroring, turns
from .engine import Memory as MemoryFile
from .engine.errors import MemvidError, NotFound
from .models import Chunk, Commit, Document, Memory

log = logging.getLogger("memvid.mirror")
Progress = Callable[[int, int, str], None]

# What a check found stays an alarm until another check, or a rewritten file, takes it back.
FOUND_BY_CHECK = "a check found: "

# A file that verifies cannot lead to these; one that somebody made or changed by hand can.
NONSENSE = (DataError, KeyError, TypeError, ValueError, OverflowError)


def follow(memory: Memory, progress: Progress | None = None) -> bool:
    """Brings the rows to the file's head; True when something changed. A file that is gone or damaged is an alarm."""
    try:
        with transaction.atomic():
            _take_turn(memory)
            changed = _follow(memory, progress)
    except NotFound:
        return memory.head > 0 and _alarm(
            memory, Memory.State.BEHIND, "its file is gone: put it back from a backup, or delete the memory"
        )
    except MemvidError as error:
        return _alarm(memory, Memory.State.DAMAGED, f"{error}")
    except NONSENSE as error:
        log.exception("the file of memory %s was not mirrored", memory.pk)
        return _alarm(
            memory,
            Memory.State.DAMAGED,
            f"its file says what no memory says ({type(error).__name__}): put back a backup",
        )
    memory.refresh_from_db()
    if changed:
        events.memory_changed(memory.workspace_id, memory.pk, memory.head)
    return changed


def _take_turn(memory: Memory) -> None:
    """Of its own: a lock on the row would make people wait."""
    turns.take(f"mirror {memory.pk}")


def _follow(memory: Memory, progress: Progress | None) -> bool:
    row = Memory.objects.get(pk=memory.pk)
    with MemoryFile.open(row.path) as file:
        if lack := lacking(row, file):
            return _alarm(memory, Memory.State.BEHIND, f"{lack}, or accept this one in the settings of the memory")
        rewritten = row.head > 0 and not _continues(row, file)
        if rewritten:
            flags = _flags(row)
            take_down(row)
        after = 0 if rewritten else row.head
        changed = after < file.head.number
        if changed:
            mirroring.copy(row, file, after, progress)
        if rewritten:
            _put_flags(row, flags)
        _show_head(row, file, keep_alarm=not rewritten)
    return changed


def _continues(row: Memory, file: MemoryFile) -> bool:
    """Whether the commit that was seen last is one of the file's."""
    if file.id != row.file_id or file.head.number < row.head:
        return False
    return file.commits()[row.head - 1].hash.hex() == row.head_hash


def lacking(row: Memory, file: MemoryFile) -> str:
    """Says so where the file lacks commits that the mirror saw, which are in its rows alone then: an older copy lies
    where the memory was, or one that went another way since. A file with another identity was made anew on purpose."""
    if row.head == 0 or file.id != row.file_id or _continues(row, file):
        return ""
    if file.head.number < row.head:
        said = f"the file ends at commit {file.head.number}, but commit {row.head} was seen before"
        return f"{said}: put back the newer file"
    return f"the file has another history: its commit {row.head} is not the one that was seen before: put back that one"


def rebuild(memory: Memory, progress: Progress | None = None) -> None:
    """Takes the mirror down and copies the whole file again, whatever it says."""
    with transaction.atomic():
        _take_turn(memory)
        take_down(memory)
        Memory.objects.filter(pk=memory.pk).update(head=0, head_hash="")
    memory.refresh_from_db()
    follow(memory, progress)


def take_down(memory: Memory) -> None:
    """Deletes the rows of the memory's content, and what hangs on them, by a statement a table."""
    from search import postings

    postings.take_down(memory)
    chunks = Chunk.objects.filter(memory=memory)
    for relation in Chunk._meta.related_objects:
        if relation.on_delete is models.CASCADE:
            _delete(relation.related_model.objects.filter(**{f"{relation.field.name}__in": chunks}))
    for rows in (chunks, Document.objects.filter(memory=memory), Commit.objects.filter(memory=memory)):
        _delete(rows)


def _delete(rows: models.QuerySet) -> None:
    """Without loading them, which Django's own delete does wherever somebody listens to signals."""
    rows._raw_delete(rows.db)


def _flags(row: Memory) -> list[tuple[int, int, str, str]]:
    """Curators' notes, which only the mirror holds: a vacuum keeps the numbers of documents and chunks."""
    flagged = Chunk.objects.present().filter(memory=row).exclude(flag="")
    return list(flagged.values_list("document__number", "order", "text", "flag"))


def _put_flags(row: Memory, flags: list[tuple[int, int, str, str]]) -> None:
    for number, order, text, flag in flags:
        same = Chunk.objects.present().filter(memory=row, document__number=number, order=order, text=text)
        same.update(flag=flag)


def _alarm(memory: Memory, state: str, reason: str) -> bool:
    """True when the alarm is new."""
    changed = Memory.objects.filter(pk=memory.pk).exclude(state=state, alarm=reason).update(state=state, alarm=reason)
    if changed:
        memory.refresh_from_db()
        events.memory_changed(memory.workspace_id, memory.pk, memory.head)
    return bool(changed)


def raise_alarm(memory: Memory, finding: str) -> None:
    """For a check that found damage which following the file does not see."""
    _alarm(memory, Memory.State.DAMAGED, f"{FOUND_BY_CHECK}{finding}")


def take_back_alarm(memory: Memory) -> None:
    """For a check that found nothing."""
    damaged = Memory.objects.filter(pk=memory.pk, state=Memory.State.DAMAGED, alarm__startswith=FOUND_BY_CHECK)
    if damaged.update(state=Memory.State.READY, alarm=""):
        memory.refresh_from_db()
        events.memory_changed(memory.workspace_id, memory.pk, memory.head)


def _show_head(row: Memory, file: MemoryFile, keep_alarm: bool) -> None:
    """Writes what differs, and nothing when nothing does."""
    facts = _facts(file)
    if keep_alarm and row.state == Memory.State.DAMAGED and row.alarm.startswith(FOUND_BY_CHECK):
        facts |= {"state": row.state, "alarm": row.alarm}
    if any(getattr(row, name) != value for name, value in facts.items()):
        if facts["head_hash"] != row.head_hash:
            facts["updated_at"] = timezone.now()
        Memory.objects.filter(pk=row.pk).update(**facts)


def _facts(file: MemoryFile) -> dict[str, Any]:
    stats, head = file.stats(), file.head
    return {
        "state": Memory.State.READY, "alarm": "", "file_id": file.id, "codec": stats["codec"],
        "profile": stats["profile"], "head": head.number, "head_hash": head.hash.hex(), "frames": stats["frames"],
        "file_bytes": file.log.length, "text_bytes": stats["text_bytes"],
        "documents_count": stats["documents"], "chunks_count": stats["chunks"],
    }  # fmt: skip
