"""Word documents through python-docx.

markitdown would read all office formats in one call, but it loads onnxruntime and pandas (seconds, and 150 MB on
disk) and gives one flat Markdown text; the direct libraries are light and tell headings, slides and sheets apart.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memories.engine.ingest.archive import open_archive
from memories.engine.ingest.lines import BLANK, first_note
from memories.engine.ingest.markup import LONGEST_TITLE, PARAGRAPH, enter
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import Unit, pack
from memories.engine.model import Draft, Metadata

MAIN_PART = "word/document.xml"
LEVELS = tuple("123456789")


def describe(path: Path, option: str) -> Metadata:
    return core_properties(_open(path).core_properties)


def parse(path: Path, split: SplitSettings, option: str) -> Iterator[Draft]:
    for held in pack(_units(_open(path)), split):
        headings = first_note(held)
        yield Draft("".join(unit.text for unit in held), {"headings": list(headings)} if headings else None)


def core_properties(properties: Any) -> Metadata:
    named = {"title": properties.title, "author": properties.author}
    return {name: str(value)[:LONGEST_TITLE] for name, value in named.items() if value}


def _open(path: Path) -> Any:
    from docx import Document

    with open_archive(path, needs=MAIN_PART):
        return Document(str(path))


def _units(document: Any) -> Iterator[Unit]:
    path: dict[int, str] = {}
    for block in _blocks(document):
        if hasattr(block, "rows"):
            yield from (Unit(row, PARAGRAPH + 1, tuple(path.values())) for row in _rows(block))
            yield Unit("\n", BLANK, tuple(path.values()))
            continue
        level, text = PARAGRAPH, block.text if len(block._p) else ""
        if text.strip() and (heading := _heading_level(block.style)) is not None:
            level = enter(path, heading, text.strip())
        yield Unit(text + "\n\n" if text.strip() else "\n", level if text.strip() else BLANK, tuple(path.values()))


def _blocks(document: Any) -> Iterator[Any]:
    """Paragraphs and tables one at a time: the library's own list of them takes a gigabyte for a hostile file."""
    from docx.oxml.ns import qn
    from docx.table import Table
    from docx.text.paragraph import Paragraph

    body = document._body
    paragraph, table = qn("w:p"), qn("w:tbl")
    for element in body._element.iterchildren(paragraph, table):
        yield Paragraph(element, body) if element.tag == paragraph else Table(element, body)


def _heading_level(style: Any) -> int | None:
    """By the built-in style's English name, which python-docx gives whatever the language of Word."""
    name = (style.name or "") if style is not None else ""
    if name == "Title":
        return 0
    kind, _, number = name.partition(" ")
    return int(number) if kind == "Heading" and number in LEVELS else None


def _rows(table: Any) -> Iterator[str]:
    """The cells as they stand in the file: `row.cells` would repeat one as often as the file claims it spans."""
    from docx.table import _Cell

    for row in table.rows:
        yield " | ".join(" ".join(_Cell(cell, table).text.split()) for cell in row._tr.tc_lst) + "\n"
