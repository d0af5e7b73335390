"""Search in several memory files, one after the other; what is kept of each is bounded.

The answer is ranked as if all passages lay in one memory. By words: BM25 with the document frequencies, numbers and
mean length of all memories together, over the best POOL of each. By meaning: cosines, which are comparable as long as
the memories' vectors come from one model; where they do not, a note says so. Both: blended (see `fusion`). Any
other mode of the searcher has scores of its own in each memory, so there ranks are fused. With a re-ranking model the
best of the blend are put in a new order.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from memories.engine.config import Config
from memories.engine.errors import Damaged, MemvidError
from memories.engine.history import ChunkHistory, ChunkVersion, document_changes
from memories.engine.memory import Memory
from search.engine import fusion, tokens
from search.engine.duplicates import grouped
from search.engine.keyword import K1, B
from search.engine.reranker import BEST
from search.engine.searcher import Hit, Searcher, new_order
from search.engine.timeline import MEANS, Version, matches

if TYPE_CHECKING:
    from search.engine.embedder import Embedder
    from search.engine.reranker import Reranker

POOL = 60  # passages that are kept of each memory's ranking
MOST_TERMS = 32
MOST_REMOVED = 20_000  # passages of the past that are read in each memory
Key = tuple[int, str]


@dataclass(frozen=True)
class Source:
    """`tags` and `description` are what a configuration says of the memory, not what is in it."""

    name: str
    path: Path
    index: Path | None = None
    tags: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Ask:
    """`at`: a commit number or a moment, of each memory. `tags`: of the memory or of the document, any of them."""

    query: str
    k: int = 10
    mode: str = "hybrid"
    at: int | str | None = None
    tags: frozenset[str] = frozenset()
    temporal: bool = False


@dataclass
class Searched:
    """What became of one memory. `matched` counts its passages that match (by words, if words were asked for)."""

    source: Source
    mode: str = ""
    matched: int = 0
    chunks: int = 0
    model: str = ""
    notes: list[str] = field(default_factory=list)
    error: str = ""


@dataclass(frozen=True)
class Place:
    """A hit and the memory it lies in; `memory` counts the sources from 0."""

    memory: int
    source: Source
    hit: Hit
    score: float = 0.0


@dataclass(frozen=True)
class Group:
    """The best of several passages that say almost the same, and where else they are."""

    best: Place
    others: list[Place]


@dataclass(frozen=True)
class Answer:
    """`scores`: pooled (one scale for all memories) or ranks. `ranked`: all places that were kept, best first."""

    groups: list[Group]
    ranked: list[Place]
    searched: list[Searched]
    versions: list[Version]
    scores: str
    notes: list[str]


Embedders = Callable[[], "Embedder"]
Rerankers = Callable[[], "Reranker"]
Told = Callable[[int, int, str], None]


class MultiSearch:
    def __init__(
        self, sources: Sequence[Source], ask: Ask, config: Config, loader: Embedders, reranker: Rerankers | None = None
    ):
        self._sources, self._ask, self._config, self._loader = sources, ask, config, loader
        self._reranker = reranker
        self._places: dict[Key, Place] = {}
        self._words: list[tuple[Key, int]] = []  # with the chunk's bytes
        self._cosines: dict[Key, float] = {}
        self._compared: dict[Key, float] = {}
        self._moments: dict[int, fusion.Moments] = {}  # of BM25 as each memory has it
        self._ranks: list[list[Key]] = []
        self._terms = list(dict.fromkeys(tokens.terms(ask.query)))[:MOST_TERMS]
        self._frequency: Counter[str] = Counter()
        self._chunks = self._bytes = 0
        self._versions: list[Version] = []

    def run(self, tell: Told = lambda done, total, stage: None) -> Answer:
        searched = []
        for number, source in enumerate(self._sources):
            tell(number, len(self._sources), source.name)
            searched.append(self._one(number, source))
        ranked, scores = self._ranked()
        notes = _about_models(searched)
        if self._reranker and self._ask.mode == "hybrid":
            ranked = self._reranked(ranked, self._reranker, notes)
        groups = grouped([place.hit.text for place in ranked])[: self._ask.k]
        found = [Group(ranked[first], [ranked[at] for at in others]) for first, *others in groups]
        return Answer(found, ranked, searched, self._versions, scores, notes)

    # -- one memory

    def _one(self, number: int, source: Source) -> Searched:
        state = Searched(source)
        try:
            with Memory.open(source.path, at=self._ask.at, config=self._config) as memory:
                state.notes += memory.notes
                self._take(number, memory, state)
        except (MemvidError, OSError) as error:
            self._forget(number)
            state.error = str(error)
        return state

    def _forget(self, number: int) -> None:
        """Half of a memory would look like all of it."""
        self._places = {key: place for key, place in self._places.items() if key[0] != number}
        self._words = [one for one in self._words if one[0][0] != number]
        self._cosines = {key: cosine for key, cosine in self._cosines.items() if key[0] != number}
        self._moments.pop(number, None)
        self._ranks = [ranks for ranks in self._ranks if not ranks or ranks[0][0] != number]
        self._versions = [version for version in self._versions if version.memory != number]

    def _take(self, number: int, memory: Memory, state: Searched) -> None:
        state.chunks = len(memory.chunks())
        documents = self._documents(memory, state)
        if documents == []:
            return
        search = self._config.search
        searcher = Searcher(memory, self._loader, threads=search.search_threads, sidecar=state.source.index)
        legs = {"hybrid": ("keyword", "semantic")}.get(self._ask.mode, (self._ask.mode,))
        done = []
        for leg in legs:
            try:
                found = searcher.search(
                    self._ask.query, POOL, leg, threshold=search.similarity_threshold, documents=documents
                )
            except MemvidError as error:
                if leg != "semantic" or len(legs) == 1:
                    raise
                state.notes.append(f"searched by words only: {error}")
                continue
            done.append(leg)
            state.notes += [note for note in found.notes if note not in state.notes]
            state.matched = state.matched or found.total
            self._keep(number, state.source, leg, found.hits, memory)
        self._compare(number, searcher, done)
        state.mode = "hybrid" if len(done) > 1 else done[0]
        if "semantic" in done:
            from search.engine.boxes import widest

            state.model = widest(memory) or ""
        if "keyword" in done:
            self._count(memory, searcher)
        if self._ask.temporal:
            self._remember(number, memory, state)

    def _documents(self, memory: Memory, state: Searched) -> list[int] | None:
        """None: all of them."""
        tags = self._ask.tags
        if not tags or tags & set(state.source.tags):
            return None
        found = [document.number for document in memory.documents() if tags & set(document.tags)]
        if not found:
            state.notes.append(f"nothing in it has the tag {' or '.join(sorted(tags))}")
        return found

    def _keep(self, number: int, source: Source, leg: str, hits: list[Hit], memory: Memory) -> None:
        ranks = []
        for hit in hits:
            key = (number, hit.chunk_id)
            self._places.setdefault(key, Place(number, source, hit))
            ranks.append(key)
            if leg == "semantic":
                self._cosines[key] = hit.score
            elif leg == "keyword":
                self._words.append((key, memory.ref(hit.chunk_id).size))
        if leg not in ("semantic", "keyword"):
            self._ranks.append(ranks)

    def _count(self, memory: Memory, searcher: Searcher) -> None:
        """What BM25 must know of all memories together."""
        refs = memory.chunks()
        self._chunks += len(refs)
        self._bytes += sum(ref.size for ref in refs)
        for term in self._terms:
            self._frequency[term] += searcher.search(term, 1, mode="keyword").total

    # -- all memories

    def _ranked(self) -> tuple[list[Place], str]:
        if self._ranks:
            return self._in_order(fusion.fuse(self._ranks)), "ranks"
        words = {key: self._bm25(key, size) for key, size in self._words}
        if not self._cosines or not words:
            return self._in_order(_best_first(words or self._cosines)), "pooled"
        cosines, moments = self._compared | self._cosines, self._pooled(words)
        blended = {
            key: fusion.shown(fusion.blend(cosines.get(key, 0.0), moments.standing(words.get(key, 0.0))))
            for key in words | self._cosines
        }
        return self._in_order(_best_first(blended)), "pooled"

    def _pooled(self, words: dict[Key, float]) -> fusion.Moments:
        """Of BM25 over the chunks of all memories. What a memory's own scores are on their scale, its passages tell."""
        pooled = fusion.Moments()
        for number, moments in self._moments.items():
            found = [key for key in words if key[0] == number]
            own = sum(self._places[key].hit.score for key in found)
            pooled.add(moments.times(sum(words[key] for key in found) / own if own else 1.0))
        return pooled

    def _reranked(self, ranked: list[Place], loader: Rerankers, notes: list[str]) -> list[Place]:
        first = ranked[:BEST]
        places = new_order(loader, self._ask.query, [place.hit.text for place in first], notes)
        return [first[place] for place in places] + ranked[BEST:]

    def _compare(self, number: int, searcher: Searcher, legs: Sequence[str]) -> None:
        """What blending needs besides: the cosines of what was found by words, and how BM25 is spread."""
        if len(legs) < 2:
            return
        self._moments[number] = searcher.moments(self._ask.query)
        found = [name for (memory, name), _ in self._words if memory == number]
        cosines = searcher.cosines(self._ask.query, found)
        self._compared |= {(number, name): cosine for name, cosine in cosines.items()}

    def _in_order(self, scored: Sequence[tuple[Key, float]]) -> list[Place]:
        return [
            Place(place.memory, place.source, place.hit, round(score, 6))
            for key, score in scored
            if (place := self._places.get(key))
        ]

    def _bm25(self, key: Key, size: int) -> float:
        counts = Counter(tokens.terms(self._places[key].hit.text))
        norm = K1 * (1 - B + B * size * self._chunks / max(1, self._bytes))
        score = 0.0
        for term in self._terms:
            frequency = self._frequency[term]
            rarity = math.log1p((self._chunks - frequency + 0.5) / (frequency + 0.5))
            score += rarity * counts[term] * (K1 + 1) / (counts[term] + norm)
        return score

    # -- the past

    def _remember(self, number: int, memory: Memory, state: Searched) -> None:
        """The versions of passages that match, those that stand and those that a commit took away."""
        times = {commit.number: commit.time for commit in memory.commits()}
        for key, place in self._places.items():
            hit = place.hit
            if key[0] == number and (matches(self._ask.query, hit.text) or self._cosines.get(key, 0) >= MEANS):
                self._versions.append(
                    Version(key, number, hit.document, hit.chunk_id, hit.text, hit.commit, times[hit.commit],
                            source=place)
                )  # fmt: skip
        for version, path in _ended(memory, state.notes):
            if version.removed in times and matches(self._ask.query, version.text):
                self._versions.append(_version(number, state.source, version, path, times))


