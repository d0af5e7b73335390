"""Writes: memories, people, trash, jobs. Slow work is only queued here."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from collab import events, notifications
from collab.models import User, Workspace

from . import staging, tasks
from .jobs import house
from .models import Job, JobFile, Memory, MemoryPerson

MOST_TAGS = 20


# -- memories


def make_memory(workspace: Workspace, by: User, **fields: Any) -> Memory:
    """Without a file yet: its first commit makes it. Others see it appear."""
    memory = Memory.objects.create(workspace=workspace, created_by=by, **fields)
    _tell_memory(memory)
    return memory


def update_memory(memory: Memory, **fields: Any) -> None:
    before = Memory.objects.values_list("visibility", flat=True).get(pk=memory.pk)
    for name, value in fields.items():
        setattr(memory, name, value)
    memory.save(update_fields=(*fields, "updated_at"))
    _tell_memory(memory)
    if memory.visibility != before:  # who may not see it any more is not told of the memory: their lists change
        transaction.on_commit(lambda: events.lists_changed(memory.workspace_id))


def add_tags(memories: Iterable[Memory], tags: list[str]) -> None:
    for memory in memories:
        new = [tag for tag in tags if tag not in memory.tags]
        if new:
            update_memory(memory, tags=(memory.tags + new)[:MOST_TAGS])


def set_person(memory: Memory, user: User, *, writes: bool, by: User | None = None) -> None:
    """Whoever is new hears of it."""
    _, made = MemoryPerson.objects.update_or_create(memory=memory, user=user, defaults={"writes": writes})
    if made:
        notifications.of_invitation(memory, user, by)
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


@transaction.atomic
def restore(memories: Iterable[Memory]) -> None:
    """Indexing that the trash has cut off goes on."""
    for memory in memories:
        cut_off = memory.jobs.filter(
            kind=Job.Kind.INDEX, state=Job.State.CANCELLED, finished_at__gte=memory.deleted_at or timezone.now()
        ).exists()
        memory.deleted_at = None
        memory.save(update_fields=("deleted_at",))
        if cut_off:
            start_job(Job.Kind.INDEX, workspace=memory.workspace, by=None, memory=memory)
        _tell_memory(memory)


def delete_for_good(memory: Memory) -> bool:
    """The rows and the files; False while a job is at work on it."""
    return house.delete_for_good(memory)


def _tell_memory(memory: Memory) -> None:
    transaction.on_commit(lambda: events.memory_changed(memory.workspace_id, memory.pk, memory.head))


# -- jobs

OPEN = (Job.State.RECEIVING, Job.State.QUEUED, Job.State.RUNNING)
ENDED = (Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED)


GONE = "these files are no longer on the server: choose them again and upload them"


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
    """Should the broker be away, the reaper sends it later."""
    tasks.deliver(pk)


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
def retry_job(job: Job) -> None:
    """From the start, or of an upload that ended well the files that failed. Raises CannotRetry."""
    if job.kind == Job.Kind.UPLOAD:
        retry_files(job, job.files.filter(state__in=(JobFile.State.FAILED, JobFile.State.WAITING)))
        return
    if "staged" in job.params and not staging.is_there(job.pk, job.params["staged"]):
        raise CannotRetry("the uploaded file is no longer on the server: upload it again")
    if job.state == Job.State.DONE:
        raise CannotRetry("it ended well: there is nothing to try again")
    _queue_again(job)


def can_retry(job: Job, again: int) -> bool:
    """Whether a retry could change anything; `again` of the files of an upload are still here for one."""
    if job.kind != Job.Kind.UPLOAD:
        return job.state in (Job.State.FAILED, Job.State.CANCELLED)
    whole = job.state in (Job.State.FAILED, Job.State.CANCELLED) and (
        job.params.get("text") or job.params.get("sync_roots")
    )
    return job.state in ENDED and bool(again or whole)


@transaction.atomic
def retry_files(job: Job, files: Iterable[JobFile]) -> None:
    """Those that the server still has, and that may go well this time. Raises CannotRetry."""
    text = bool(job.params.get("text"))  # a pasted one waits in the job itself
    here = [file.pk for file in files if text or staging.is_there(job.pk, file.staged)]
    removes = bool(job.params.get("sync_roots")) and job.state != Job.State.DONE
    if not (here or removes or text):
        kept = job.files.filter(state=JobFile.State.FAILED).exclude(staged="").exists()
        raise CannotRetry(GONE if kept else "the same files would fail again: mend them, then upload them anew")
    _queue_again(job)
    job.files.filter(pk__in=here).update(state=JobFile.State.WAITING, reason="")


def _queue_again(job: Job) -> None:
    queued = Job.objects.filter(pk=job.pk, state__in=ENDED).update(
        state=Job.State.QUEUED, attempts=0, cancel_requested=False, reason="", stage="", percent=None,
        finished_at=None, lease_until=None, worker="",
    )  # fmt: skip
    if not queued:
        raise CannotRetry("it is at work already: wait for its end, or cancel it first")
    transaction.on_commit(lambda: deliver(job.pk))
    job.refresh_from_db()
    tell(job)


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
