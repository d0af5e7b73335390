"""Answers that cite: passages numbered from 1, and the marks `[n]` in what a language model writes.

A model's text is hostile until it is looked at: its marks may name passages that do not exist, and its text may steer
a terminal. What comes out of `Reader` is plain text and numbers of passages that are there, nothing else.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from search.engine.sentences import sentences

LONGEST_MARK = 40  # characters between the brackets; what is longer is text
MOST_CITES = 12  # of one claim
NOBODY = 0  # cited where a mark names a passage that does not exist: the claim ends there, and has no source of it
_OPEN, _CLOSE = "[【［", "]】］"
# However long and whether or not there can be such a passage: what looks like a mark is none of the answer's words.
_PART = r"\^?(?:[–−-]?\d+|\d+\s*[–-]\s*\^?\d+)"
_INSIDE = re.compile(rf"\s*({_PART}(?:\s*[,;]\s*{_PART})*)\s*")
_RANGE = re.compile(r"(\d+)\s*[–-]\s*\^?(\d+)")
_DATE = re.compile(r"\s*\d{4}[–-]\d\d\s*")  # a month of a year
_MAYBE = re.compile(r"[\s\d^,;–−-]*")
_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_STOPS = re.compile(r"[.,;:!?。！？]+")
_END = re.compile(rf"{_STOPS.pattern}(?=\s|$)|[。！？]+")
_QUOTED = re.compile(r"[“\"«]([^“”\"«»]{3,400})[”\"»]")
# What is said in one breath: a quotation may hold several sentences, and so may what stands in brackets. The mark may
# stand inside of a quotation, so that its end is not there yet.
_BREATH = re.compile(
    r"(?<!\w)\"[^\"\n]{0,400}(?:\"|$)|“[^”\n]{0,400}(?:”|$)|„[^“”\n]{0,400}(?:[“”]|$)|«[^»\n]{0,400}(?:»|$)"
    r"|「[^」\n]{0,400}(?:」|$)|\([^()\n]{0,400}\)"
)
_LEADS_ON = re.compile(r":[\s*_]*$|[?!][\"”“»]\s*$|^\s*#{1,6}\s[^\n]*$")


@dataclass(frozen=True)
class Passage:
    """What an answer may cite as `[number]`. `cosine` is the nearness in meaning of the whole passage, if known."""

    number: int
    text: str
    title: str = ""
    cosine: float | None = None


@dataclass
class Piece:
    """Words of an answer, and the numbers of the passages that they rest on."""

    text: str
    cites: list[int] = field(default_factory=list)


class Unsourced(Piece):
    """Words that end with marks of no passage: what follows them is another piece."""


class Reader:
    """Turns a streamed text into text and citations; a mark may be cut anywhere between two pieces of the stream.

    Gives `str` for text and `int` for a citation. Numbers outside `known` become NOBODY and are kept in `invented`.
    """

    def __init__(self, known: Collection[int]):
        self._known = known
        self._held = ""
        self._after_mark = False
        self.invented: set[int] = set()

    def feed(self, piece: str) -> Iterator[str | int]:
        self._held += plain(piece)
        while self._held:
            if self._after_mark and _STOPS.fullmatch(self._held):
                return  # what comes next says whether it ends the claim
            start = next((place for place, c in enumerate(self._held) if c in _OPEN), -1)
            if start:  # there is text before the mark, or there is none
                text, self._held = self._cut(start)
                self._after_mark = False
                yield text
                continue
            inside = self._held[1 : LONGEST_MARK + 2]
            end = next((place for place, c in enumerate(inside) if c in _CLOSE), -1)
            if end < 0 and len(inside) <= LONGEST_MARK and _MAYBE.fullmatch(inside):
                return  # it may still become one
            yield from self._mark(inside[:end] if end >= 0 else None)

    def close(self) -> Iterator[str | int]:
        """What was held back: a mark that never ended is text."""
        if self._held:
            text, self._held = self._held, ""
            yield text

    def _cut(self, start: int) -> tuple[str, str]:
        return (self._held, "") if start < 0 else (self._held[:start], self._held[start:])

    def _mark(self, inside: str | None) -> Iterator[str | int]:
        numbers = _numbers(inside) if inside is not None else None
        if inside is None or numbers is None:
            text, self._held = self._held[:1], self._held[1:]
            self._after_mark = False
            yield text
            return
        self._held, self._after_mark = self._held[len(inside) + 2 :], True
        for number in numbers:
            if number in self._known:
                yield number
            else:
                self.invented.add(number)
                yield NOBODY


def _numbers(inside: str) -> list[int] | None:
    """Of "3", "1, 2" and "2-4"; None where it is no mark."""
    match = _INSIDE.fullmatch(inside)
    if not match or _DATE.fullmatch(inside):
        return None
    found: list[int] = []
    for part in re.split(r"[,;]", match[1]):
        if span := _RANGE.search(part):
            first, last = int(span[1]), int(span[2])
            found += range(first, min(last, first + MOST_CITES) + 1) if first <= last else [first, last]
        else:
            found.append(int(re.sub(r"[–−]", "-", part.strip().removeprefix("^"))))
    return found[:MOST_CITES]


def plain(text: str) -> str:
    """Without characters that steer: controls but line breaks and tabs, and marks of writing direction."""
    return "".join(c for c in text if c in "\n\t" or not (c in _BIDI or unicodedata.category(c) in ("Cc", "Cs")))


def joined(stream: Iterable[str | int]) -> list[Piece]:
    """Text up to its citations is one piece."""
    pieces: list[Piece] = []
    for one in stream:
        add(pieces, one)
    return pieces


def add(pieces: list[Piece], one: str | int) -> None:
    """The next text or citation that a language model writes. A mark after nothing but spaces counts for the claim
    before it, and the full stop after a mark belongs to its claim. What was said before the sentence of the mark is a
    piece without a citation."""
    if isinstance(one, int):
        if len(pieces) > 1 and not pieces[-1].cites and not says(pieces[-1].text):
            pieces.pop()
        if pieces:
            piece = pieces.pop()
            pieces += [_cited(piece, one)] if piece.cites or one == NOBODY else _apart(piece.text, one)
        return
    if pieces and _ended(pieces[-1]) and (end := _END.match(one)):
        pieces[-1].text = pieces[-1].text.rstrip() + end[0]
        one = one[len(end[0]) :]
    if pieces and not _ended(pieces[-1]):
        pieces[-1].text += one
    elif one:
        pieces.append(Piece(one))


def quote(pieces: list[Piece], one: str | int) -> None:
    """The next sentence that is taken from a passage as it stands, or the number of the passage."""
    if isinstance(one, int):
        pieces[-1].cites.append(one)
    else:
        pieces.append(Piece(one))


def _apart(text: str, number: int) -> list[Piece]:
    """The last sentence with its citation, and what was said before it without."""
    start = _last_sentence(text)
    before = text[:start].rstrip()
    return [Piece(before), Piece(text[len(before) :], [number])] if says(before) else [Piece(text, [number])]


def _last_sentence(text: str) -> int:
    """Where it begins, with what leads on to it: a heading, what ends with a colon, a question that is quoted."""
    whole = [match.span() for match in _BREATH.finditer(text)]
    starts = [one.start for one in sentences(text)]
    while starts and (start := starts.pop()):
        within = any(begun < start < end for begun, end in whole)
        if not within and not _LEADS_ON.search(text[starts[-1] if starts else 0 : start].rstrip()):
            return start
    return 0


def _cited(piece: Piece, number: int) -> Piece:
    if number == NOBODY:
        return Unsourced(piece.text) if not piece.cites and says(piece.text) else piece
    if number not in piece.cites and len(piece.cites) < MOST_CITES:
        piece.cites.append(number)
    return piece


def _ended(piece: Piece) -> bool:
    return bool(piece.cites) or isinstance(piece, Unsourced)


def says(text: str) -> bool:
    """Whether it claims anything: blanks and signs do not."""
    return any(c.isalnum() for c in text)


def uncited(pieces: Sequence[Piece]) -> list[Piece]:
    """Claims that rest on nothing."""
    return [piece for piece in pieces if not piece.cites and says(piece.text)]


def quotes(piece: Piece) -> list[str]:
    """What a claim says to be somebody's words."""
    return [match.strip(" .,;:!?…") for match in _QUOTED.findall(piece.text)]


def misquoted(pieces: Iterable[Piece], passages: Sequence[Passage]) -> list[str]:
    """Quotations that stand in none of the passages that their claim cites."""
    texts = {passage.number: squeezed(passage.text) for passage in passages}
    return [
        quote
        for piece in pieces
        if piece.cites
        for quote in quotes(piece)
        if not any(squeezed(quote) in texts.get(number, "") for number in piece.cites)
    ]


def squeezed(text: str) -> str:
    """For comparing words: one space between them, no case."""
    return " ".join(text.casefold().split())
