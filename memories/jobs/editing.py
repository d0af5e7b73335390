"""Small changes as commits: documents removed, chunks corrected."""

from functools import partial
from typing import Any

from .. import mirror
from ..engine import Memory as MemoryFile
from ..engine.align import Change
from ..engine.changes import Planner, source_of
from ..engine.errors import NotFound
from ..engine.history import last_change
from ..models import Memory
from ..working import Hold, JobFailed
from . import indexing, live
from .writing import alone, commit

LONGEST_CHUNK = 1_000_000  # characters
MOST_ORDER = (1 << 62) - 1


def remove(hold: Hold) -> dict[str, Any]:
    """Documents by number; those that are gone already are what was wanted. History keeps their text."""
    numbers = hold.job.params.get("documents") or []
    message = hold.job.params.get("message") or f"Remove {len(numbers)} documents"
    with alone(hold) as memory:
        _needs_file(memory)
        live.write_first(hold, memory)
        result = commit(hold, partial(_plan_removal, numbers), message=message, progress=hold.part(0, 80))
        mirror.follow(memory, hold.part(80, 99, stoppable=False))
        live.reconcile(hold, memory)
    return {"commit": result.commit.number if result.commit else None}


def _plan_removal(numbers: list[int], file: MemoryFile, planner: Planner) -> None:
    for number in dict.fromkeys(numbers):
        record = file.log.directory.record_of(number) if isinstance(number, int) and number > 0 else None
        if record is not None:
            planner.remove(record["path"])


def edit(hold: Hold) -> dict[str, Any]:
    """{"document", "changes": [{"order", "text" or null, "metadata"}], "head": commit the change was made on,
    "head_hash": its hash}."""
    params = hold.job.params
    edits = [_change(change) for change in params.get("changes") or []]
    message = params.get("message") or "Correction"
    with alone(hold) as memory:
        _needs_file(memory)
        seen = params.get("head"), params.get("head_hash")
        plan = partial(_plan_edit, params.get("document"), edits, seen)
        result = commit(hold, plan, message=message, progress=hold.part(0, 80))
        mirror.follow(memory, hold.part(80, 99, stoppable=False))
        live.reconcile(hold, memory)
    following = indexing.queue(memory, hold.job.created_by) if result.commit else []
    return {"commit": result.commit.number if result.commit else None, "next": following}


def _plan_edit(number: Any, edits: list[Change], seen: tuple[Any, Any], file: MemoryFile, planner: Planner) -> None:
    record = file.log.directory.record_of(number) if isinstance(number, int) and number > 0 else None
    if record is None:
        raise JobFailed("the document is no longer in this memory: nothing was changed")
    if not _is_as_seen(file, number, *seen):
        raise JobFailed("somebody else has changed the document meanwhile: look at it and make the change again")
    try:
        planner.edit(record["path"], edits, source_of(record, last_change(file, number)))
    except NotFound as error:
        raise JobFailed(str(error)) from None


def _is_as_seen(file: MemoryFile, number: int, head: Any, digest: Any) -> bool:
    """Whether the document is as it was at that commit, and the commit still one of the file's."""
    if not isinstance(head, int):
        return True
    if isinstance(digest, str) and not (0 < head <= file.head.number and file.commits()[head - 1].hash.hex() == digest):
        return False
    return last_change(file, number) <= head


def _change(change: Any) -> Change:
    order, text = (change.get("order"), change.get("text")) if isinstance(change, dict) else (None, None)
    if not isinstance(order, int) or not 0 <= order <= MOST_ORDER or not isinstance(text, str | None):
        raise JobFailed("the correction names no chunk: nothing was changed")
    if text is not None and len(text) > LONGEST_CHUNK:
        raise JobFailed("the corrected text is too long for one chunk: split it")
    metadata = change.get("metadata")
    return Change(order, text, metadata if isinstance(metadata, dict) else None)


def _needs_file(memory: Memory) -> None:
    if not memory.path.exists():
        raise JobFailed("the file of this memory is gone: put it back from a backup")
