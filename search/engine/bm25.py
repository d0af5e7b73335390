"""BM25 (Robertson and Zaragoza, "The probabilistic relevance framework", 2009) a term at a time, rarest first."""

import numpy as np

from search.engine.keyword import K1, B

SAMPLE = 8_192


def rarity(size: int, count: int) -> float:
    """Inverse document frequency; never negative, also for a term that most chunks hold."""
    return float(np.log1p((max(size, count) - count + 0.5) / (count + 0.5)))


def impacts(times: np.ndarray, lengths: np.ndarray, mean: float) -> np.ndarray:
    """What a term counts in each of the chunks that hold it, before its rarity; float32, below K1 + 1. `times`: how
    often it occurs there; `lengths` and `mean`: terms of those chunks, and of chunks on average."""
    times = times.astype(np.float32)
    norm = K1 * (1 - B) + (K1 * B / max(mean, 1e-9)) * lengths.astype(np.float32)
    return (K1 + 1) * times / (times + norm)


def even(mean: float) -> float:
    """A mean length to at most 2.5 percent, so that impacts can be kept while the mean drifts."""
    return float(1.05 ** np.round(np.log(max(mean, 1.0)) / np.log(1.05)))


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """The rows of the k highest positive scores, best first, the earlier row first among equals."""
    rows = np.flatnonzero(scores > _below_top(scores, k))
    if len(rows) < k:
        rows = np.flatnonzero(scores > 0)
    if len(rows) > k:
        found = scores[rows]
        floor = np.partition(found, len(found) - k)[len(found) - k]
        rows = rows[found >= floor]
    return rows[np.argsort(-scores[rows], kind="stable")][:k]


def _below_top(scores: np.ndarray, k: int) -> np.float32:
    """A score that about twice as many as k are above, if a sample does not mislead; to order those few is faster."""
    sample = scores[:: max(1, len(scores) // SAMPLE)]
    rank = 2 * k * len(sample) // max(1, len(scores)) + 1
    return max(np.partition(sample, -rank)[-rank], np.float32(0)) if rank < len(sample) else np.float32(0)
