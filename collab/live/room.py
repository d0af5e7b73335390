"""One document that people have open in this process: who they are, what was heard of it, and what they are told.

1. Updates that wait while a statement is under way go into the next one together.
2. What was heard comes in hints or is read from the log; it is handed on once a window, merged, the first at once.
3. A heartbeat looks at the document's row: a hint that was lost is made up for then.
"""

import asyncio
import contextlib
import json
import logging
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from . import groups, log, pool
from .presence import clock_of, encode

logger = logging.getLogger("memvid.live")
WINDOW, HEARTBEAT, FORGOTTEN = 0.05, 10.0, 40.0  # seconds; browsers say who they are each 15
MOST_MEMBERS, MOST_OF_ONE = 100, 20  # sockets of a document, and of one person in it, in a process
MOST_TOGETHER, MOST_BYTES_TOGETHER = 64, 4 << 20
AWAY = (psycopg.OperationalError, PoolTimeout, OperationalError, InterfaceError)
GENERATION, REMOVED = 4409, 4404

BEAT = """
SELECT d.generation, d.head_seq, d.projected_seq, d.projected_commit, d.projected_at,
    m.deleted_at IS NULL AND (m.head = 0 OR EXISTS (
        SELECT FROM memories_document AS f
        WHERE f.memory_id = m.id AND f.number = d.document_number AND f.removed IS NULL))
FROM collab_livedocument AS d JOIN memories_memory AS m ON m.id = d.memory_id WHERE d.id = %s
"""


class Full(Exception):
    """Its text is for the person who is refused."""


@dataclass(frozen=True)
class Subject:
    """What a room is about."""

    live: UUID
    memory: UUID
    number: int
    workspace: int
    generation: int
    head: int


class Member:
    """Somebody in a room. A subclass says what becomes of what the room has to tell."""

    def __init__(self, user: int | None):
        self.user = user

    def tell(self, frame: str) -> None:
        """Of the others, or of the document."""

    def updates(self, last: int, frame: Callable[[int], str]) -> None:
        """Updates up to `last` are there; `frame(first)` writes them."""

    def recheck(self) -> None:
        """Its rights may have changed."""

    def end(self, code: int) -> None: ...


