"""How the passages of several memories stand to each other: sentences that agree, complete or contradict each other.

Compared are sentences of different memories. Two speak of one subject when they share most of their words (and, with
a model, lie near each other in meaning) and neither names somebody that the other does not. Of one subject, they
contradict each other by a number with a unit, by a date of something that happens once, by a negation on one side, or
by a pair of opposites; each finding says by which. These are rules and no understanding: they are made to be right
when they speak, and miss what only a reader would see.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from search.engine.claims import FORBIDDING, ONCE, OPPOSITES, Claim, claim
from search.engine.quantities import stem
from search.engine.sentences import statements

Kind = Literal["contradict", "agree", "complement"]
KINDS: tuple[Kind, ...] = ("contradict", "agree", "complement")
Embed = Callable[[list[str]], np.ndarray]

MOST_PASSAGES = 60
MOST_SENTENCES = 160  # of all passages together: what an embedder does in well under a second
PER_PASSAGE = 4
MOST_ADDED = 2  # words that one of two sentences about the same may have and the other not
LONGEST_TEXT = 20_000  # characters of a passage that are looked at
MOST_OF_A_KIND = 6
PER_PAIR = 2  # findings between the same two passages

# Cosines of all-MiniLM-L6-v2 between sentences.
SAME_SUBJECT = 0.6
AGREE = 0.75
COMPLEMENT = 0.4
ASKED = 0.25  # to the query
# Shares of the words, where there is no model.
AGREE_WORDS = 0.55
COMPLEMENT_WORDS = 0.2

WORDS_ONLY = "Compared by words only: sentences that say the same in other words are not recognised."


@dataclass(frozen=True)
class Passage:
    """`key` finds it again; `source` is what a place is shown with (document, chunk, frame, ...)."""

    key: Hashable
    memory: Hashable
    text: str
    source: object = None


@dataclass(frozen=True)
class Said:
    passage: Passage
    sentence: str


@dataclass(frozen=True)
class Correlation:
    """`score` is the cosine of the sentences, or without a model the share of words that they have in common."""

    kind: Kind
    one: Said
    other: Said
    score: float
    reason: str


@dataclass(frozen=True)
class Correlations:
    """`by` says what was compared: meaning (and words), or words alone."""

    found: list[Correlation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    by: Literal["meaning", "words"] = "words"
    compared: int = 0


def correlate(passages: Sequence[Passage], query: str, embed: Embed | None) -> Correlations:
    """`passages` best first; beyond MOST_PASSAGES they are left out. `embed`: rows of length 1."""
    said = _said(passages[:MOST_PASSAGES], query)
    notes = [] if embed else [WORDS_ONLY]
    if len({one.passage.memory for one in said}) < 2:
        return Correlations([], notes, "meaning" if embed else "words", len(said))
    cosines, relevant = None, np.zeros(len(said), bool)
    if embed:
        vectors = embed([one.sentence for one in said] + [query])
        cosines = vectors[:-1] @ vectors[:-1].T
        relevant = vectors[:-1] @ vectors[-1] >= ASKED
    relevant |= np.array([_shares(one.sentence, query) for one in said], bool)
    found = []
    for one in range(len(said)):
        for other in range(one + 1, len(said)):
            if said[one].passage.memory == said[other].passage.memory or not (relevant[one] and relevant[other]):
                continue
            cosine = None if cosines is None else float(cosines[one, other])
            if judged := compare(said[one].sentence, said[other].sentence, cosine):
                found.append(Correlation(judged[0], said[one], said[other], round(judged[1], 4), judged[2]))
    return Correlations(_chosen(found), notes, "meaning" if embed else "words", len(said))


def _said(passages: Sequence[Passage], query: str) -> list[Said]:
    """Of each passage the sentences with most of the query's words, in the order of the text among equals."""
    most = max(1, min(PER_PASSAGE, MOST_SENTENCES // max(1, len(passages))))
    asked = claim(query).words
    found = []
    for passage in passages:
        own = list(dict.fromkeys(statements(passage.text[:LONGEST_TEXT])))
        best = sorted(own, key=lambda sentence: -len(asked & claim(sentence).words))[:most]
        found += [Said(passage, sentence) for sentence in own if sentence in best]
    return found


def _shares(sentence: str, query: str) -> bool:
    return bool(claim(sentence).words & claim(query).words)


def _chosen(found: list[Correlation]) -> list[Correlation]:
    """The best of each kind, few of one pair of passages, and no sentence twice in a kind."""
    chosen: list[Correlation] = []
    pairs: dict[tuple, int] = {}
    for kind in KINDS:
        seen: set[tuple] = set()
        for one in sorted((one for one in found if one.kind == kind), key=lambda one: -one.score):
            pair = (one.one.passage.key, one.other.passage.key)
            ends = {(said.passage.key, said.sentence) for said in (one.one, one.other)}
            if ends & seen or pairs.get(pair, 0) >= PER_PAIR or sum(c.kind == kind for c in chosen) >= MOST_OF_A_KIND:
                continue
            seen |= ends
            pairs[pair] = pairs.get(pair, 0) + 1
            chosen.append(one)
    return chosen


# -- two sentences


def compare(one: str, other: str, cosine: float | None) -> tuple[Kind, float, str] | None:
    """What the first is to the second: kind, score and a plain reason. `cosine` None: by words alone."""
    pair = _Pair(claim(one), claim(other), cosine)
    if pair.apart():
        return None
    conflict = pair.conflict()
    if conflict:
        return "contradict", pair.score, conflict
    if pair.doubtful():
        return None
    if pair.agrees():
        return "agree", pair.score, pair.agreement()
    if pair.completes():
        return "complement", pair.score, f"both speak of {_listed(pair.topic())}, each with something of its own"
    return None


def state_otherwise(one: str, other: str) -> bool:
    """Whether they may differ in more than their wording: in a number, a date, a denial, or which of two opposites."""
    return _Pair(claim(one), claim(other), None).states_otherwise()


class _Pair:
    def __init__(self, one: Claim, other: Claim, cosine: float | None):
        self.one, self.other, self.cosine = one, other, cosine
        self.shared = one.words & other.words
        self.only_one, self.only_other = one.words - other.words, other.words - one.words
        every = len(one.words | other.words)
        self.overlap = len(self.shared) / every if every else 0.0
        least = min(len(one.words), len(other.words))
        self.contained = len(self.shared) / least if least else 0.0

    @property
    def score(self) -> float:
        return self.overlap if self.cosine is None else self.cosine

    def apart(self) -> bool:
        """Questions, and what is about different things: chapter 3 and chapter 4, Alice and Bob."""
        if self.one.asks or self.other.asks or not self.shared or self._labels_differ():
            return True
        return bool(self._names(self.only_one, self.one) and self._names(self.only_other, self.other))

    def _labels_differ(self) -> bool:
        mine, theirs = dict(self.one.measures.labels), dict(self.other.measures.labels)
        return any(theirs.get(word, number) != number for word, number in mine.items())

    def states_otherwise(self) -> bool:
        turned = self._denies() != self._has_opposites()
        return turned or self._labels_differ() or self._numbers_differ() or self._any_date_differs()

    def _names(self, words: frozenset[str], owner: Claim) -> frozenset[str]:
        opposite = {other for word in self.one.words | self.other.words for other in OPPOSITES.get(word, ())}
        return (words & owner.names) - opposite

    def near(self, least: float, contained: float) -> bool:
        return self.contained >= contained and (self.cosine is None or self.cosine >= least)

    # -- contradiction

    def conflict(self) -> str:
        """Why they contradict each other, empty where they do not."""
        if self.one.open != self.other.open or not self.near(SAME_SUBJECT, 0.5):
            return ""
        return self._number() or self._date() or self._opposite() or self._denied()

    def _left(self, apart: frozenset[str] = frozenset()) -> tuple[int, int]:
        """How many words only one of them has: the fewer first."""
        return tuple(sorted((len(self.only_one - apart), len(self.only_other - apart))))  # type: ignore[return-value]

    def _one_subject(self, apart: frozenset[str] = frozenset()) -> bool:
        """`apart` aside, one of them only adds a little: where each has a word of its own, they may speak of two
        things, and so they may where one names somebody and the other nobody."""
        fewer, more = self._left(apart)
        left = (self._names(self.only_one, self.one) | self._names(self.only_other, self.other)) - apart
        return fewer == 0 and more <= MOST_ADDED and not (left and not self.shared & self.one.names)

    def _number(self) -> str:
        mine, theirs = _unmatched(self.one, self.other), _unmatched(self.other, self.one)
        units = frozenset(stem(word) for quantity in mine + theirs for word in quantity.nouns) - self.shared
        if len(self.shared) < 2 or not self._one_subject(units) or self._dates_differ() or self._denies():
            return ""
        for one in mine:
            rivals = [two for two in theirs if one.comparable(two)]
            if len(rivals) == 1 and sum(rivals[0].comparable(two) for two in mine) == 1 and one.contradicts(rivals[0]):
                what = _listed(self.topic(limit=3))
                kind = "time" if one.dimension == "time of day" else "number"
                return f"both give a {kind} for {what}: {one.text} against {rivals[0].text}"
        return ""

    def _date(self) -> str:
        once = self.shared & ONCE
        if not once or len(self.shared) < 2 or not self._one_subject() or self._denies():
            return ""
        mine, theirs = self.one.measures.dates, self.other.measures.dates
        if len(mine) != 1 or len(theirs) != 1 or not mine[0].contradicts(theirs[0]):
            return ""
        return f"both date {_listed(self.topic(limit=3))}: {mine[0].text} against {theirs[0].text}"

    def _opposite(self) -> str:
        for word in sorted(self.only_one):
            against = OPPOSITES.get(word, frozenset()) & self.only_other
            for rival in sorted(against):
                same = self._one_subject(frozenset({word, rival}))
                if same and not (self._dates_differ() or self._numbers_differ() or self._denies()):
                    return (
                        f"“{self.one.written[word]}” against “{self.other.written[rival]}”"
                        f" about {_listed(self.topic(limit=3))}"
                    )
        return ""

    def _denied(self) -> str:
        """One side denies it; where opposites are said besides, the two negations cancel out."""
        if not self._denies() or self._dates_differ() or self._numbers_differ():
            return ""
        if len(self.shared) < 2 or not self._one_subject() or self._has_opposites():
            return ""
        if FORBIDDING & (self.one.words | self.other.words):  # "must not" and "prohibited" say the same
            return ""
        word = self.one.denial or self.other.denial
        return f"one says it of {_listed(self.topic(limit=3))}, the other denies it (“{word}”)"

    def _denies(self) -> bool:
        return self.one.negated != self.other.negated

    def _has_opposites(self) -> bool:
        return any(OPPOSITES.get(word, frozenset()) & self.only_other for word in self.only_one)

    def _dates_differ(self) -> bool:
        mine, theirs = self.one.measures.dates, self.other.measures.dates
        return bool(mine and theirs) and not any(a.comparable(b) and not a.contradicts(b) for a in mine for b in theirs)

    def _any_date_differs(self) -> bool:
        """Less than `_dates_differ`: a year and a day of the week cannot be compared, and may both hold."""
        mine, theirs = self.one.measures.dates, self.other.measures.dates
        return self._dates_differ() and any(a.contradicts(b) for a in mine for b in theirs)

    def _numbers_differ(self) -> bool:
        mine, theirs = _unmatched(self.one, self.other), _unmatched(self.other, self.one)
        return any(a.contradicts(b) for a in mine for b in theirs)

    # -- agreement, completion

    def doubtful(self) -> bool:
        """Something differs that would be a contradiction, were the subject surely the same: better say nothing."""
        alike = self.near(SAME_SUBJECT, 0.5)
        turned = self._denies() != self._has_opposites()
        return alike and (self._numbers_differ() or self._dates_differ() or turned)

    def agrees(self) -> bool:
        if self._denies() != self._has_opposites() or self._numbers_differ() or self._dates_differ():
            return False
        if self._same_numbers() or self._denies():  # it is not open: it is closed
            opposites = frozenset(word for word in self.only_one | self.only_other if word in OPPOSITES)
            return self._one_subject(opposites if self._denies() else frozenset()) and self.near(SAME_SUBJECT, 0.5)
        if self.cosine is None:
            return len(self.shared) >= 3 and self.overlap >= AGREE_WORDS
        return self.cosine >= AGREE and len(self.shared) >= 2 and self.contained >= 0.5

    def _same_numbers(self) -> list[str]:
        return [
            a.text for a in self.one.measures.quantities for b in self.other.measures.quantities
            if a.comparable(b) and not a.contradicts(b)
        ]  # fmt: skip

    def agreement(self) -> str:
        numbers = self._same_numbers()
        if self.one.sentence == self.other.sentence:
            return "the same sentence stands in both"
        if numbers:
            return f"both give {numbers[0]} for {_listed(self.topic(limit=3))}"
        return f"both say it of {_listed(self.topic(limit=3))}"

    def completes(self) -> bool:
        fewer, _ = self._left()
        if fewer < 2:
            return False
        if self.cosine is None:
            return len(self.shared) >= 2 and self.overlap >= COMPLEMENT_WORDS
        return self.cosine >= COMPLEMENT

    def topic(self, limit: int = 4) -> list[str]:
        """What both speak of, as the first has it, in its order: names first of all."""
        order = [root for root in self.one.written if root in self.shared]
        order.sort(key=lambda root: root not in self.one.names | self.other.names)
        return [self.one.written[root] for root in order[:limit]]


def _unmatched(one: Claim, other: Claim) -> list:
    """The quantities of the first that the second does not give too."""
    return [
        a for a in one.measures.quantities
        if not any(a.comparable(b) and not a.contradicts(b) for b in other.measures.quantities)
    ]  # fmt: skip


def _listed(words: list[str]) -> str:
    return ", ".join(f"“{word}”" for word in words)
