"""Memory files that this process holds open, so that a frame costs a decode and not an opening.

A reader shows its file at the length that the row says is committed, so a writer at work on the tail is not seen.
One that was not used for a minute is closed: what an erase or a vacuum replaced leaves the disk then.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from ..engine.errors import MemvidError
from ..engine.log import Log, open_file
from ..engine.reader import Reader
from ..models import Memory

MOST_OPEN = 16
IDLE_SECONDS = 60.0


@dataclass(eq=False)
class _Open:
    reader: Reader
    head: tuple[str, int]  # hash and committed length that the row had
    inode: int
    users: int = 0
    used: float = 0.0
    retired: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def shows(self, memory: Memory) -> bool:
        return self.head == _head(memory) and self.inode == inode_of(memory)


class OpenFiles:
    """Readers by memory. One thread at a time reads a memory; others wait, a frame takes milliseconds."""

    def __init__(self, most: int = MOST_OPEN, idle: float = IDLE_SECONDS):
        self._most, self._idle = most, idle
        self._lock = threading.Lock()
        self._open: OrderedDict[UUID, _Open] = OrderedDict()
        self._timer: threading.Timer | None = None

    @contextmanager
    def reader(self, memory: Memory) -> Iterator[Reader]:
        """Raises MemvidError when the file cannot be opened by its directory."""
        opened = self._take(memory)
        try:
            with opened.lock:
                yield opened.reader
        finally:
            self._give_back(opened)

    def sweep(self, before: float | None = None) -> None:
        """Closes what was not used since `before` (a monotonic time); by default, since the idle time."""
        limit = time.monotonic() - self._idle if before is None else before
        with self._lock:
            for key, opened in list(self._open.items()):
                if not opened.users and opened.used <= limit:
                    self._retire(key)
            self._timer = None
            self._watch()

    def close(self) -> None:
        with self._lock:
            for key in list(self._open):
                self._retire(key)

    def __len__(self) -> int:
        return len(self._open)

    def _take(self, memory: Memory) -> _Open:
        with self._lock:
            opened = self._open.get(memory.pk)
            if opened is not None and opened.shows(memory):
                opened.users += 1
                self._open.move_to_end(memory.pk)
                return opened
        fresh = _open(memory)  # outside the lock: two threads may both open one, and the later stays
        with self._lock:
            if memory.pk in self._open:
                self._retire(memory.pk)
            fresh.users = 1
            self._open[memory.pk] = fresh
            while len(self._open) > self._most:
                self._retire(next(iter(self._open)))
            self._watch()
        return fresh

    def _give_back(self, opened: _Open) -> None:
        with self._lock:
            opened.users -= 1
            opened.used = time.monotonic()
            if opened.retired and not opened.users:
                opened.reader.close()

    def _retire(self, key: UUID) -> None:
        opened = self._open.pop(key)
        opened.retired = True
        if not opened.users:
            opened.reader.close()

    def _watch(self) -> None:
        if self._open and self._timer is None:
            self._timer = threading.Timer(self._idle, self.sweep)
            self._timer.daemon = True
            self._timer.start()


OPEN_FILES = OpenFiles()


def inode_of(memory: Memory) -> int:
    """0 when the file is gone."""
    try:
        return os.stat(memory.path).st_ino
    except OSError:
        return 0


def duplicate(reader: Reader) -> int:
    """A descriptor of the reader's file that its taker closes; it stays good when the file is swapped."""
    return os.dup(reader.log.view.descriptor)


def plain_descriptor(memory: Memory) -> int:
    """For a file that no reader opens: its bytes are still worth having. Raises MemvidError."""
    return open_file(memory.path)


def _head(memory: Memory) -> tuple[str, int]:
    return memory.head_hash, memory.file_bytes


def _open(memory: Memory) -> _Open:
    log = _log(memory)
    return _Open(Reader(memory.path, log), _head(memory), os.fstat(log.view.descriptor).st_ino)


def _log(memory: Memory) -> Log:
    """As of the row's head; a file that was swapped and not mirrored yet is shown as it is."""
    try:
        return Log(memory.path, length=memory.file_bytes, scan=False)
    except MemvidError:
        return Log(memory.path, scan=False)
