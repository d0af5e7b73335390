"""Serves the embedding model on a Unix socket; wire.py says what is spoken there.

It listens at once, while the model loads. One process for a socket: a lock beside it, which the kernel frees
however the process ends, says whether a socket file is in use or was left behind.
"""

import asyncio
import fcntl
import logging
import os
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memories.engine.errors import UsageError
from search.engine import wire
from search.engine.batching import Batcher, Refused

if TYPE_CHECKING:
    from search.engine.embedder import Embedder
    from search.engine.reranker import Reranker

MOST_CONNECTIONS = 64
SLOWEST = 10.0  # seconds for a message to arrive or an answer to be taken
IDLE = 60.0
LAST_ANSWERS = 2.0
_LONGEST_PATH = 107  # bytes of sun_path

log = logging.getLogger("memvid.embedder")


def run(
    path: Path, load: "Callable[[], Embedder]", load_reranker: "Callable[[], Reranker | None]" = lambda: None
) -> None:
    """Until SIGTERM or SIGINT. Raises UsageError when the socket cannot be made or another process has it."""
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise UsageError(f"the path of the socket is too long ({_LONGEST_PATH} bytes is the most): {path}")
    lock = _lock(path)
    try:
        asyncio.run(_Server(path, Batcher(load, load_reranker)).serve())
    finally:
        os.close(lock)


def _lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"the socket {path} cannot be made: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            raise UsageError(f"{path} is a file and no socket: name another place")
        path.unlink(missing_ok=True)  # left behind by a process that was killed
    except BlockingIOError:
        os.close(lock)
        raise UsageError(f"another embedder already listens on {path}") from None
    except UsageError:
        os.close(lock)
        raise
    return lock


class _Server:
    def __init__(self, path: Path, batcher: Batcher):
        self._path, self._batcher = path, batcher
        self._tasks: set[asyncio.Task] = set()

    async def serve(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._connected, self._path)
        except OSError as error:
            raise UsageError(f"the socket {self._path} cannot be made: {error.strerror}") from None
        finally:
            os.umask(before)
        self._batcher.start()
        await stop.wait()
        self._path.unlink(missing_ok=True)
        server.close()
        self._batcher.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_ANSWERS)
        for task in self._tasks:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            if len(self._tasks) > MOST_CONNECTIONS:
                await _answer(writer, {"error": "busy", "reason": "too many connections to the embedder"})
            else:
                await self._converse(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # the other side went away or was too slow, or this process stops
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            length = await asyncio.wait_for(reader.readexactly(wire.LENGTH.size), IDLE)
            try:
                data = await asyncio.wait_for(reader.readexactly(wire.header_size(length)), SLOWEST)
                header, vectors = await self._do(wire.unpack(data))
            except wire.BadMessage as error:
                await _answer(writer, {"error": "bad", "reason": str(error)})
                return
            except Refused as error:
                header, vectors = {"error": error.error, "reason": str(error)}, None
            await _answer(writer, header, vectors)
            if header.get("error") == "stopping":
                return

    async def _do(self, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
        match request.get("do"), request.get("kind"):
            case "health", _:
                return self._batcher.facts(), None
            case "embed", ("query" | "document") as kind:
                texts, within = wire.texts_of(request), wire.wait_of(request)
                vectors = await asyncio.wrap_future(self._batcher.submit(kind, texts, within))
                rows, dimension = vectors.shape
                return {"model": self._batcher.facts()["model"], "rows": rows, "dimension": dimension}, vectors
            case "rerank", _:
                query, texts, within = wire.query_of(request), wire.texts_of(request), wire.wait_of(request)
                pairs = [(query, text) for text in texts]
                scores = await asyncio.wrap_future(self._batcher.submit("rerank", pairs, within))
                return {"model": self._batcher.reranker, "rows": len(scores), "dimension": 1}, scores
        raise wire.BadMessage(
            'it must ask to "do" "health", "rerank", or "embed" with the "kind" "query" or "document"'
        )


async def _answer(writer: asyncio.StreamWriter, header: dict[str, Any], vectors: np.ndarray | None = None) -> None:
    writer.write(wire.pack(header))
    if vectors is not None:
        writer.write(vectors.astype("<f4").tobytes())
    await asyncio.wait_for(writer.drain(), SLOWEST)
