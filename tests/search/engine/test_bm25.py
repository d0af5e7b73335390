"""The best rows, by a short way, are the best rows."""

import numpy as np
import pytest

from search.engine.bm25 import SAMPLE, top

NUMBERS = np.random.default_rng(3)


def plainly(scores: np.ndarray, k: int) -> list[int]:
    order = np.argsort(-scores, kind="stable")
    return order[scores[order] > 0][:k].tolist()


@pytest.mark.parametrize("size", [0, 1, 50, SAMPLE + 1, 5 * SAMPLE + 3])
@pytest.mark.parametrize("k", [1, 10, 1_000])
def test_the_best_rows(size, k):
    few = np.where(NUMBERS.random(size) < 0.01, NUMBERS.random(size), 0)
    late = np.sort(NUMBERS.random(size))
    hidden = np.zeros(size)
    hidden[1 : 2 * k : 2] = 5  # where a sample of every so many rows does not look
    for scores in (few, late, hidden, np.round(late, 1), np.ones(size), np.zeros(size)):
        scores = scores.astype(np.float32)
        assert top(scores, k).tolist() == plainly(scores, k)
