"""What jobs owe to documents that people have open. collab.live knows this package: it is imported when needed."""

from typing import Any

from django.db import transaction

from ..engine import Memory as MemoryFile
from ..engine.history import document_changes
from ..models import Memory
from ..working import Hold


def project(hold: Hold) -> dict[str, Any]:
    from collab.live import projection

    return projection.project(hold)


def write_first(hold: Hold, memory: Memory) -> None:
    """Before documents are removed: the history is to hold what was typed last."""
    from collab.live import projection

    if projection.unwritten(memory).exists():
        projection.write(hold, memory)


def reconcile(hold: Hold, memory: Memory, *, thorough: bool = False) -> None:
    """After a change of the file, inside the same lock: open texts follow it, merged with what was edited."""
    from collab.live import projection, reconciling

    if reconciling.reconcile(memory, thorough):
        projection.write(hold, memory, "Merge files that came again with their edits")


def adopt(memory: Memory, commit: int) -> None:
    """Documents that this commit replaced, and that were edited before by somebody who never opened them: a curator.
    From now on they have a log, and so the two changes are merged like any."""
    from collab.live import reconciling, seeding
    from collab.models import LiveDocument

    if commit < 2:
        return
    with MemoryFile.open(memory.path) as file, MemoryFile.open(memory.path, at=commit - 1) as before:
        put = {one.number for one in document_changes(file, commit - 1) if one.commit == commit and one.record}
        records = before.state.documents
        edited = [n for n in put if n in records and reconciling.SOURCE in records[n]["meta"]]
        known = LiveDocument.objects.filter(memory=memory, document_number__in=edited)
        for number in set(edited) - set(known.values_list("document_number", flat=True)):
            try:
                seeding.make(memory, number, seeding.read(before, number), commit - 1)
            except seeding.CannotEdit:
                continue  # too long: the file that came replaces it


def forget(memory: Memory, numbers: set[int]) -> None:
    """Every trace of these documents' logs; whoever has one open is cut off, who opens one is waited for."""
    from collab.live import groups, seeding
    from collab.models import LiveDocument

    gone = LiveDocument.objects.filter(memory=memory, document_number__in=numbers)
    with transaction.atomic():
        for number in sorted(numbers):
            seeding.take_turn(memory, number)
        keys = list(gone.values_list("pk", flat=True))
        gone.delete()
    for key in keys:
        groups.look_again(key)
