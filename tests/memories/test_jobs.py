"""Every kind of job besides the upload: what it does, that doing it twice does no harm, and how it fails."""

import os
import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from memories import facts, jobs, mirror, staging
from memories.engine import Memory as MemoryFile
from memories.engine import locks
from memories.jobs import checking, house
from memories.models import Document, Job, Memory
from memories.working import MOST_ATTEMPTS
from tests.memories.working import is_whole, queue, requests, stage, texts, upload, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def memory(new_memory) -> Memory:
    return new_memory(
        {"d/a.txt": "call me ishmael", "d/b.txt": "the best of times", "c.txt": "a white whale"}, index_mode="none"
    )


@pytest.fixture
def empty(workspace, alice) -> Memory:
    return Memory.objects.create(workspace=workspace, created_by=alice, name="New", index_mode="none")


def again(job: Job) -> Job:
    """As the reaper does after a worker was killed at the very end."""
    Job.objects.filter(pk=job.pk).update(state="running", lease_until=timezone.now(), attempts=1)
    return work(job)


def staged_import(memory: Memory, data: bytes) -> Job:
    job = queue(memory, Job.Kind.IMPORT)
    stage(job, {"memory.mp4": data})
    job.params = {"staged": job.files.get().staged}
    job.files.all().delete()
    job.save()
    return job


def test_remove_keeps_history(memory):
    number = Document.objects.get(path="d/a.txt").number
    job = work(queue(memory, Job.Kind.REMOVE, documents=[number, 999], message="out"))
    assert job.state == "done" and set(texts(memory)) == {"d/b.txt", "c.txt"}
    with MemoryFile.open(memory.path, at=1) as before:
        assert before.text("d/a.txt") == "call me ishmael"
    assert again(job).state == "done" and requests(memory).count(str(job.pk)) == 1


def test_edit_is_one_commit_and_the_file_stays_whole(memory):
    document = Document.objects.get(path="d/a.txt")
    order = document.chunks.get().order
    changes = [
        {"order": order, "text": "call me"},
        {"order": order + 5, "text": " Ahab"},
        {"order": order + 9, "text": None},
    ]
    job = work(queue(memory, Job.Kind.EDIT, document=document.number, changes=changes, head=1))
    assert job.state == "done" and texts(memory)["d/a.txt"] == "call me Ahab" and is_whole(memory)
    assert again(job).state == "done" and requests(memory).count(str(job.pk)) == 1
    memory.refresh_from_db()
    assert (memory.chunks_count, memory.text_bytes) == (4, len("call me Ahab" + "the best of times" + "a white whale"))


def test_edit_of_what_somebody_else_changed_is_refused(memory, append):
    document = Document.objects.get(path="d/a.txt")
    append(memory, {"d/a.txt": "call me Queequeg"})
    changes = [{"order": document.chunks.get().order, "text": "x"}]
    job = work(queue(memory, Job.Kind.EDIT, document=document.number, changes=changes, head=1))
    assert job.state == "failed" and "meanwhile" in job.reason
    append(memory, {"c.txt": "another document"})
    assert work(queue(memory, Job.Kind.EDIT, document=document.number, changes=changes, head=2)).state == "done"


def test_nothing_is_written_to_a_file_that_is_behind_until_it_is_accepted(memory, append):
    old = memory.path.read_bytes()
    append(memory, {"c.txt": "seen, then lost"})
    mirror.follow(memory)
    memory.path.write_bytes(old)
    for job in (upload(memory, {"n.txt": "new"}), queue(memory, Job.Kind.VACUUM)):
        assert work(job).state == "failed" and "ends at commit 1" in job.reason
    assert memory.path.read_bytes() == old and texts(memory)["c.txt"] == "seen, then lost"
    mirror.follow(memory)
    assert work(queue(memory, Job.Kind.MIRROR, accept=True)).state == "done"
    assert texts(memory)["c.txt"] == "a white whale"
    assert work(upload(memory, {"n.txt": "new"})).state == "done"


def test_a_file_that_is_gone_cannot_be_accepted(memory):
    memory.path.unlink()
    mirror.follow(memory)
    work(queue(memory, Job.Kind.MIRROR, accept=True))
    memory.refresh_from_db()
    assert memory.state == Memory.State.BEHIND and texts(memory)["c.txt"] == "a white whale"


