"""Holding a job: the claim, the lease that a heartbeat renews, progress, and how it ends.

1. A worker claims a job by one conditional UPDATE: queued, or running with a lease that has run out.
2. While it works, a thread renews the lease and looks whether somebody asked to cancel.
3. Every write to the row names the worker, so that one who lost the lease can change nothing any more.
4. `reap` hands jobs whose worker died, or whose message the broker lost, to another; after MOST_ATTEMPTS it gives up.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from collab import events, notifications

from .models import Job, JobFile

log = logging.getLogger("memvid.jobs")
MOST_ATTEMPTS = 3
UNDELIVERED = timedelta(seconds=15)  # a job that is still queued after this is sent again
SENT_AGAIN = timedelta(seconds=30)  # and again after this: a killed worker may have held its message
AWAY = (OperationalError, InterfaceError)


class Cancelled(Exception):
    """Somebody asked for it, or the lease was lost to another worker. Its text says what was stored."""


class JobFailed(Exception):
    """Its text is one line for the person who waits: what happened and what to do."""


def claim(pk: uuid.UUID) -> "Hold | None":
    """None when the job is done, cancelled, held by a worker that is alive, or has been the end of several.

    Indexing takes long and may wait for the model: one such job at a time, so that uploads never stand behind it.
    """
    worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"[-80:]
    now = timezone.now()
    stopped = Q(state=Job.State.RUNNING, lease_until__lt=now, attempts__lt=MOST_ATTEMPTS)
    free = Job.objects.filter(Q(state=Job.State.QUEUED) | stopped, pk=pk)
    if free.filter(kind=Job.Kind.INDEX).exists() and indexing_now().exists():
        return None
    won = free.update(
        state=Job.State.RUNNING, worker=worker, lease_until=_lease(), attempts=F("attempts") + 1,
        started_at=now, reason="", stage="starting", percent=None,
    )  # fmt: skip
    return Hold(Job.objects.select_related("memory", "workspace", "created_by").get(pk=pk), worker) if won else None


def indexing_now() -> QuerySet[Job]:
    return Job.objects.filter(kind=Job.Kind.INDEX, state=Job.State.RUNNING, lease_until__gte=timezone.now())


def waiting_index() -> list[uuid.UUID]:
    """The index job that is next, now that one has ended."""
    waiting = Job.objects.filter(kind=Job.Kind.INDEX, state=Job.State.QUEUED).order_by("created_at")
    return list(waiting.values_list("pk", flat=True)[:1])


def _lease() -> Any:
    return timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


class Hold:
    """A claimed job. `progress` may be called as often as one likes; it raises Cancelled when it is time to stop."""

    def __init__(self, job: Job, worker: str):
        self.job, self.worker = job, worker
        self._wake, self._lost = threading.Event(), threading.Event()
        self._ended = False
        self._shown: tuple[str, int | None] = ("", None)
        self._unwritten: tuple[str, int | None] | None = None
        if job.cancel_requested:
            self._lost.set()

    def progress(self, done: int, total: int, stage: str) -> None:
        self.check()
        self.show(done, total, stage)

    def check(self) -> None:
        if self._lost.is_set():
            raise Cancelled

    def show(self, done: int, total: int, stage: str) -> None:
        """Progress of what cannot be stopped any more."""
        percent = min(99, done * 100 // total) if total > 0 else None
        if (stage, percent) == self._shown:
            return
        self._shown = stage, percent
        if connection.in_atomic_block:  # written there, it would be seen late and keep the heartbeat waiting
            self._unwritten = stage, percent
            self._wake.set()
        else:
            self._write(stage, percent)

    def _write(self, stage: str, percent: int | None) -> None:
        try:
            self._update(stage=stage[:120], percent=percent)
        except AWAY as error:  # the work goes on; whoever writes its end will need the database back
            log.warning("job %s: its progress could not be written: %s", self.job.pk, error)
            connection.close()
        else:
            self._tell(Job.State.RUNNING, stage, percent)

    def part(self, first: int, last: int, *, stoppable: bool = True) -> Callable[[int, int, str], None]:
        """A progress function for one part of the job, which takes it from `first` to `last` percent."""
        report = self.progress if stoppable else self.show

        def shown(done: int, total: int, stage: str) -> None:
            share = (last - first) * 100 * min(done, total) // total if total else 0
            report(first * 100 + share, 10_000, stage)

        return shown

    def keep(self, **facts: Any) -> None:
        """Notes facts in the job's result that another worker must know if this one is killed."""
        result = {**self.job.result, **facts}
        if not self._update(result=result):
            raise Cancelled
        self.job.result = result

    @transaction.atomic
    def finish(self, state: str, reason: str = "", result: dict[str, Any] | None = None) -> bool:
        """False when another worker has the job by now. No file of a job that has ended is left without an outcome."""
        facts = {"state": state, "reason": reason, "finished_at": timezone.now(), "lease_until": None, "stage": ""}
        percent = 100 if state == Job.State.DONE else None
        kept = {key: value for key, value in self.job.result.items() if key != "writing"}
        facts |= {"percent": percent, "result": {**kept, **(result or {})}}
        if not self._update(**facts):
            return False
        fail_waiting_files(self.job, reason or "it was not looked at: try it again")
        if state == Job.State.FAILED:
            notifications.of_failed_job(self.job)
        transaction.on_commit(lambda: self._tell(state, "", percent))
        return True

    @contextmanager
    def beating(self) -> Iterator[None]:
        thread = threading.Thread(target=self._beat, name=f"lease-{self.job.pk}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            self._wake.set()
            thread.join()

    def _beat(self) -> None:
        while True:
            self._wake.wait(settings.JOB_LEASE_SECONDS / 4)
            self._wake.clear()
            if self._ended:
                break
            try:
                self._renew()
            except AWAY as error:  # the lease may run out meanwhile; then the next update says so
                log.warning("job %s: its lease could not be renewed: %s", self.job.pk, error)
                connection.close()
        connection.close()

    def _renew(self) -> None:
        if unwritten := self._unwritten:
            self._unwritten = None
            self._write(*unwritten)
        held = self._update(lease_until=_lease())
        if not held or Job.objects.filter(pk=self.job.pk, cancel_requested=True).exists():
            self._lost.set()

    def _update(self, **fields: Any) -> int:
        return Job.objects.filter(pk=self.job.pk, worker=self.worker, state=Job.State.RUNNING).update(**fields)

    def _tell(self, state: str, stage: str, percent: int | None) -> None:
        events.job_changed(self.job.workspace_id, self.job.pk, self.job.memory_id, state, stage, percent)


def reap(deliver: Callable[[uuid.UUID], object]) -> int:
    """Sends again what nobody works on; returns how many jobs it touched."""
    now = timezone.now()
    stopped = Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=now)
    touched = sum(_give_up(job) for job in stopped.filter(attempts__gte=MOST_ATTEMPTS))
    keys = list(stopped.filter(attempts__lt=MOST_ATTEMPTS).values_list("pk", flat=True))
    keys += _forgotten(now)
    for pk in keys:
        deliver(pk)
    return touched + len(keys)


