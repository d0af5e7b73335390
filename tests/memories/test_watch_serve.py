"""The server paces its answers, and never leaves one half-finished as if it were whole."""

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

PIECE, PIECES = 256 << 10, 200
MOST = 100_000
SERVER = f"""
import sys
from memvid_site import serve

sent = 0

async def application(scope, receive, send):
    global sent
    path = scope["path"]
    await receive()
    if scope["type"] == "websocket":
        await send({{"type": "websocket.accept"}})
        for _ in range({PIECES}):
            await send({{"type": "websocket.send", "bytes": bytes({PIECE})}})
            sent += 1
        return
    length = {{"/long": {PIECE * PIECES}, "/short": 100, "/fails": 100}}.get(path)
    headers = [(b"content-length", str(length).encode())] if length else []
    if path == "/fails-at-once":
        raise RuntimeError("before anything was sent")
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    if path == "/long":
        for _ in range({PIECES}):
            await send({{"type": "http.response.body", "body": bytes({PIECE}), "more_body": True}})
            sent += 1
    elif path == "/fails":
        await send({{"type": "http.response.body", "body": b"a part", "more_body": True}})
        raise RuntimeError("in the middle")
    body = {{"/short": b"a part", "/sent": str(sent).encode()}}.get(path, b"")
    await send({{"type": "http.response.body", "body": body}})

class Server(serve.PacedServer):
    most_body = {MOST}

    def listen_success(self, port):
        print(port.getHost().port, flush=True)

class CommandLine(serve.CommandLine):
    server_class = Server

    def load_asgi_app(self, path):
        assert path == serve.APPLICATION
        return application

CommandLine().run(["-b", "127.0.0.1", "-p", "0", "-v", "0"])
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    yield int(server.stdout.readline())
    server.terminate()
    server.wait()


def ask(port: int, path: str, line: http.client.HTTPConnection | None = None) -> http.client.HTTPResponse:
    line = line or http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("GET", path)
    return line.getresponse()


def test_a_reader_that_takes_nothing_holds_the_sender(port):
    """Unpaced, every piece would be in the server's memory before it answered anybody else."""
    slow = ask(port, "/long")
    for _ in range(10):
        assert int(ask(port, "/sent").read()) < PIECES / 2
    assert len(slow.read()) == PIECE * PIECES


def test_a_socket_that_takes_nothing_holds_the_sender_too(port):
    before = int(ask(port, "/sent").read())
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert line.recv(12) == b"HTTP/1.1 101"
        for _ in range(10):
            assert int(ask(port, "/sent").read()) - before < PIECES / 2
        taken = 0
        while taken < PIECE * PIECES:
            taken += len(line.recv(1 << 20))
    assert int(ask(port, "/sent").read()) - before == PIECES


def test_a_connection_goes_on_after_a_long_answer(port):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(2):
        assert len(ask(port, "/long", line).read()) == PIECE * PIECES


@pytest.mark.parametrize("path", ["/short", "/fails"])
def test_an_answer_that_cannot_be_finished_is_cut_off(port, path):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(port, path, line).read()
    assert ask(port, "/sent").status == 200


def test_a_failure_before_the_answer_is_a_500(port):
    assert ask(port, "/fails-at-once").status == 500


@pytest.mark.parametrize("claim", [MOST + 1, 10 << 30, 10**15])
def test_a_body_that_claims_too_much_is_refused_before_it_comes(port, claim):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.putrequest("POST", "/")
    line.putheader("Content-Length", str(claim))
    line.endheaders(b"the first of it")
    refusal = line.getresponse()
    assert refusal.status == 413 and b"send less at once" in refusal.read()


def test_a_body_that_says_no_length_is_refused_when_it_has_been_too_much(port):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("POST", "/", iter([bytes(MOST), bytes(1)]), encode_chunked=True)
    assert line.getresponse().status == 413
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("POST", "/sent", iter([bytes(MOST - 1), bytes(1)]), encode_chunked=True)
    assert line.getresponse().status == 200