@pytest.mark.parametrize(
    "changes", [None, ["x"], [{"order": -1, "text": "x"}], [{"order": 1, "text": 5}], [{"order": 1 << 70, "text": ""}]]
)
def test_edit_that_makes_no_sense_is_refused(memory, changes):
    job = work(queue(memory, Job.Kind.EDIT, document=1, changes=changes, head=1))
    assert job.state in ("failed", "done") and len(requests(memory)) == 1


def test_vacuum_leaves_the_present_alone_and_loses_no_commit(memory, append):
    append(memory, {"d/a.txt": "call me Ahab"})
    job = work(queue(memory, Job.Kind.VACUUM))
    assert job.state == "done" and requests(memory) == [str(job.pk)] and is_whole(memory)
    memory.refresh_from_db()
    assert (memory.head, memory.state, texts(memory)["d/a.txt"]) == (1, "ready", "call me Ahab")
    assert again(job).state == "done" and requests(memory) == [str(job.pk)]
    assert not list(memory.path.parent.glob("*.draft"))


def test_a_commit_by_anybody_waits_for_the_vacuum_and_is_in_the_new_file(memory, append, monkeypatch):
    """The other writer is at the door while the new file is written."""
    waiting, done = threading.Event(), threading.Event()
    real = locks._lock

    def lock(descriptor, path, deadline):
        if threading.current_thread() is not threading.main_thread():
            waiting.set()
        real(descriptor, path, deadline)

    def other() -> None:
        from tests.memories.engine.making import source

        with MemoryFile.open(memory.path) as file:
            try:
                file.commit([source("late.txt", "late")], wait=60)
            except Exception:  # the file was replaced: open it again, as the message says
                with MemoryFile.open(memory.path) as fresh:
                    fresh.commit([source("late.txt", "late")], wait=60)
        done.set()

    from memories.jobs import rewriting

    write = rewriting._vacuum
    thread = threading.Thread(target=other)

    def vacuum(*args):
        thread.start()
        assert waiting.wait(30)
        write(*args)
        assert not done.is_set()

    monkeypatch.setattr(locks, "_lock", lock)
    monkeypatch.setattr(rewriting, "_vacuum", vacuum)
    assert work(queue(memory, Job.Kind.VACUUM)).state == "done"
    thread.join()
    mirror.follow(memory)
    assert texts(memory) == {
        "d/a.txt": "call me ishmael",
        "d/b.txt": "the best of times",
        "c.txt": "a white whale",
        "late.txt": "late",
    }


def test_two_jobs_on_one_memory_run_one_after_the_other(memory):
    """The second waits, says so, and can be cancelled meanwhile."""
    lock = memory.path.with_suffix(".lock")
    lock.touch()
    job = queue(memory, Job.Kind.VACUUM)
    with locks.writer(lock):
        thread = threading.Thread(target=jobs.run, args=(job.pk,))
        thread.start()
        tick = threading.Event()
        while not Job.objects.filter(pk=job.pk, stage="waiting for another job on this memory").exists():
            assert thread.is_alive()
            tick.wait(0.02)
        assert len(requests(memory)) == 1
    thread.join()
    job.refresh_from_db()
    assert job.state == "done"


def test_merge_makes_a_new_memory_of_what_the_person_may_see(memory, new_memory, empty, charlie):
    other = new_memory({"c.txt": "a black cat", "e.txt": "extra"}, name="Cats/2", index_mode="none")
    job = work(queue(empty, Job.Kind.MERGE, sources=[str(memory.pk), str(other.pk)]))
    assert job.state == "done" and is_whole(empty)
    assert texts(empty) == {
        "d/a.txt": "call me ishmael", "d/b.txt": "the best of times", "c.txt": "a white whale",
        "Cats-2/c.txt": "a black cat", "e.txt": "extra",
    }  # fmt: skip
    assert str(memory.pk) not in str(list(empty.commits.values_list("message", "metadata")))
    assert again(job).state == "done" and requests(empty).count(str(job.pk)) == 1
    second = work(queue(empty, Job.Kind.MERGE, sources=[str(memory.pk)]))
    assert second.state == "failed" and "new one" in second.reason


