"""The socket of a live document: /ws/memories/<uuid>/documents/<number>/. docs/live-editing.md is its protocol."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from ..models import User
from . import log, presence, seeding, wire
from . import rights as rules
from .hub import hub
from .outbox import TRY_LATER, Outbox
from .room import AWAY, GENERATION, REMOVED, Full, Member, Room
from .updates import MOST_CLIENT, BadUpdate, check

logger = logging.getLogger("memvid.live")
NOT_LOGGED_IN, NOT_ALLOWED, TOO_MANY = 4401, 4403, 4429
RECHECK = 60.0  # seconds
MOST_BAD = 20  # frames that were refused
FRAMES_A_SECOND, BURST = 50, 1000  # a page that was cut off has hundreds of edits to send
JOIN = 50  # as many frames as reading the whole state is counted for
MOST_CLIENTS = 500  # ids of one socket: a page has its own, and those of earlier ones whose edits it still sends
NOT_WRITABLE = "you may read this document, not change it"


class LiveConsumer(AsyncWebsocketConsumer):
    """No channel of its own on the layer: the hub listens for the whole process, and goes on without Redis."""

    channel_layer_alias = None
    room: Room | None = None
    member: "Socket | None" = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with AsyncExitStack() as self.stack:  # left however the socket ends
            await super().__call__(scope, receive, send)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without Channels' look after Django's connections, which is a turn of a thread for every frame."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        place = self.scope["url_route"]["kwargs"]
        self.memory, self.number = place["memory"], place["number"]
        self.parts, self.bad, self.clients = wire.Parts(), 0, set[int]()
        self.tokens, self.counted = float(BURST), asyncio.get_running_loop().time()
        await self.accept()
        if not self.scope["user"].is_authenticated:
            return await self.close(NOT_LOGGED_IN)
        self.user = self.scope["user"]
        try:
            found = await self._rights()
        except AWAY:
            return await self.close(TRY_LATER)
        if found is None:
            return await self.close(REMOVED)
        self.found, self.may_write = found, found.may_write
        self.member = Socket(self)
        self.stack.push_async_callback(self.member.stop)

    @database_sync_to_async
    def _rights(self) -> rules.Rights | None:
        return rules.rights(self.user, self.memory, self.number)

    # -- what the browser says

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        frame: Any = None
        try:
            frame = json.loads(text_data or "")
            handler = HANDLERS[frame["type"]]
            if self.member is None:
                return  # it is being closed
            self._count(JOIN if handler is LiveConsumer.join else 1)
            await handler(self, frame)
        except AWAY as error:  # not refused: the browser keeps what it sent, and sends it again
            logger.warning("a frame of %s waits for the database: %s", self.memory, error)
            await self.close(TRY_LATER)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) and frame is not None else "it was not understood"
            await self._refuse(frame.get("id") if isinstance(frame, dict) else None, reason)

    async def _refuse(self, message: Any, reason: str) -> None:
        self.bad += 1
        known = message if isinstance(message, str) and len(message) <= 36 else None
        await self.send_json({"type": "refused", "id": known, "reason": reason})
        if self.bad >= MOST_BAD:
            await self.close(TOO_MANY)

    async def send_json(self, frame: dict[str, Any]) -> None:
        if self.member is not None:
            self.member.say(frame)

    async def join(self, frame: dict[str, Any]) -> None:
        vector = wire.bytes_of(frame["vector"]) if frame.get("vector") else None
        client = frame["client"]
        if not isinstance(client, int) or not 0 < client <= MOST_CLIENT:
            raise ValueError("it names no client")
        try:
            await self._enter(frame.get("generation"), client)
        except seeding.CannotEdit as error:
            await self._end(REMOVED, str(error))
        except Full as error:
            await self._end(TOO_MANY, str(error))
        except PermissionError as error:
            await self._end(NOT_ALLOWED, str(error))
        else:
            if self.room is not None:
                await self._greet(vector)

    async def _enter(self, generation: Any, client: int) -> None:
        if self.room is None:
            subject = await self._subject()
            self.room = await self.stack.enter_async_context(hub().inside(subject, self.member))
        if generation is not None and generation != self.room.generation:
            self.room = None
            return await self._end(GENERATION, "the document began anew since this page was opened")
        if not await self._binds(client):
            self.room = None
            raise PermissionError("this client id is somebody else's: reload the page")
        self.client = client

    @database_sync_to_async
    def _subject(self) -> Any:
        return rules.subject(self.found, self.number)

    async def _binds(self, client: int) -> bool:
        if client not in self.clients:
            if len(self.clients) >= MOST_CLIENTS:
                raise ValueError("it comes by too many clients: reload the page")
            if not await database_sync_to_async(rules.binds)(self.room.subject.live, client, self.user.pk):
                return False
            self.clients.add(client)
        return True

    async def _greet(self, vector: bytes | None) -> None:
        """Updates that come meanwhile wait in the outbox; those that are in the state do no harm twice."""
        try:
            state = await self.room.state()
        except log.Gone:
            return  # the room looks why, and ends this socket with the reason
        try:
            missing = state.missing(vector)
        except ValueError:
            raise ValueError("its state vector cannot be read") from None
        header = {
            "type": "joined", "generation": state.generation, "head": state.head, "may_write": self.may_write,
            "you": presence.person(self.user), "vector": wire.b64encode(state.vector).decode(),
            "awareness": [wire.b64encode(update).decode() for update in self.room.present(self.member)],
            "projected": state.projected.shown(),
        }  # fmt: skip
        self.member.joined(state.head, wire.frames(header, missing))

    async def update(self, frame: dict[str, Any]) -> None:
        if len(frame["update"]) > wire.PART:
            raise ValueError("it is too long for one frame: send it in parts")
        await self._append(frame["id"], wire.bytes_of(frame["update"]))

    async def part(self, frame: dict[str, Any]) -> None:
        whole = self.parts.add(frame)
        if whole is not None:
            await self._append(frame["id"], whole)

    async def _append(self, message: str, update: bytes) -> None:
        if self.room is None:
            raise ValueError("join the document first")
        if not self.may_write:
            raise ValueError(NOT_WRITABLE)
        for client in check(update):
            if client == seeding.SERVER or not await self._binds(client):
                raise BadUpdate("it holds text by a client that is somebody else's")
        entry = log.Entry(UUID(message), update, self.user.pk)
        try:
            stored = await self.room.append([entry], self.member)
        except log.Gone:
            return await self._end(GENERATION, "the document began anew since this page was opened")
        self.member.say({"type": "saved", "id": message, "seq": stored[entry.message].seq})

    def _count(self, cost: int) -> None:
        now = asyncio.get_running_loop().time()
        self.tokens = min(BURST, self.tokens + (now - self.counted) * FRAMES_A_SECOND) - cost
        self.counted = now
        if self.tokens < 0:
            raise ValueError("too much at once: send fewer updates, merged")

    async def awareness(self, frame: dict[str, Any]) -> None:
        if self.room is not None:
            clock, state = presence.own_state(wire.bytes_of(frame["update"]), self.client, presence.person(self.user))
            self.room.show(self.member, self.client, clock, state)

    async def ping(self, frame: dict[str, Any]) -> None:
        self.member.say({"type": "pong"})

    # -- rights

    async def check_rights(self) -> None:
        """Somebody who may no longer see the document is cut off, a reader is told that they are one. Who was logged
        out keeps their edits for when they are back."""
        user, found = await self._rights_now()
        if found is None:
            return await self.close(NOT_ALLOWED if user else NOT_LOGGED_IN)
        self.user = user
        if found.may_write != self.may_write:
            self.may_write = found.may_write
            self.member.say({"type": "rights", "may_write": found.may_write})

    @database_sync_to_async
    def _rights_now(self) -> tuple[User | None, rules.Rights | None]:
        user = rules.person_of(self.scope["session"].session_key)
        return user, rules.rights(user, self.memory, self.number) if user else None

    async def _end(self, code: int, reason: str) -> None:
        await self.send(json.dumps({"type": "refused", "id": None, "reason": reason}))
        await self.close(code)


HANDLERS = {
    "join": LiveConsumer.join, "update": LiveConsumer.update, "part": LiveConsumer.part,
    "awareness": LiveConsumer.awareness, "ping": LiveConsumer.ping,
}  # fmt: skip


class Socket(Member):
    """A socket in a room: its outbox, and the look at its rights each minute or when something happened to them."""

    def __init__(self, consumer: LiveConsumer):
        super().__init__(consumer.user.pk)
        self._consumer = consumer
        self._outbox = Outbox(consumer.send, self._missing, consumer.close)
        self._due = asyncio.Event()
        self._watch = asyncio.create_task(self._recheck_each_minute())

    async def _missing(self, seq: int) -> log.Tail:
        return await self._consumer.room.since(seq)

    def say(self, frame: dict[str, Any]) -> None:
        self._outbox.put(json.dumps(frame))

    def tell(self, frame: str) -> None:
        if self._outbox.has_joined:
            self._outbox.put(frame)

    def joined(self, head: int, frames: list[str]) -> None:
        self._outbox.begin(head, frames)

    def updates(self, last: int, frame: Callable[[int], str]) -> None:
        self._outbox.updates(last, frame)

    def recheck(self) -> None:
        self._due.set()

    def end(self, code: int) -> None:
        self._outbox.end(code)

    async def _recheck_each_minute(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RECHECK):
                    await self._due.wait()
            self._due.clear()
            try:
                await self._consumer.check_rights()
            except Exception as error:  # the database is away: asked again in a minute
                logger.warning("rights of a socket could not be read: %s", error)

    async def stop(self) -> None:
        self._watch.cancel()
        self._outbox.stop()
