"""The log follows a file that was changed by something else than its edits: an upload, a curator, the command.

For who holds the memory alone. What was changed is laid on the text as edits of a fork at the state that the file held
before; the merge with what people have typed since is the CRDT's. The text before is kept as a version.
"""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.engine.changes import SOURCE
from memories.engine.errors import MemvidError
from memories.engine.history import last_change
from memories.engine.textdiff import TextDiff
from memories.mirroring import clean
from memories.models import Memory

from ..models import LiveDocument, LiveVersion
from . import groups, log, seeding, texts

logger = logging.getLogger("memvid.live")


@dataclass(frozen=True)
class Outside:
    """How the file's document differs from what it was when it was last written from here."""

    live: LiveDocument
    commit: int
    author: str
    text: str  # that the file has now
    wanted: str  # that, or its merge with the edits that it replaced


def reconcile(memory: Memory, thorough: bool = False) -> bool:
    """True when a text differs from the file's now, because a file that came again was merged with edits.

    A glance at the directory tells which documents changed; `thorough` compares the texts, as after a rewrite, whose
    commits are numbered anew.
    """
    found = texts.live_documents(memory)
    if not found or not memory.path.exists():
        return False
    with MemoryFile.open(memory.path) as file:
        if mirror.lacking(memory, file):
            return False  # another copy lies there, which is an alarm: what it lacks was not taken out of the text
        finish_writing(file, found)
        outside = [one for live in found if (one := _outside(file, live, thorough)) is not None]
    for one in outside:
        _merge(one)
    return any(one.wanted != one.text for one in outside)


def finish_writing(file: MemoryFile, found: list[LiveDocument]) -> None:
    """What a worker that was killed behind its commit had written counts; what it had only planned does not."""
    unfinished = [live for live in found if live.writing_request]
    if not unfinished:
        return
    commits = {commit.request_id: commit.number for commit in file.commits()}
    for live in unfinished:
        settle(live, commits.get(live.writing_request))


def settle(live: LiveDocument, commit: int | None) -> None:
    """Notes that the planned state stands in that commit, or in none."""
    if commit is not None:
        live.projected_seq, live.projected_state = live.writing_seq, live.writing_state
        live.projected_commit, live.projected_at = commit, live.writing_at
    live.writing_request, live.writing_state = "", None
    save(
        live, "projected_seq", "projected_state", "projected_commit", "projected_at", "writing_request", "writing_state"
    )


def save(live: LiveDocument, *fields: str) -> bool:
    """False, and nothing is saved, where its text began anew since: states of another generation say nothing of it."""
    same = LiveDocument.objects.filter(pk=live.pk, generation=live.generation)
    return bool(same.update(**{name: getattr(live, name) for name in fields}))


def _outside(file: MemoryFile, live: LiveDocument, thorough: bool) -> Outside | None:
    record = file.log.directory.record_of(live.document_number)
    if record is None:
        groups.look_again(live.pk)  # open pages learn that the document was removed
        return None
    commit = last_change(file, live.document_number)
    if commit == live.projected_commit and not thorough:
        return None
    text, before = seeding.plain(seeding.read(file, live.document_number)), texts.text_of(live.projected_state)
    if text == before:
        _note_commit(live, commit)
        return None
    wanted = _with_edits(file, live, record, before, text)
    return Outside(live, commit, file.commits()[commit - 1].author, text, wanted)


def _note_commit(live: LiveDocument, commit: int) -> None:
    if live.projected_commit != commit:
        LiveDocument.objects.filter(pk=live.pk).update(projected_commit=commit)


def _with_edits(file: MemoryFile, live: LiveDocument, record: dict[str, Any], before: str, text: str) -> str:
    """A file that comes again replaces what was edited here since it came first: both changes are wanted."""
    try:
        with MemoryFile.open(file.path, at=live.projected_commit) as then:
            source = then.document(live.document_number).metadata.get(SOURCE)
        if not isinstance(source, dict) or SOURCE in record["meta"]:
            return text
        if record["digest"] == source["digest"]:  # it has not changed since: the edits have
            return before
        with MemoryFile.open(file.path, at=source["commit"]) as first:
            if first.document(live.document_number).digest.hex() != source["digest"]:
                return text
            base = seeding.plain(seeding.read(first, live.document_number))
    except (MemvidError, KeyError, TypeError):  # a rewrite has dropped that commit
        return text
    return texts.merge(base, before, text)


@transaction.atomic
def _merge(one: Outside) -> None:
    live = LiveDocument.objects.select_for_update().get(pk=one.live.pk)
    state = log.state_now(live.pk)
    present = texts.text_of(state.update)
    if present == one.text:  # both were changed alike
        live.projected_state, live.projected_seq = state.update, state.head
    else:
        _lay_on(live, state.head, present, one)
    live.projected_commit = one.commit
    live.save(update_fields=("projected_state", "projected_seq", "projected_commit"))


def _lay_on(live: LiveDocument, head: int, present: str, one: Outside) -> None:
    before = bytes(live.projected_state)
    update, client = texts.edits(before, texts.unlike(texts.text_of(before), present, one.wanted))
    if update is None:
        return
    live.projected_state = log.merged([before, update])
    texts.store(live, update, client, None)
    if present != texts.text_of(live.projected_state):
        places = len(TextDiff(present, texts.text_of(log.state_now(live.pk).update)).changes)
        _keep(live, head, present, one, places)


def _keep(live: LiveDocument, seq: int, text: str, one: Outside, places: int) -> None:
    """Only where there was something to merge: the text before, to be looked at and gone back to."""
    who = one.author or "somebody"
    label = f"Before the merge with the file that {who[:100]} stored in commit {one.commit}"
    label += f", which changed {places:,} place{'' if places == 1 else 's'}"
    LiveVersion.objects.create(
        live=live, seq=seq, kind=LiveVersion.Kind.MERGE, label=clean(label)[:200], text=clean(text), commit=one.commit
    )