def test_merge_of_what_is_no_longer_shared_is_refused(memory, empty, charlie):
    Job.objects.all().delete()
    job = queue(empty, Job.Kind.MERGE, sources=[str(memory.pk)])
    Job.objects.filter(pk=job.pk).update(created_by=charlie)
    assert work(job).state == "failed" and "shared" in job.reason and not empty.path.exists()


def test_an_import_that_is_refused_says_what_to_do_and_nothing_about_our_folders(empty):
    job = work(staged_import(empty, b"hello"))
    assert job.state == "failed" and "the file" in job.reason and "Send it again" in job.reason
    assert job.params["staged"] not in job.reason


def test_import_moves_a_checked_file_into_place(memory, empty):
    job = work(staged_import(empty, memory.path.read_bytes()))
    empty.refresh_from_db()
    assert job.state == "done" and job.result["report"]["ok"] and texts(empty) == texts(memory)
    assert empty.state == "ready" and not staging.folder_of(job.pk).exists()
    assert again(job).state == "done"
    assert (
        work(staged_import(empty, memory.path.read_bytes())).reason
        == "this memory has a file already: import into a new one"
    )


@pytest.mark.parametrize("damage", ["noise", "cut", "flipped", "empty"])
def test_import_of_a_damaged_file_says_why_and_leaves_nothing(memory, empty, damage):
    data = bytearray(memory.path.read_bytes())
    if damage == "flipped":
        for at in range(len(data) // 3, len(data) // 2, 7):
            data[at] ^= 0x55
    made = {"noise": os.urandom(50_000), "cut": bytes(data[: len(data) // 3]), "flipped": bytes(data), "empty": b""}
    job = work(staged_import(empty, made[damage]))
    assert job.state == "failed" and job.reason.startswith("this is no whole memory: ")
    assert str(settings.MEMVID_DATA_DIR) not in job.reason and not empty.path.exists()


def test_a_check_that_asks_for_too_much_is_stopped(memory):
    assert not checking.check(memory.path, lambda *_: None, megabytes=120)["ok"]
    assert not checking.check(memory.path, lambda *_: None, seconds=0.0)["ok"]
    assert checking.check(memory.path, lambda *_: None)["ok"]


def test_verify_raises_an_alarm_that_only_a_check_takes_back(memory, append):
    assert work(queue(memory, Job.Kind.VERIFY)).result["report"]["ok"]
    whole = memory.path.read_bytes()
    with MemoryFile.open(memory.path) as file:
        offset, size = file.log.directory.place(1)
    with memory.path.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(size))
    job = work(queue(memory, Job.Kind.VERIFY))
    memory.refresh_from_db()
    assert job.state == "done" and not job.result["report"]["ok"]
    assert memory.state == "damaged" and memory.alarm.startswith(mirror.FOUND_BY_CHECK)
    memory.path.write_bytes(whole)
    append(memory, {"n.txt": "new"})
    mirror.follow(memory)
    assert memory.state == "damaged" and "n.txt" in texts(memory)
    work(queue(memory, Job.Kind.VERIFY))
    memory.refresh_from_db()
    assert (memory.state, memory.alarm) == ("ready", "")


@pytest.mark.parametrize("history", [False, True])
def test_export_with_and_without_history(memory, append, history):
    append(memory, {"d/a.txt": "call me Ahab"})
    job = work(queue(memory, Job.Kind.EXPORT, history=history))
    path = settings.MEMVID_DATA_DIR / "exports" / job.result["file"]
    with MemoryFile.open(path) as file:
        assert file.text("d/a.txt") == "call me Ahab" and file.verify().ok
        assert len(file.commits()) == (2 if history else 1)
    assert job.result["name"] == "Books.mp4" and again(job).state == "done"


def test_what_a_memory_is_called_goes_into_its_file(memory):
    memory.name, memory.tags, memory.description = "Whales", ["sea"], "x" * 5000 + "é" * 3000
    memory.save()
    job = work(queue(memory, Job.Kind.MIRROR))
    assert job.state == "done"
    with MemoryFile.open(memory.path) as file:
        noted = facts.in_file(file)
        assert (noted["name"], noted["tags"], noted["visibility"]) == ("Whales", ["sea"], "team")
        head = file.head.number
    work(queue(memory, Job.Kind.MIRROR))
    memory.refresh_from_db()
    assert memory.head == head == 2


def test_facts_always_fit_beside_a_long_message(empty):
    import random

    wild = random.Random(3)
    noise = lambda n: "".join(chr(wild.randint(0x10000, 0x1F000)) for _ in range(n))  # noqa: E731
    Memory.objects.filter(pk=empty.pk).update(
        name=noise(200), description=noise(3000), tags=[noise(50) for _ in range(20)]
    )
    empty.refresh_from_db()
    assert work(upload(empty, {"a.txt": "a"}, message=noise(2000))).state == "done"


def test_following_looks_only_at_files_that_changed(memory, append, monkeypatch, django_assert_num_queries):
    from django.core.cache import cache

    cache.delete(house.SEEN)
    old = timezone.now().timestamp() - 60
    os.utime(memory.path, (old, old))
    jobs.follow_files()
    followed: list = []
    real = mirror.follow
    monkeypatch.setattr(mirror, "follow", lambda row: (followed.append(row.pk), real(row)))
    with django_assert_num_queries(1):
        jobs.follow_files()
    assert not followed
    append(memory, {"new.txt": "from outside"})
    jobs.follow_files()
    assert not followed, "somebody may still be writing"
    os.utime(memory.path, (old + 1, old + 1))
    jobs.follow_files()
    assert followed == [memory.pk] and texts(memory)["new.txt"] == "from outside"
    memory.path.unlink()
    jobs.follow_files()
    memory.refresh_from_db()
    assert memory.state == "behind"


def test_the_trash_is_emptied_after_thirty_days_with_all_files(memory, new_memory):
    kept = new_memory({"k.txt": "kept"}, deleted_at=timezone.now() - timedelta(days=29))
    job = work(queue(memory, Job.Kind.EXPORT))
    Memory.objects.filter(pk=memory.pk).update(deleted_at=timezone.now() - timedelta(days=31))
    jobs.keep_house()
    assert not Memory.objects.filter(pk=memory.pk).exists() and Memory.objects.filter(pk=kept.pk).exists()
    left = [
        path for path in settings.MEMVID_DATA_DIR.rglob("*") if str(memory.pk) in path.name or str(job.pk) in path.name
    ]
    assert not left and kept.path.exists()


def test_the_staging_place_is_cleaned(memory):
    done, failed, old = (upload(memory, {"a.txt": "a"}) for _ in range(3))
    Job.objects.filter(pk=done.pk).update(state="done", finished_at=timezone.now())
    done.files.update(state="stored")
    Job.objects.filter(pk__in=[failed.pk, old.pk]).update(state="failed", finished_at=timezone.now())
    Job.objects.filter(pk=old.pk).update(finished_at=timezone.now() - house.KEPT * 2)
    waiting = upload(memory, {"a.txt": "a"})
    house.clean_staging()
    there = [staging.folder_of(job.pk).exists() for job in (done, failed, old, waiting)]
    assert there == [False, True, False, True]


def test_a_job_without_its_memory_or_file_fails_plainly(memory, empty):
    for kind in (
        Job.Kind.VACUUM,
        Job.Kind.REMOVE,
        Job.Kind.EDIT,
        Job.Kind.INDEX,
        Job.Kind.VERIFY,
        Job.Kind.EXPORT,
        Job.Kind.ERASE,
    ):
        job = work(queue(empty, kind, document=1, documents=[1], changes=[]))
        assert job.state == "failed" and "unexpected" not in job.reason, (kind, job.reason)
    job = queue(memory, Job.Kind.VACUUM)
    Job.objects.filter(pk=job.pk).update(memory=None)
    assert work(job).reason == "its memory was deleted"


def test_indexing_without_an_embedder_fails_with_a_reason_and_stores_the_upload(empty, monkeypatch):
    from search import services

    monkeypatch.setattr(services, "PATIENCE", 0.0)
    Memory.objects.filter(pk=empty.pk).update(index_mode="immediate")
    job = work(upload(empty, {"a.txt": "alpha"}))
    assert job.state == "done"
    index = Job.objects.get(kind="index")
    assert (
        index.state == "queued" and work(index).state == "failed" and index.reason and "unexpected" not in index.reason
    )


def test_attempts_are_counted(memory):
    job = queue(memory, Job.Kind.VERIFY)
    Job.objects.filter(pk=job.pk).update(state="running", attempts=MOST_ATTEMPTS, lease_until=timezone.now())
    assert work(job).state == "running"
