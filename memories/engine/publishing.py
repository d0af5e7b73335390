"""A new file gets its name only when it is whole.

Until then it is `.NAME.XXXXXXXX.memvid-tmp` beside it, locked by the process that writes it. What a dead process left
of a memory is nobody's any more, and the next one that makes a memory of that name removes it.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import MemvidError, Taken

LONGEST_PREFIX = 40  # characters, so that the temporary name is never too long for the file system
SUFFIX = ".memvid-tmp"


@contextmanager
def building(out: Path) -> Iterator[Path]:
    """A path in a hidden folder beside `out`; what is there at the end takes the name, unless something else has."""
    if out.exists():
        raise _taken(out)
    _clear(out)
    folder, lock = _folder_beside(out)
    try:
        yield Path(folder, out.name)
        publish(os.path.join(folder, out.name), out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A new file that is there with all of its content or not at all; never replaces one."""
    descriptor, temporary = _file_beside(path)
    try:
        with naming(path), open(descriptor, "wb") as file:
            yield file
            file.flush()
            _take_name(temporary, path)
    finally:
        _remove(temporary)


def temporary_beside(path: Path) -> tuple[int, str]:
    """An open, locked descriptor and the name; whoever asked for it closes and removes it."""
    _clear(path)
    return _file_beside(path)


def publish(temporary: str, path: Path) -> None:
    """Gives the finished file its name unless something has taken it meanwhile; the folder is fsynced too."""
    with naming(path):
        _take_name(temporary, path)
        sync_folder(path.parent)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A system error becomes one line that names `path`."""
    try:
        yield
    except OSError as error:
        raise MemvidError(f"{path} cannot be written: {error.strerror or error}") from None


def _take_name(temporary: str, path: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise _taken(path) from None
    except OSError:
        if os.path.lexists(path):
            raise _taken(path) from None
        os.rename(temporary, path)  # a file system without hard links


def sync_folder(folder: Path) -> None:
    """A new name is safe when its folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _taken(path: Path) -> Taken:
    return Taken(f"{path} exists already: choose another name")


def _file_beside(path: Path) -> tuple[int, str]:
    with naming(path):
        while True:
            descriptor, name = tempfile.mkstemp(SUFFIX, _prefix(path), path.parent)
            if _locked(descriptor, name):
                return descriptor, name


def _folder_beside(path: Path) -> tuple[str, int]:
    with naming(path):
        while True:
            name = tempfile.mkdtemp(SUFFIX, _prefix(path), path.parent)
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _locked(descriptor, name):
                return name, descriptor


def _prefix(path: Path) -> str:
    return f".{path.name[:LONGEST_PREFIX]}."


def _locked(descriptor: int, name: str) -> bool:
    """False: another process took it for a dead one's before it was locked, and removed it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if os.path.lexists(name):
        return True
    os.close(descriptor)
    return False


def _clear(path: Path) -> None:
    """Leaves the folder there, and in it no temporary of this name that no process holds."""
    ours = re.compile(re.escape(_prefix(path)) + r"[a-z0-9_]{8}" + re.escape(SUFFIX))
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for name in filter(ours.fullmatch, os.listdir(path.parent)):
            with contextlib.suppress(OSError):
                _remove_if_dead(os.path.join(path.parent, name))


def _remove_if_dead(name: str) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(name)
    finally:
        os.close(descriptor)


def _remove(name: str) -> None:
    if os.path.isdir(name):
        shutil.rmtree(name, ignore_errors=True)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
