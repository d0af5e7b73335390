"""Cutting text into chunks. No character is lost or changed: the chunks, joined, are the text.

Two ways: `prose` cuts running text at the best break before `chunk_size`; `pack` fills chunks with
units (lines, records, functions) and breaks between them where the structure is weakest.
Both look only at the text near a cut, so an edit does not move cuts far away from it.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from memories.engine.ingest.settings import SplitSettings

# Kinds of break, best first; a cut falls right after one of the strings.
Ranks = tuple[tuple[str, ...], ...]

SENTENCE_ENDS = (
    ". ", ".\n", ".\r\n", "? ", "?\n", "! ", "!\n", '." ', '."\n', ".” ", ".”\n", "?” ", "!” ", "。", "！", "？",
)  # fmt: skip
SPACES = (" ", "\n", "\t", "\u3000")
PROSE: Ranks = (("\n\n", "\r\n\r\n"), SENTENCE_ENDS, SPACES)

# A cluster of combining characters longer than this is not writing; it may be cut.
LONGEST_CLUSTER = 32
JOINERS = "\u200d"
ATTACHED = frozenset("\u200d\ufe0e\ufe0f" + "".join(map(chr, range(0x1F3FB, 0x1F400))))
FLAGS = range(0x1F1E6, 0x1F200)


# Units of this level and above only end a chunk: they may fill it up to `max_chunk`.
TRAILING = 1 << 20


class Unit(NamedTuple):
    """A piece that is best kept whole; the lower its level, the better a chunk begins with it."""

    text: str
    level: int = 0
    note: object = None


def prose(texts: Iterable[str], split: SplitSettings, ranks: Ranks = PROSE) -> Iterator[str]:
    """Cuts a stream; how the stream is divided into `texts` makes no difference."""
    enough = split.max_chunk + LONGEST_CLUSTER
    rest = ""
    for text in texts:
        rest += text
        start, stop = 0, len(rest) - enough
        while start < stop:
            end = _cut(rest, start, ranks, split)
            yield rest[start:end]
            start = end
        rest = rest[start:]
    yield from _last(rest, ranks, split)


def _last(rest: str, ranks: Ranks, split: SplitSettings) -> Iterator[str]:
    start = 0
    while len(rest) - start > split.chunk_size:
        end = _cut(rest, start, ranks, split)
        if len(rest) - end < split.min_chunk and len(rest) - start <= split.max_chunk:
            break
        yield rest[start:end]
        start = end
    if start < len(rest):
        yield rest[start:]


def _cut(text: str, start: int, ranks: Ranks, split: SplitSettings) -> int:
    """The end of the chunk that begins at `start`; more than `chunk_size` characters follow."""
    limit = start + split.chunk_size
    floor = start + max(split.min_chunk, split.chunk_size // 2)
    find = text.rfind
    for group in ranks:
        end = -1
        for mark in group:
            found = find(mark, floor - len(mark), limit)
            if found >= 0 and found + len(mark) > end:
                end = found + len(mark)
        if end > 0:
            return settle(text, start, end)
    return settle(text, start, limit)


def settle(text: str, start: int, end: int) -> int:
    """Moves a cut back until it divides neither CRLF nor what a reader sees as one character."""
    for cut in range(end, max(start, end - LONGEST_CLUSTER), -1):
        if not _attached(text[cut - 1], text[cut]):
            return cut - 1 if _splits_flag(text, cut) and cut - 1 > start else cut
    return end


def _attached(before: str, after: str) -> bool:
    if before in JOINERS:
        return True
    if after < "\u0300":  # almost always: below, only LF can belong to what stands before it
        return after == "\n" and before == "\r"
    return after in ATTACHED or unicodedata.category(after) in ("Mn", "Mc", "Me")


def _splits_flag(text: str, cut: int) -> bool:
    """A flag is two regional indicators; counting back tells whether the cut falls between a pair."""
    return ord(text[cut]) in FLAGS and _flags_before(text, cut) % 2 == 1


def _flags_before(text: str, cut: int) -> int:
    count = 0
    while count < min(cut, LONGEST_CLUSTER) and ord(text[cut - 1 - count]) in FLAGS:
        count += 1
    return count


def pack(units: Iterable[Unit], split: SplitSettings, ranks: Ranks = PROSE) -> Iterator[list[Unit]]:
    """Fills chunks with whole units; a unit longer than `max_chunk` is cut like prose, by `ranks`."""
    ready: list[Unit] = []
    held: list[Unit] = []
    size = 0
    for unit in _fitting(units, split, ranks):
        while held and size + len(unit.text) > split.chunk_size:
            keep = _border(held, unit, size, split)
            if not keep:
                break
            if ready:
                yield ready
            ready, held = held[:keep], held[keep:]
            size = _size(held)
        held.append(unit)
        size += len(unit.text)
    if ready and held and (size >= split.min_chunk or _size(ready) + size > split.max_chunk):
        yield ready
        ready = []
    if ready or held:
        yield ready + held


def _border(held: list[Unit], unit: Unit, size: int, split: SplitSettings) -> int:
    """How many of the held units make the next chunk; 0: none yet, `unit` fits and should go with them."""
    if size + len(unit.text) <= split.max_chunk and (size < split.min_chunk or unit.level >= TRAILING):
        return 0
    floor = max(split.min_chunk, split.chunk_size // 3)
    best, lowest, position = len(held), unit.level, size
    for index in range(len(held) - 1, 0, -1):
        position -= len(held[index].text)
        if position < floor:
            break
        if held[index].level < lowest:
            best, lowest = index, held[index].level
    return best


def _fitting(units: Iterable[Unit], split: SplitSettings, ranks: Ranks) -> Iterator[Unit]:
    for unit in units:
        if len(unit.text) <= split.max_chunk:
            yield unit
            continue
        level = unit.level
        for piece in prose([unit.text], split, ranks):
            yield Unit(piece, level, unit.note)
            level = unit.level + 1000


def _size(units: list[Unit]) -> int:
    return sum(len(unit.text) for unit in units)
