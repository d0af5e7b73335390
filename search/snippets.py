"""The sentence of a passage that answers a query, its words marked. The text is escaped here: the only elements in a
snippet are our own."""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from .engine import tokens

LENGTH = 280  # characters of a snippet
LOOKED_AT = 20_000  # characters of a passage


class _Vocabulary:
    """Words of one language by the terms they are under: what stands in one text mostly stood in another before."""

    most = 50_000  # words, some 17 MB; then another one is begun

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._under: dict[str, list[str]] = {}

    @property
    def is_full(self) -> bool:
        return len(self._known) > self.most

    def among(self, words: set[str], terms: frozenset[str], language: str) -> set[str]:
        """Which of the words are under one of the terms."""
        found = set()
        for word in words - self._known:
            own = tokens.word_terms(tokens.compatible(word), language)
            if not terms.isdisjoint(own):
                found.add(word)
            if word.isascii():  # a run without spaces is not met again
                for term in own:
                    self._under.setdefault(term, []).append(word)  # whole in itself: searches run in several threads
                self._known.add(word)
        return found.union(word for term in terms for word in self._under.get(term, ()) if word in words)


_vocabularies: dict[str, _Vocabulary] = {}


class Marker:
    """Knows which words are under the terms of a query, each given with its languages; none: it is of every one."""

    def __init__(self, terms: Mapping[str, Collection[str]]):
        self._terms = terms
        self._known: dict[str, frozenset[str]] = {}
        self._pairs = any(len(term) == 2 and tokens.is_unspaced(term) for term in self._terms)

    def marks(self, text: str, language: str) -> list[tuple[int, int]]:
        """Where the words that were asked for begin and end in the text."""
        vocabulary = _vocabularies.get(language)
        if vocabulary is None or vocabulary.is_full:
            vocabulary = _vocabularies[language] = _Vocabulary()
        found: list[tuple[int, int]] = []
        for word in vocabulary.among(set(tokens.written(text)), self._of(language), language):
            unspaced = not word.isascii() and tokens.is_unspaced(word)
            for span in _places(word, text):
                found += self._within(text, *span) if unspaced else [span]
        return sorted(found)

    def _of(self, language: str) -> frozenset[str]:
        if language not in self._known:
            own = [term for term, spoken in self._terms.items() if not spoken or language in spoken]
            self._known[language] = frozenset(own)
        return self._known[language]

    def _within(self, text: str, start: int, end: int) -> list[tuple[int, int]]:
        """Of a run without spaces: pairs that were asked for, joined where they meet; if none were, characters."""
        width = 2 if self._pairs else 1
        spans: list[tuple[int, int]] = []
        for place in range(start, end + 1 - width):
            if text[place : place + width] not in self._terms:
                continue
            if spans and place <= spans[-1][1]:
                spans[-1] = spans[-1][0], place + width
            else:
                spans.append((place, place + width))
        return spans


def _places(word: str, text: str) -> Iterator[tuple[int, int]]:
    """Where it stands by itself. Of the words of a text few were asked for: to look for them is faster than to look at
    each word again."""
    sign = tokens.is_sign(word)
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if sign or not (tokens.goes_on(text[start - 1 : start]) or tokens.goes_on(text[end : end + 1])):
            yield start, end
        start = text.find(word, end)


def snippet(text: str, marker: Marker, language: str) -> SafeString:
    """The stretch with most of the words, from the beginning of a sentence or a word where that is near."""
    text = text[:LOOKED_AT]
    marks = marker.marks(text, language)
    start, stop = _window(text, [begin for begin, _ in marks])
    pieces, last = ["… " if start else ""], start
    for begin, end in marks:
        if start <= begin and end <= stop:
            pieces += [escape(_even(text[last:begin])), "<mark>", escape(text[begin:end]), "</mark>"]
            last = end
    return mark_safe("".join([*pieces, escape(_even(text[last:stop])), " …" if stop < len(text) else ""]).strip())


_SPACES = re.compile(r"[\s\x00-\x1f]+")


def _even(text: str) -> str:
    return _SPACES.sub(" ", text)


def _window(text: str, marks: list[int]) -> tuple[int, int]:
    if len(text) <= LENGTH:
        return 0, len(text)
    counts = [bisect_left(marks, at + LENGTH * 2 // 3) - place for place, at in enumerate(marks)]
    start = _beginning(text, marks[counts.index(max(counts))] if marks else 0)
    stop = min(len(text), start + LENGTH)
    if stop < len(text) and (space := text.rfind(" ", start + LENGTH // 2, stop)) > 0:
        stop = space
    return start, stop


def _beginning(text: str, place: int) -> int:
    """A little before `place`: after the end of a sentence, else at a word."""
    low = max(0, place - LENGTH // 3)
    ends = [
        text.rfind(end, low, place) + len(end) for end in (". ", "! ", "? ", "\n") if text.rfind(end, low, place) >= 0
    ]
    if ends:
        return max(ends)
    if low == 0:
        return 0
    space = text.find(" ", low, place)
    return space + 1 if space >= 0 else place
