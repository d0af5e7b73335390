"""The one thread that owns the model: it loads it, then embeds what waits, queries before documents."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from memories.engine.errors import MemvidError

if TYPE_CHECKING:
    from search.engine.embedder import Embedder

# Texts embedded together. A query waits for at most one such batch of documents: about a fifth of a second.
BATCH = 16
MOST_WAITING = {"query": 256, "document": 1_024}  # texts

log = logging.getLogger("memvid.embedder")


class Refused(Exception):
    """`error` is one of the words of the protocol; the text is one line that says why."""

    def __init__(self, error: str, reason: str):
        super().__init__(reason)
        self.error = error


class Work:
    """The texts of one request, which may be embedded in several batches."""

    def __init__(self, texts: list[str], deadline: float):
        self.texts, self.deadline = texts, deadline
        self.done: Future[np.ndarray] = Future()
        self.taken = 0
        self._parts: list[np.ndarray] = []

    def take(self, most: int) -> list[str]:
        piece = self.texts[self.taken : self.taken + most]
        self.taken += len(piece)
        return piece

    def give(self, vectors: np.ndarray) -> None:
        self._parts.append(vectors)
        if sum(map(len, self._parts)) == len(self.texts):
            self._settle(lambda: self.done.set_result(np.concatenate(self._parts)))

    def refuse(self, error: str, reason: str) -> None:
        self._settle(lambda: self.done.set_exception(Refused(error, reason)))

    def _settle(self, settle: Callable[[], None]) -> None:
        if not self.done.done():  # the one who asked may have gone, which cancels it
            settle()


class Batcher:
    def __init__(self, load: "Callable[[], Embedder]"):
        self._load = load
        self._changed = threading.Condition()
        self._queues: dict[str, deque[Work]] = {kind: deque() for kind in MOST_WAITING}
        self._embedder: Embedder | None = None
        self._stopping = False
        self.state, self.reason = "loading", "the model is being loaded"

    def start(self) -> None:
        threading.Thread(target=self._run, name="model", daemon=True).start()

    def facts(self) -> dict[str, Any]:
        with self._changed:
            waiting = sum(len(work.texts) - work.taken for queue in self._queues.values() for work in queue)
        known = self._embedder
        model = {"model": known.name, "dimension": known.dimension} if known else {"model": "", "dimension": 0}
        return {"state": self.state, "reason": self.reason, "waiting": waiting, **model}

    def submit(self, kind: str, texts: list[str], within: float) -> "Future[np.ndarray]":
        """Raises Refused when there is no model or too much waits already."""
        if self.state != "ready":
            raise Refused(self.state, self.reason)
        work = Work(texts, time.monotonic() + within)
        with self._changed:
            if self._stopping:
                raise Refused("stopping", "the embedder is being stopped")
            queue = self._queues[kind]
            if sum(len(other.texts) - other.taken for other in queue) + len(texts) > MOST_WAITING[kind]:
                raise Refused("busy", "too many texts wait for the embedding model: try again in a moment")
            queue.append(work)
            self._changed.notify()
        return work.done

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            for queue in self._queues.values():
                while queue:
                    queue.popleft().refuse("stopping", "the embedder is being stopped")
            self._changed.notify()

    def _run(self) -> None:
        try:
            self._embedder = self._load()
        except Exception as error:  # whatever it is, health says so and search goes on by keyword
            self.reason = str(error) if isinstance(error, MemvidError) else f"{type(error).__name__}: {error}"
            self.state = "failed"
            log.error("the embedding model could not be loaded: %s", self.reason)
            return
        self.state, self.reason = "ready", ""
        log.info("ready: %s, %d dimensions", self._embedder.name, self._embedder.dimension)
        while (taken := self._take()) is not None:
            self._embed(*taken)

    def _take(self) -> tuple[str, list[tuple[Work, list[str]]]] | None:
        """The next batch, from as many requests as fit; None when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or any(self._queues.values()))
            if self._stopping:
                return None
            kind = "query" if self._queues["query"] else "document"
            return kind, self._fill(self._queues[kind])

    def _fill(self, queue: deque[Work]) -> list[tuple[Work, list[str]]]:
        pieces, room = [], BATCH
        while queue and room:
            work = queue[0]
            if work.done.cancelled() or work.deadline < time.monotonic():
                work.refuse("late", "the embedding model is busy: its answer would have come too late")
                queue.popleft()
                continue
            pieces.append((work, work.take(room)))
            room -= len(pieces[-1][1])
            if work.taken == len(work.texts):
                queue.popleft()
        return pieces

    def _embed(self, kind: str, pieces: list[tuple[Work, list[str]]]) -> None:
        texts = [text for _, piece in pieces for text in piece]
        if not texts:
            return
        try:
            vectors = self._embedder.embed_queries(texts) if kind == "query" else self._embedder.embed(texts)
        except Exception as error:  # a text that the model cannot take must not end it
            log.exception("%d texts could not be embedded", len(texts))
            for work, _ in pieces:
                work.refuse("bad", f"the model could not embed it: {type(error).__name__}")
            return
        start = 0
        for work, piece in pieces:
            work.give(vectors[start : start + len(piece)])
            start += len(piece)
