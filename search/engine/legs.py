"""The two ways to find a chunk, each giving every living chunk of a memory a score.

Both use the index boxes first and look at the few chunks that no box covers themselves; when those are many,
they are left out and `notes` says how many.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from memories.engine.errors import Damaged
from memories.engine.model import Chunk, ChunkRef
from search.engine import boxes, tokens
from search.engine.boxes import KEYWORD, VECTOR, Box, Living, Rows, Vectors
from search.engine.embedder import ModelMissing
from search.engine.index import embedded_text
from search.engine.keyword import KeywordIndex, Segment, build_segment
from search.engine.sidecar import Sidecar, read_sidecar

if TYPE_CHECKING:
    from memories.engine import Memory
    from search.engine.embedder import Embedder

# Chunks without an entry that a search looks at itself: reading 2,000 takes about a second, embedding 100 too.
KEYWORD_SCAN = 2_000
VECTOR_SCAN = 100

# Rows that are widened from int8 at a time: 1.5 MB, which stays in the cache.
BLOCK = 1_024


class KeywordLeg:
    def __init__(self, memory: "Memory", living: Living):
        self._memory = memory
        self._living = living
        self.notes: list[str] = []

    def scores(self, query: str) -> np.ndarray:
        """BM25, float32; 0 without any word of the query."""
        return self._index.scores(query)

    @cached_property
    def _index(self) -> KeywordIndex:
        found = boxes.read(self._memory, KEYWORD, tokens.NAME)
        joined = boxes.join(found, self._living)
        segments = [box.content for box in found]
        missing = boxes.uncovered(joined, len(self._living))
        if len(missing) and not found:
            self.notes.append(
                f"There is no keyword index, so all {len(missing)} chunks were read; `memvid index` makes one."
            )
        if len(missing) <= KEYWORD_SCAN or not found:
            segment, places = self._scan(missing)
            segments, joined = [*segments, segment], [*joined, places]
        else:
            self.notes.append(_not_indexed(len(missing), len(self._living)))
        return KeywordIndex(segments, joined, len(self._living))

    def _scan(self, places: np.ndarray) -> tuple[Segment, np.ndarray]:
        """A segment of these chunks, made now."""
        seen: list[ChunkRef] = []

        def texts() -> Iterator[str]:
            for chunk in readable(self._memory, [self._living.refs[place] for place in places], self.notes):
                seen.append(chunk.ref)
                yield chunk.text

        segment = build_segment(texts())
        return segment, self._living.places(Rows.of(seen))


class VectorLeg:
    def __init__(
        self,
        memory: "Memory",
        living: Living,
        loader: "Callable[[], Embedder] | None",
        threads: int | None = None,
        sidecar: str | Path | None = None,
    ):
        self._memory = memory
        self._living = living
        self._loader = loader
        self._threads = threads
        self._sidecar = sidecar
        self._embedder: Embedder | None = None
        self.notes: list[str] = []

    def unavailable(self) -> str | None:
        """Why there is no search by meaning, in one sentence; None when there is."""
        return self._reason

    def scores(self, query: str) -> np.ndarray:
        """Cosine to the query, float32; NaN for a chunk without a vector."""
        vector = self._embedder.embed_query(query)
        vectors, places = self._table
        packed, starts = vectors.packed, range(0, len(vectors), BLOCK)
        with ThreadPoolExecutor(self._threads) as pool:
            parts = pool.map(lambda at: packed[at : at + BLOCK].astype(np.float32) @ vector, starts)
            cosines = np.concatenate([np.zeros(0, np.float32), *parts]) * vectors.scales
        scores = np.full(len(self._living), np.nan, np.float32)
        scores[places] = np.clip(cosines, -1, 1)  # rounding may leave 1.0001
        return scores

    @cached_property
    def _reason(self) -> str | None:
        models = self._models
        if not models:
            return "it has no vectors yet; `memvid index` makes them."
        if self._loader is None:
            return "no embedding model was given."
        try:
            self._embedder = self._matching(self._loader(), models)
        except ModelMissing as error:
            return str(error)
        return None

    def _matching(self, embedder: "Embedder", models: list[str]) -> "Embedder":
        """The embedder of the vectors: the configured one if it made some, else the one that made most."""
        if embedder.name in models:
            return embedder
        used = max(models, key=lambda model: sum(len(box.rows) for box in self._boxes(model)))
        other = embedder.other(used)
        self.notes.append(f"The vectors were made by {used}, so that model is used, not {embedder.name}.")
        return other

    @cached_property
    def _models(self) -> list[str]:
        beside = [self._beside.model] if self._beside else []
        return list(dict.fromkeys([*boxes.models(self._memory), *beside]))

    @cached_property
    def _beside(self) -> Sidecar | None:
        if self._sidecar is None:
            return None
        found, note = read_sidecar(self._memory, self._sidecar)
        if note:
            self.notes.append(note)
        return found

    def _boxes(self, model: str) -> list[Box]:
        found = boxes.read(self._memory, VECTOR, model)
        beside = self._beside
        if beside and beside.model == model:
            found = [Box(0, frozenset(), beside.rows, beside.vectors), *found]
        return found

    @cached_property
    def _table(self) -> tuple[Vectors, np.ndarray]:
        """The vectors of all living chunks that have one, and the chunks' places."""
        size = self._embedder.dimension
        found = [box for box in self._boxes(self._embedder.name) if box.content.packed.shape[1] == size]
        parts, joined = [box.content for box in found], boxes.join(found, self._living)
        missing = boxes.uncovered(joined, len(self._living))
        if len(missing) > VECTOR_SCAN:
            self.notes.append(_not_indexed(len(missing), len(self._living)))
        elif len(missing):
            vectors, places = self._scan(missing)
            parts, joined = [*parts, vectors], [*joined, places]
        return boxes.gather(parts, joined)

    def _scan(self, places: np.ndarray) -> tuple[Vectors, np.ndarray]:
        chunks = list(readable(self._memory, [self._living.refs[place] for place in places], self.notes))
        vectors = self._embedder.embed([embedded_text(chunk) for chunk in chunks])
        return Vectors.of(vectors), self._living.places(Rows.of([chunk.ref for chunk in chunks]))


def readable(memory: "Memory", refs: Sequence[ChunkRef], notes: list[str]) -> Iterator[Chunk]:
    """The chunks whose frames can be read; of the others the notes say which frame is damaged."""
    left = {ref.id: ref for ref in refs}
    try:
        for chunk in memory.read_many(refs):
            del left[chunk.id]
            yield chunk
    except Damaged:
        for ref in left.values():
            try:
                yield memory.read(ref)
            except Damaged as error:
                notes.append(str(error))


def _not_indexed(missing: int, size: int) -> str:
    return f"{missing} of {size} chunks are not indexed yet; `memvid index` goes on with them."
