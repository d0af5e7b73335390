"""Search in one memory: by words, by meaning, or both.

An index only ever says which chunk; the text of a hit is read from its frame. What a search could not do
(no model, no index, chunks not indexed yet) it does not hide: it is in the notes of the results.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from memories.engine.errors import MemvidError, UsageError
from memories.engine.model import Chunk, Metadata
from search.engine import fusion, tokens
from search.engine.boxes import Living
from search.engine.fusion import Moments
from search.engine.keyword import best
from search.engine.legs import KeywordLeg, VectorLeg, readable
from search.engine.reranker import BEST, RerankerMissing, order

if TYPE_CHECKING:
    from memories.engine import Memory
    from search.engine.embedder import Embedder
    from search.engine.reranker import Reranker

MODES = ("hybrid", "semantic", "keyword")

# How deep each ranking goes into the fusion.
POOL = 100


@dataclass(frozen=True)
class Hit:
    """`score`: hybrid 0 to 1 (see `fusion`), semantic the cosine, keyword BM25 (no upper bound).

    `metadata` is the chunk's, with `lines` [first, last] counted from 1, and the document's media type and tags.
    `before` and `after` are the texts of the neighbouring chunks, nearest last and nearest first.
    """

    text: str
    score: float
    chunk_id: str
    document: str
    frame: int
    commit: int
    metadata: Metadata
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Results:
    """`mode` is what was done, which may be less than what was asked; `total` counts all chunks that matched."""

    hits: list[Hit]
    mode: str
    notes: list[str]
    total: int


class Searcher:
    """Searches the state a memory was opened at; open both anew to see later commits.

    `threads` scan the vectors (default: one for each core); `cache_size` answers are kept. With a `reranker_loader`
    the best of a hybrid search are put in a new order by that model; their scores stay those of the blend.
    """

    def __init__(
        self,
        memory: "Memory",
        embedder_loader: "Callable[[], Embedder] | None",
        cache_size: int = 1000,
        threads: int | None = None,
        sidecar: str | Path | None = None,
        reranker_loader: "Callable[[], Reranker] | None" = None,
    ):
        self._memory = memory
        self._reranker_loader = reranker_loader
        self._living = Living(memory.chunks())
        self._words = KeywordLeg(memory, self._living)
        self._meaning = VectorLeg(memory, self._living, embedder_loader, threads, sidecar)
        self._cache: OrderedDict[tuple, Results] = OrderedDict()
        self._cache_size = cache_size

    def search(
        self,
        query: str,
        k: int = 5,
        mode: str = "hybrid",
        context: int = 0,
        threshold: float = 0.0,
        documents: Collection[str | int] | None = None,
    ) -> Results:
        """`threshold`: the least cosine of a hit by meaning. `documents`: only in these (paths or numbers)."""
        if mode not in MODES:
            raise UsageError(f"There is no search mode {mode!r}; it is one of {', '.join(MODES)}.")
        if k < 1 or context < 0:
            raise UsageError("The number of results must be at least 1, that of context chunks at least 0.")
        query = query.encode(errors="replace").decode()  # a command line may hold bytes that are no text
        key = (query, k, mode, context, threshold, None if documents is None else frozenset(documents))
        results = self._cache.get(key) or self._search(query, k, mode, context, threshold, documents)
        self._cache[key] = results
        self._cache.move_to_end(key)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return results

    def _search(
        self,
        query: str,
        k: int,
        mode: str,
        context: int,
        threshold: float,
        documents: Iterable[str | int] | None,
    ) -> Results:
        if not tokens.terms(query):
            return Results([], mode, [_NOTHING_ASKED if query.strip() else _EMPTY], 0)
        notes: list[str] = []
        reranks = mode == "hybrid" and self._reranker_loader is not None
        if mode != "keyword" and (reason := self._meaning.unavailable()):
            if mode == "semantic":
                raise MemvidError(f"This memory cannot be searched by meaning: {reason}")
            mode, notes = "keyword", [f"Searched by words only: {reason}", *self._meaning.notes]
        allowed = self._allowed(documents)
        rankings = []
        if mode != "semantic":
            rankings.append(_rank(self._words.scores(query), np.nextafter(np.float32(0), 1), allowed, max(k, POOL)))
            notes += self._words.notes
        if mode != "keyword":
            rankings.append(_rank(self._meaning.scores(query), threshold, allowed, max(k, POOL)))
            notes += self._meaning.notes
        found = _merge(rankings)
        if reranks:
            found = self._reranked(query, found, notes)
        found = found[:k]
        matched = np.logical_or.reduce([ranking.matched for ranking in rankings])
        return Results(self._hits(found, context, notes), mode, list(dict.fromkeys(notes)), int(matched.sum()))

    def _reranked(self, query: str, found: list[tuple[int, float]], notes: list[str]) -> list[tuple[int, float]]:
        """A passage whose frame is damaged comes after the others."""
        refs, first = self._living.refs, found[:BEST]
        chunks = readable(self._memory, [refs[place] for place, _ in first], notes)
        texts = {chunk.id: chunk.text for chunk in chunks}
        places = new_order(self._reranker_loader, query, [texts.get(refs[place].id) for place, _ in first], notes)
        return [first[place] for place in places] + found[BEST:]

    def moments(self, query: str) -> Moments:
        """How BM25 is spread over the chunks."""
        return Moments.of(self._words.scores(query))

    def cosines(self, query: str, chunks: Sequence[str]) -> dict[str, float]:
        """By chunk id, of those that have a vector; nothing where there is no search by meaning."""
        if not chunks or self._meaning.unavailable():
            return {}
        scores, wanted = self._meaning.scores(query), set(chunks)
        places = [place for place, ref in enumerate(self._living.refs) if ref.id in wanted]
        return {self._living.refs[place].id: float(scores[place]) for place in places if not np.isnan(scores[place])}

    def _allowed(self, documents: Iterable[str | int] | None) -> np.ndarray:
        if documents is None:
            return np.ones(len(self._living), bool)
        numbers = {self._memory.document(document).number for document in documents}
        return np.array([ref.document in numbers for ref in self._living.refs], bool)

    def _hits(self, found: Sequence[tuple[int, float]], context: int, notes: list[str]) -> list[Hit]:
        refs = self._living.refs
        around = {place: self._around(place, context) for place, _ in found}
        wanted = sorted({near for places in around.values() for near in places})
        chunks = {chunk.id: chunk for chunk in readable(self._memory, [refs[place] for place in wanted], notes)}
        hits = []
        for place, score in found:
            if refs[place].id not in chunks:
                continue  # its frame is damaged, which is in the notes
            near = [(other, chunks.get(refs[other].id)) for other in around[place]]
            before = [chunk.text for other, chunk in near if chunk and other < place]
            after = [chunk.text for other, chunk in near if chunk and other > place]
            hits.append(self._hit(chunks[refs[place].id], score, before, after))
        return hits

    def _around(self, place: int, context: int) -> range:
        """The place and its neighbours in the same document."""
        refs, first, last = self._living.refs, place, place
        while first > 0 and first > place - context and refs[first - 1].document == refs[place].document:
            first -= 1
        while last + 1 < len(refs) and last < place + context and refs[last + 1].document == refs[place].document:
            last += 1
        return range(first, last + 1)

    def _hit(self, chunk: Chunk, score: float, before: list[str], after: list[str]) -> Hit:
        document = self._memory.document(chunk.ref.document)
        return Hit(
            text=chunk.text,
            score=round(score, 6),
            chunk_id=chunk.id,
            document=chunk.path,
            frame=chunk.ref.frame,
            commit=chunk.ref.commit,
            metadata=chunk.metadata
            | {
                "lines": [chunk.line, chunk.line + chunk.text.count("\n", 0, -1)],
                "media_type": document.media_type,
                "tags": list(document.tags),
            },
            before=before,
            after=after,
        )


def new_order(loader: "Callable[[], Reranker]", query: str, texts: Sequence[str | None], notes: list[str]) -> list[int]:
    """Places of the texts, best first; what has none last. As they stand, which is noted, without the model."""
    try:
        reranker = loader()
    except RerankerMissing as error:
        notes.append(f"Not re-ranked: {error}")
        return list(range(len(texts)))
    known = [place for place, text in enumerate(texts) if text is not None]
    scores = np.full(len(texts), -np.inf, np.float32)
    scores[known] = reranker.scores([(query, texts[place]) for place in known])
    return order(scores)


_EMPTY = "The query is empty."
_NOTHING_ASKED = "The query has no letter or digit to search for."


@dataclass(frozen=True)
class _Ranking:
    order: list[int]
    scores: np.ndarray
    matched: np.ndarray  # bool, of each living chunk


def _rank(scores: np.ndarray, least: float, allowed: np.ndarray, depth: int) -> _Ranking:
    matched = (scores >= least) & allowed
    order = best(np.where(matched, scores, -np.inf), min(depth, int(matched.sum())))
    return _Ranking(order, scores, matched)


def _merge(rankings: Sequence[_Ranking]) -> list[tuple[int, float]]:
    if len(rankings) == 1:
        return [(place, float(rankings[0].scores[place])) for place in rankings[0].order]
    words, meaning = rankings
    moments, cosines = Moments.of(words.scores), np.nan_to_num(meaning.scores)
    scored = [
        (place, fusion.shown(fusion.blend(float(cosines[place]), moments.standing(words.scores[place]))))
        for place in dict.fromkeys(words.order + meaning.order)
    ]
    return sorted(scored, key=lambda entry: -entry[1])
