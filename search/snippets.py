"""The sentence of a passage that answers a query, its words marked.

PostgreSQL marks the words, as only it knows its stems; the characters that it marks with, and those that stand for
the brackets it would take for tags, are private ones that are taken out of the text first. What comes back is
escaped here, so the only elements in a snippet are our own.
"""

from django.contrib.postgres.search import SearchHeadline
from django.db.models import F, Func, Value
from django.db.models.functions import Left
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from memories.mirroring import TEXT_SEARCH

from .words import Asked

START, STOP, LESS, MORE, AND = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
LENGTH = 280  # characters of a snippet
LOOKED_AT = 20_000  # characters of a passage
_BACK = str.maketrans({LESS: "<", MORE: ">", AND: "&"})


def marked(asked: Asked) -> SearchHeadline:
    """The whole text of a chunk with START and STOP around each word that was asked for."""
    plain = Func(
        Left(F("text"), LOOKED_AT), Value("<>&" + START + STOP), Value(LESS + MORE + AND), function="translate"
    )
    return SearchHeadline(
        plain, asked.some | asked.every, config=TEXT_SEARCH, start_sel=START, stop_sel=STOP, highlight_all=True
    )


def snippet(text: str) -> SafeString:
    """The stretch with most of the words, from the beginning of a sentence or a word where that is near."""
    start, stop = _window(text)
    piece = " ".join(text[start:stop].split())
    if piece.count(START) > piece.count(STOP):
        piece += STOP
    shown = conditional_escape(piece.translate(_BACK)).replace(START, "<mark>").replace(STOP, "</mark>")
    return mark_safe(("… " if start else "") + shown + (" …" if stop < len(text) else ""))


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
    ends = [text.rfind(end, low, place) + len(end) for end in (". ", "! ", "? ", "\n") if text.rfind(end, low, place) >= 0]
    if ends:
        return max(ends)
    if low == 0:
        return 0
    space = text.find(" ", low, place)
    return space + 1 if space >= 0 else place