def _forgotten(now: Any) -> list[uuid.UUID]:
    """Queued jobs whose message may be lost. Of a queued job, `lease_until` is when it may be sent once more."""
    due = Q(lease_until=None, created_at__lt=now - UNDELIVERED) | Q(lease_until__lt=now)
    keys = list(Job.objects.filter(due, state=Job.State.QUEUED).values_list("pk", flat=True))
    Job.objects.filter(pk__in=keys, state=Job.State.QUEUED).update(lease_until=now + SENT_AGAIN)
    return keys


@transaction.atomic
def _give_up(job: Job) -> int:
    reason = f"its worker stopped {job.attempts} times in the middle: see the worker's log, then try again"
    lost = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, worker=job.worker, lease_until__lt=timezone.now())
    ended = lost.update(
        state=Job.State.FAILED, reason=reason, stage="", finished_at=timezone.now(), lease_until=None, worker=""
    )
    if ended:
        fail_waiting_files(job, reason)
        notifications.of_failed_job(job)
        transaction.on_commit(
            lambda: events.job_changed(job.workspace_id, job.pk, job.memory_id, Job.State.FAILED, "", None)
        )
    return ended


def fail_waiting_files(job: Job, reason: str) -> None:
    job.files.filter(state=JobFile.State.WAITING).update(state=JobFile.State.FAILED, reason=reason)
