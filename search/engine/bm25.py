"""BM25 (Robertson and Zaragoza, "The probabilistic relevance framework", 2009) a term at a time, rarest first."""

import numpy as np

from search.engine.keyword import K1, B


def rarity(size: int, count: int) -> float:
    """Inverse document frequency; never negative, also for a term that most chunks hold."""
    return float(np.log1p((max(size, count) - count + 0.5) / (count + 0.5)))


def add(
    scores: np.ndarray, lengths: np.ndarray, mean: float, rows: np.ndarray, times: np.ndarray, weight: float
) -> None:
    """Adds a term's part to `scores` (float32) at `rows`, in place. `lengths` and `mean`: terms of a chunk."""
    rows, times = rows.astype(np.intp), times.astype(np.float32)
    norm = K1 * (1 - B) + (K1 * B / max(mean, 1e-9)) * lengths[rows]
    scores[rows] += (weight * (K1 + 1)) * times / (times + norm.astype(np.float32))


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """The rows of the k highest positive scores, best first, the earlier row first among equals."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) > k:
        found = scores[rows]
        floor = np.partition(found, len(found) - k)[len(found) - k]
        rows = rows[found >= floor]
    return rows[np.argsort(-scores[rows], kind="stable")][:k]