def _best_first(scores: dict[Key, float]) -> list[tuple[Key, float]]:
    return sorted(scores.items(), key=lambda one: -one[1])


def _ended(memory: Memory, notes: list[str]) -> Iterator[tuple[ChunkVersion, str]]:
    deleted: dict[int, list[int]] = {}
    paths: dict[int, str] = {}
    for change in document_changes(memory, 0):
        if change.record is None:
            deleted.setdefault(change.number, []).append(change.commit)
        else:
            paths[change.number] = change.record["path"]
    try:
        for place, version in enumerate(ChunkHistory(memory, 0).versions(deleted, only_ended=True)):
            if place >= MOST_REMOVED:
                notes.append(f"of the removed passages only the first {MOST_REMOVED:,} were looked at")
                return
            yield version, paths.get(version.document, "")
    except Damaged as error:
        notes.append(f"not all removed passages could be read: {error}")


def _version(number: int, source: Source, found: ChunkVersion, path: str, times: dict) -> Version:
    from memories.engine.model import chunk_id

    name = chunk_id(found.document, found.order)
    hit = Hit(found.text, 0.0, name, path, found.frame, found.added, found.metadata)
    return Version(
        (number, name, found.added), number, path, name, found.text, found.added, times[found.added], found.removed,
        times[found.removed], Place(number, source, hit),
    )  # fmt: skip


def _about_models(searched: Sequence[Searched]) -> list[str]:
    models = sorted({one.model for one in searched if one.model})
    if len(models) < 2:
        return []
    return [f"The memories' vectors are of {len(models)} models ({', '.join(models)}): cosines of different models"
            " share no scale, so the order between these memories is only rough."]  # fmt: skip
