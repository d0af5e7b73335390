"""A memory file from elsewhere: checked where it can do no harm, then moved to its place."""

import os
import shutil
from pathlib import Path
from typing import Any

from .. import mirror, staging
from ..engine.publishing import publish, sync_folder, temporary_beside
from ..models import Memory
from ..working import Hold, JobFailed
from . import checking, indexing
from .writing import alone

NOT_EMPTY = "this memory has a file already: import into a new one"


def import_file(hold: Hold) -> dict[str, Any]:
    name = os.path.basename(str(hold.job.params.get("staged") or ""))
    source = staging.folder_of(hold.job.pk) / name
    with alone(hold) as memory:
        if hold.job.result.get("moving") and memory.path.exists():  # by an attempt that was killed then
            report = hold.job.result["moving"]
        else:
            report = _check_and_move(hold, memory, source)
        if memory.head == 0:
            mirror.follow(memory, hold.part(60, 95, stoppable=False))
        checking.note_facts(hold, memory)
    staging.drop_all(hold.job.pk)
    return {"report": report, "next": indexing.queue(memory, hold.job.created_by)}


def _check_and_move(hold: Hold, memory: Memory, source: Path) -> dict[str, Any]:
    if memory.path.exists():
        raise JobFailed(NOT_EMPTY)
    if not source.is_file():
        raise JobFailed("the uploaded file is no longer on the server: upload it again")
    report = checking.check(source, hold.part(0, 60))
    if not report["ok"]:
        problem = report["problems"][0].replace(str(source), "the file").replace(source.name, "the file")
        raise JobFailed(
            f"this is no whole memory: {problem}. Send it again should it have been cut on its way; "
            "`memvid repair` saves what a damaged one still holds"
        )
    hold.keep(moving=report)
    _move(source, memory.path)
    return report


def _move(source: Path, target: Path) -> None:
    """On the disk before it has its name, and never over something else."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    if source.stat().st_dev == target.parent.stat().st_dev:
        publish(str(source), target)
    else:
        _copy(source, target)
    source.unlink(missing_ok=True)
    sync_folder(target.parent)


def _copy(source: Path, target: Path) -> None:
    descriptor, temporary = temporary_beside(target)
    try:
        with os.fdopen(descriptor, "wb") as out, source.open("rb") as data:
            shutil.copyfileobj(data, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        publish(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
