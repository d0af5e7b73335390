"""Writing to a memory's file: one job of a memory at a time, one commit a job, whoever else writes it."""

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection

from .. import facts, mirror
from ..engine import Memory as MemoryFile
from ..engine import locks
from ..engine.changes import Planner
from ..engine.errors import Conflict, Locked, Taken
from ..engine.memory import CommitResult
from ..engine.writer import Note
from ..models import Job, Memory
from ..working import Hold, JobFailed

PATIENCE = 600.0  # seconds to wait for somebody else who writes the file
TRIES = 5  # how often the file may be replaced under us
LONGEST_MESSAGE = 500  # UTF-8 bytes
Plan = Callable[[MemoryFile, Planner], None]
OTHERS = "another program has been writing this memory for ten minutes: try again later"


def lock_path(memory: Memory) -> Path:
    return memory.path.with_suffix(".lock")


def draft_path(memory: Memory, job: Job) -> Path:
    return memory.path.with_name(f"{memory.pk}.{job.pk}.draft")


def drop_drafts(memory: Memory) -> None:
    """What killed workers left of files that never got their name. For who holds the memory alone."""
    for pattern in (f".{memory.pk}*", f"{memory.pk}.*.draft"):
        for path in memory.path.parent.glob(pattern):
            drop(path)


def drop(path: Path) -> None:
    """A file or a folder, there or not."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def alone(hold: Hold) -> Iterator[Memory]:
    """Jobs of one memory run one after the other. The kernel frees the lock of a worker that was killed."""
    memory = hold.job.memory
    if memory is None:
        raise JobFailed("its memory was deleted")
    path = lock_path(memory)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locks.writer(path, wait=1.0))
                break
            except Locked:
                hold.progress(0, 0, "waiting for another job on this memory")
        stack.enter_context(_alone_in_database(hold, memory))
        memory.refresh_from_db()
        yield memory


@contextmanager
def _alone_in_database(hold: Hold, memory: Memory) -> Iterator[None]:
    """Workers on several machines may not see each other's file locks. It belongs to the connection: one that is lost
    lets go of it, and the file's own lock remains."""
    key = f"write {memory.pk}"
    while not _database_says("pg_try_advisory_lock", key):
        hold.progress(0, 0, "waiting for another job on this memory")
        time.sleep(0.2)
    try:
        yield
    finally:
        with suppress(DatabaseError):
            _database_says("pg_advisory_unlock", key)


def _database_says(function: str, key: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [key])
        return cursor.fetchone()[0]


@contextmanager
def writer(hold: Hold, path: Path) -> Iterator[int]:
    """The writer lock of the file itself, which other programs take too."""
    deadline = time.monotonic() + PATIENCE
    with ExitStack() as stack:
        while True:
            try:
                descriptor = stack.enter_context(locks.writer(path, wait=1.0))
                break
            except Locked:
                _wait(hold, deadline)
        yield descriptor


def _wait(hold: Hold, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise JobFailed(OTHERS)
    hold.progress(0, 0, "waiting for another program that writes this memory")


def commit(
    hold: Hold,
    plan: Plan,
    *,
    message: str,
    request: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    even_if_empty: bool = False,
    by: str | None = None,
) -> CommitResult:
    """One commit with the job's id as its request, so that doing it again gives the commit that is there.

    `plan` may be called again when the file was replaced meanwhile.
    """
    memory = hold.job.memory
    hold.keep(writing=True)  # if this worker is killed now, no rewrite may take the request id out of the file
    note = Note(author(hold.job) if by is None else by, clipped(message), request or str(hold.job.pk), facts.of(memory))
    deadline = time.monotonic() + PATIENCE
    tries = 0
    while True:
        try:
            with _opened(memory) as file:
                refuse_behind(memory, file)
                return file.apply(
                    lambda planner: plan(file, planner), note, wait=1.0, progress=progress, even_if_empty=even_if_empty
                )
        except Locked:
            _wait(hold, deadline)
        except (Conflict, Taken):
            tries += 1
            if tries == TRIES:
                raise


def _opened(memory: Memory) -> MemoryFile:
    if memory.path.exists():
        return MemoryFile.open(memory.path)
    if memory.head:
        raise JobFailed("the file of this memory is gone: put it back from a backup")
    return MemoryFile.create(memory.path, profile=memory.profile or "compact", codec=memory.codec or None)


def refuse_behind(memory: Memory, file: MemoryFile) -> None:
    """A commit on an older copy would pass for another history, and the rows of the lost commits would go."""
    if lack := mirror.lacking(memory, file):
        raise JobFailed(f"{lack}, or accept this one in the settings of the memory, then try again")


def author(job: Job) -> str:
    return str(job.created_by) if job.created_by else ""


def clipped(message: Any) -> str:
    text = message if isinstance(message, str) else ""
    return text.encode("utf-8", "replace")[:LONGEST_MESSAGE].decode("utf-8", "ignore")


def is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


FULL = "the disk of the server is full: ask an administrator to make room, then try again"
