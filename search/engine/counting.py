"""Which terms stand in which chunks, and how often: what every inverted index here is made of."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from search.engine import tokens


class Counted(NamedTuple):
    """`terms` are sorted UTF-8. `term`, `chunk` and `times` are the distinct pairs in that order, by the terms' places
    and the chunks' places from 0; `lengths` the terms in each chunk. All int64."""

    terms: list[bytes]
    term: np.ndarray
    chunk: np.ndarray
    times: np.ndarray
    lengths: np.ndarray


class _Forms(dict):
    """Every written form of a word seen, numbered; each is turned into terms only once."""

    def __missing__(self, form: tuple[str, str]) -> int:
        self[form] = number = len(self)
        return number


def count(texts: Iterable[tuple[str, str]]) -> Counted:
    """Of (text, language) pairs; without a language, "", only plurals are cut (see `tokens`)."""
    forms = _Forms()
    numbered = [
        np.fromiter((forms[word, language] for word in tokens.words(text)), np.int32) for text, language in texts
    ]
    terms, expansion, parts = _terms_of(forms)
    return Counted(terms, *_pairs(numbered, expansion, parts))


def _terms_of(forms: Iterable[tuple[str, str]]) -> tuple[list[bytes], np.ndarray, np.ndarray]:
    """Sorted terms; the terms of all forms one after the other; and how many each form has."""
    expanded = [tokens.word_terms(*form) for form in forms]
    terms = sorted({term.encode() for found in expanded for term in found})
    number = {term: place for place, term in enumerate(terms)}
    flat = [number[term.encode()] for found in expanded for term in found]
    return terms, np.array(flat, np.int64), np.array([len(found) for found in expanded], np.int64)


def _pairs(
    numbered: Sequence[np.ndarray], expansion: np.ndarray, parts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    size = max(len(numbered), 1)
    chunk = np.repeat(np.arange(len(numbered)), [len(forms) for forms in numbered])
    form = np.concatenate(numbered) if numbered else np.zeros(0, np.int32)
    repeats = parts[form]
    chunk = np.repeat(chunk, repeats)
    within = np.arange(len(chunk)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    term = expansion[np.repeat((np.cumsum(parts) - parts)[form], repeats) + within]
    pairs, times = np.unique(term * size + chunk, return_counts=True)
    return *np.divmod(pairs, size), times, np.bincount(chunk, minlength=len(numbered))
