"""Drawn pictures on disk, below MEMVID_DATA_DIR/cache/frames/<memory>/: they can be drawn again at any time.

Who erases from a memory replaces its file first and then deletes its folder here. A picture that was drawn from the
old file in between is deleted by whoever drew it.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from ..models import Memory
from .files import inode_of

MOST_PICTURES = 256  # of one memory, some 6 MB
MOST_MEMORIES = 200


def folder_of(memory: Memory) -> Path:
    return settings.MEMVID_DATA_DIR / "cache" / "frames" / str(memory.pk)


def picture(memory: Memory, name: str, draw: Callable[[], bytes]) -> bytes:
    """The kept picture of that name, or a drawn one, kept if the file was not swapped meanwhile."""
    path = folder_of(memory) / name
    try:
        return path.read_bytes()
    except OSError:
        pass
    inode = inode_of(memory)
    data = draw()
    try:
        _keep(path, data)
    except OSError:  # a full disk is no reason to show nothing
        return data
    if inode_of(memory) != inode:
        path.unlink(missing_ok=True)
    return data


def forget(memory: Memory) -> None:
    shutil.rmtree(folder_of(memory), ignore_errors=True)


def _keep(path: Path, data: bytes) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        _prune(path.parent.parent, MOST_MEMORIES)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
    _prune(path.parent, MOST_PICTURES)


def _prune(folder: Path, most: int) -> None:
    """Removes the oldest entries; what somebody else removes at the same time is no failure."""
    with os.scandir(folder) as entries:
        aged = sorted((_age(entry), entry.path) for entry in entries)
    for _, path in aged[: max(0, len(aged) - most)]:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink(missing_ok=True)


def _age(entry: os.DirEntry) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0
