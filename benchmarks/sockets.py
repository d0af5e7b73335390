"""A websocket client of few lines, so that what is measured is the server: `async for text in socket`."""

import asyncio
import base64
import os
import struct
from contextlib import suppress
from urllib.parse import urlsplit


class Socket:
    @classmethod
    async def open(cls, url: str, cookie: str) -> "Socket":
        parts = urlsplit(url)
        socket = cls()
        socket._reader, socket._writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 24)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Origin: http://{parts.netloc}",
            "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
            f"Cookie: {cookie}", "", "",
        )  # fmt: skip
        socket._writer.write("\r\n".join(lines).encode())
        status = await socket._reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in status.split(b"\r\n")[0]:
            raise ConnectionError(status.decode())
        return socket

    def send(self, text: str) -> None:
        self._frame(1, text.encode())

    def _frame(self, kind: int, data: bytes) -> None:
        size = len(data)
        head = bytes([0x80 | kind])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        self._writer.write(head + b"\0\0\0\0" + data)  # masked with zeros

    async def receive(self) -> str:
        """The next message. Raises ConnectionError with the code at the end."""
        while True:
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", await self._reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self._reader.readexactly(8))
            data = await self._reader.readexactly(size)
            kind = first & 0x0F
            if kind == 8:
                raise ConnectionError(int.from_bytes(data[:2], "big"))
            if kind == 9:
                self._frame(10, data)
            elif kind == 1:
                return data.decode()

    async def close(self) -> None:
        self._frame(8, struct.pack(">H", 1000))
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
