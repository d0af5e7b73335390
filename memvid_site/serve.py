"""Daphne with back-pressure: `python -m memvid_site.serve -b 127.0.0.1 -p 8000`, with daphne's own options.

Daphne puts every piece of an answer into Twisted's buffer at once, so that one slow viewer of a 600 MB video costs
600 MB. Here the application waits while the connection's buffer is full (64 kB), as under other ASGI servers.

And a body that is larger than any upload may be is refused by its header, before it fills the disk.
"""

import asyncio
import sys
from typing import Any

import daphne.server
from daphne.cli import CommandLineInterface
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

APPLICATION = "memvid_site.asgi:application"
FORM = 16 << 20  # bytes that the fields around a file may take
STALLED = 120  # seconds in which the other end took nothing: the connection is dropped


@implementer(IPushProducer)
class Gate:
    """Shut while the connection's buffer is full."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def pauseProducing(self) -> None:
        self._open.clear()

    def resumeProducing(self) -> None:
        self._open.set()

    stopProducing = resumeProducing

    async def passed(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._open.wait()
        except TimeoutError:
            return False
        return True


class BoundedRequest(WebRequest):
    """Counts what comes, too: a body in chunks says no length. Twisted would keep all of it on the disk first."""

    _taken = 0

    def gotLength(self, length: int | None) -> None:
        too_long = length is not None and length > self._most()
        super().gotLength(0 if too_long else length)
        if too_long:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        before, self._taken = self._taken, self._taken + len(data)
        if self._taken <= self._most():
            super().handleContentChunk(data)
        elif before <= self._most():
            self._refuse()

    def _most(self) -> int:
        return self.channel.factory.server.most_body

    def _refuse(self) -> None:
        self._taken = sys.maxsize
        text = b"This is more than the server takes in one upload: send less at once.\n"
        self.channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Type: text/plain\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(text), text)
        )
        self.channel.loseConnection()


class BoundedFactory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol


class PacedServer(Server):
    """Paces HTTP answers and websocket messages."""

    stalled = STALLED

    @property
    def most_body(self) -> int:
        from django.conf import settings  # configured by the application, which daphne loads later

        return settings.MEMVID_MAX_IMPORT + FORM

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        queue = super().create_application(protocol, scope)
        if queue is not None and isinstance(protocol, WebRequest):
            task = self.connections[protocol]["application_instance"]
            task.add_done_callback(lambda task: self._ended(protocol, task))
        return queue

    def _ended(self, protocol: WebRequest, task: "asyncio.Future[None]") -> None:
        """Daphne would answer an exception with an error page, which it cannot once the answer has begun."""
        if not task.cancelled() and task.exception() is not None and protocol._response_started:
            _cut_off(protocol)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if isinstance(protocol, WebSocketProtocol) and message["type"] == "websocket.send":
            return await self._send_paced(protocol, message)
        if not isinstance(protocol, WebRequest) or message["type"] != "http.response.body":
            return await super().handle_reply(protocol, message)
        gate = self._gate(protocol) if message.get("more_body") else _remove_gate(protocol)
        if gate is None and _falls_short(protocol, message):
            return _cut_off(protocol)
        await super().handle_reply(protocol, message)
        if gate is not None and not await gate.passed(self.stalled):
            _cut_off(protocol)

    async def _send_paced(self, protocol: WebSocketProtocol, message: dict[str, Any]) -> None:
        """The consumer waits while the other end does not read, and bounds what it keeps for it."""
        gate = getattr(protocol, "producer", None)
        if gate is None:
            gate = protocol.producer = Gate()
            protocol.transport.unregisterProducer()  # of the HTTP channel that the connection began as
            protocol.transport.registerProducer(gate, True)
        await super().handle_reply(protocol, message)
        if not await gate.passed(self.stalled):
            protocol.dropConnection(abort=True)

    def _gate(self, protocol: WebRequest) -> Gate | None:
        if protocol.channel is None:
            return None
        if protocol.producer is None:
            protocol.registerProducer(Gate(), True)
        return protocol.producer

    def protocol_disconnected(self, protocol: Any) -> None:
        if isinstance(gate := getattr(protocol, "producer", None), Gate):
            gate.resumeProducing()  # whoever waits finds the connection gone
        super().protocol_disconnected(protocol)


def _remove_gate(protocol: WebRequest) -> None:
    if isinstance(protocol.producer, Gate) and protocol.channel is not None:
        protocol.unregisterProducer()


def _falls_short(protocol: WebRequest, message: dict[str, Any]) -> bool:
    """Whether the answer would end short of the promised length, so that the next one would be taken for its rest."""
    promised = protocol.responseHeaders.getRawHeaders(b"content-length")
    if message.get("more_body") or not promised or protocol.method == b"HEAD" or protocol.code in (204, 304):
        return False
    return protocol.sentLength + len(message.get("body", b"")) < int(promised[0])


def _cut_off(protocol: WebRequest) -> None:
    """Ends an answer that has begun and cannot be finished in the only way that the other end notices."""
    if not protocol.finished and protocol.channel is not None:
        protocol.channel.forceAbortClient()


class CommandLine(CommandLineInterface):
    server_class = PacedServer

    def run(self, args: list[str]) -> None:
        daphne.server.HTTPFactory = BoundedFactory  # the server names its factory itself
        super().run([*(arg for arg in args if arg != APPLICATION), APPLICATION])


if __name__ == "__main__":
    CommandLine().run(sys.argv[1:])
