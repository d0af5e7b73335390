"""One ranking of two.

Scores are added after each was put on a scale of its own (a convex combination: S. Bruch, S. Gai and A. Ingber, "An
analysis of fusion functions for hybrid retrieval", TOIS 2023): BM25 by how far it stands out among all chunks, so that
a rare word that only few hold counts for much, and cosines by how far those of unrelated texts lie apart.

Ranks alone (G. V. Cormack, C. L. A. Clarke and S. Buettcher, "Reciprocal rank fusion outperforms Condorcet and
individual rank learning methods", SIGIR 2009) lose what scores know: see docs/adr/0009.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

MEANING = 0.7  # the part of meaning in the sum; from 0.6 to 0.8 little changes
SPREAD = 0.1  # of the cosines between a query and texts about something else (all-MiniLM-L6-v2: 0.06 to 0.13)
MIDDLE = 3.0  # the sum that is shown as 0.5
ALIKE = 1e-4  # of the mean: a spread below it may come of BM25's float32 alone
K = 60  # of the paper

Item = TypeVar("Item", bound=Hashable)
Number = TypeVar("Number", float, np.ndarray)


def fuse(rankings: Sequence[Sequence[Item]], k: int = K) -> list[tuple[Item, float]]:
    """Items of all rankings, best first, with a score of 1 for what every ranking puts first.

    Among equals the item with the better best rank goes first, then the one that comes first in an earlier ranking.
    """
    ranks: dict[Item, list[int]] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            ranks.setdefault(item, []).append(rank)
    most = len(rankings) / (k + 1)
    scored = [(item, sum(1 / (k + rank) for rank in found) / most) for item, found in ranks.items()]
    return sorted(scored, key=lambda entry: (-entry[1], min(ranks[entry[0]])))


@dataclass
class Moments:
    """Mean and standard deviation of BM25 over all chunks, those that do not match among them."""

    count: int = 0
    total: float = 0.0
    square: float = 0.0

    @classmethod
    def of(cls, scores: np.ndarray) -> "Moments":
        exact = scores.astype(np.float64)  # squares summed in float32 are off by more than alike scores differ
        square = np.einsum("i,i->", exact, exact)  # np.dot takes all processors for it, which others need
        return cls(len(scores), float(exact.sum()), float(square))

    def add(self, other: "Moments") -> None:
        self.count, self.total, self.square = (
            self.count + other.count, self.total + other.total, self.square + other.square,
        )  # fmt: skip

    def times(self, factor: float) -> "Moments":
        """Those of the scores times a factor."""
        return Moments(self.count, self.total * factor, self.square * factor**2)

    @property
    def mean(self) -> float:
        return self.total / max(self.count, 1)

    @property
    def spread(self) -> float:
        """Infinite where all are alike, so that none stands out."""
        spread = max(self.square / max(self.count, 1) - self.mean**2, 0.0) ** 0.5
        return spread if spread > ALIKE * self.mean else math.inf

    def standing(self, scores: np.ndarray | float) -> np.ndarray | float:
        """Standard deviations above the mean."""
        return (np.asarray(scores, np.float64) - self.mean) / self.spread


def blend(cosine: Number, standing: Number) -> Number:
    """`standing`: standard deviations that the BM25 of a chunk lies above the mean of all."""
    return MEANING * cosine / SPREAD + (1 - MEANING) * standing


def shown(blended: Number) -> Number:
    """From 0 to 1, for people."""
    above = np.maximum(blended, 0.0)
    return above / (above + MIDDLE)
