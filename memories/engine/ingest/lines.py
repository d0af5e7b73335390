"""Lines out of a stream of text, and the layout rules that hold for most line-oriented formats."""

import re
from collections.abc import Iterable, Iterator

from memories.engine.ingest.split import TRAILING, Unit, settle

# A longer line comes in pieces, so that one line of any length needs little memory.
LONGEST_LINE = 1 << 16
BLANK = TRAILING  # no chunk should begin with an empty line, nor with a bracket that closes what stands before
INDENT = re.compile(r"[ \t]*")
COMMENT = ("#", "//", "/*", "--", "<!--", ";")
CLOSING = (")", "]", "}", "</", "end")


def lines(texts: Iterable[str]) -> Iterator[str]:
    """Only LF ends a line here; every line keeps its end."""
    rest = ""
    for text in texts:
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            yield from _pieces(line + "\n")
        while len(rest) > 2 * LONGEST_LINE:
            end = settle(rest, 0, LONGEST_LINE)
            yield rest[:end]
            rest = rest[end:]
    yield from _pieces(rest)


def _pieces(line: str) -> Iterator[str]:
    while len(line) > 2 * LONGEST_LINE:
        end = settle(line, 0, LONGEST_LINE)
        yield line[:end]
        line = line[end:]
    if line:
        yield line


def by_indentation(stream: Iterable[str]) -> Iterator[Unit]:
    """The less a line is indented the better it begins a chunk; best after an empty line."""
    after_blank, after_comment = True, False
    for line in stream:
        indent = INDENT.match(line).end()
        body = line[indent : indent + 4]
        if not line.strip():
            yield Unit(line, BLANK)
            after_blank, after_comment = True, False
            continue
        level = TRAILING if body.startswith(CLOSING) else 4 * indent + 2 * after_comment + (not after_blank)
        yield Unit(line, level)
        after_blank, after_comment = False, body.startswith(COMMENT)


def first_note(units: list[Unit]) -> object:
    """The note in force where the chunk's text begins; if there is none yet, the first that comes."""
    notes = [unit.note for unit in units if unit.note and unit.text.strip()]
    return notes[0] if notes else None
