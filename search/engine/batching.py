"""The one thread that owns the models: it loads them, then does what waits, queries first and documents last."""

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
    from search.engine.reranker import Pair, Reranker

# Texts embedded together. A query waits for at most one such batch of documents: about a fifth of a second. A pair of
# a query and a passage takes as long as two texts.
BATCH = {"query": 16, "rerank": 8, "document": 16}
MOST_WAITING = {"query": 256, "rerank": 256, "document": 1_024}  # texts; the kinds in the order of their turn

log = logging.getLogger("memvid.embedder")


class Refused(Exception):
    """`error` is one of the words of the protocol; the text is one line that says why."""

    def __init__(self, error: str, reason: str):
        super().__init__(reason)
        self.error = error


class Work:
    """The texts of one request, or its pairs, which may be done in several batches."""

    def __init__(self, texts: "list[str] | list[Pair]", deadline: float):
        self.texts, self.deadline = texts, deadline
        self.done: Future[np.ndarray] = Future()
        self.taken = 0
        self._parts: list[np.ndarray] = []

    def take(self, most: int) -> "list[str] | list[Pair]":
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
    """`load_reranker` gives None where no re-ranking is wanted."""

    def __init__(self, load: "Callable[[], Embedder]", load_reranker: "Callable[[], Reranker | None]" = lambda: None):
        self._load, self._load_reranker = load, load_reranker
        self._changed = threading.Condition()
        self._queues: dict[str, deque[Work]] = {kind: deque() for kind in MOST_WAITING}
        self._embedder: Embedder | None = None
        self._reranker: Reranker | None = None
        self._no_reranker = ""  # why, where one is wanted
        self._stopping = False
        self.state, self.reason = "loading", "the model is being loaded"

    def start(self) -> None:
        threading.Thread(target=self._run, name="model", daemon=True).start()

    def facts(self) -> dict[str, Any]:
        with self._changed:
            waiting = sum(len(work.texts) - work.taken for queue in self._queues.values() for work in queue)
        known = self._embedder
        model = {"model": known.name, "dimension": known.dimension} if known else {"model": "", "dimension": 0}
        wanted = bool(self._reranker or self._no_reranker)
        rerank = {"rerank": {"model": self.reranker, "reason": self._no_reranker}} if wanted else {}
        return {"state": self.state, "reason": self.reason, "waiting": waiting, **model, **rerank}

    @property
    def reranker(self) -> str:
        """The name of its model, or nothing."""
        return self._reranker.name if self._reranker else ""

    def submit(self, kind: str, texts: "list[str] | list[Pair]", within: float) -> "Future[np.ndarray]":
        """Raises Refused when there is no model or too much waits already."""
        if self.state != "ready":
            raise Refused(self.state, self.reason)
        if kind == "rerank" and self._reranker is None:
            raise Refused("failed", self._no_reranker or "no re-ranking model is set")
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
        self._try_reranker()
        self.state, self.reason = "ready", ""
        log.info("ready: %s, %d dimensions", self._embedder.name, self._embedder.dimension)
        while (taken := self._take()) is not None:
            self._work(*taken)

    def _try_reranker(self) -> None:
        try:
            self._reranker = self._load_reranker()
        except Exception as error:  # as above: search goes on with the order that it has
            reason = str(error) if isinstance(error, MemvidError) else f"{type(error).__name__}: {error}"
            self._no_reranker = reason
            log.error("search goes on without re-ranking: %s", reason)
            return
        if self._reranker:
            log.info("the best passages are re-ranked by %s", self._reranker.name)

    def _take(self) -> "tuple[str, list[tuple[Work, list]]] | None":
        """The next batch, from as many requests as fit; None when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or any(self._queues.values()))
            if self._stopping:
                return None
            kind = next(kind for kind, queue in self._queues.items() if queue)
            return kind, self._fill(self._queues[kind], BATCH[kind])

    def _fill(self, queue: deque[Work], room: int) -> list[tuple[Work, list]]:
        pieces = []
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

    def _work(self, kind: str, pieces: list[tuple[Work, list]]) -> None:
        texts = [text for _, piece in pieces for text in piece]
        if not texts:
            return
        try:
            rows = self._done(kind, texts)
        except Exception as error:  # a text that the model cannot take must not end it
            log.exception("%d texts could not be embedded", len(texts))
            for work, _ in pieces:
                work.refuse("bad", f"the model could not embed it: {type(error).__name__}")
            return
        start = 0
        for work, piece in pieces:
            work.give(rows[start : start + len(piece)])
            start += len(piece)

    def _done(self, kind: str, texts: list) -> np.ndarray:
        """A row for each: its vector, or its score."""
        if kind == "rerank":
            return self._reranker.scores(texts)
        return self._embedder.embed_queries(texts) if kind == "query" else self._embedder.embed(texts)
