"""Vectors: for the rows by the embedding process, and into the file, so that they travel with it."""

from typing import Any
from uuid import UUID

from .. import mirror
from ..engine.errors import MemvidError
from ..models import Job, Memory
from ..working import Cancelled, Hold, JobFailed
from .writing import alone


def index(hold: Hold) -> dict[str, Any]:
    memory = hold.job.memory
    if memory is None or not memory.path.exists():
        raise JobFailed("there is nothing to index: the memory has no file yet")
    return _index(hold, memory, 0)


def _index(hold: Hold, memory: Memory, first: int) -> dict[str, Any]:
    from search import services  # its engine loads numpy and more, which only a worker that indexes needs

    counts = services.index_memory(memory, hold.part(first, 95))
    with alone(hold):
        services.write_boxes(memory, hold.part(95, 99))
        mirror.follow(memory)
    return counts


def after_writing(hold: Hold, memory: Memory) -> list[UUID]:
    """As the memory says: at once, else in a job that is returned. What is stored stays stored either way."""
    if memory.index_mode == Memory.IndexMode.IMMEDIATE:
        try:
            _index(hold, memory, 95)
            return []
        except MemvidError:  # the embedder is away: the queued job says so, and can be tried again
            pass
        except Cancelled:
            raise Cancelled("cancelled: everything is stored, only the meaning was not indexed") from None
    return queue(memory, by=hold.job.created_by)


def queue(memory: Memory, by: Any = None) -> list[UUID]:
    """An index job, unless one waits already or the memory wants none."""
    if memory.index_mode == Memory.IndexMode.NONE:
        return []
    if memory.jobs.filter(kind=Job.Kind.INDEX, state=Job.State.QUEUED).exists():
        return []
    job = Job.objects.create(workspace_id=memory.workspace_id, memory=memory, kind=Job.Kind.INDEX, created_by=by)
    return [job.pk]
