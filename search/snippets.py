"""The sentence of a passage that answers a query, its words marked. The text is escaped here: the only elements in a
snippet are our own."""

import re
from collections.abc import Collection

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from .engine import tokens

LENGTH = 280  # characters of a snippet
LOOKED_AT = 20_000  # characters of a passage


class Marker:
    """Knows which words are under the terms of a query; made once for all hits, as they share most of their words."""

    def __init__(self, terms: Collection[str]):
        self._terms = frozenset(terms)
        self._seen: dict[str, set[str]] = {}
        self._asked: dict[str, set[str]] = {}
        self._pairs = any(len(term) == 2 and tokens.is_unspaced(term) for term in self._terms)

    def marks(self, text: str, language: str) -> list[tuple[int, int]]:
        """Where the words that were asked for begin and end in the text."""
        asked = self._asked_among(set(tokens.WORD.findall(text)), language)
        if not asked:
            return []
        found: list[tuple[int, int]] = []
        for word in tokens.WORD.finditer(text):
            if word[0] in asked:
                unspaced = not word[0].isascii() and tokens.is_unspaced(word[0])
                found += self._within(text, *word.span()) if unspaced else [word.span()]
        return found

    def _asked_among(self, words: set[str], language: str) -> set[str]:
        seen, asked = self._seen.setdefault(language, set()), self._asked.setdefault(language, set())
        for word in words - seen:
            if not self._terms.isdisjoint(tokens.word_terms(tokens.compatible(word), language)):
                asked.add(word)
        seen |= words
        return words & asked

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
    best = max(marks, key=lambda at: sum(at <= mark < at + LENGTH * 2 // 3 for mark in marks), default=0)
    start = _beginning(text, best)
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
