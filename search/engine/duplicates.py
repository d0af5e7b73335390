"""Passages among hits that say almost the same, wherever they lie: the best one stands for all of them."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from memories.engine.duplicates import Groups, near_texts, normalised, shingles, similarity

LEAST_WORDS = 0.6  # of their runs of four words, the share that both texts have
# Up to so many texts, their words are compared first, which costs a fifth: texts that share their runs share these.
# Long words will do where they are an eighth of the words: of texts with 60 % of their runs in common one word of 16
# differs, so that at least a third of the long ones are in both.
FEW = 40
SHARED_WORDS = 0.4
LONG, MANY, SHARED_LONG = 6, 1 / 8, 0.2
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
    words = [set(text.casefold().split()) for text in texts]
    longs = [{word for word in some if len(word) >= LONG} for some in words]
    telling = [len(long) >= MANY * len(some) for long, some in zip(longs, words, strict=True)]
    for other in range(len(texts)):
        for one in range(other):
            sets, least = (longs, SHARED_LONG) if telling[one] and telling[other] else (words, SHARED_WORDS)
            both = len(sets[one] & sets[other])
            if both >= least * (len(sets[one]) + len(sets[other]) - both):
                yield one, other


def _near_vectors(vectors: np.ndarray | None, least: float) -> list[tuple[int, int, float]]:
    if vectors is None or not len(vectors):
        return []
    cosines = vectors @ vectors.T
    pairs = np.argwhere(np.triu(cosines >= least, 1))
    return [(int(one), int(other), float(cosines[one, other])) for one, other in pairs]
