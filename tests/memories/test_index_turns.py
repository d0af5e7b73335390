"""Indexing takes one slot of the workers and no more."""

from memories import working
from memories.models import Job


def queued(memory, kind: str) -> Job:
    return Job.objects.create(workspace=memory.workspace, memory=memory, kind=kind)


def test_one_index_job_at_a_time_and_the_next_when_it_ends(new_memory):
    memory = new_memory()
    first, second, upload = queued(memory, "index"), queued(memory, "index"), queued(memory, "upload")
    hold = working.claim(first.pk)
    assert hold is not None and working.claim(second.pk) is None
    assert working.claim(upload.pk) is not None
    hold.finish(Job.State.DONE)
    assert working.waiting_index() == [second.pk]
    assert working.claim(second.pk) is not None
