"""Markdown, reStructuredText and HTML: chunks begin at headings where they can, and know their heading path."""

import html
import re
from collections.abc import Callable, Iterable, Iterator

from memories.engine.ingest.lines import BLANK, first_note, lines
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import PROSE, Unit, pack
from memories.engine.ingest.structured import MARKUP_RANKS
from memories.engine.model import Draft, Metadata, Source

Path = tuple[str, ...]

ATX = re.compile(r" {0,3}(#{1,6})(?=\s|$)")
SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\r?\n?$")
FENCE = re.compile(r" {0,3}(```+|~~~+)")
FRONT_MATTER = re.compile(r"---[ \t]*\r?\n?$")
RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[ \t]*\r?\n?$")

HTML_HEADING = re.compile(r"<h([1-6])\b[^>]{0,1000}>(.{0,2000}?)</h\1\s*>", re.IGNORECASE | re.DOTALL)
HTML_HEADING_START = re.compile(r"\s*<h([1-6])\b", re.IGNORECASE)
HTML_BLOCK = re.compile(r"\s*<(?:p|div|section|article|main|ul|ol|table|pre|body|header|footer)\b", re.IGNORECASE)
HTML_TITLE = re.compile(r"<title\b[^>]{0,1000}>(.{0,2000}?)</title\s*>", re.IGNORECASE | re.DOTALL)
TAG = re.compile(r"<[^>]*>")

LONGEST_TITLE = 200  # a path is repeated on every chunk below it

# Levels of what is not a heading.
PARAGRAPH, LINE, INSIDE = 10, 50, 90


def parse(texts: Iterable[str], split: SplitSettings, source: Source, option: str) -> Iterator[Draft]:
    if option == "html":
        return _html(texts, split)
    units = UNITS[option](lines(texts))
    return (_draft(held, first_note(held)) for held in pack(units, split, PROSE))


def describe(head: str, option: str) -> Metadata:
    if option != "html" or not (match := HTML_TITLE.search(head)):
        return {}
    title = _plain(match[1])
    return {"title": title} if title else {}


def markdown(stream: Iterable[str]) -> Iterator[Unit]:
    path: dict[int, str] = {}
    until: Callable[[str], object] | None = None  # recognises the end of a fence or of the front matter
    after_blank, first = True, True
    for line, following in _with_next(stream):
        level, after_blank = (BLANK, True) if not line.strip() else (PARAGRAPH if after_blank else LINE, False)
        bare = line.removeprefix("\ufeff") if first else line
        if until:
            level, until = INSIDE, None if until(line) else until
        elif first and FRONT_MATTER.match(bare):
            until = FRONT_MATTER.match
        elif match := FENCE.match(bare):
            until = _fence_end(match[1])
        elif heading := _atx(bare) or (level == PARAGRAPH and _setext(bare, following)):
            level = enter(path, *heading)
            after_blank = True
        first = False
        yield Unit(line, level, tuple(path.values()))


def restructured(stream: Iterable[str]) -> Iterator[Unit]:
    """Titles are underlined; the order in which the marks first appear gives their levels."""
    path: dict[int, str] = {}
    marks: list[str] = []
    overlined, after_blank = "", True
    for line, following in _with_next(stream):
        body = line.strip()
        level, note_blank = (BLANK, True) if not body else (PARAGRAPH if after_blank else LINE, False)
        if after_blank and RULE.match(line) and following.strip() and not RULE.match(following):
            level, overlined = 0, body[0]
        elif body and (after_blank or overlined) and RULE.match(following) and not RULE.match(line):
            level = enter(path, _rst_level(marks, overlined + following[0]), body)
            level, overlined = (INSIDE if overlined else level), ""
        after_blank = note_blank
        yield Unit(line, level, tuple(path.values()))


UNITS = {"md": markdown, "rst": restructured}


def _rst_level(marks: list[str], mark: str) -> int:
    if mark not in marks:
        marks.append(mark)
    return marks.index(mark) + 1


def _with_next(stream: Iterable[str]) -> Iterator[tuple[str, str]]:
    held = None
    for line in stream:
        if held is not None:
            yield held, line
        held = line
    if held is not None:
        yield held, ""


def _fence_end(mark: str) -> Callable[[str], object]:
    return re.compile(rf" {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*\r?\n?$").match


def _atx(line: str) -> tuple[int, str] | None:
    match = ATX.match(line)
    if not match:
        return None
    title = line[match.end() :].strip()
    open_end = title.rstrip("#")
    return len(match[1]), title if open_end.strip() == open_end != "" else open_end.strip()


def _setext(line: str, following: str) -> tuple[int, str] | None:
    match = SETEXT.match(following)
    return (1 if match[1][0] == "=" else 2, line.strip()) if match and not SETEXT.match(line) else None


def enter(path: dict[int, str], level: int, title: str) -> int:
    for deeper in [known for known in path if known >= level]:
        del path[deeper]
    path[level] = title[:LONGEST_TITLE]
    return level


def _html(texts: Iterable[str], split: SplitSettings) -> Iterator[Draft]:
    path: dict[int, str] = {}
    for held in pack(map(_html_unit, lines(texts)), split, MARKUP_RANKS):
        text = "".join(unit.text for unit in held)
        start = tuple(path.values())
        for match in HTML_HEADING.finditer(text):
            enter(path, int(match[1]), _plain(match[2]))
            if not start or not _plain(text[: match.start()]):
                start = tuple(path.values())
        yield _draft(held, start)


def _html_unit(line: str) -> Unit:
    if not line.strip():
        return Unit(line, BLANK)
    if heading := HTML_HEADING_START.match(line):
        return Unit(line, int(heading[1]))
    return Unit(line, PARAGRAPH if HTML_BLOCK.match(line) else LINE)


def _plain(markup: str) -> str:
    return " ".join(html.unescape(TAG.sub(" ", markup)).split())


def _draft(held: list[Unit], path: Path) -> Draft:
    text = "".join(unit.text for unit in held)
    return Draft(text, {"headings": list(path)} if path else None)
