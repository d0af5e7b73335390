"""The sentence of a passage that answers a query, its words marked.

PostgreSQL marks the words, as only it knows its stems, in a copy of the text in which every separator is a space, so
that it sees no tags and leaves nothing out. The marks are put at the same places of the text itself, which is escaped
here: the only elements in a snippet are our own.
"""

from django.contrib.postgres.search import SearchHeadline
from django.db.models import F, Func, Value
from django.db.models.functions import Left
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from memories.mirroring import SEPARATORS, TEXT_SEARCH

from .words import Asked

START, STOP = "\x02", "\x03"  # two of the separators, so that no text that is marked holds them
LENGTH = 280  # characters of a snippet
LOOKED_AT = 20_000  # characters of a passage


def beginning() -> Left:
    return Left(F("text"), LOOKED_AT)


def marked(asked: Asked) -> SearchHeadline:
    """That beginning with START and STOP around each word that was asked for, and spaces for separators."""
    plain = Func(beginning(), Value(SEPARATORS), Value(" "), Value("g"), function="regexp_replace")
    return SearchHeadline(
        plain, asked.some | asked.every, config=TEXT_SEARCH, start_sel=START, stop_sel=STOP, highlight_all=True
    )


def snippet(text: str, marked: str) -> SafeString:
    """The stretch with most of the words, from the beginning of a sentence or a word where that is near."""
    text = _with_marks(text.replace(START, " ").replace(STOP, " "), marked)
    start, stop = _window(text)
    piece = " ".join(text[start:stop].split())
    if piece.count(START) > piece.count(STOP):
        piece += STOP
    shown = escape(piece).replace(START, "<mark>").replace(STOP, "</mark>")
    return mark_safe(("… " if start else "") + shown + (" …" if stop < len(text) else ""))


def _with_marks(text: str, marked: str) -> str:
    """`marked` differs from `text` by its marks and by characters that became spaces; should it differ in length,
    nothing is marked rather than the wrong words."""
    if len(marked) - marked.count(START) - marked.count(STOP) != len(text):
        return text
    characters = iter(text)
    return "".join(one if one in (START, STOP) else next(characters) for one in marked)


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
