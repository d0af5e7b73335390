"""Texts that say almost the same: found by their words, and gathered into groups."""

import re
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

SHINGLE = 4  # words
BANDS, ROWS = 24, 4  # of a signature: texts that share half of their shingles meet in some band four times of five
PRIME = (1 << 31) - 1
MOST_COMPARED = 20  # of one bucket
_RANDOM = np.random.default_rng(20)
_FACTORS = _RANDOM.integers(1, PRIME, (BANDS * ROWS, 1), np.int64)
_OFFSETS = _RANDOM.integers(0, PRIME, (BANDS * ROWS, 1), np.int64)
Pair = tuple[Hashable, Hashable, float]


def normalised(text: str) -> str:
    """The words alone; a text without any is compared as it is."""
    return " ".join(re.findall(r"\w+", text.casefold())) or text.strip()


def shingles(text: str) -> np.ndarray:
    """Hashes of the runs of words in a normalised text, sorted, each once."""
    words = text.split(" ")
    runs = (" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1)))
    return np.unique(np.array([zlib.crc32(run.encode("utf-8", "replace")) % PRIME for run in runs], np.int64))


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Of their shingles, the share that both have."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def near_texts(
    texts: Iterable[tuple[Hashable, str]], least: float, each: Callable[[], None] = lambda: None
) -> Iterator[Pair]:
    """Pairs (earlier, later, similarity) with at least that similarity; not all of a group, but enough to join it.

    The same text is met once: its first key stands for all of them.
    """
    first: dict[str, Hashable] = {}
    known: dict[Hashable, np.ndarray] = {}
    buckets: dict[tuple[int, bytes], list[Hashable]] = {}
    for key, text in texts:
        each()
        plain = normalised(text)
        same = first.setdefault(plain, key)
        if same != key:
            yield same, key, 1.0
            continue
        known[key] = shingles(plain)
        for other in _meet(key, known[key], buckets):
            if (found := similarity(known[other], known[key])) >= least:
                yield other, key, found


def _meet(key: Hashable, hashes: np.ndarray, buckets: dict[tuple[int, bytes], list[Hashable]]) -> list[Hashable]:
    """Those that share a band of the signature with it; it joins their buckets."""
    signature = ((hashes * _FACTORS + _OFFSETS) % PRIME).min(axis=1).reshape(BANDS, ROWS)
    met: dict[Hashable, None] = {}
    for band, row in enumerate(signature):
        bucket = buckets.setdefault((band, row.tobytes()), [])
        met.update(dict.fromkeys(bucket))
        if len(bucket) < MOST_COMPARED:
            bucket.append(key)
    return list(met)


@dataclass
class Groups:
    """Joins pairs to groups. Of each member the best similarity to another one is kept."""

    _parent: dict[Hashable, Hashable] = field(default_factory=dict)
    _best: dict[Hashable, float] = field(default_factory=dict)

    def join(self, one: Hashable, other: Hashable, similar: float) -> None:
        for key in (one, other):
            self._parent.setdefault(key, key)
            self._best[key] = max(self._best.get(key, 0.0), similar)
        self._parent[self._root(other)] = self._root(one)

    def _root(self, key: Hashable) -> Hashable:
        while self._parent[key] != key:
            self._parent[key] = key = self._parent[self._parent[key]]
        return key

    def all(self) -> list[list[tuple[Hashable, float]]]:
        """Members in order, the groups with the most alike members first."""
        found: dict[Hashable, list[tuple[Hashable, float]]] = {}
        for key in sorted(self._parent):
            found.setdefault(self._root(key), []).append((key, self._best[key]))
        return sorted(found.values(), key=lambda group: (-max(best for _, best in group), -len(group), group[0][0]))
