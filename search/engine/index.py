"""Writes the index boxes of a memory: what is covered already is left alone, the rest is added box by box.

A build that is stopped, or killed, keeps every box it wrote; the next one goes on from there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from memories.engine.model import Chunk, ChunkRef, Commit
from search.engine import boxes, keyword, tokens
from search.engine.boxes import KEYWORD, VECTOR, Box, Living, Rows, Vectors
from search.engine.keyword import Segment

if TYPE_CHECKING:
    from memories.engine import Memory
    from search.engine.embedder import Embedder

# Chunks in one box. A vector box of this size is what a kill can cost: some twenty seconds of embedding.
VECTOR_BATCH = 2_000
# Larger, because every box repeats the words of a language.
KEYWORD_BATCH = 20_000

# Chunks embedded between two looks at `should_stop`: two or three seconds.
SLICE = 256

# A box with fewer rows that count than this is small; more small ones than that are joined into one.
SMALL_BOX = 1_000
SMALL_BOXES = 16

Progress = Callable[[int, int, str], None]
Stop = Callable[[], bool]


@dataclass(frozen=True)
class IndexStats:
    """`vectors` and `keywords` are the living chunks covered now; `added` the vectors made by this call."""

    chunks: int
    vectors: int
    keywords: int
    added: int
    model: str | None
    stopped: bool

    @property
    def complete(self) -> bool:
        return self.keywords == self.chunks and (self.model is None or self.vectors == self.chunks)


def build_index(
    memory: "Memory",
    embedder: "Embedder | None",
    *,
    batch: int = VECTOR_BATCH,
    progress: Progress | None = None,
    should_stop: Stop | None = None,
    wait: float = 0.0,
) -> IndexStats:
    """Covers every living chunk: keywords first, as they take seconds, then vectors unless `embedder` is None.

    `progress(done, total, stage)` with the stages "words" and "vectors". When `should_stop` says so, what has been
    embedded is still written. `wait`: seconds to wait for another writer of the file.
    """
    living = Living(memory.chunks())
    build = _Build(memory, memory.head, living, progress or _ignore, should_stop or _never, wait)
    build.keywords(max(batch, KEYWORD_BATCH))
    added = build.vectors(embedder, batch) if embedder else 0
    model = embedder.name if embedder else None
    living = Living(memory.chunks())
    return IndexStats(
        chunks=len(living),
        vectors=covered(memory, living, VECTOR, model) if model else 0,
        keywords=covered(memory, living, KEYWORD, tokens.NAME),
        added=added,
        model=model,
        stopped=build.stopped,
    )


def covered(memory: "Memory", living: Living, kind: str, model: str) -> int:
    """How many of the living chunks have an entry of this kind and model."""
    return len(living) - len(_missing(living, boxes.read(memory, kind, model)))


def embedded_text(chunk: Chunk) -> str:
    """The overlap gives a sentence that a chunk begins in the middle of its beginning back."""
    return chunk.before + chunk.text


@dataclass
class _Build:
    memory: "Memory"
    head: Commit | None
    living: Living
    progress: Progress
    should_stop: Stop
    wait: float
    stopped: bool = False

    def keywords(self, batch: int) -> None:
        found = boxes.read(self.memory, KEYWORD, tokens.NAME)
        missing = _missing(self.living, found)
        for done, refs in self._batches(missing, batch):
            if self._stop():
                return
            seen: list[ChunkRef] = []
            segment = keyword.build_segment(self._texts(refs, seen, done, len(missing)))
            self._append(KEYWORD, tokens.NAME, Rows.of(seen), segment)
        self._compact(KEYWORD, tokens.NAME)

    def vectors(self, embedder: "Embedder", batch: int) -> int:
        missing = _missing(self.living, boxes.read(self.memory, VECTOR, embedder.name))
        added = 0
        for _, refs in self._batches(missing, batch):
            seen, vectors = self._embed(embedder, refs, added, len(missing))
            self._append(VECTOR, embedder.name, Rows.of(seen), Vectors.of(vectors))
            added += len(seen)
            if self.stopped:
                return added
        self._compact(VECTOR, embedder.name)
        return added

    def _embed(
        self, embedder: "Embedder", refs: Sequence[ChunkRef], done: int, total: int
    ) -> tuple[list[ChunkRef], np.ndarray]:
        seen: list[ChunkRef] = []
        parts = [np.zeros((0, embedder.dimension), np.float32)]
        chunks = self.memory.read_many(refs)
        while not self._stop() and (some := list(islice(chunks, SLICE))):
            parts.append(embedder.embed([embedded_text(chunk) for chunk in some]))
            seen += [chunk.ref for chunk in some]
            self.progress(done + len(seen), total, "vectors")
        return seen, np.concatenate(parts)

    def _texts(self, refs: Sequence[ChunkRef], seen: list[ChunkRef], done: int, total: int) -> Iterator[str]:
        for chunk in self.memory.read_many(refs):
            seen.append(chunk.ref)
            if len(seen) % SLICE == 0 or len(seen) == len(refs):
                self.progress(done + len(seen), total, "words")
            yield chunk.text

    def _compact(self, kind: str, model: str) -> None:
        """Joins many small boxes, as appends of a few chunks leave them, into one that replaces them."""
        found = boxes.read(self.memory, kind, model)
        small = [
            (box, places)
            for box, places in zip(found, boxes.join(found, self.living), strict=True)
            if (places >= 0).sum() < SMALL_BOX
        ]
        places = np.concatenate([counted[counted >= 0] for _, counted in small]) if small else ()
        if len(small) <= SMALL_BOXES or not len(places) or self._stop():
            return
        refs = [self.living.refs[place] for place in places]
        if kind == KEYWORD:
            seen: list[ChunkRef] = []
            segment = keyword.build_segment(self._texts(refs, seen, 0, len(refs)))
            self._append(kind, model, Rows.of(seen), segment, [box for box, _ in small])
        else:
            # As they are: quantised once, they are not rounded again.
            vectors, _ = boxes.gather([box.content for box, _ in small], [counted for _, counted in small])
            self._append(kind, model, Rows.of(refs), vectors, [box for box, _ in small])

    def _batches(self, refs: Sequence[ChunkRef], size: int) -> Iterator[tuple[int, Sequence[ChunkRef]]]:
        """How many came before, and the next ones. Others may commit meanwhile, which writing a box makes visible:
        then the chunks that are gone or replaced drop out, and the new ones wait for the next build."""
        for start in range(0, len(refs), size):
            if self.memory.head != self.head:
                self.head, self.living = self.memory.head, Living(self.memory.chunks())
            places = self.living.places(Rows.of(refs[start : start + size]))
            yield start, [self.living.refs[place] for place in places[places >= 0]]

    def _append(
        self, kind: str, model: str, rows: Rows, content: Vectors | Segment, replaces: Sequence[Box] = ()
    ) -> None:
        if len(rows):
            boxes.append(self.memory, kind, model, rows, content, replaces=replaces, wait=self.wait)

    def _stop(self) -> bool:
        self.stopped = self.stopped or self.should_stop()
        return self.stopped


def _missing(living: Living, found: Sequence[Box]) -> list[ChunkRef]:
    """Living chunks that no box covers, in the order of the file, so that reading them decodes each frame once."""
    missing = [living.refs[place] for place in boxes.uncovered(boxes.join(found, living), len(living))]
    return sorted(missing, key=lambda ref: (ref.frame, ref.document, ref.order))


def _ignore(done: int, total: int, stage: str) -> None: ...


def _never() -> bool:
    return False
