"""From the log to the video: the texts that were edited, as one commit with its authors.

1. `reconcile`: what else has changed the file comes into the log first.
2. Plan: each text at the head of its log, laid into the document's chunks. What is planned is noted in the database.
3. Commit, under the request id that was noted; then note that it was written. Killed between the two, the next run,
   whatever its kind, finds the commit by that id.
4. The rows follow the file, open pages are told, meaning is indexed for the chunks that changed.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from memories import mirror, services
from memories.curation import with_line_ends
from memories.engine import Memory as MemoryFile
from memories.engine.changes import Planner, source_of
from memories.engine.config import Config
from memories.engine.gather import split_settings
from memories.engine.history import last_change
from memories.engine.ingest.split import prose
from memories.engine.reflow import reflow
from memories.jobs import indexing
from memories.jobs.writing import TRIES, alone, commit
from memories.models import Job, Memory
from memories.working import Hold, JobFailed

from ..models import LiveDocument, LiveUpdate, User
from . import groups, log, texts
from .reconciling import reconcile, save, settle

logger = logging.getLogger("memvid.live")
MOST_NAMES, LONGEST_NAMES = 20, 250  # UTF-8 bytes: a commit says it on one page, beside its message
MARK = "\ufeff"
MOVED_ON = "another program keeps changing this memory: try again later"


class MovedOn(Exception):
    """Somebody else committed between planning and writing."""


@dataclass(frozen=True)
class Edited:
    """A document whose text is to be written."""

    live: LiveDocument
    text: str
    seen: int  # the commit that had changed the document last when it was planned


def commit_now(memory: Memory, by: User, message: str = "") -> Job:
    """A job that writes what was edited; one that waits already takes the message."""
    params = {"message": message}
    waiting = memory.jobs.filter(kind=Job.Kind.LIVE, state=Job.State.QUEUED, params__thorough__isnull=True).first()
    if waiting and Job.objects.filter(pk=waiting.pk, state=Job.State.QUEUED).update(params=params, created_by=by):
        waiting.refresh_from_db()
        return waiting
    return services.start_job(Job.Kind.LIVE, workspace=memory.workspace, by=by, memory=memory, params=params)


def project(hold: Hold) -> dict[str, Any]:
    """The handler of a live job."""
    with alone(hold) as memory:
        if not memory.path.exists():
            raise JobFailed("the file of this memory is gone: put it back from a backup")
        params = hold.job.params
        number = write(hold, memory, params.get("message") or "", thorough=bool(params.get("thorough")))
    return {"commit": number, "next": indexing.queue(memory, hold.job.created_by) if number else []}


def write(hold: Hold, memory: Memory, message: str = "", *, thorough: bool = False) -> int | None:
    """The commit that was made, if there was something to write. For who holds the memory alone."""
    for _ in range(TRIES):
        reconcile(memory, thorough)
        edited = list(_edited(memory))
        try:
            number = _write(hold, edited, message) if edited else None
        except MovedOn:
            continue
        mirror.follow(memory, hold.part(80, 99, stoppable=False))
        for one in edited:
            groups.look_again(one.live.pk)
        return number
    raise JobFailed(MOVED_ON)


def unwritten(memory: Memory) -> Any:
    return LiveDocument.objects.filter(memory=memory, head_seq__gt=F("projected_seq"))


def _edited(memory: Memory) -> Iterable[Edited]:
    """Notes of each document what is about to be written; those that say the same as the file need no commit."""
    with MemoryFile.open(memory.path) as file:
        for live in unwritten(memory).order_by("document_number"):
            state = log.state_now(live.pk)
            text, seen = texts.text_of(state.update), last_change(file, live.document_number)
            live.writing_seq, live.writing_state, live.writing_at = state.head, state.update, timezone.now()
            if _is_in_file(file, live, text):
                settle(live, live.projected_commit)
                groups.look_again(live.pk)
            else:
                yield Edited(live, text, seen)


def _is_in_file(file: MemoryFile, live: LiveDocument, text: str) -> bool:
    """Also when the document was removed: its log stays as it is, and is written nowhere."""
    if file.log.directory.record_of(live.document_number) is None:
        return True
    if text != texts.text_of(bytes(live.projected_state)):
        return False
    return texts.seeding.plain(texts.seeding.read(file, live.document_number)) == text


def _write(hold: Hold, edited: list[Edited], message: str) -> int | None:
    request = f"{hold.job.pk}.{uuid4().hex[:8]}"
    with transaction.atomic():
        for one in edited:
            one.live.writing_request = request
            if not save(one.live, "writing_seq", "writing_state", "writing_at", "writing_request"):
                raise MovedOn
    result = commit(
        hold, lambda file, planner: _plan(edited, file, planner), message=message or _message(edited),
        request=request, by=_authors(hold, edited), progress=hold.part(0, 80),
    )  # fmt: skip
    number = result.commit.number if result.commit else None
    with transaction.atomic():
        for one in edited:
            settle(one.live, number or one.live.projected_commit)
    return number


def _message(edited: list[Edited]) -> str:
    return "Edits of a document" if len(edited) == 1 else f"Edits of {len(edited)} documents"


def _authors(hold: Hold, edited: list[Edited]) -> str:
    """Everybody whose edits these are, in the order of their first one."""
    first: dict[str, datetime] = {}
    for one in edited:
        span = {"live": one.live.pk, "seq__gt": one.live.projected_seq, "seq__lte": one.live.writing_seq}
        rows = LiveUpdate.objects.filter(**span).exclude(author=None).order_by("seq").select_related("author")
        for row in rows.defer("payload").iterator():
            first[str(row.author)] = min(row.created_at, first.get(str(row.author), row.created_at))
    shown = sorted(first, key=first.__getitem__)
    if len(shown) > MOST_NAMES:
        shown = [*shown[:MOST_NAMES], f"{len(shown) - MOST_NAMES} more"]
    text = ", ".join(shown) or (str(hold.job.created_by) if hold.job.created_by else "")
    return text if len(text.encode()) <= LONGEST_NAMES else f"{text.encode()[:LONGEST_NAMES].decode(errors='ignore')}…"


def _plan(edited: list[Edited], file: MemoryFile, planner: Planner) -> None:
    """Raises MovedOn where the file is not what was planned on."""
    settings = split_settings(Config())
    for one in edited:
        number = one.live.document_number
        record = file.log.directory.record_of(number)
        if record is None or last_change(file, number) != one.seen:
            raise MovedOn
        chunks = planner.chunks(number)
        text = _as_in_file(one.text, "".join(chunk.text for chunk in chunks))
        changes = reflow(chunks, text, lambda part: prose([part], settings), settings.max_chunk)
        planner.edit(record["path"], changes, source_of(record, one.seen))


def _as_in_file(text: str, old: str) -> str:
    """With the byte order mark and the line ends that the document has."""
    mark = MARK if old.startswith(MARK) else ""
    return mark + with_line_ends(text, old.removeprefix(MARK)) if "\r" in old else mark + text
