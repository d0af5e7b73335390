"""What changed between two texts: lines first, then the words within changed lines.

Bounded on purpose: lines are matched by those that both sides hold once (patience), and only what lies between two of
them is compared line with line; a passage too long to compare word by word counts as replaced.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

SAME, REMOVED, ADDED = "same", "removed", "added"
MOST_LINES = 2000  # of each side, compared line with line
MOST_WORDS = 6000  # of each side, compared word with word
UNLIKE = 0.25  # passages that share less than this are shown as replaced: islands of "the" and "of" explain nothing
MOST_PAIRS = 200  # lines of one change that are looked at pair by pair
WORD = re.compile(r"\w+|\s+|[^\w\s]")


class Piece(NamedTuple):
    kind: str
    text: str


class Span(NamedTuple):
    """Lines [old_from, old_to) of the old text became [new_from, new_to) of the new one."""

    old_from: int
    old_to: int
    new_from: int
    new_to: int


@dataclass(frozen=True)
class Passage:
    """Lines that follow one another and are all the same, or all changed. `index` counts the changed ones."""

    span: Span
    index: int | None
    pieces: list[Piece]  # of both sides: what was removed stands before what was added in its place
    left_out: int = 0  # lines that are the same on both sides and are not shown

    @property
    def changed(self) -> bool:
        return self.index is not None

    @property
    def old(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.kind != ADDED]

    @property
    def new(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.kind != REMOVED]

    @property
    def old_text(self) -> str:
        return "".join(piece.text for piece in self.old)

    @property
    def new_text(self) -> str:
        return "".join(piece.text for piece in self.new)


class TextDiff:
    def __init__(self, old: str, new: str):
        self.old, self.new = lines(old), lines(new)

    @cached_property
    def changes(self) -> list[Span]:
        return [part for span in _changes(self.old, self.new) for part in _line_by_line(self.old, self.new, span)]

    def passage(self, index: int) -> Passage:
        """A changed one."""
        span = self.changes[index]
        old, new = "".join(self.old[span.old_from : span.old_to]), "".join(self.new[span.new_from : span.new_to])
        return Passage(span, index, words(old, new))

    def passages(self, around: int = 2, first: int = 0, most: int | None = None) -> Iterator[Passage]:
        """The changes from `first` on, each with so many unchanged lines around it."""
        last = len(self.changes) if most is None else min(len(self.changes), first + most)
        done = self.changes[first - 1].new_to if first else 0
        for index in range(first, last):
            span = self.changes[index]
            yield from self._same(done, span.new_from, around if index else 0, around)
            yield self.passage(index)
            done = span.new_to
        if last > first:
            until = self.changes[last].new_from if last < len(self.changes) else len(self.new)
            yield from self._same(done, until, around, 0)

    def _same(self, start: int, end: int, after: int, before: int) -> Iterator[Passage]:
        """Of the unchanged lines [start, end) of the new text the first `after` and the last `before`."""
        if end - start <= after + before + 1:  # to say that one line is left out takes a line
            after, before = end - start, 0
        for first, last, skipped in ((start, start + after, 0), (end - before, end, end - start - after - before)):
            if last > first or skipped:
                back = self._shift(first)
                text = [Piece(SAME, "".join(self.new[first:last]))]
                yield Passage(Span(first - back, last - back, first, last), None, text, skipped)

    def _shift(self, line: int) -> int:
        """How many lines further down an unchanged line of the new text is than in the old one."""
        before = bisect_left(self.changes, line + 1, key=lambda span: span.new_to)
        return self.changes[before - 1].new_to - self.changes[before - 1].old_to if before else 0

    def with_old(self, index: int) -> str:
        """The new text, in which one change is taken back."""
        span = self.changes[index]
        return "".join([*self.new[: span.new_from], *self.old[span.old_from : span.old_to], *self.new[span.new_to :]])


def lines(text: str) -> list[str]:
    """With their ends; only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def words(old: str, new: str) -> list[Piece]:
    """Both texts in pieces that are the same, and pieces that only one side has."""
    before, after = WORD.findall(old), WORD.findall(new)
    if not before or not after or max(len(before), len(after)) > MOST_WORDS:
        return _pieces([(old, new)])
    ops = LCSseq.opcodes(before, after)
    same = sum(op.src_end - op.src_start for op in ops if op.tag == "equal")
    if same < UNLIKE * max(len(before), len(after)):
        return _pieces([(old, new)])
    parts: list[tuple[str, str] | str] = []
    for op in ops:
        removed, added = "".join(before[op.src_start : op.src_end]), "".join(after[op.dest_start : op.dest_end])
        parts.append(removed if op.tag == "equal" else (removed, added))
    return _pieces(_joined(parts))


