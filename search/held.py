"""Which chunks hold words and phrases: words by their postings, phrases by the texts of those that hold their words."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from memories.sql import fetch

from . import table as tables
from .engine import bm25, tokens
from .engine.languages import DEFAULT
from .phrases import Phrases
from .table import Table

CHECKED = 1_000  # chunks whose text is looked at for a phrase
MOST = 20  # words of a phrase that are looked up; its texts are looked at for all of them

Phrase = tuple[str, ...]
Postings = dict[tuple[int, str], tables.Impacts]


def with_phrases(table: Table, scores: np.ndarray, phrases: Sequence[Phrase]) -> frozenset[int]:
    """Rows whose text has every phrase, of the best CHECKED that have all the words."""
    for words in phrases:
        scores = np.where(_holding(table, words), scores, 0)
    return _reading(table, bm25.top(scores, CHECKED).tolist(), Phrases(phrases).all_in)


class Without:
    """What a query excludes. Texts are looked at only of rows that would be shown and hold all words of a phrase."""

    def __init__(self, table: Table, excluded: Sequence[Phrase]):
        self._table = table
        self._phrases = [Phrases([words]) for words in excluded if len(words) > 1]
        self._certain, self._doubtful = np.zeros(table.rows, bool), np.zeros(table.rows, bool)
        for words in excluded:
            rows = self._doubtful if len(words) > 1 else self._certain
            rows |= _holding(table, words)

    def take_from(self, scores: np.ndarray) -> None:
        """What comes after the best CHECKED that hold the words of a phrase is taken to hold it."""
        scores[self._certain] = 0
        doubtful = np.where(self._doubtful, scores, 0)
        kept = list(self._free(bm25.top(doubtful, CHECKED).tolist()))
        doubtful[kept] = 0
        scores[doubtful > 0] = 0

    def allowed(self, rows: Iterable[int]) -> frozenset[int]:
        possible = [row for row in rows if not self._certain[row]]
        doubtful = [row for row in possible if self._doubtful[row]]
        return frozenset(possible).difference(doubtful) | self._free(doubtful)

    def _free(self, rows: list[int]) -> frozenset[int]:
        return _reading(self._table, rows, lambda text: not any(phrase.all_in(text) for phrase in self._phrases))


def _reading(table: Table, rows: list[int], test: Callable[[str], bool]) -> frozenset[int]:
    """Those of the rows whose text passes."""
    if not rows:
        return frozenset()
    by_chunk = dict(zip(table.chunk(rows), rows, strict=True))
    texts = fetch("SELECT id, text FROM memories_chunk WHERE id = ANY(%s)", [list(by_chunk)])
    if len(texts) < len(by_chunk):
        raise tables.Moved  # the memory was taken down, to be made anew
    return frozenset(by_chunk[pk] for pk, text in texts if test(text))


def _holding(table: Table, words: Phrase) -> np.ndarray:
    """bool (rows,): which chunks hold all the words, each with all the terms that one of the languages cuts it to."""
    forms = [form for word in dict.fromkeys(words) if (form := _forms(word, table.languages or [DEFAULT]))][:MOST]
    counts = tables.counts(table, {term for form in forms for terms in form for term in terms})
    held = np.full(table.rows, bool(forms))
    for form in forms:
        if held.any():
            postings = tables.impacts(table, {term: counts[term] for terms in form for term in terms})
            own = [_with_all(table, terms, postings, languages) for terms, languages in form.items()]
            held &= np.logical_or.reduce(own)
    return held


def _forms(word: str, languages: Iterable[str]) -> dict[Phrase, list[str]]:
    """The terms that it is cut to, with the languages that cut it so."""
    found: dict[Phrase, list[str]] = {}
    for language in languages:
        if terms := tokens.whole_terms(word, language):
            found.setdefault(terms, []).append(language)
    return found


def _with_all(table: Table, terms: Iterable[str], postings: Postings, languages: Sequence[str]) -> np.ndarray:
    held = np.ones(table.rows, bool)
    for part in table.parts:
        if (own := tables.speaking(part, languages)) is not None:
            held[part.start : part.start + part.size] = own
    for term in terms:
        one = np.zeros(table.rows, bool)
        for part in table.parts:
            if (part.pk, term) in postings:
                postings[part.pk, term].mark(one[part.start : part.start + part.size])
        held &= one
    return held
