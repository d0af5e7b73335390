"""Every kind of job can be cancelled, while it waits and at each of its steps, and tried again: it does all or nothing,
and in the end what it is for, once."""

from collections.abc import Callable

import pytest

from collab.live import log, seeding
from collab.live import texts as live_texts
from memories import services
from memories.engine import Memory as MemoryFile
from memories.models import Document, Job, Memory
from memories.working import Hold
from tests.memories.test_jobs import staged_import
from tests.memories.working import is_whole, queue, requests, texts, upload, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("embedder")]
Kind = Job.Kind
MOST_STEPS = 200
ADDS = {Kind.UPLOAD: 1, Kind.REMOVE: 1, Kind.EDIT: 1, Kind.LIVE: 1}  # commits; what makes a file has them all anew


@pytest.fixture(autouse=True)
def nothing_is_delivered(monkeypatch) -> None:
    monkeypatch.setattr("memories.tasks.deliver", lambda pk: True)


@pytest.fixture
def memory(new_memory) -> Memory:
    return new_memory({"d/a.txt": "call me ishmael", "d/b.txt": "the best of times"}, index_mode="none")


@pytest.fixture
def empty(workspace, alice) -> Memory:
    return Memory.objects.create(workspace=workspace, created_by=alice, name="New", index_mode="none")


def edited(memory: Memory) -> Job:
    document = Document.objects.get(memory=memory, path="d/a.txt")
    changes = [{"order": document.chunks.get().order, "text": "call me ahab"}]
    return queue(memory, Kind.EDIT, document=document.number, changes=changes)


def typed(memory: Memory) -> Job:
    live = seeding.opened(memory, Document.objects.get(memory=memory, path="d/a.txt").number)
    state = log.state_now(live.pk).update
    live_texts.replace(live, state, live_texts.text_of(state) + " again", None)
    return queue(memory, Kind.LIVE)


@pytest.fixture
def make(memory, empty, new_memory) -> Callable[[Kind], Job]:
    """A job of that kind with something to do."""

    def compared() -> Job:
        other = new_memory({"d/a.txt": "call me ahab"}, name="Other", index_mode="none")
        return queue(memory, Kind.COMPARE, a_at=None, b=str(other.pk), b_at=None, semantic=True)

    number = Document.objects.get(memory=memory, path="d/a.txt").number
    ways = {
        Kind.UPLOAD: lambda: upload(memory, {"n/x.txt": "new", "n/y.txt": "newer"}),
        Kind.IMPORT: lambda: staged_import(empty, memory.path.read_bytes()),
        Kind.MERGE: lambda: queue(empty, Kind.MERGE, sources=[str(memory.pk)]),
        Kind.VACUUM: lambda: queue(memory, Kind.VACUUM),
        Kind.REMOVE: lambda: queue(memory, Kind.REMOVE, documents=[number]),
        Kind.ERASE: lambda: queue(memory, Kind.ERASE, documents=[number]),
        Kind.EDIT: lambda: edited(memory),
        Kind.INDEX: lambda: queue(memory, Kind.INDEX),
        Kind.VERIFY: lambda: queue(memory, Kind.VERIFY),
        Kind.EXPORT: lambda: queue(memory, Kind.EXPORT),
        Kind.MIRROR: lambda: queue(memory, Kind.MIRROR),
        Kind.DUPLICATES: lambda: queue(memory, Kind.DUPLICATES, by="text"),
        Kind.COMPARE: compared,
        Kind.LIVE: lambda: typed(memory),
    }
    return lambda kind: ways[kind]()


def stop_at(step: int, monkeypatch) -> list[int]:
    """Somebody cancels when the worker tells its progress for that time; gives how often it did."""
    told = [0]
    real = Hold.progress

    def progress(hold: Hold, done: int, total: int, stage: str) -> None:
        told[0] += 1
        if told[0] == step:
            services.cancel_job(Job.objects.get(pk=hold.job.pk))
            hold._renew()  # as its heartbeat does
        real(hold, done, total, stage)

    monkeypatch.setattr(Hold, "progress", progress)
    return told


def standing(memory: Memory) -> tuple[bytes, list[str], dict[str, str]]:
    """File, commits and rows, which must go together."""
    if not memory.path.exists():
        return b"", [], texts(memory)
    return memory.path.read_bytes(), requests(memory), texts(memory)


@pytest.mark.parametrize("kind", Kind)
def test_a_job_that_waits(kind, make):
    job = make(kind)
    before = standing(job.memory)
    services.cancel_job(job)
    assert job.state == "cancelled" and "nothing of it was stored" in job.reason
    assert work(job).state == "cancelled", "a message of it that comes late"
    assert standing(job.memory) == before
    services.retry_job(job)
    assert work(job).state == "done", job.reason


@pytest.mark.parametrize("kind", Kind)
def test_a_job_at_work(kind, make, monkeypatch):
    job = make(kind)
    before = standing(job.memory)
    for step in range(1, MOST_STEPS):
        with monkeypatch.context() as patch:
            stop_at(step, patch)
            if work(job).state == "done":
                break
        assert job.state == "cancelled", job.reason
        assert standing(job.memory) == before, f"cancelled at step {step}"
        services.retry_job(job)
    assert (step > 1) == (kind != Kind.MIRROR), "rows that follow their file cannot stop in the middle, all else can"
    assert job.state == "done" and not job.files.exclude(state="stored").exists()
    job.memory.refresh_from_db()
    assert is_whole(job.memory)
    if kind in ADDS:
        assert len(requests(job.memory)) == len(before[1]) + ADDS[kind]
    with MemoryFile.open(job.memory.path) as file:
        assert {one.path: file.text(one.path) for one in file.documents()} == texts(job.memory)
        assert file.head.number == job.memory.head
