"""Reciprocal rank fusion: G. V. Cormack, C. L. A. Clarke and S. Buettcher, "Reciprocal rank fusion outperforms
Condorcet and individual rank learning methods", SIGIR 2009. Ranks only, so that a BM25 score and a cosine,
which share no scale, need none."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

K = 60  # of the paper

Item = TypeVar("Item", bound=Hashable)


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
