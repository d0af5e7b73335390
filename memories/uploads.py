"""Writes behind an upload: files come in several requests, then one more says that it is whole.

1. `begin` makes a job that no worker takes yet. 2. `compare` and `take` fill it. 3. `finish` queues it.
What was refused is kept as a failed file with its reason, so that the page of the job tells the whole story.
"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from collab.models import User

from . import services, staging
from .models import Document, Job, JobFile, Memory
from .staging import Refused

ABANDONED = timedelta(days=1)


class NotReceiving(Exception):
    """The upload was finished or cancelled, or another page has it."""


def begin(memory: Memory, by: User, size: int = 0) -> Job:
    """Raises NoRoom."""
    staging.check_room(size)
    drop_abandoned()
    return Job.objects.create(
        workspace=memory.workspace, memory=memory, kind=Job.Kind.UPLOAD, created_by=by, state=Job.State.RECEIVING,
        stage="waiting for the browser to send the files",
    )  # fmt: skip


def take(job: Job, files: Iterable[tuple[str, UploadedFile]]) -> list[dict[str, Any]]:
    """What became of each: {path, ok, reason}. Raises NotReceiving."""
    with transaction.atomic():
        _lock(job)
        return [_take_one(job, path, upload) for path, upload in files]


def take_text(job: Job, name: str, text: str) -> None:
    """A pasted text, as a document of that name. Raises NotReceiving or Refused."""
    with transaction.atomic():
        _lock(job)
        path = staging.clean_path(name)
        _put(job, path, staged=staging.keep_text(job.pk, path, text), size=len(text.encode()))


def _take_one(job: Job, path: str, upload: UploadedFile) -> dict[str, Any]:
    try:
        path = staging.clean_path(path)
        _check_count(job, path)
        staged = staging.keep(job.pk, path, upload, settings.MEMVID_MAX_UPLOAD)
    except Refused as reason:
        path = staging.shown_path(path)
        _put(job, path, state=JobFile.State.FAILED, reason=str(reason), size=upload.size)
        return {"path": path, "ok": False, "reason": str(reason)}
    _put(job, path, staged=staged, size=upload.size)
    return {"path": path, "ok": True, "reason": ""}


def _lock(job: Job) -> None:
    """One request at a time fills a job."""
    if not Job.objects.select_for_update().filter(pk=job.pk, state=Job.State.RECEIVING).exists():
        raise NotReceiving


def _check_count(job: Job, path: str) -> None:
    others = job.files.exclude(path=path).count()
    if others >= settings.MEMVID_MAX_FILES:
        raise Refused(f"an upload holds {settings.MEMVID_MAX_FILES:,} files at most: send the rest in another one")


def _put(job: Job, path: str, **fields: Any) -> None:
    """Sent twice is stored once: the later one counts."""
    before = job.files.filter(path=path).first()
    if before is None:
        JobFile.objects.create(job=job, path=path, **fields)
        return
    staging.drop(job.pk, before.staged)
    facts = {"state": JobFile.State.WAITING, "reason": "", "staged": "", **fields}
    JobFile.objects.filter(pk=before.pk).update(**facts)


# -- a folder again


def compare(job: Job, entries: list[dict[str, Any]]) -> list[str]:
    """The paths among {path, size, sha256} that must be sent; the others are as they were stored."""
    with transaction.atomic():
        _lock(job)
        rows = {row.path: row for row in (_expected(job, entry) for entry in entries)}
        stored = dict(
            Document.objects.present().filter(memory=job.memory_id, path__in=rows).values_list("path", "digest")
        )
        sums = {entry["path"]: entry["sha256"] for entry in entries}
        for path, row in rows.items():
            if row.state == JobFile.State.WAITING and sums.get(path) and stored.get(path) == sums[path]:
                row.state = JobFile.State.UNCHANGED
        job.files.filter(path__in=rows).delete()
        room = settings.MEMVID_MAX_FILES - job.files.count()
        if len(rows) > room:
            raise Refused(f"a folder holds {settings.MEMVID_MAX_FILES:,} files at most: sync its subfolders one by one")
        JobFile.objects.bulk_create(rows.values(), batch_size=1000)
    return [path for path, row in rows.items() if row.state == JobFile.State.WAITING]


def _expected(job: Job, entry: dict[str, Any]) -> JobFile:
    try:
        path = staging.clean_path(entry["path"])
        if entry["size"] > settings.MEMVID_MAX_UPLOAD:
            raise Refused(f"it is larger than {settings.MEMVID_MAX_UPLOAD >> 20:,} MB: cut it in parts")
    except Refused as reason:
        path = staging.shown_path(entry["path"])
        return JobFile(job=job, path=path, size=entry["size"], state=JobFile.State.FAILED, reason=str(reason))
    return JobFile(job=job, path=path, size=entry["size"])


def roots_of(job: Job) -> list[str]:
    """First parts of the paths: the folders that were chosen. A file without a folder has none."""
    paths = job.files.filter(path__contains="/").values_list("path", flat=True)
    return sorted({PurePosixPath(path).parts[0] for path in paths.iterator()})


def gone(job: Job) -> list[str]:
    """Documents below the folders of the job that are in the memory and no longer among its files."""
    missing: list[str] = []
    named = set(job.files.values_list("path", flat=True))
    for root in roots_of(job):
        below = Document.objects.present().filter(memory=job.memory_id, path__startswith=root + "/")
        missing += [path for path in below.values_list("path", flat=True) if path not in named]
    return sorted(missing)


# -- the end


def finish(job: Job, *, sync: bool = False, message: str = "") -> Job:
    """Queues what has arrived; with `sync`, what is gone from the folders is removed. Raises NotReceiving."""
    with transaction.atomic():
        _lock(job)
        job.files.filter(state=JobFile.State.WAITING, staged="").update(
            state=JobFile.State.FAILED, reason="it did not arrive: choose it again"
        )
        job.params = {"message": message, "sync_roots": roots_of(job) if sync else [], "text": None}
        waiting = job.files.filter(state=JobFile.State.WAITING).exists()
        if waiting or (sync and gone(job)):
            job.state, job.stage = Job.State.QUEUED, ""
            transaction.on_commit(lambda: services.deliver(job.pk))
        else:
            _end_empty(job)
        job.save(update_fields=("params", "state", "stage", "reason", "finished_at"))
    services.tell(job)
    return job


def _end_empty(job: Job) -> None:
    """Nothing for a worker to do: all as it was, or nothing could be taken."""
    job.stage, job.finished_at = "", timezone.now()
    unchanged = job.files.filter(state=JobFile.State.UNCHANGED).exists()
    job.state = Job.State.DONE if unchanged else Job.State.FAILED
    if not unchanged:
        failed = job.files.filter(state=JobFile.State.FAILED).exists()
        job.reason = "no file could be taken: see why below" if failed else "no file arrived: choose them again"


def begin_import(memory: Memory, by: User, upload: UploadedFile) -> Job:
    """A whole memory file, to be verified before it takes its place. Raises Refused or NoRoom."""
    staging.check_room(upload.size)
    job = Job.objects.create(
        workspace=memory.workspace, memory=memory, kind=Job.Kind.IMPORT, created_by=by, state=Job.State.RECEIVING
    )
    try:
        staged = staging.keep(job.pk, "memory.mp4", upload, settings.MEMVID_MAX_IMPORT)
    except Refused:
        job.delete()
        raise
    job.params, job.state = {"staged": staged}, Job.State.QUEUED
    job.save(update_fields=("params", "state"))
    transaction.on_commit(lambda: services.deliver(job.pk))
    return job


def drop_abandoned() -> int:
    """Uploads that a browser began and never finished."""
    old = Job.objects.filter(state=Job.State.RECEIVING, created_at__lt=timezone.now() - ABANDONED)
    for job in old:
        services.cancel_job(job)
    return len(old)
