"""What waits to be sent to one socket: bounded, so that a slow reader gets one merged update for all it missed."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from .log import Tail
from .room import updates_frame

logger = logging.getLogger("memvid.live")
MOST_UPDATES, MOST_ITEMS = 64, 1000
TOO_SLOW, TRY_LATER = 4429, 4503


class Item(NamedTuple):
    """Frames that are sent one after the other, with nothing in between; `last` is the number of updates' last one."""

    frames: list[str]
    last: int | None = None
    whole: bool = False  # the answer to a join


class Outbox:
    """`missing(seq)` gives everything after `seq` from the log."""

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        missing: Callable[[int], Awaitable[Tail]],
        close: Callable[[int], Awaitable[None]],
    ):
        self._send, self._missing, self._close = send, missing, close
        self._items: deque[Item] = deque()
        self._put = self._sent = -1  # the last update that was put in, and that left; -1 before it has joined
        self._updates = 0
        self._behind = self._catching_up = False
        self._ended = False
        self._something = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def put(self, *frames: str) -> None:
        if len(self._items) >= MOST_ITEMS:
            return self.end(TOO_SLOW)
        self._items.append(Item(list(frames)))
        self._something.set()

    @property
    def has_joined(self) -> bool:
        return self._put >= 0

    def begin(self, head: int, frames: list[str]) -> None:
        """The answer to a join, which holds everything up to `head`: earlier answers that wait are not needed."""
        self._drop_updates()
        self._items = deque(item for item in self._items if not item.whole)
        self._put = self._sent = head
        self._behind = self._catching_up
        self._items.append(Item(frames, whole=True))
        self._something.set()

    def updates(self, last: int, frame: Callable[[int], str]) -> None:
        if not self.has_joined or last <= self._put:
            return
        if self._updates >= MOST_UPDATES or self._behind or self._catching_up:
            self._drop_updates()
            self._behind = True
        else:
            self._items.append(Item([frame(self._put + 1)], last))
            self._updates, self._put = self._updates + 1, last
        self._something.set()

    def _drop_updates(self) -> None:
        self._items = deque(item for item in self._items if item.last is None)
        self._updates, self._put = 0, self._sent

    def end(self, code: int) -> None:
        """At once, also while the other end takes nothing; what waits is not sent any more."""
        if not self._ended:
            self._ended = True
            self._task.cancel()
            self._task = asyncio.create_task(self._close(code))

    def stop(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._items or self._behind:
                await self._send_next()

    async def _send_next(self) -> None:
        if self._items:
            item = self._items.popleft()
            if item.last is not None:
                self._updates, self._sent = self._updates - 1, item.last
            for frame in item.frames:
                await self._send(frame)
            return
        self._behind, self._catching_up = False, True
        try:
            head, update, _ = await self._missing(self._sent)
        except Exception as error:
            logger.warning("a socket could not be brought up to date: %s", error)
            return self.end(TRY_LATER)
        finally:
            self._catching_up = False
        if head > self._sent:
            first, self._put, self._sent = self._sent + 1, head, head
            await self._send(updates_frame(first, head, update))
