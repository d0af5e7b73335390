"""Browsers for the tests: a Yjs document each, and a socket to the real application."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from pycrdt import Doc, Text

from collab.live import pool
from collab.models import User
from memories.models import Memory
from memvid_site.asgi import application

PATIENCE = 10.0


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user, backend="collab.accounts.Backend")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


class Browser:
    """Somebody with the document open. `frames` are what the server said and nobody has asked for yet."""

    def __init__(self, memory: Memory, number: int = 1, client: int | None = None):
        self.address = f"/ws/memories/{memory.pk}/documents/{number}/"
        self.doc = Doc({"content": Text()}, client_id=client)
        self.frames: list[dict[str, Any]] = []
        self.generation: int | None = None
        self.last = 0

    @property
    def text(self) -> str:
        return str(self.doc["content"])

    async def connect(self, user: User | None, session: str | None = None) -> "Browser":
        headers = [(b"origin", b"http://localhost"), (b"host", b"localhost")]
        if user is not None:
            session = session or await sync_to_async(session_of)(user)
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()))
        self.socket = WebsocketCommunicator(application, self.address, headers=headers)
        await self.socket.connect(timeout=PATIENCE)
        return self

    async def join(self, user: User | None = None, **more: Any) -> dict[str, Any]:
        if user is not None:
            await self.connect(user)
        vector = b64(self.doc.get_state())
        await self.send({"type": "join", "generation": self.generation, "vector": vector,
                         "client": self.doc.client_id, **more})  # fmt: skip
        joined = await self.expect("joined")
        self.generation, self.last = joined["generation"], joined["head"]
        self.doc.apply_update(await self._bytes(joined))
        return joined

    async def _bytes(self, frame: dict[str, Any]) -> bytes:
        if "update" in frame:
            return b64decode(frame["update"])
        return b64decode("".join([(await self.expect("part"))["data"] for _ in range(frame["parts"])]))

    async def send(self, frame: Any) -> None:
        await self.socket.send_to(text_data=frame if isinstance(frame, str) else json.dumps(frame))

    async def expect(self, kind: str, wanted: Callable[[dict], bool] = lambda frame: True) -> dict[str, Any]:
        """The next frame of that kind; others are kept, and updates applied."""
        for at, frame in enumerate(self.frames):
            if frame["type"] == kind and wanted(frame):
                return self.frames.pop(at)
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = await self._next()
                if frame["type"] == kind and wanted(frame):
                    return frame
                self.frames.append(frame)

    async def _next(self) -> dict[str, Any]:
        message = await self.socket.receive_output(PATIENCE)
        assert message["type"] == "websocket.send", message
        frame = json.loads(message["text"])
        if frame["type"] == "updates":
            assert frame["first"] <= self.last + 1, (frame["first"], self.last)
            self.last = max(self.last, frame["last"])
            self.doc.apply_update(await self._bytes(frame))
        return frame

    def edit(self, at: int, text: str = "", delete: int = 0) -> bytes:
        """Types; gives the update. Positions are bytes of UTF-8, as pycrdt counts them."""
        before = self.doc.get_state()
        with self.doc.transaction():
            if delete:
                del self.doc["content"][at : at + delete]
            if text:
                self.doc["content"].insert(at, text)
        return self.doc.get_update(before)

    async def type(self, at: int, text: str = "", delete: int = 0) -> int:
        """Types, sends and waits until it is saved; gives its number."""
        message = await self.push(self.edit(at, text, delete))
        return (await self.expect("saved", lambda frame: frame["id"] == message))["seq"]

    async def push(self, update: bytes, message: str | None = None) -> str:
        message = message or str(uuid4())
        await self.send({"type": "update", "id": message, "update": b64(update)})
        return message

    async def until(self, wanted: Callable[[str], bool]) -> str:
        """The text, once it is as wanted."""
        async with asyncio.timeout(PATIENCE):
            while not wanted(self.text):
                self.frames.append(await self._next())
        return self.text

    async def closed(self) -> int:
        """The code that the server ends the socket with."""
        async with asyncio.timeout(PATIENCE):
            while (message := await self.socket.receive_output(PATIENCE))["type"] != "websocket.close":
                self.frames.append(json.loads(message["text"]))
        return message["code"]

    async def leave(self) -> None:
        await self.socket.disconnect(timeout=PATIENCE)


async def _end_the_rest() -> None:
    """What still ran may have taken a connection anew: the loop would wait for the workers of its pool for ever."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=PATIENCE)
    with suppress(asyncio.CancelledError):
        await pool.close()


def run(story: Callable[[], Any]) -> Any:
    """The story in an event loop of its own, whose connections end with it."""

    async def whole() -> Any:
        try:
            return await story()
        finally:
            await pool.close()
            await _end_the_rest()

    return asyncio.run(whole())
