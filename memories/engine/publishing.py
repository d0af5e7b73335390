"""A new file gets its name only when it is whole."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import MemvidError, Taken


@contextmanager
def building(out: Path) -> Iterator[Path]:
    """A hidden path beside `out`; what is there at the end takes the name, unless something else has."""
    if out.exists():
        raise MemvidError(f"{out} exists already: choose another name")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name[:80]}.partial")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        publish(str(temporary), out)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> tuple[int, str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise MemvidError(f"{path} cannot be written: {error.strerror}") from None


def publish(temporary: str, path: Path) -> None:
    """Gives the finished file its name unless something has taken it meanwhile; the folder is fsynced too."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise Taken(f"{path} exists already: append to it, or choose another name") from None
    except OSError:
        os.rename(temporary, path)  # a file system without hard links
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A new name is safe when its folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
