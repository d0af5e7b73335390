"""CSV and TSV: whole records, with the columns and the types seen in the chunk itself."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from memories.engine.ingest.lines import lines
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import SPACES, Unit, pack
from memories.engine.model import Draft, Metadata, Source

DELIMITERS = ",;\t|"
MOST_COLUMNS = 256  # a wider table is data, not something to read; its column names would outgrow it
# A leading zero or plus is part of a code or a phone number, not of an integer.
PATTERNS = (
    ("integer", re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)),
    ("number", re.compile(r"-?(?:(?:0|[1-9]\d*)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)),
    ("boolean", re.compile(r"true|false", re.IGNORECASE)),
    ("date", re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)),
    ("datetime", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)),
)


def parse(texts: Iterable[str], split: SplitSettings, source: Source, option: str) -> Iterator[Draft]:
    columns = source.metadata.get("columns", [])
    delimiter = source.metadata.get("delimiter", ",")
    ranks = (('",', f'"{delimiter}'), (delimiter,), SPACES)
    header = bool(columns)
    for held in pack(records(lines(texts), split.max_chunk), split, ranks):
        text = "".join(unit.text for unit in held)
        yield Draft(text, table_metadata(text, columns, delimiter, header) or None)
        header = False


def describe(head: str, option: str) -> Metadata:
    first = next(records(lines([head]), len(head)), Unit("")).text
    delimiter = "\t" if option == "tsv" else max(DELIMITERS, key=first.count)
    columns = column_names(first, delimiter)
    return {"delimiter": delimiter} | ({"columns": columns} if columns else {})


def column_names(text: str, delimiter: str) -> list[str]:
    """The first record, when it can be a header: names, all different, none of them a value; else nothing."""
    first = next(iter(_fields(text, delimiter)), [])
    names = [name.strip() for name in first]
    if len(names) > MOST_COLUMNS or len(set(names)) < len(names):
        return []
    return names if all(name and type_of(name) == "string" for name in names) else []


def records(stream: Iterable[str], limit: int) -> Iterator[Unit]:
    """Joins the lines of a quoted field. A quote that is never closed is given up after `limit` characters."""
    held: list[str] = []
    size, inside = 0, False
    for line in stream:
        held.append(line)
        size += len(line)
        inside ^= line.count('"') % 2 == 1
        if inside and size <= limit:
            continue
        yield from map(Unit, held if inside else ["".join(held)])
        held, size, inside = [], 0, False
    yield from map(Unit, held)


def type_of(value: str) -> str:
    for name, pattern in PATTERNS:
        if pattern.fullmatch(value):
            return name
    return "string"


def column_types(rows: Iterable[list[str]], width: int) -> list[str]:
    """One type a column; "empty" when no row has a value there, "number" for integers among numbers."""
    seen: list[set[str]] = [set() for _ in range(width)]
    for row in rows:
        for types, value in zip(seen, row, strict=False):
            if value and "string" not in types:
                types.add(type_of(value))
    return [_common(types) for types in seen]


def _common(types: set[str]) -> str:
    if len(types) == 1:
        return next(iter(types))
    if types == {"integer", "number"}:
        return "number"
    return "string" if types else "empty"


def table_metadata(text: str, columns: list[str], delimiter: str, header: bool) -> Metadata:
    """`header`: the text begins with the record that names the columns."""
    rows = _fields(text, delimiter)[header:]
    width = len(columns) or min(max(map(len, rows), default=0), MOST_COLUMNS)
    metadata: Metadata = {"columns": columns} if columns else {}
    if rows and width:
        metadata["types"] = column_types(rows, width)
    return metadata


def _fields(text: str, delimiter: str) -> list[list[str]]:
    # NUL and lone CR are legal in a file kept byte for byte, but not for every version of the csv module.
    text = text.removeprefix("\ufeff").replace("\0", " ")
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return [line.split(delimiter) for line in text.splitlines()]
