"""One writer at a time: an exclusive flock on the memory file itself, gone with the process that held it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Locked, MemvidError, NotFound

POLL = 0.05


@contextmanager
def writer(path: Path, wait: float = 0.0) -> Iterator[int]:
    """Yields a locked read-write descriptor of the file that is at `path` now.

    Raises Locked when another writer holds it for longer than `wait` seconds.
    """
    deadline = time.monotonic() + wait
    while True:
        descriptor = _open(path)
        try:
            _lock(descriptor, path, deadline)
            if _same_file(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def is_writing(path: Path) -> bool:
    """Whether some process holds the writer lock at this moment."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except OSError as error:
        raise MemvidError(f"{path} cannot be written: {error.strerror}") from None


def _lock(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Locked(f"{path} is being written by another process: try again, or wait with --wait") from None
            time.sleep(POLL)


def _same_file(descriptor: int, path: Path) -> bool:
    """A vacuum may have put another file in its place between opening and locking."""
    try:
        there, here = os.stat(path), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
