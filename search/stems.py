"""The terms that the words of a query are under: each language cuts them to stems of its own."""

from collections.abc import Iterable

import numpy as np

from . import table as tables
from .engine import tokens
from .engine.languages import DEFAULT
from .table import Part, Table


class Forms:
    """The terms that words are under in the languages of a table. A term counts in the documents of those languages
    whose words it is cut from: "care" is not "car" for a French document beside it.

    `of_word`: its terms. `spoken`: of each term the languages. `alike`: of each term the sets of one word's forms that
    it is in.
    """

    def __init__(self, words: Iterable[str], table: Table):
        self.of_word: dict[str, frozenset[str]] = {}
        self.spoken: dict[str, frozenset[str]] = {}
        self.alike: dict[str, list[frozenset[str]]] = {}
        self._all = frozenset(table.languages or [DEFAULT])
        for word in words:
            self._add(word)

    def _add(self, word: str) -> None:
        under = {language: tokens.word_terms(word, language) for language in self._all}
        self.of_word[word] = frozenset(term for terms in under.values() for term in terms)
        for language, terms in under.items():
            for term in terms:
                self.spoken[term] = self.spoken.get(term, frozenset()) | {language}
        for forms in map(frozenset, zip(*under.values(), strict=False)):
            for term in forms:
                self.alike.setdefault(term, []).append(forms)

    def where(self, counts: dict[str, dict[int, int]], parts: Iterable[Part]) -> dict[str, dict[int, int]]:
        """Without segments that hold a term in other languages alone."""
        languages = {part.pk: part.languages for part in parts}
        return {
            term: {pk: count for pk, count in segments.items() if not self.spoken[term].isdisjoint(languages[pk])}
            for term, segments in counts.items()
        }

    def among(self, part: Part, term: str) -> np.ndarray | None:
        """bool (size,): the chunks in which a term counts; None for all, as for what stands for a misspelt word."""
        spoken = self.spoken.get(term, self._all)
        return None if spoken >= self._all else tables.speaking(part, spoken)


def variants(word: str, languages: Iterable[str]) -> frozenset[str]:
    """The terms that a word may be under: documents of several languages cut it differently."""
    return frozenset(term for language in languages for term in tokens.word_terms(word, language))
