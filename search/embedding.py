"""The embedder process as the site sees it. Nothing here, nor anything it imports, loads a model."""

import socket
import threading
import time
from typing import Any

import numpy as np
from django.conf import settings

from memories.engine.errors import MemvidError

from .engine import wire

HEALTH_TIMEOUT = 0.25  # a page never waits longer to know
HEALTH_FRESH = 2.0
QUERY_TIMEOUT = 2.0


class EmbedderAway(MemvidError):
    """There is no embedding now; the text says why. `passing`: asking again later may help."""

    def __init__(self, reason: str, passing: bool = True):
        super().__init__(reason)
        self.passing = passing


class _Health:
    """What each socket said last, for two seconds; one thread asks, others take the last answer meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}

    def get(self, path: str) -> dict[str, Any]:
        when, facts = self._known.get(path, (0.0, None))
        if facts is not None and (time.monotonic() - when < HEALTH_FRESH or self._lock.locked()):
            return facts
        with self._lock:
            when, facts = self._known.get(path, (0.0, None))
            if facts is None or time.monotonic() - when >= HEALTH_FRESH:
                facts = _ask_health(path)
                self._known[path] = time.monotonic(), facts
        return facts

    def forget(self, path: str) -> None:
        self._known.pop(path, None)


_health = _Health()


def health(at: str | None = None) -> dict[str, Any]:
    """`state` ready, loading or away, `model` and `dimension` of a ready one, `reason` of one that is not.

    `rerank` only where a re-ranking model is set: its `model`, or the `reason` that it is not there.
    """
    return _health.get(at or settings.EMBEDDER_SOCKET)


def forget_health(at: str | None = None) -> None:
    """The next `health` asks again, for those who wait for a change."""
    _health.forget(at or settings.EMBEDDER_SOCKET)


def embed(
    texts: list[str], *, timeout: float, query: bool = False, model: str | None = None, at: str | None = None
) -> np.ndarray:
    """float32 (len(texts), dimension), each row of length 1. `timeout` counts for each 32 texts.

    Raises EmbedderAway, also when it serves another model than `model`. `at`: the socket of another embedder than
    the site's own.
    """
    path, kind = at or settings.EMBEDDER_SOCKET, "query" if query else "document"
    short = [text[: wire.MOST_CHARACTERS] for text in texts]
    try:
        parts = [
            _embed(path, kind, short[start : start + wire.MOST_TEXTS], timeout, model)
            for start in range(0, len(short), wire.MOST_TEXTS)
        ]
    except EmbedderAway:
        _health.forget(path)
        raise
    return np.concatenate(parts) if parts else np.zeros((0, health(path).get("dimension") or 0), np.float32)


def rerank(query: str, texts: list[str], *, timeout: float, at: str | None = None) -> np.ndarray:
    """float32 (len(texts),), higher for a text that answers the query better. At most wire.MOST_TEXTS texts.

    Raises EmbedderAway.
    """
    path, most = at or settings.EMBEDDER_SOCKET, wire.MOST_CHARACTERS
    asked = {"do": "rerank", "query": query[:most], "texts": [text[:most] for text in texts], "within": timeout}
    with _Call(path, timeout) as call:
        return _rows(call, asked, len(texts)).reshape(-1)


def _ask_health(path: str) -> dict[str, Any]:
    try:
        with _Call(path, HEALTH_TIMEOUT) as call:
            said = call.ask({"do": "health"})
    except EmbedderAway as error:
        return {"state": "away", "model": "", "dimension": 0, "reason": str(error)}
    state = said["state"] if said.get("state") in ("ready", "loading") else "away"
    facts = {key: said.get(key) for key in ("model", "dimension", "reason")} | {"state": state}
    return facts | ({"rerank": said["rerank"]} if isinstance(said.get("rerank"), dict) else {})


def _embed(path: str, kind: str, texts: list[str], timeout: float, model: str | None) -> np.ndarray:
    with _Call(path, timeout) as call:
        asked = {"do": "embed", "kind": kind, "texts": texts, "within": timeout}
        return _rows(call, asked, len(texts), model)


def _rows(call: "_Call", asked: dict[str, Any], count: int, model: str | None = None) -> np.ndarray:
    """float32 (count, dimension)."""
    said = call.ask(asked)
    if "error" in said:
        raise EmbedderAway(_reason(said), passing=said["error"] not in ("failed", "bad"))
    if model is not None and said.get("model") != model:
        raise EmbedderAway(f"the embedder serves the model {said.get('model')}, not {model}", passing=False)
    rows, dimension = said.get("rows"), said.get("dimension")
    if rows != count or not isinstance(dimension, int):
        raise EmbedderAway("the embedder answered something else than it was asked", passing=False)
    return np.frombuffer(call.read(rows * dimension * 4), "<f4").reshape(rows, dimension)


def _reason(said: dict[str, Any]) -> str:
    return str(said.get("reason") or said["error"])


class _Call:
    """One connection with one deadline for all that is done on it."""

    def __init__(self, path: str, timeout: float):
        self._path, self._deadline = str(path), time.monotonic() + timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> "_Call":
        try:
            self._socket.settimeout(self._left())
            self._socket.connect(self._path)
        except OSError as error:
            self._socket.close()
            raise _away(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._socket.settimeout(self._left())
            self._socket.sendall(wire.pack(request))
            return wire.unpack(self.read(wire.header_size(self.read(wire.LENGTH.size))))
        except OSError as error:
            raise _away(error) from None
        except wire.BadMessage as error:
            raise EmbedderAway(f"the embedder could not be understood: {error}", passing=False) from None

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                self._socket.settimeout(self._left())
                piece = self._socket.recv(min(size - len(data), 1 << 18))
            except OSError as error:
                raise _away(error) from None
            if not piece:
                raise EmbedderAway("the embedder stopped in the middle of its answer")
            data += piece
        return bytes(data)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _away(error: OSError) -> EmbedderAway:
    if isinstance(error, TimeoutError):
        return EmbedderAway("the embedder has not answered in time")
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return EmbedderAway("the embedder is not running")
    return EmbedderAway(f"the embedder cannot be reached: {error.strerror or error}")
