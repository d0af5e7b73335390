"""The documents that somebody has open in this process, and the one ear of the process on the channel layer.

A room holds hints and sockets, never a text: losing one loses nothing. While Redis is away rooms go on; each asks the
log at its heartbeat.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from ..events import user_group, workspace_group
from . import groups
from .room import GENERATION, Member, Room, Subject

log = logging.getLogger("memvid.live")
PATIENCE, PAUSE = 3.0, 2.0  # seconds for an answer of the channel layer, and before trying again
_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, "Hub"] = WeakKeyDictionary()


def hub() -> "Hub":
    """The event loop's own."""
    loop = asyncio.get_running_loop()
    return _hubs.setdefault(loop, Hub())


class Hub:
    def __init__(self) -> None:
        self.rooms: dict[UUID, Room] = {}
        self._groups: Counter[str] = Counter()
        self._joined: set[str] = set()
        self._ear: asyncio.Task | None = None
        self._channel: str | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()

    @asynccontextmanager
    async def inside(self, subject: Subject, member: Member) -> AsyncIterator[Room]:
        """In the document's room; raises Full when too many are."""
        room = self.rooms.get(subject.live)
        if room is not None and room.generation < subject.generation:
            room.end_all(GENERATION)  # it had not heard of that yet; who comes now gets another one
            room = None
        if room is None:
            room = self.rooms[subject.live] = Room(subject, self.publish)
        wanted = [groups.live_group(subject.live), workspace_group(subject.workspace)]
        wanted += [user_group(member.user)] if member.user else []
        try:
            room.enter(member)
            self._listen(wanted, 1)
            try:
                yield room
            finally:
                room.leave(member)
                self._listen(wanted, -1)
        finally:
            if not room.members:
                if self.rooms.get(subject.live) is room:
                    del self.rooms[subject.live]
                room.close()

    def publish(self, message: dict[str, Any]) -> None:
        """In the background: nobody waits for Redis to have an edit acknowledged."""
        self._run(self._send(groups.live_group(UUID(message["live"])), message))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, group: str, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await get_channel_layer().group_send(group, message)
        except Exception as error:  # Redis away: the others hear of it at their heartbeat
            log.warning("%s was not told of %s: %s", group, message["type"], error or type(error).__name__)

    # -- listening

    def _listen(self, names: list[str], count: int) -> None:
        for name in names:
            self._groups[name] += count
            if self._groups[name] <= 0:
                del self._groups[name]
        self._changed.set()
        if self._groups and self._ear is None:
            self._ear = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        """Until no room is left. Whatever goes wrong with Redis is tried again."""
        try:
            while self._groups:
                try:
                    await self._attend()
                except Exception as error:
                    if asyncio.current_task().cancelling():
                        raise  # the process ends, and this is only what that looks like from inside
                    log.warning("hints of other processes cannot be heard: %s", error or type(error).__name__)
                    self._channel, self._joined = None, set()
                    await asyncio.sleep(PAUSE)
        finally:
            self._ear = None

    async def _attend(self) -> None:
        layer = get_channel_layer()
        async with asyncio.timeout(PATIENCE):
            self._channel = await layer.new_channel("live.")
        receiving = asyncio.create_task(self._receive(layer, self._channel))
        try:
            while self._groups:
                self._changed.clear()
                await self._join_and_discard(layer)
                waiting = asyncio.create_task(self._changed.wait())
                done, _ = await asyncio.wait({waiting, receiving}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if receiving in done:
                    receiving.result()
            await self._join_and_discard(layer)
        finally:
            receiving.cancel()
            await asyncio.wait({receiving})
            self._joined = set()

    async def _join_and_discard(self, layer: Any) -> None:
        wanted = set(self._groups)
        for name in wanted - self._joined:
            async with asyncio.timeout(PATIENCE):  # wait_for would lose a cancellation in the moment of the answer
                await layer.group_add(name, self._channel)
            self._joined.add(name)
            self._ask_who_is_there(name)
        for name in self._joined - wanted:
            self._joined.discard(name)
            async with asyncio.timeout(PATIENCE):
                await layer.group_discard(name, self._channel)

    def _ask_who_is_there(self, name: str) -> None:
        for room in self.rooms.values():
            if groups.live_group(room.subject.live) == name:
                room.announce(asks=True)

    async def _receive(self, layer: Any, channel: str) -> None:
        while True:
            message = await layer.receive(channel)
            try:
                self._take(message)
            except Exception:
                log.exception("a hint was not understood: %s", message.get("type"))

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind.startswith("live."):
            if room := self.rooms.get(UUID(message["live"])):
                room.hear(message)
        elif kind == "memory.changed":
            for room in self.rooms.values():
                if str(room.subject.memory) == message["memory"]:
                    room.look_again(rights=True)
        elif kind == "rights.changed":
            for room in self.rooms.values():
                room.recheck(message.get("user"))
