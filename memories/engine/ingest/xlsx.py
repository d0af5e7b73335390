"""Workbooks through openpyxl, row by row: each sheet as CSV of the values last computed."""

import csv
import datetime
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from memories.engine.errors import IngestError
from memories.engine.ingest.archive import open_archive
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import SPACES, Unit, pack
from memories.engine.ingest.tables import column_names, table_metadata
from memories.engine.model import Draft, Metadata

# Excel's own limit; gaps between rows are walked through, so a row number must not be believed.
MOST_ROWS = 1 << 20
# A row is as wide as its last cell claims, so that a few bytes may stand for thousands of empty cells.
MOST_CELLS = 1 << 26


def describe(path: Path, option: str) -> Metadata:
    with closing(_open(path)) as book:
        properties = book.properties
        named = {"title": properties.title, "author": properties.creator}
        return {name: value for name, value in named.items() if value} | {"sheets": book.sheetnames}


def parse(path: Path, split: SplitSettings, option: str) -> Iterator[Draft]:
    with closing(_open(path)) as book:
        walked: Counter[str] = Counter()
        for sheet in book.worksheets:
            yield from _sheet(sheet, split, walked)


def _sheet(sheet: Any, split: SplitSettings, walked: Counter[str]) -> Iterator[Draft]:
    columns: list[str] | None = None
    for held in pack(_rows(sheet, walked), split, ((",",), SPACES)):
        text = "".join(unit.text for unit in held)
        header = columns is None
        if columns is None:
            columns = column_names(text, ",")
        yield Draft(text, {"sheet": sheet.title} | table_metadata(text, columns, ",", header and bool(columns)))


def _rows(sheet: Any, walked: Counter[str]) -> Iterator[Unit]:
    sheet.reset_dimensions()  # what the file says about its size need not be true
    for row in sheet.iter_rows(max_row=MOST_ROWS, values_only=True):
        walked["cells"] += 1 + len(row)
        if walked["cells"] > MOST_CELLS:
            raise IngestError(f"claims more than {MOST_CELLS:,} cells: delete the empty ones at the edges")
        cells = list(map(_cell, _without_end(row)))
        if cells:
            yield Unit(_line(cells))


def _without_end(row: tuple) -> tuple:
    end = len(row)
    while end and row[end - 1] in (None, ""):
        end -= 1
    return row[:end]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime) and not (value.hour or value.minute or value.second or value.microsecond):
        return value.date().isoformat()
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return "" if value is None else str(value)


def _line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _open(path: Path) -> Any:
    from openpyxl import load_workbook

    with open_archive(path, needs="xl/workbook.xml"):
        return load_workbook(path, read_only=True, data_only=True)
