"""Passages among hits that say almost the same, wherever they lie: the best one stands for all of them."""

from collections.abc import Sequence

import numpy as np

from memories.engine.duplicates import Groups, near_texts

LEAST_WORDS = 0.6  # of their runs of four words, the share that both texts have
LEAST_COSINE = 0.97  # between all-MiniLM-L6-v2's vectors; paraphrases lie below, copies with other typing above


def grouped(
    texts: Sequence[str],
    vectors: np.ndarray | None = None,
    least_words: float = LEAST_WORDS,
    least_cosine: float = LEAST_COSINE,
) -> list[list[int]]:
    """Places of the texts, each in one group, best first as they came: the first of a group is its best.

    `vectors`: float32 (len(texts), d), rows of length 1, NaN or zero for a text that has none.
    """
    groups = Groups()
    for one, other, similar in near_texts(enumerate(texts), least_words):
        groups.join(one, other, similar)
    for one, other, similar in _near_vectors(vectors, least_cosine):
        groups.join(one, other, similar)
    found = [sorted(place for place, _ in group) for group in groups.all()]
    alone = set(range(len(texts))).difference(*found)
    return sorted([*found, *([place] for place in alone)])


def _near_vectors(vectors: np.ndarray | None, least: float) -> list[tuple[int, int, float]]:
    if vectors is None or not len(vectors):
        return []
    cosines = vectors @ vectors.T
    pairs = np.argwhere(np.triu(cosines >= least, 1))
    return [(int(one), int(other), float(cosines[one, other])) for one, other in pairs]
