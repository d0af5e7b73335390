"""The leg of words: BM25 over the postings of the chunks that a person may see."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from django.db.models import QuerySet

from memories.models import Memory

from . import table as tables
from . import typos
from .engine import bm25, tokens
from .engine.fusion import Moments
from .held import CHECKED, Without, with_phrases
from .stems import Forms
from .table import Reach, Table

MOST_WORDS = 500
# Rows that a search adds up, the rarest terms first: what is left out then are the words that nearly all chunks hold.
MOST_POSTINGS = 400_000
# Words of a query; in a longer one, which was pasted, quotation marks and hyphens are only punctuation. Similar words
# are looked for only for so many: each takes a walk through the vocabulary.
TYPED = 20
TELLING = 0.3  # of the rarest word's rarity: what a word needs to be marked
SIMILAR = 0.6  # what a similar word counts, against the word itself

_QUOTES = str.maketrans(dict.fromkeys("“”„«»‟", '"'))
# A phrase begins at a mark that no word stands before, as 24" has, and ends at the next. One that is not closed is
# punctuation: a phrase may still be being typed.
_PARTS = re.compile(rf'(-?)[(\[{{]?(?<![^\W{tokens.UNSPACED}])"([^"]*)"|(-"[^\s"]+|[^\s"]+|")')


@dataclass(frozen=True)
class Asked:
    """A query taken apart: words, phrases in quotation marks, words with a minus before them. `unfinished`: the last
    word may be the beginning of one."""

    words: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...] = ()
    without: tuple[tuple[str, ...], ...] = ()
    unfinished: bool = False

    @classmethod
    def of(cls, text: str, *, phrase: bool = False) -> "Asked | None":
        """None where nothing is asked for. `phrase`: all of it is one phrase."""
        if phrase:
            found = tuple(tokens.words(text)[:MOST_WORDS])
            return cls(found, (found,)) if found else None
        words: list[str] = []
        phrases, without = [], []
        for minus, quoted, word in _PARTS.findall(text.translate(_QUOTES)):
            minus = minus or (word[:1] if word.startswith("-") and len(word) > 1 else "")
            found = tuple(tokens.words(quoted or word))
            if found and minus:
                without.append(found)
            elif found:
                words += found
                phrases += [found] if quoted else []
        if len(words) + sum(map(len, without)) > TYPED:
            phrases, without = [], []
        unfinished = bool(words) and text[-1:].isalnum()
        return cls(tuple(words[:MOST_WORDS]), tuple(phrases), tuple(without), unfinished) if words else None

    @property
    def plain(self) -> bool:
        return not self.phrases and not self.without


@dataclass
class Words:
    """`scores` by row of the table, 0 for what does not match. `ranking` are the best rows. `marked` are the terms that
    tell something, of similar words too; `replaced` maps a word that is nowhere to what was taken for it."""

    scores: np.ndarray
    ranking: list[int]
    moments: Moments
    marked: Mapping[str, frozenset[str]] = field(default_factory=dict)  # with their languages; none: every one
    replaced: dict[str, str] = field(default_factory=dict)
    without: Without | None = None  # what the query excludes
    only: frozenset[int] | None = None  # the rows that hold its phrases

    def allowed(self, rows: Iterable[int]) -> frozenset[int]:
        """Those of the rows that the query does not exclude, whatever found them."""
        rows = frozenset(rows) if self.only is None else self.only.intersection(rows)
        return self.without.allowed(rows) if self.without else rows


def by_words(table: Table, asked: Asked, most: int, *, fuzzy: bool = False) -> Words:
    wanted = _Wanted(table, asked, fuzzy)
    scores = wanted.scores()
    for part in table.parts:
        if part.dead is not None:
            scores[part.start : part.start + part.size][part.dead] = 0
    without = Without(table, asked.without) if asked.without else None
    if without:
        without.take_from(scores)
    only = with_phrases(table, scores, asked.phrases) if asked.phrases else None
    if only is not None:
        kept = np.zeros_like(scores)
        rows = np.array(sorted(only), np.int64)
        kept[rows] = scores[rows]
        scores = kept
    moments = Moments.of(scores)
    moments.count = table.size
    best = bm25.top(scores, most).tolist()
    return Words(scores, best, moments, wanted.marked(), wanted.replaced, without, only)


@tables.steady
def best_chunks(memories: QuerySet[Memory], asked: Asked) -> list[int]:
    """Primary keys of the present chunks that match best, at most CHECKED."""
    table = tables.load(Reach.of(memories))
    return table.chunk(by_words(table, asked, CHECKED).ranking)


class _Wanted:
    """The terms of a query with their weights, and where they stand."""

    def __init__(self, table: Table, asked: Asked, fuzzy: bool):
        self._table, self._asked = table, asked
        self.weights: Counter[str] = Counter()
        self.replaced: dict[str, str] = {}
        self._forms = Forms(dict.fromkeys(asked.words), table)
        forms = self._forms.of_word
        self._counts = self._forms.where(tables.counts(table, self._forms.spoken), table.parts)
        standing = tables.standing(table, self._counts)
        there = {word: form & standing for word, form in forms.items()}
        for word in asked.words:
            self.weights.update(there[word])
        unsure = [word for word in forms if fuzzy or (asked.plain and not there[word])]
        for word in unsure[:TYPED]:
            begun = asked.unfinished and not fuzzy and word == asked.words[-1]
            self._take_similar(word, forms[word], begun, replaces=not there[word])

    def marked(self) -> dict[str, frozenset[str]]:
        """Without the words that nearly all chunks hold, unless there are no others."""
        least = max(self._rarity.values(), default=0) * TELLING
        spoken = self._forms.spoken
        return {term: spoken.get(term, frozenset()) for term, value in self._rarity.items() if value >= least}

    def scores(self) -> np.ndarray:
        """float32 (rows,)"""
        table, taken = self._table, self._affordable()
        found = tables.impacts(table, taken)
        scores = np.zeros(table.rows, np.float32)
        factor = {term: np.float32(self.weights[term] * self._rarity[term]) for term in taken}
        for part in table.parts:
            view = scores[part.start : part.start + part.size]
            for term in taken:
                if (part.pk, term) in found:
                    found[part.pk, term].add_to(view, factor[term], self._forms.among(part, term))
        return scores

    @cached_property
    def _totals(self) -> dict[str, int]:
        return {term: sum(segments.values()) for term, segments in self._counts.items()}

    @cached_property
    def _rarity(self) -> dict[str, float]:
        """Of a word, however its language cuts it: an ending that one of few documents has is not rare for that."""
        rows, totals, alike = self._table.rows, self._totals, self._forms.alike
        return {
            term: bm25.rarity(rows, max(sum(totals.get(one, 0) for one in form) for form in alike.get(term, [{term}])))
            for term in self.weights
        }

    def _affordable(self) -> dict[str, dict[int, int]]:
        """The rarest terms, with the segments that hold them."""
        totals = {term: self._totals[term] for term in self.weights if self._totals.get(term)}
        budget, taken = MOST_POSTINGS + self._table.rows // 2, {}
        for term in sorted(totals, key=totals.__getitem__):
            if taken and budget < totals[term]:
                break
            taken[term], budget = self._counts[term], budget - totals[term]
        return taken

    def _take_similar(self, word: str, form: frozenset[str], begun: bool, replaces: bool) -> None:
        found = self._standing(typos.beginning_with(self._table, tokens.fold(word))) if begun else []
        if not found:
            found = self._standing(typos.similar_to(self._table, form))
            if replaces and found:
                self.replaced[word] = found[0]
                found = found[:1]
        for term in found:
            if term not in self.weights:
                self.weights[term] = SIMILAR if not replaces else 1
                self._forms.spoken.pop(term, None)  # whichever language it is of

    def _standing(self, terms: list[str]) -> list[str]:
        """Those that chunks in reach hold; where is known from then on."""
        counts = tables.counts(self._table, terms)
        self._counts |= counts
        standing = tables.standing(self._table, counts)
        return [term for term in terms if term in standing]
