"""Workers that are killed, stores that go away: each file is stored or failed with a reason, in one commit or none."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from memories import jobs, services, tasks, working
from memories.models import Job, JobFile, Memory
from tests.memories.engine.making import prose
from tests.memories.working import is_whole, outcomes, requests, texts, upload, work

pytestmark = pytest.mark.django_db(transaction=True)
FILES = 60


@pytest.fixture
def memory(workspace, alice) -> Memory:
    return Memory.objects.create(workspace=workspace, created_by=alice, name="Books", index_mode="none")


def environment(**more: str) -> dict[str, str]:
    """Of a process that works on the database of this test."""
    database = settings.DATABASES["default"]
    url = f"postgresql://{database['USER']}@/{connection.settings_dict['NAME']}?host={database['HOST']}"
    return {**os.environ, "DATABASE_URL": url, "MEMVID_JOB_LEASE_SECONDS": "3", **more}


@contextmanager
def worker(log: Path) -> Iterator[subprocess.Popen]:
    """A real prefork worker in a process group of its own."""
    command = [sys.executable, "-m", "celery", "-A", "memvid_site", "worker", "-c", "1", "--without-gossip",
               "--without-mingle", "-l", "warning"]  # fmt: skip
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, env=environment(), stdout=out, stderr=out, start_new_session=True, cwd=settings.BASE_DIR
        )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(what: Callable[[], object], process: subprocess.Popen, log: Path) -> None:
    """Looks until it is so; a worker that has ended will not bring it about any more."""
    tick = threading.Event()
    while not what():
        assert process.poll() is None, log.read_text()
        tick.wait(0.02)


def script(job: Job, patch: str) -> int:
    """Works on the job in a process that `patch` has prepared; returns its exit code."""
    code = f"""
import os, signal, django
from uuid import UUID
django.setup()
from memories import jobs, mirror, tasks
from memories.jobs import upload, writing
def die(*args, **kwargs): os.kill(os.getpid(), signal.SIGKILL)
{patch}
jobs.run(UUID("{job.pk}"))
"""
    more = environment(DJANGO_SETTINGS_MODULE="memvid_site.settings")
    return subprocess.run([sys.executable, "-c", code], env=more, cwd=settings.BASE_DIR).returncode


def run_out(job: Job) -> None:
    """As if the lease of the killed worker had run out."""
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now())


@pytest.mark.parametrize("stage", ["reading file", "encoding", "updating"])
def test_a_worker_group_killed_in_the_middle_of_an_upload(memory, tmp_path, stage):
    job = upload(
        memory, {f"books/{n:02}.txt": prose(30_000, n) for n in range(FILES)} | {"books/bad.pdf": b"%PDF junk"}
    )
    log = tmp_path / "worker.log"
    with worker(log) as first:
        tasks.deliver(job.pk)
        wait_for(lambda: Job.objects.filter(pk=job.pk, stage__startswith=stage).exists(), first, log)
        kill(first)
    job.refresh_from_db()
    assert job.state == "running" and job.files.filter(state="waiting").count() == FILES + 1
    with worker(log) as second:
        wait_for(lambda: working.reap(tasks.deliver) or Job.objects.filter(pk=job.pk, attempts=2).exists(), second, log)
        wait_for(lambda: Job.objects.filter(pk=job.pk, finished_at__isnull=False).exists(), second, log)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("done", 2)
    states = outcomes(job)
    assert states.pop("books/bad.pdf") == "failed" and job.files.get(state="failed").reason
    assert set(states.values()) == {"stored"} and len(states) == FILES
    assert requests(memory) == [str(job.pk)] and is_whole(memory)
    assert texts(memory)["books/07.txt"] == prose(30_000, 7)


def test_killed_between_commit_and_rows(memory):
    job = upload(memory, {"a.txt": "alpha", "b.pdf": b"no pdf"})
    assert script(job, "mirror.follow = die") == -signal.SIGKILL
    assert requests(memory) == [str(job.pk)] and not texts(memory)
    run_out(job)
    assert work(job).state == "done"
    assert outcomes(job) == {"a.txt": "stored", "b.pdf": "failed"}
    assert requests(memory) == [str(job.pk)] and texts(memory) == {"a.txt": "alpha"}


def test_killed_between_rows_and_outcomes_removals_are_told_too(memory):
    work(upload(memory, {"d/a.txt": "alpha", "d/b.txt": "beta"}))
    job = upload(memory, {"d/a.txt": "alpha two"}, sync_roots=["d"])
    assert script(job, "upload._record = die") == -signal.SIGKILL
    run_out(job)
    assert work(job).state == "done"
    assert outcomes(job) == {"d/a.txt": "stored", "d/b.txt": "removed"} and texts(memory) == {"d/a.txt": "alpha two"}
    assert requests(memory).count(str(job.pk)) == 1


def test_what_somebody_else_stored_after_the_kill_is_not_overwritten(memory):
    job = upload(memory, {"a.txt": "mine"})
    assert script(job, "mirror.follow = die") == -signal.SIGKILL
    work(upload(memory, {"a.txt": "newer"}))
    run_out(job)
    assert work(job).state == "done" and outcomes(job) == {"a.txt": "stored"}
    assert texts(memory) == {"a.txt": "newer"}


def test_a_vacuum_waits_for_what_was_interrupted(memory):
    work(upload(memory, {"a.txt": "first"}))
    job = upload(memory, {"a.txt": "second"})
    assert script(job, "mirror.follow = die") == -signal.SIGKILL
    vacuum = services.start_job(Job.Kind.VACUUM, workspace=memory.workspace, by=None, memory=memory)
    assert work(vacuum).state == "failed" and "interrupted" in vacuum.reason
    run_out(job)
    assert work(job).state == "done" and texts(memory) == {"a.txt": "second"}


def test_a_file_that_ends_its_reader_fails_alone(memory):
    job = upload(memory, {"a.txt": "alpha", "deadly.txt": "x", "z.txt": "omega"})
    patch = """