def _joined(parts: list[tuple[str, str] | str]) -> list[tuple[str, str] | str]:
    """Neighbours that both changed as one, and a space between two changes as part of them."""
    joined: list[tuple[str, str] | str] = []
    for place, part in enumerate(parts):
        if part == " " and 0 < place < len(parts) - 1:
            part = (" ", " ")  # what is equal stands between two changes
        if joined and isinstance(part, tuple) and isinstance(joined[-1], tuple):
            joined[-1] = (joined[-1][0] + part[0], joined[-1][1] + part[1])
        else:
            joined.append(part)
    return joined


def _pieces(parts: list[tuple[str, str] | str]) -> list[Piece]:
    pieces = []
    for part in parts:
        shown = [(SAME, part)] if isinstance(part, str) else [(REMOVED, part[0]), (ADDED, part[1])]
        pieces += [Piece(kind, text) for kind, text in shown if text]
    return pieces


def _line_by_line(old: list[str], new: list[str], span: Span) -> list[Span]:
    """Lines that follow one another and each became another one are changes of their own."""
    a, b, c, d = span
    if b - a != d - c or b - a > MOST_PAIRS or not all(map(_alike, old[a:b], new[c:d])):
        return [span]
    return [Span(a + at, a + at + 1, c + at, c + at + 1) for at in range(b - a)]


def _alike(old: str, new: str) -> bool:
    before, after = re.findall(r"\w+", old), re.findall(r"\w+", new)
    longest = max(len(before), len(after))
    return 0 < longest <= MOST_WORDS and LCSseq.similarity(before, after) >= UNLIKE * longest


def _changes(old: list[str], new: list[str]) -> Iterator[Span]:
    """Spans that differ, in order; two that touch are one."""
    last: Span | None = None
    for span in _differing(old, new, Span(0, len(old), 0, len(new))):
        if last and (last.old_to, last.new_to) == (span.old_from, span.new_from):
            last = Span(last.old_from, span.old_to, last.new_from, span.new_to)
            continue
        if last:
            yield last
        last = span
    if last:
        yield last


def _differing(old: list[str], new: list[str], whole: Span) -> Iterator[Span]:
    stack = [whole]
    while stack:
        span = _trimmed(old, new, stack.pop())
        if span.old_from == span.old_to or span.new_from == span.new_to:
            if span.old_to > span.old_from or span.new_to > span.new_from:
                yield span
        elif max(span.old_to - span.old_from, span.new_to - span.new_from) <= MOST_LINES:
            yield from _by_lines(old, new, span)
        elif parts := _around_unique(old, new, span):
            stack += reversed(parts)
        else:
            yield span


def _trimmed(old: list[str], new: list[str], span: Span) -> Span:
    a, b, c, d = span
    while a < b and c < d and old[a] == new[c]:
        a, c = a + 1, c + 1
    while a < b and c < d and old[b - 1] == new[d - 1]:
        b, d = b - 1, d - 1
    return Span(a, b, c, d)


def _by_lines(old: list[str], new: list[str], span: Span) -> Iterator[Span]:
    a, c = span.old_from, span.new_from
    for op in LCSseq.opcodes(old[a : span.old_to], new[c : span.new_to]):
        if op.tag != "equal":
            yield Span(a + op.src_start, a + op.src_end, c + op.dest_start, c + op.dest_end)


def _around_unique(old: list[str], new: list[str], span: Span) -> list[Span]:
    """The parts between the lines that either side holds once; none when there is no such line."""
    places = {line: at for at, line in enumerate(new[span.new_from : span.new_to], span.new_from)}
    once_old, once_new = Counter(old[span.old_from : span.old_to]), Counter(new[span.new_from : span.new_to])
    pairs = [
        (at, places[line])
        for at, line in enumerate(old[span.old_from : span.old_to], span.old_from)
        if once_old[line] == 1 and once_new.get(line) == 1
    ]
    kept = _rising([place for _, place in pairs])
    if not kept:
        return []
    parts, a, c = [], span.old_from, span.new_from
    for at, place in (pairs[index] for index in kept):
        parts.append(Span(a, at, c, place))
        a, c = at + 1, place + 1
    return [*parts, Span(a, span.old_to, c, span.new_to)]


def _rising(values: Sequence[int]) -> list[int]:
    """Indices of a longest rising subsequence."""
    ends: list[int] = []
    tails: list[int] = []
    previous: list[int] = []
    for index, value in enumerate(values):
        place = bisect_left(tails, value)
        previous.append(ends[place - 1] if place else -1)
        if place == len(ends):
            ends.append(index)
            tails.append(value)
        else:
            ends[place], tails[place] = index, value
    found, index = [], ends[-1] if ends else -1
    while index >= 0:
        found.append(index)
        index = previous[index]
    return found[::-1]
