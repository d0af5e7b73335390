"""Files that are written anew beside the old one and take its place, with nobody writing in between."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import facts, mirror
from ..engine import Memory as MemoryFile
from ..engine.publishing import sync_folder
from ..models import Job, Memory
from ..working import Hold, JobFailed
from . import indexing, live
from .writing import alone, author, draft_path, refuse_behind, writer

Write = Callable[[MemoryFile, Path], None]
INTERRUPTED = (
    "another job on this memory was interrupted and will be finished first: try again in a minute, "
    "when it is no longer under the jobs that run"
)


def vacuum(hold: Hold) -> dict[str, Any]:
    """The present state alone: what was removed or replaced leaves the file, and the history with it."""
    with alone(hold) as memory:
        if not memory.path.exists():
            raise JobFailed("there is nothing to vacuum: the memory has no file")
        live.reconcile(hold, memory)
        if not _is_done(hold.job, memory):
            before = memory.path.stat().st_size
            rewrite(hold, memory, lambda file, out: _vacuum(hold, memory, file, out))
            hold.keep(saved=before - memory.path.stat().st_size)
        mirror.follow(memory, hold.part(80, 99, stoppable=False))
        live.reconcile(hold, memory, thorough=True)
        bring_vectors(memory)
    return {"next": indexing.queue(memory, hold.job.created_by)}


def _vacuum(hold: Hold, memory: Memory, file: MemoryFile, out: Path) -> None:
    file.vacuum(
        out, progress=hold.part(0, 80), author=author(hold.job), request=str(hold.job.pk), metadata=facts.of(memory)
    ).close()


def _is_done(job: Job, memory: Memory) -> bool:
    """An attempt that was killed after the swap has left its request in the file."""
    with MemoryFile.open(memory.path) as file:
        return any(commit.request_id == str(job.pk) for commit in file.commits())


def rewrite(hold: Hold, memory: Memory, write: Write) -> None:
    """`write(file, out)` makes the new file; the writer lock is held until it has the name of the old one.

    Vectors of chunks that stay travel along. Whoever waits for the lock opens the new file then.
    """
    _refuse_interrupted(hold.job)
    out = draft_path(memory, hold.job)
    out.unlink(missing_ok=True)
    try:
        with writer(hold, memory.path):
            with MemoryFile.open(memory.path) as file:
                refuse_behind(memory, file)
                write(file, out)
                carry_vectors(file, out)
            hold.check()
            os.replace(out, memory.path)
            sync_folder(out.parent)
    finally:
        out.unlink(missing_ok=True)


def _refuse_interrupted(job: Job) -> None:
    """A job that a killed worker left behind finds its commit by its request id, which a new file may not have."""
    left = Job.objects.filter(memory=job.memory_id, state=Job.State.RUNNING, attempts__gt=0).exclude(pk=job.pk)
    if left.filter(result__has_key="writing").exists():
        raise JobFailed(INTERRUPTED)


def carry_vectors(old: MemoryFile, path: Path) -> None:
    """The vectors of the old file for the chunks that the new one has too, by document and order."""
    from search.engine import boxes
    from search.engine.boxes import VECTOR, Living, Rows

    living = Living(old.chunks())
    with MemoryFile.open(path) as new:
        refs = {(ref.document, ref.order): ref for ref in new.chunks()}
        for model in boxes.models(old):
            found = boxes.read(old, VECTOR, model)
            vectors, places = boxes.gather([box.content for box in found], boxes.join(found, living))
            there = [refs.get((living.refs[p].document, living.refs[p].order)) for p in places.tolist()]
            kept = np.array([ref is not None for ref in there], bool)
            if kept.any():
                content = boxes.Vectors(vectors.packed[kept], vectors.scales[kept])
                boxes.append(new, VECTOR, model, Rows.of([ref for ref in there if ref is not None]), content)


def bring_vectors(memory: Memory) -> None:
    """Rows for the vectors that the file brings along, of the models that this site knows."""
    from search.engine import boxes
    from search.models import EmbeddingModel
    from search.services import import_vectors

    with MemoryFile.open(memory.path) as file:
        names = boxes.models(file)
    for model in EmbeddingModel.objects.filter(name__in=names):
        import_vectors(memory, model, lambda done, total, stage: None)