from memories.jobs import staged
real = staged.read_source
def read(path, name, *args, **more):
    return die() if name == "deadly.txt" else real(path, name, *args, **more)
staged.read_source = read
"""
    for _ in range(2):
        assert script(job, patch) == -signal.SIGKILL
        run_out(job)
    assert script(job, patch) == 0
    assert outcomes(job) == {"a.txt": "stored", "deadly.txt": "failed", "z.txt": "stored"}
    assert "stopped twice" in job.files.get(path="deadly.txt").reason


def test_a_poison_job_is_given_up(memory):
    job = upload(memory, {"a.txt": "alpha"})
    for _ in range(working.MOST_ATTEMPTS):
        assert script(job, "writing.author = die") == -signal.SIGKILL
        run_out(job)
    assert jobs.run(job.pk) == []
    sent: list = []
    assert working.reap(sent.append) == 1 and not sent
    job.refresh_from_db()
    assert job.state == "failed" and "3 times" in job.reason
    assert outcomes(job) == {"a.txt": "failed"} and job.files.get().reason == job.reason
    assert not memory.path.exists()


def test_the_broker_away_when_queueing_is_only_a_delay(memory):
    code = f"""
import django; django.setup()
from memories import services
from memories.models import Memory
memory = Memory.objects.get(pk="{memory.pk}")
services.start_job("mirror", workspace=memory.workspace, by=None, memory=memory)
"""
    away = environment(DJANGO_SETTINGS_MODULE="memvid_site.settings", REDIS_URL="unix:///nowhere/valkey.sock")
    assert subprocess.run([sys.executable, "-c", code], env=away, cwd=settings.BASE_DIR).returncode == 0
    job = Job.objects.get(kind="mirror")
    sent: list = []
    assert job.state == "queued" and working.reap(sent.append) == 0
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - working.UNDELIVERED * 2)
    assert working.reap(sent.append) == 1 and sent == [job.pk]
    assert working.reap(sent.append) == 0  # not with every look


def test_the_database_dropping_its_connections_in_the_middle(memory, monkeypatch):
    job = upload(memory, {f"{n}.txt": prose(3000, n) for n in range(8)})
    real = working.Hold.progress

    def progress(hold, done, total, stage):
        if stage == "reading file 4 of 8":
            with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        real(hold, done, total, stage)

    monkeypatch.setattr(working.Hold, "progress", progress)
    try:
        work(job)
    except working.AWAY:  # the message is answered with an error, the lease runs out, the reaper sends it again
        connection.close()
        run_out(job)
        monkeypatch.setattr(working.Hold, "progress", real)
        work(job)
    assert job.state == "done" and set(outcomes(job).values()) == {"stored"}
    assert requests(memory) == [str(job.pk)] and is_whole(memory)


def test_a_worker_that_lost_its_lease_changes_nothing(memory):
    job = upload(memory, {"a.txt": "alpha"})
    late = working.claim(job.pk)
    run_out(job)
    now = working.claim(job.pk)
    assert now is not None and working.claim(job.pk) is None
    assert not late.finish(Job.State.FAILED, "too late")
    assert JobFile.objects.get(job=job).state == "waiting"
    with pytest.raises(working.Cancelled):
        late.keep(writing=True)
    assert now.finish(Job.State.DONE)


def test_cancelled_while_it_waited_for_a_worker_stores_nothing(memory):
    job = upload(memory, {"a.txt": "alpha"})
    Job.objects.filter(pk=job.pk).update(cancel_requested=True)
    assert work(job).state == "cancelled" and not memory.path.exists()