class Room:
    def __init__(self, subject: Subject, publish: Callable[[dict[str, Any]], None]):
        self.subject, self.members = subject, set[Member]()
        self.generation, self.sent, self.projected = subject.generation, subject.head, None
        self._publish = publish
        self._heard: dict[int, tuple[bytes, Member | None]] = {}
        self._head = subject.head
        self._waiting: list[tuple[list[log.Entry], Member | None, asyncio.Future]] = []
        self._presence: dict[int, tuple[bytes, int, float, Member | None]] = {}  # awareness, clock, when, whose
        self._unsaid: set[int] = set()
        self._handing = asyncio.Lock()
        self._something, self._look = asyncio.Event(), asyncio.Event()
        self._tasks = [asyncio.create_task(self._deliver()), asyncio.create_task(self._beat())]
        self._appending: asyncio.Task | None = None

    def enter(self, member: Member) -> None:
        if len(self.members) >= MOST_MEMBERS:
            raise Full(f"{MOST_MEMBERS} people have this document open, which is the most: try again later")
        if member.user and sum(other.user == member.user for other in self.members) >= MOST_OF_ONE:
            raise Full(f"you have this document open {MOST_OF_ONE} times: close one of its pages first")
        self.members.add(member)

    def leave(self, member: Member) -> None:
        self.members.discard(member)
        for client in [client for client, state in self._presence.items() if state[3] is member]:
            self._withdraw(client)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    # -- reading the log

    async def state(self) -> log.State:
        """Raises log.Gone, and looks at what became of the document then: everybody is told."""
        return await self._read(log.state(self.subject.live, self.generation))

    async def since(self, seq: int) -> log.Tail:
        """Likewise."""
        return await self._read(log.since(self.subject.live, self.generation, seq))

    async def _read(self, reading: Awaitable[Any]) -> Any:
        try:
            return await reading
        except log.Gone:
            self.look_again()
            raise

    # -- writing

    async def append(self, entries: list[log.Entry], member: Member | None) -> dict[UUID, log.Stored]:
        """Raises log.Gone, or what psycopg raises when the database is away: nothing is acknowledged then."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, member, future))
        if self._appending is None or self._appending.done():
            self._appending = asyncio.create_task(self._append_waiting())
        return await future

    async def _append_waiting(self) -> None:
        while self._waiting:
            some = self._take_some()
            entries = [entry for batch, _, _ in some for entry in batch]
            try:
                stored = await log.append(self.subject.live, self.generation, entries)
            except BaseException as error:
                for _, _, future in some:
                    if not future.done():
                        future.set_exception(error)
                if isinstance(error, log.Gone):
                    self.look_again()
                if not isinstance(error, Exception):
                    raise
                continue
            self._take_own(some, stored)

    def _take_some(self) -> list[Any]:
        taken, size = 0, 0
        while taken < min(len(self._waiting), MOST_TOGETHER) and size < MOST_BYTES_TOGETHER:
            size += sum(len(entry.update) for entry in self._waiting[taken][0])
            taken += 1
        some, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return some

    def _take_own(self, some: list[Any], stored: dict[UUID, log.Stored]) -> None:
        new: dict[int, bytes] = {}
        for entries, member, future in some:
            for entry in entries:
                if stored[entry.message].new:
                    new[stored[entry.message].seq] = entry.update
                    self._hear(stored[entry.message].seq, entry.update, member)
            if not future.done():
                future.set_result({entry.message: stored[entry.message] for entry in entries})
        if new:
            self._publish(
                groups.appended(self.subject.live, self.generation, min(new), [new[seq] for seq in sorted(new)])
            )

    # -- hearing

    def hear(self, message: dict[str, Any]) -> None:
        """A hint of another process, or of this one, which it knows already."""
        if message["type"] == "live.appended" and message["generation"] == self.generation:
            for seq, update in enumerate(message["updates"], message["first"]):
                self._hear(seq, bytes(update), None)
            self._head = max(self._head, message["last"])
            self._something.set()
        elif message["type"] == "live.presence":
            self._hear_presence(message)
        else:  # the row has changed, or another generation has begun
            self.look_again()

    def _hear(self, seq: int, update: bytes, member: Member | None) -> None:
        if seq > self.sent and (seq not in self._heard or member is not None):
            self._heard[seq] = update, member
        self._head = max(self._head, seq)
        self._something.set()

    def look_again(self, rights: bool = False) -> None:
        self._look.set()
        if rights:
            for member in list(self.members):
                member.recheck()

    def recheck(self, user: int | None) -> None:
        """Of that person, or of everybody."""
        for member in list(self.members):
            if user in (None, member.user):
                member.recheck()

    # -- presence

    def show(self, member: Member, client: int, clock: int, state: dict[str, Any] | None) -> None:
        """What a member's browser says of itself; the newest within a window is handed on."""
        update = encode(client, clock, state)
        if state is None:
            self._presence[client] = update, clock, _now(), member
            self._withdraw(client)
        else:
            self._presence[client] = update, clock, _now(), member
            self._unsaid.add(client)
            self._something.set()

    def _withdraw(self, client: int) -> None:
        _, clock, _, member = self._presence.pop(client)
        gone = encode(client, clock, None)
        for other in self.members:
            if other is not member:
                other.tell(_awareness(gone))
        self._unsaid.discard(client)
        if member is not None:
            self._publish(groups.presence(self.subject.live, {client: gone}))

    def present(self, without: Member) -> list[bytes]:
        return [update for update, _, _, member in self._presence.values() if member is not without]

    def announce(self, asks: bool = False) -> None:
        own = {client: state[0] for client, state in self._presence.items() if state[3] is not None}
        if own or asks:
            self._publish(groups.presence(self.subject.live, own, asks))

    def _hear_presence(self, message: dict[str, Any]) -> None:
        for client, update in message["states"]:
            known = self._presence.get(client)
            if known is not None and known[3] is not None:
                continue  # it is here: this process knows best
            update = bytes(update)
            if update.endswith(b"null"):
                self._presence.pop(client, None)
            else:
                self._presence[client] = update, clock_of(update), _now(), None
            for member in self.members:
                member.tell(_awareness(update))
        if message["asks"]:
            self.announce()

    def _forget_silent(self) -> None:
        for client, (_, _, heard, member) in list(self._presence.items()):
            if member is None and heard < _now() - FORGOTTEN:
                self._withdraw(client)

    # -- telling

    async def _deliver(self) -> None:
        """The first news at once, then what came within a window."""
        while True:
            await self._something.wait()
            self._something.clear()
            self._say_presence()
            try:
                await self._hand_on()
            except AWAY as error:
                logger.warning("updates of %s wait for the database: %s", self.subject.live, error)
            except log.Gone:
                pass  # everybody is told by the heartbeat
            except Exception:
                logger.exception("updates of %s were not handed on", self.subject.live)
            await asyncio.sleep(WINDOW)

    def _say_presence(self) -> None:
        unsaid = {client: self._presence[client] for client in self._unsaid if client in self._presence}
        self._unsaid.clear()
        for update, _, _, whose in unsaid.values():
            frame = _awareness(update)
            for member in self.members:
                if member is not whose:
                    member.tell(frame)
        if unsaid:
            self._publish(groups.presence(self.subject.live, {client: state[0] for client, state in unsaid.items()}))

    async def _hand_on(self) -> None:
        async with self._handing:
            if self._head > self.sent:
                await self._hand_on_news()

    async def _hand_on_news(self) -> None:
        first, pieces = self.sent + 1, []
        while (piece := self._heard.pop(self.sent + 1 + len(pieces), None)) is not None:
            pieces.append(piece)
        if first + len(pieces) <= self._head:  # a gap: something was not heard, or too long for a hint
            last, update, _ = await self.since(self.sent)
            pieces = [(update, None)]
        else:
            last = self._head
        self._tell_updates(last, pieces)
        self.sent = last
        self._heard = {seq: heard for seq, heard in self._heard.items() if seq > last}

    def _tell_updates(self, last: int, pieces: Sequence[Any]) -> None:
        """Everybody gets all of it, but who has sent some of it only the rest."""
        senders = {member for _, member in pieces}
        common = _Frame(last, [update for update, _ in pieces])
        for member in list(self.members):
            rest = [update for update, whose in pieces if whose is not member]
            member.updates(last, _Frame(last, rest) if member in senders else common)

    # -- the heartbeat

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._look.wait()
            self._look.clear()
            try:
                await self._look_at_row()
            except log.Gone:
                pass  # since a moment ago: the next look is at once
            except AWAY as error:
                logger.warning("document %s: no heartbeat, the database is away: %s", self.subject.live, error)
            except Exception:
                logger.exception("document %s: no heartbeat", self.subject.live)
            self._forget_silent()
            await asyncio.sleep(WINDOW)

    async def _look_at_row(self) -> None:
        async with pool.connection() as database:
            row = await (await database.execute(BEAT, [self.subject.live])).fetchone()
        if row is None or not row[5]:
            return self.end_all(REMOVED)
        generation, head, *projected, _ = row
        if generation != self.generation:
            return self.end_all(GENERATION)
        self._head = max(self._head, head)
        self.projected = log.Projected(*projected)
        await self._hand_on()
        frame = json.dumps({"type": "head", "seq": self.sent, "projected": self.projected.shown()})
        for member in self.members:
            member.tell(frame)

    def end_all(self, code: int) -> None:
        for member in list(self.members):
            member.end(code)


class _Frame:
    """An updates frame, merged and written once for all who get the same."""

    def __init__(self, last: int, updates: list[bytes]):
        self._last, self._updates = last, updates
        self._written: dict[int, str] = {}

    def __call__(self, first: int) -> str:
        if first not in self._written:
            self._written[first] = updates_frame(first, self._last, log.merged(self._updates))
        return self._written[first]


def updates_frame(first: int, last: int, update: bytes) -> str:
    return json.dumps({"type": "updates", "first": first, "last": last, "update": b64encode(update).decode()})


def _awareness(update: bytes) -> str:
    return json.dumps({"type": "awareness", "update": b64encode(update).decode()})


def _now() -> float:
    return asyncio.get_running_loop().time()
