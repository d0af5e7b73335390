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
from django.db import Error, close_old_connections, connection
from django.db.models import F, Q
from django.utils import timezone

from collab import events

from .models import Job, JobFile

log = logging.getLogger("memvid.jobs")
MOST_ATTEMPTS = 3
UNDELIVERED = timedelta(seconds=15)  # a job that is still queued after this is sent again
OPEN = (Job.State.QUEUED, Job.State.RUNNING)


class Cancelled(Exception):
    """Somebody asked for it, or the lease was lost to another worker."""


class JobFailed(Exception):
    """Its text is one line for the person who waits: what happened and what to do."""


def claim(pk: uuid.UUID) -> "Hold | None":
    """None when the job is done, cancelled, or held by a worker that is alive."""
    worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    now = timezone.now()
    free = Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=now)
    won = Job.objects.filter(free, pk=pk).update(
        state=Job.State.RUNNING, worker=worker, lease_until=_lease(), attempts=F("attempts") + 1,
        started_at=now, reason="", stage="starting", percent=None,
    )  # fmt: skip
    return Hold(Job.objects.select_related("memory", "workspace", "created_by").get(pk=pk), worker) if won else None


def _lease() -> Any:
    return timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


class Hold:
    """A claimed job. `progress` may be called as often as one likes; it raises Cancelled when it is time to stop."""

    def __init__(self, job: Job, worker: str):
        self.job, self.worker = job, worker
        self._stop, self._lost = threading.Event(), threading.Event()
        self._shown: tuple[str, int | None] = ("", None)

    def progress(self, done: int, total: int, stage: str) -> None:
        if self._lost.is_set():
            raise Cancelled
        percent = min(99, done * 100 // total) if total > 0 else None
        if (stage, percent) == self._shown:
            return
        self._shown = stage, percent
        self._update(stage=stage[:120], percent=percent)
        self._tell(Job.State.RUNNING, stage, percent)

    def finish(self, state: str, reason: str = "", result: dict[str, Any] | None = None) -> None:
        facts = {"state": state, "reason": reason, "finished_at": timezone.now(), "lease_until": None, "stage": ""}
        percent = 100 if state == Job.State.DONE else None
        if self._update(**facts, percent=percent, **({"result": result} if result is not None else {})):
            self._tell(state, "", percent)

    @contextmanager
    def beating(self) -> Iterator[None]:
        thread = threading.Thread(target=self._beat, name=f"lease-{self.job.pk}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(settings.JOB_LEASE_SECONDS / 4):
            try:
                if not self._update(lease_until=_lease()) or Job.objects.filter(pk=self.job.pk, cancel_requested=True).exists():
                    self._lost.set()
            except Error as error:  # the database is away: the lease may run out, then `_update` says so
                log.warning("job %s: its lease could not be renewed: %s", self.job.pk, error)
                close_old_connections()
        connection.close()

    def _update(self, **fields: Any) -> int:
        return Job.objects.filter(pk=self.job.pk, worker=self.worker, state=Job.State.RUNNING).update(**fields)

    def _tell(self, state: str, stage: str, percent: int | None) -> None:
        events.job_changed(self.job.workspace_id, self.job.pk, self.job.memory_id, state, stage, percent)


def reap(deliver: Callable[[uuid.UUID], None]) -> int:
    """Sends again what nobody works on; returns how many jobs it touched."""
    now = timezone.now()
    touched = 0
    lost = Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=now)
    for job in lost.filter(attempts__gte=MOST_ATTEMPTS):
        reason = f"its worker stopped {job.attempts} times in the middle: see the worker's log, then try again"
        ended = lost.filter(pk=job.pk).update(
            state=Job.State.FAILED, reason=reason, finished_at=now, lease_until=None, worker=""
        )
        if ended:
            fail_waiting_files(job, reason)
            events.job_changed(job.workspace_id, job.pk, job.memory_id, Job.State.FAILED, "", None)
        touched += ended
    forgotten = Q(state=Job.State.QUEUED, created_at__lt=now - UNDELIVERED)
    stopped = Q(state=Job.State.RUNNING, lease_until__lt=now)
    for pk in Job.objects.filter(forgotten | stopped).values_list("pk", flat=True):
        deliver(pk)
        touched += 1
    return touched


def fail_waiting_files(job: Job, reason: str) -> None:
    """No file of a job that has ended is left without an outcome."""
    job.files.filter(state=JobFile.State.WAITING).update(state=JobFile.State.FAILED, reason=reason)
