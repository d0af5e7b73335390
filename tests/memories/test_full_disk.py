"""The disk is full while a job writes: the job says so, nothing that was stored is lost, and later it goes on."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from collab.live import seeding
from collab.live import texts as live_texts
from memories import services
from memories.models import Job, Memory
from tests.memories.engine.making import prose
from tests.memories.working import is_whole, outcomes, queue, texts, upload, work

pytestmark = pytest.mark.django_db(transaction=True)  # a lease is renewed by another connection


@pytest.fixture(autouse=True)
def nothing_is_delivered(monkeypatch):
    monkeypatch.setattr("memories.tasks.deliver", lambda pk: True)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """For this process, which then fails to write as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def start(kind: str, memory: Memory) -> Job:
    if kind == "upload":
        return upload(memory, {"new.txt": prose(60_000, 7), "other.txt": prose(60_000, 8)})
    params = {
        "remove": {"documents": [1], "message": "remove a.txt"},
        "erase": {"documents": [1]},
        "export": {"history": True, "head": memory.head_hash},
    }
    return queue(memory, kind, **params.get(kind, {}))


def test_edits_wait_until_there_is_room_again(new_memory, alice):
    memory = new_memory({"a.txt": prose(60_000, 1), "b.txt": "short\n"})
    before, size = texts(memory), memory.path.stat().st_size
    live = seeding.opened(memory, 2)
    live_texts.replace(live, bytes(live.snapshot), "short\n" + prose(60_000, 3), alice)
    job = queue(memory, Job.Kind.LIVE)
    with no_file_larger_than(size + 100):
        work(job)
    assert job.state == "failed" and "disk" in job.reason and "again" in job.reason, job.reason
    live.refresh_from_db()
    assert texts(memory) == before and is_whole(memory) and live.projected_seq < live.head_seq
    services.retry_job(job)
    assert work(job).state == "done", job.reason
    live.refresh_from_db()
    assert texts(memory)["b.txt"] == "short\n" + prose(60_000, 3) and live.projected_seq == live.head_seq


@pytest.mark.parametrize("kind", ["upload", "remove", "erase", "vacuum", "export"])
def test_a_full_disk_loses_nothing_and_is_said(kind, new_memory):
    memory = new_memory({"a.txt": prose(60_000, 1), "b.txt": prose(60_000, 2)})
    before, data = texts(memory), memory.path.read_bytes()
    job = start(kind, memory)
    with no_file_larger_than(len(data) + 100 if kind in ("upload", "remove") else 10_000):
        work(job)
    assert job.state == "failed" and "disk" in job.reason and "again" in job.reason, job.reason
    memory.refresh_from_db()
    assert texts(memory) == before and is_whole(memory) and memory.state == "ready"
    assert not list(memory.path.parent.glob("*.tmp*")) and not list(memory.path.parent.glob("*.draft*"))
    if kind == "upload":
        assert outcomes(job) == {"new.txt": "failed", "other.txt": "failed"}
    services.retry_job(job)
    assert work(job).state == "done", job.reason
    memory.refresh_from_db()
    assert is_whole(memory)
