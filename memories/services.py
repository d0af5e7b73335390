"""Writes: memories, people, trash, jobs. Slow work is only queued here."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from collab import events
from collab.models import User, Workspace

from . import staging, tasks
from .models import Job, JobFile, Memory, MemoryPerson

MOST_TAGS = 20


# -- memories


def make_memory(workspace: Workspace, by: User, **fields: Any) -> Memory:
    """Without a file yet: its first commit makes it."""
    return Memory.objects.create(workspace=workspace, created_by=by, **fields)


def update_memory(memory: Memory, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(memory, name, value)
    memory.save(update_fields=(*fields, "updated_at"))
    _tell_memory(memory)


def add_tags(memories: Iterable[Memory], tags: list[str]) -> None:
    for memory in memories:
        new = [tag for tag in tags if tag not in memory.tags]
        if new:
            update_memory(memory, tags=(memory.tags + new)[:MOST_TAGS])


def set_person(memory: Memory, user: User, *, writes: bool) -> None:
    MemoryPerson.objects.update_or_create(memory=memory, user=user, defaults={"writes": writes})
    transaction.on_commit(lambda: events.rights_changed(user.pk))


def remove_person(person: MemoryPerson) -> None:
    user = person.user_id
    person.delete()
    transaction.on_commit(lambda: events.rights_changed(user))


# -- trash


@transaction.atomic
def trash(memories: Iterable[Memory]) -> None:
    """What is being written to them stops; they stay readable to nobody but who may restore them."""
    for memory in memories:
        memory.deleted_at = timezone.now()
        memory.save(update_fields=("deleted_at",))
        for job in memory.jobs.filter(state__in=OPEN):
            cancel_job(job)
        _tell_memory(memory)


def restore(memories: Iterable[Memory]) -> None:
    for memory in memories:
        memory.deleted_at = None
        memory.save(update_fields=("deleted_at",))
        _tell_memory(memory)


def delete_for_good(memory: Memory) -> None:
    """The rows, then the files: a file without rows is found by a rebuild, rows without a file are an alarm."""
    path, jobs = memory.path, list(memory.jobs.values_list("pk", flat=True))
    with transaction.atomic():
        memory.delete()
    path.unlink(missing_ok=True)
    for job in jobs:
        _drop_files(job)


def _tell_memory(memory: Memory) -> None:
    transaction.on_commit(lambda: events.memory_changed(memory.workspace_id, memory.pk, memory.head))


# -- jobs

OPEN = (Job.State.RECEIVING, Job.State.QUEUED, Job.State.RUNNING)
ENDED = (Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED)


class CannotRetry(Exception):
    """One line: why not, and what to do."""


def start_job(
    kind: str, *, workspace: Workspace, by: User | None, memory: Memory | None = None, params: dict | None = None
) -> Job:
    """The row, and after the transaction the message; a lost message is sent again by the reaper."""
    job = Job.objects.create(workspace=workspace, memory=memory, kind=kind, created_by=by, params=params or {})
    transaction.on_commit(lambda: deliver(job.pk))
    return job


def start_once(kind: str, memory: Memory, by: User, params: dict | None = None) -> Job:
    """The open job of that kind and those params, if there is one; asking twice does the work once."""
    open_job = memory.jobs.filter(kind=kind, state__in=OPEN, params=params or {}).first()
    return open_job or start_job(kind, workspace=memory.workspace, by=by, memory=memory, params=params)


def deliver(pk: UUID) -> None:
    try:
        tasks.deliver(pk)
    except OSError:  # the broker is away (kombu's OperationalError is one): the reaper sends it later
        pass


@transaction.atomic
def merge(workspace: Workspace, by: User, sources: list[Memory], **fields: Any) -> Job:
    """A new memory that will hold what the sources hold; they stay as they are."""
    memory = make_memory(workspace, by, **fields)
    params = {"sources": [str(source.pk) for source in sources]}
    return start_job(Job.Kind.MERGE, workspace=workspace, by=by, memory=memory, params=params)


def cancel_job(job: Job) -> None:
    """At once where no worker has it; otherwise the worker stops at its next step."""
    reason = "cancelled: nothing of it was stored"
    waiting = Job.objects.filter(pk=job.pk, state__in=(Job.State.RECEIVING, Job.State.QUEUED))
    if waiting.update(state=Job.State.CANCELLED, reason=reason, finished_at=timezone.now(), stage=""):
        job.files.filter(state=JobFile.State.WAITING).update(state=JobFile.State.FAILED, reason="cancelled")
    else:
        Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(cancel_requested=True)
    job.refresh_from_db()
    tell(job)


@transaction.atomic
def retry_job(job: Job, by: User) -> Job:
    """The job that does the work now: itself, or for files that failed in a job that succeeded a new one."""
    if job.state == Job.State.DONE:
        return retry_files(job, job.files.filter(state=JobFile.State.FAILED), by)
    if job.state not in ENDED:
        raise CannotRetry("it is still at work: wait for its end, or cancel it first")
    if job.kind == Job.Kind.UPLOAD:
        _check_staged(job)
    elif "staged" in job.params and not staging.is_there(job.pk, job.params["staged"]):
        raise CannotRetry("the uploaded file is no longer on the server: upload it again")
    if not Job.objects.filter(pk=job.pk, state__in=ENDED).update(
        state=Job.State.QUEUED, attempts=0, cancel_requested=False, reason="", stage="", percent=None,
        finished_at=None, lease_until=None, worker="",
    ):  # fmt: skip
        raise CannotRetry("it has just been started again")
    transaction.on_commit(lambda: deliver(job.pk))
    job.refresh_from_db()
    tell(job)
    return job


def _check_staged(job: Job) -> None:
    """Files that failed with the job wait again, if the server still has them."""
    failed = job.files.filter(state__in=(JobFile.State.FAILED, JobFile.State.WAITING))
    here = [file.pk for file in failed if staging.is_there(job.pk, file.staged)]
    if not here and not job.params.get("sync_roots"):
        raise CannotRetry("its files are no longer on the server: upload them again")
    job.files.filter(pk__in=here).update(state=JobFile.State.WAITING, reason="")


@transaction.atomic
def retry_files(job: Job, files: Iterable[JobFile], by: User) -> Job:
    """In a new job, as the commit of this one is made. Raises CannotRetry."""
    here = [file for file in files if staging.is_there(job.pk, file.staged)]
    if not here:
        raise CannotRetry("these files are no longer on the server: choose them again and upload them")
    params = {"message": job.params.get("message", ""), "sync_roots": [], "text": None}
    again = start_job(Job.Kind.UPLOAD, workspace=job.workspace, by=by, memory=job.memory, params=params)
    for file in here:
        if staging.move(file.staged, job.pk, again.pk):
            JobFile.objects.create(job=again, path=file.path, size=file.size, staged=file.staged)
    job.files.filter(pk__in=[file.pk for file in here]).update(
        staged="", state=JobFile.State.SKIPPED, reason="tried again in a newer job"
    )
    return again


def clear_jobs(jobs: Iterable[Job]) -> int:
    """Forgets ended jobs and what they left on the disk."""
    keys = [job.pk for job in jobs if job.state in ENDED]
    Job.objects.filter(pk__in=keys, state__in=ENDED).delete()
    for key in keys:
        _drop_files(key)
    return len(keys)


def _drop_files(job: UUID) -> None:
    staging.drop_all(job)
    (settings.MEMVID_DATA_DIR / "exports" / f"{job}.mp4").unlink(missing_ok=True)


def tell(job: Job) -> None:
    """Open pages hear of it after the transaction."""
    transaction.on_commit(
        lambda: events.job_changed(job.workspace_id, job.pk, job.memory_id, job.state, job.stage, job.percent)
    )
