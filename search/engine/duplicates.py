"""Passages among hits that say almost the same, wherever they lie: the best one stands for all of them."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from memories.engine.duplicates import Groups, near_texts, normalised, shingles, similarity

LEAST_WORDS = 0.6  # of their runs of four words, the share that both texts have
# Up to so many texts, their long words are compared first, which costs a tenth: texts that share runs share these.
FEW = 40
LONG, SHARED_WORDS = 6, 0.2
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
    for one, other, similar in _near_words(texts, least_words):
        groups.join(one, other, similar)
    for one, other, similar in _near_vectors(vectors, least_cosine):
        groups.join(one, other, similar)
    found = [sorted(place for place, _ in group) for group in groups.all()]
    alone = set(range(len(texts))).difference(*found)
    return sorted([*found, *([place] for place in alone)])


def _near_words(texts: Sequence[str], least: float) -> Iterator[tuple[int, int, float]]:
    if len(texts) > FEW:
        yield from near_texts(enumerate(texts), least)
        return
    runs = functools.cache(lambda place: shingles(normalised(texts[place])))
    for one, other in _sharing_words(texts):
        if (found := similarity(runs(one), runs(other))) >= least:
            yield one, other, found


def _sharing_words(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    words = [_long_words(text) for text in texts]
    for other, own in enumerate(words):
        for one in range(other):
            both = len(own & words[one])
            if both >= SHARED_WORDS * (len(own) + len(words[one]) - both):
                yield one, other


def _long_words(text: str) -> set[str]:
    words = set(text.casefold().split())
    return {word for word in words if len(word) >= LONG} or words


def _near_vectors(vectors: np.ndarray | None, least: float) -> list[tuple[int, int, float]]:
    if vectors is None or not len(vectors):
        return []
    cosines = vectors @ vectors.T
    pairs = np.argwhere(np.triu(cosines >= least, 1))
    return [(int(one), int(other), float(cosines[one, other])) for one, other in pairs]
