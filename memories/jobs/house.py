"""What is done by the clock: following files, emptying the trash, taking out what nobody needs any more."""

import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import models
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from collab.models import LiveClient

from .. import facts, mirror, staging
from ..engine import locks
from ..engine.errors import Locked
from ..media import shelf
from ..models import TRASH_DAYS, Commit, Job, JobFile, Memory
from . import exporting, indexing
from .writing import drop, drop_drafts, lock_path

SEEN = "memvid.seen"
SETTLED = 2.0  # seconds since the last write: somebody who is writing a commit writes all the time
CLIENTS_KEPT = timedelta(days=90)
KEPT = timedelta(days=7)  # staged files that failed, and downloads
LEFT_OVER = 86_400.0  # seconds after which a file that nobody has a row for is rubbish


# -- following


def follow_files() -> list[UUID]:
    """Looks at each present memory's file and follows the ones that changed; returns index jobs that are due.

    What was seen last is one entry of the cache. Should it be lost, every file is opened once.
    """
    seen: dict[str, str] = cache.get(SEEN) or {}
    now: dict[str, str] = {}
    following: list[UUID] = []
    for memory in Memory.objects.present().exclude(state=Memory.State.EMPTY, head=0).only("pk", "head"):
        stamp, key = _stamp(memory.path), str(memory.pk)
        if stamp == seen.get(key):
            now[key] = stamp
        elif _is_settled(memory.path):
            now[key] = stamp
            following += _follow(memory.pk)
    if now != seen:
        cache.set(SEEN, now, None)
    return following


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "gone"
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _is_settled(path: Path) -> bool:
    try:
        return abs(time.time() - path.stat().st_mtime) >= SETTLED
    except OSError:
        return True


def _follow(pk: UUID) -> list[UUID]:
    memory = Memory.objects.filter(pk=pk).first()
    if memory is None:
        return []
    head = memory.head_hash
    mirror.follow(memory)
    busy = memory.jobs.filter(state__in=(Job.State.QUEUED, Job.State.RUNNING)).exists()
    if memory.head_hash == head:
        return []
    return _queue_live(memory) + ([] if busy else indexing.queue(memory))


def _queue_live(memory: Memory) -> list[UUID]:
    """Texts that people have open follow the file, too."""
    facts = {"memory": memory, "kind": Job.Kind.LIVE, "params": {"thorough": True}}
    if not memory.live.exists() or Job.objects.filter(**facts, state=Job.State.QUEUED).exists():
        return []
    return [Job.objects.create(workspace_id=memory.workspace_id, **facts).pk]


# -- by the hour


def keep_house() -> list[UUID]:
    empty_trash()
    clean_staging()
    clean_exports()
    clean_left_over()
    clean_live()
    return note_all_facts()


def note_all_facts() -> list[UUID]:
    """Jobs for memories whose file does not say what they are called now, should nobody have asked for one."""
    noted = Commit.objects.filter(memory=OuterRef("pk"), metadata__has_key=facts.KEY).order_by("-number")
    rows = Memory.objects.present().filter(state=Memory.State.READY).select_related("workspace")
    following = []
    for memory in rows.annotate(noted=Subquery(noted.values("metadata")[:1])).iterator():
        if (memory.noted or {}).get(facts.KEY) != facts.of(memory)[facts.KEY]:
            tried = models.Q(kind=Job.Kind.MIRROR, created_at__gt=memory.updated_at)  # a re-muxed file takes no commit
            if not memory.jobs.filter(models.Q(state__in=(Job.State.QUEUED, Job.State.RUNNING)) | tried).exists():
                job = Job.objects.create(workspace=memory.workspace, memory=memory, kind=Job.Kind.MIRROR)
                following.append(job.pk)
    return following


def empty_trash() -> int:
    """Deletes what has been in the trash for 30 days; a memory that a job is at work on waits for the next hour."""
    old = Memory.objects.trashed().filter(deleted_at__lt=timezone.now() - timedelta(days=TRASH_DAYS))
    return sum(delete_for_good(memory) for memory in old)


def delete_for_good(memory: Memory) -> bool:
    """Files first: a row in the trash whose file is gone goes the next time, a file without a row would stay."""
    from search import conversations  # search knows memories, not the other way

    lock = lock_path(memory)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    try:
        with locks.writer(lock):
            delete_memory_files(memory)
            mirror.take_down(memory)
            conversations.forget(memory)  # others may quote it, in questions about several
            memory.delete()
    except Locked:
        return False
    return True


def delete_memory_files(memory: Memory) -> None:
    """Everything on the disk that belongs to it: the file, drafts, staged uploads, downloads, pictures."""
    for key in memory.jobs.values_list("pk", flat=True):
        staging.drop_all(key)
        (exporting.folder() / f"{key}.mp4").unlink(missing_ok=True)
    shelf.forget(memory)
    drop_drafts(memory)
    memory.path.unlink(missing_ok=True)
    lock_path(memory).unlink(missing_ok=True)


def clean_staging() -> int:
    """Uploads of jobs that are done, at once; failed files after a week; folders without a job after a day."""
    folders = {folder.name: folder for folder in _entries(settings.MEMVID_DATA_DIR / "staging")}
    ended = Job.objects.filter(pk__in=[name for name in folders if _is_key(name)]).only("pk", "state", "finished_at")
    jobs = {str(job.pk): job for job in ended}
    failed = JobFile.objects.filter(job__in=jobs.values(), state=JobFile.State.FAILED).values_list("job", flat=True)
    to_retry = set(map(str, failed))
    rubbish = [folder for name, folder in folders.items() if _is_rubbish(folder, jobs.get(name), name in to_retry)]
    for folder in rubbish:
        shutil.rmtree(folder, ignore_errors=True)
    return len(rubbish)


def _is_rubbish(folder: Path, job: Job | None, has_failed_files: bool) -> bool:
    if job is None:
        return _age(folder) > LEFT_OVER
    if job.is_open or job.finished_at is None:
        return False
    if job.state == Job.State.DONE and not has_failed_files:
        return True
    return job.finished_at < timezone.now() - KEPT


def clean_exports() -> int:
    old = [path for path in _entries(exporting.folder()) if _age(path) > KEPT.total_seconds()]
    for path in old:
        drop(path)
    return len(old)


def clean_left_over() -> int:
    """Drafts of killed workers, and uploads whose request was cut off."""
    drafts = [
        path
        for path in _entries(settings.MEMVID_DATA_DIR / "memories")
        if path.name.startswith(".") or path.suffix == ".draft"
    ]
    old = [path for path in (*drafts, *_entries(Path(settings.FILE_UPLOAD_TEMP_DIR))) if _age(path) > LEFT_OVER]
    for path in old:
        drop(path)
    return len(old)


def clean_live() -> None:
    """Jobs of which there is one for every few edits, when the commits tell more; and whose client ids were, when no
    browser has kept edits by them."""
    now = timezone.now()
    done = Job.objects.filter(kind=Job.Kind.LIVE, state=Job.State.DONE)
    done.filter(finished_at__lt=now - timedelta(seconds=LEFT_OVER)).delete()
    LiveClient.objects.filter(created_at__lt=now - CLIENTS_KEPT).delete()


def _entries(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        yield from [Path(entry.path) for entry in entries]


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _is_key(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
