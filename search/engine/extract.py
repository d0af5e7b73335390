"""Answering without a language model: the sentences of the found passages that say most about the question.

A sentence is weighed by the words of the question that it holds, the rare ones more (idf over the sentences at hand),
and, where vectors are at hand, by its cosine to the question. The next one chosen is the one that is relevant and
unlike those chosen before (maximal marginal relevance; Carbonell and Goldstein, 1998).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from search.engine import tokens
from search.engine.citations import Passage
from search.engine.correlate import compare, state_otherwise
from search.engine.sentences import Sentence, headed

MOST = 5  # sentences of an answer
# What is compared by meaning in one call of the embedder, so many sentences and the beginning of each: with 32 whole
# ones the call took 450 ms on two cores, which is too long to wait for a first word.
MOST_EMBEDDED = 16
FIRST_EMBEDDED = 3  # of these, before the first sentence is given
LONGEST_EMBEDDED = 240  # characters
NOTHING = "Nothing relevant was found in these documents."

# A sentence answers when it holds so much of the question (0 to 1, by idf), or is so near to it in meaning, or has a
# little less of both; words alone do not count where the meaning is known to be far off. Unrelated sentences have
# cosines up to 0.3 (all-MiniLM-L6-v2).
ENOUGH_WORDS = 0.45
ENOUGH_COSINE = 0.45
SOME_WORDS, SOME_COSINE = 0.25, 0.33
NEARLY_ALL_WORDS, FAR_OFF = 0.75, 0.15
SURE = 0.6  # of the question's words: such a sentence needs no look at the meaning, nor do ENOUGH_WORDS in a passage
SURE_COSINE = 0.4  # that is as near as this
UNDER = 0.5  # of a word's weight, where it stands in the heading only
LIKE = 0.6  # shared words above which two sentences say the same
DIVERSITY = 0.35
FOLLOWS = 0.55  # of the first sentence's score, which the others must reach

# They ask and join; a sentence that has them answers nothing. (English, German, French, Spanish, Italian, Dutch.)
_EMPTY = frozenset(
    term
    for word in """
    a about all am an and any anything are as at be been being but by can could did do does doing for from had has have
    he her him his how i if in into is it its let me mean my no nor not of on or our please say says said she should
    show so some something tell than that the their them there these they thing this those to us was we were
    what when where which who whom whose why will with would you your explain describe give know find
    der die das den dem des ein eine einer eines einem und oder ist sind war waren was wer wie wo wann warum welche
    welcher welches von mit zu im am auf für über hat haben
    le la les un une des du de et ou est sont que qui quoi quel quelle quels quelles où quand comment pourquoi dans sur
    el los las una y o es son qué quién cómo cuándo dónde por para con en del al
    il lo gli di che chi come dove quando perché per è het een van wat wie hoe waar waarom
    """.split()
    for term in tokens.word_terms(word)
)


@dataclass(frozen=True)
class Found:
    """A sentence of passage `number`; `terms` are its words as they are searched for, `under` those of its heading."""

    number: int
    sentence: Sentence
    terms: frozenset[str]
    under: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        return self.sentence.text


class Answer:
    """`first` needs no vectors; `rest` goes on from it, with vectors of `candidates` where there are any."""

    def __init__(self, question: str, passages: Sequence[Passage], most: int = MOST):
        self._passages = {passage.number: passage for passage in passages}
        self._asked = asked(question)
        self._most = most
        self._all = [
            Found(passage.number, one, frozenset(_roots(one.text)), frozenset(_roots(heading)))
            for passage in passages
            for one, heading in headed(passage.text)
        ]
        self._idf = _idf(self._all, self._asked)
        self._words = np.array([self._overlap(one) for one in self._all], np.float32)
        self._weight = np.array([self._prior(one) for one in self._all], np.float32)
        by_words = np.argsort(-(self._words + 0.2 * self._weight), kind="stable")
        self._looked_at = [int(place) for place in by_words[:MOST_EMBEDDED]]
        self._looking: list[int] = []
        self._cosines = np.full(len(self._all), np.nan, np.float32)

    def candidates(self, most: int = MOST_EMBEDDED) -> list[str]:
        """The next sentences whose vectors `look` takes, the most promising first."""
        self._looking = [place for place in self._looked_at if np.isnan(self._cosines[place])][:most]
        return [self._all[place].text[:LONGEST_EMBEDDED] for place in self._looking]

    def look(self, question: np.ndarray, vectors: np.ndarray) -> None:
        """(dimension,) and (as many as the last `candidates`, dimension), each of length 1."""
        self._cosines[self._looking] = vectors @ question

    def sure(self) -> Found | None:
        """The best sentence, if words alone say that it answers."""
        if not self._all or not self._asked:
            return None
        place = int(np.argmax(self._scores()))
        found = self._all[place]
        near = (self._passages[found.number].cosine or 0.0) >= SURE_COSINE
        return found if found.sentence.whole and self._words[place] >= (ENOUGH_WORDS if near else SURE) else None

    def best(self) -> Found | None:
        """The best sentence of those that were looked at, if it answers."""
        known = [place for place in self._looked_at if not np.isnan(self._cosines[place]) and self._answers(place)]
        scores = self._scores()
        return self._all[max(known, key=lambda place: scores[place])] if known else None

    def chosen(self, first: Found | None = None) -> list[Found]:
        """After `first`, which was given already; in the order of the passages, and within each of its text."""
        scores = self._scores()
        taken = [place for place, one in enumerate(self._all) if one is first]
        open_places = [place for place in range(len(self._all)) if self._answers(place) and place not in taken]
        best = max((float(scores[place]) for place in (*taken, *open_places)), default=0.0)
        open_places = [place for place in open_places if scores[place] >= FOLLOWS * best]
        while open_places and len(taken) < self._most:
            place = max(open_places, key=lambda one: self._marginal(one, taken, scores))
            open_places.remove(place)
            if all(self._likeness(place, other) < LIKE for other in taken):
                taken.append(place)
        ordered = sorted(taken, key=lambda place: (self._all[place].number, self._all[place].sentence.start))
        return [self._all[place] for place in ordered if self._all[place] is not first]

    def _scores(self) -> np.ndarray:
        cosines = np.nan_to_num(self._cosines, nan=0.0)
        known = ~np.isnan(self._cosines)
        together = np.where(known, 0.5 * self._words + 0.5 * cosines.clip(0), 0.5 * self._words)
        return together * (0.5 + 0.5 * self._weight)

    def _answers(self, place: int) -> bool:
        words, cosine = self._words[place], self._cosines[place]
        if words >= NEARLY_ALL_WORDS or cosine >= ENOUGH_COSINE:
            return True
        if words >= ENOUGH_WORDS and not cosine < FAR_OFF:  # an unknown one is not
            return True
        if np.isnan(cosine):
            cosine = self._passages[self._all[place].number].cosine or 0.0
        return bool(words >= SOME_WORDS and cosine >= SOME_COSINE)

    def _overlap(self, one: Found) -> float:
        """A sentence also speaks of what it stands under, if less surely than of what it says itself."""
        whole = sum(self._idf[term] for term in self._asked)
        said = sum(self._idf[term] for term in self._asked & one.terms)
        above = sum(self._idf[term] for term in self._asked & one.under - one.terms)
        return (said + UNDER * above) / whole if whole else 0.0

    def _prior(self, one: Found) -> float:
        """By the rank of its passage, and less for fragments, lists and tables."""
        return 1.0 / (1 + 0.15 * (one.number - 1)) * _fullness(one)

    def _marginal(self, place: int, taken: list[int], scores: np.ndarray) -> float:
        nearest = max((self._likeness(place, other) for other in taken), default=0.0)
        return float(scores[place]) - DIVERSITY * float(scores.max()) * nearest

    def _likeness(self, one: int, other: int) -> float:
        """None where two passages say it otherwise: who leaves one of them out hides that they disagree."""
        a, b = self._all[one], self._all[other]
        shared = len(a.terms & b.terms) / min(len(a.terms), len(b.terms)) if a.terms and b.terms else 0.0
        if shared >= LIKE and a.number != b.number and state_otherwise(a.text, b.text):
            return 0.0
        return shared


def disagreeing(found: Sequence[Found]) -> list[tuple[int, int]]:
    """The passages whose sentences contradict each other, as far as rules can tell."""
    pairs = {
        (min(one.number, other.number), max(one.number, other.number))
        for one, other in combinations(found, 2)
        if one.number != other.number and _contradict(one.text, other.text)
    }
    return sorted(pairs)


def _contradict(one: str, other: str) -> bool:
    judged = compare(one, other, None)
    return judged is not None and judged[0] == "contradict"


def asked(question: str) -> frozenset[str]:
    """The words of a question that can be answered; all of them where there is no other."""
    terms = [term for word in tokens.words(question) for term in tokens.word_terms(word)]
    return frozenset(_root(term) for term in terms if term not in _EMPTY) or frozenset(map(_root, terms))


def _idf(found: Sequence[Found], wanted: frozenset[str]) -> dict[str, float]:
    counts = Counter(term for one in found for term in one.terms & wanted)
    return {term: math.log(1 + (len(found) + 1) / (max(counts[term], 1) + 0.5)) for term in wanted}


def _roots(text: str) -> list[str]:
    return [_root(term) for term in tokens.terms(text)]


def _root(term: str) -> str:
    """So that sail, sailed and sailing meet; here two words that meet wrongly cost little."""
    for ending in ("ing", "ed", "ly", "er", "e"):
        if term.endswith(ending) and len(term) - len(ending) >= 4:
            return term[: -len(ending)]
    return term


def _fullness(one: Found) -> float:
    """A row of a table or a fragment of a few words says less than a sentence."""
    if one.text.startswith(("|", "=")):
        return 0.1
    return min(1.0, 0.4 + 0.1 * len(one.terms)) * (1.0 if one.sentence.whole else 0.6)
