"""The sentence of a passage that answers a query, its words marked. The text is escaped here: the only elements in a
snippet are our own."""

from collections.abc import Collection

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from .engine import tokens

START, STOP = "\x02", "\x03"
LENGTH = 280  # characters of a snippet
LOOKED_AT = 20_000  # characters of a passage


def snippet(text: str, terms: Collection[str], language: str) -> SafeString:
    """The stretch with most of the words, from the beginning of a sentence or a word where that is near."""
    text = _marked(text[:LOOKED_AT].replace(START, " ").replace(STOP, " "), terms, language)
    start, stop = _window(text)
    piece = " ".join(text[start:stop].split())
    if piece.count(START) > piece.count(STOP):
        piece += STOP
    shown = escape(piece).replace(START, "<mark>").replace(STOP, "</mark>")
    return mark_safe(("… " if start else "") + shown + (" …" if stop < len(text) else ""))


def marks(text: str, terms: Collection[str], language: str) -> list[tuple[int, int]]:
    """Where the words of `terms` begin and end in the text."""
    found: list[tuple[int, int]] = []
    for start, end, word in tokens.places(text):
        if tokens.is_unspaced(word):
            found += _within(text, start, end, terms)
        elif not terms.isdisjoint(tokens.word_terms(word, language)):
            found.append((start, end))
    return found


def _within(text: str, start: int, end: int, terms: Collection[str]) -> list[tuple[int, int]]:
    """Of a run without spaces: pairs that were asked for, joined where they meet; without any, single characters."""
    spans: list[tuple[int, int]] = []
    pairs = any(len(term) == 2 and tokens.is_unspaced(term) for term in terms)
    for place in range(start, end):
        width = 2 if text[place : place + 2] in terms and place + 2 <= end else 0
        width = width or (1 if not pairs and text[place] in terms else 0)
        if width and spans and place <= spans[-1][1]:
            spans[-1] = spans[-1][0], place + width
        elif width:
            spans.append((place, place + width))
    return spans


def _marked(text: str, terms: Collection[str], language: str) -> str:
    pieces, last = [], 0
    for start, end in marks(text, terms, language):
        pieces += [text[last:start], START, text[start:end], STOP]
        last = end
    return "".join([*pieces, text[last:]])


def _window(text: str) -> tuple[int, int]:
    marks = [place for place, character in enumerate(text) if character == START]
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
