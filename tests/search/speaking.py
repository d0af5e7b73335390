"""A server that speaks OpenAI's protocol, well or badly: `script` is what it does with the next question."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append(json.loads(body))
        self.server.keys.append(self.headers.get("authorization"))
        try:
            self.server.script(self)
        except OSError:
            self.server.left.set()

    def begin(self, kind: str = "text/event-stream", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("connection", "close")
        self.end_headers()

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def event(self, data: Any) -> None:
        self.raw(b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n")

    def say(self, text: Any, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text} if text is not None else {}, "finish_reason": finish}
        self.event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})

    def done(self, reason: str = "stop") -> None:
        self.say(None, reason)
        self.event(b"[DONE]")

    def hold(self) -> None:
        """Says nothing more until the test is over or the other end goes away."""
        while not self.server.over.wait(0.02):
            self.raw(b": still there\n\n")

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: Script = saying("Nothing to say.")
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.over, self.left = threading.Event(), threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_: Any) -> None:
        pass


def saying(*texts: str, finish: str | None = "stop") -> Script:
    """The usual: one event for each text, then the end."""

    def run(handler: Handler) -> None:
        handler.begin()
        for text in texts:
            handler.say(text)
        if finish:
            handler.done(finish)

    return run


@contextmanager
def speaking() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
