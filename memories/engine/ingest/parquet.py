"""Parquet through pyarrow, a few hundred rows at a time: one JSON object a row, so that integers stay integers."""

import datetime
import json
import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from memories.engine.errors import IngestError
from memories.engine.ingest.archive import HARMLESS, is_bomb
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import Unit, pack
from memories.engine.ingest.structured import DATA_RANKS
from memories.engine.ingest.tables import MOST_COLUMNS
from memories.engine.model import Draft, Metadata

ROWS = 256
LARGEST_ROW_GROUP = 1 << 30
VALUE = 8  # bytes; in lists, any number of equal values takes a few bytes of the file


def describe(path: Path, option: str) -> Metadata:
    with _open(path) as file:
        return _columns(file) | {"rows": file.metadata.num_rows}


def parse(path: Path, split: SplitSettings, option: str) -> Iterator[Draft]:
    with _open(path) as file:
        columns, texts = _columns(file), _texts(file)
    with _open(path, texts) as file:
        for held in pack(_rows(file), split, DATA_RANKS):
            yield Draft("".join(unit.text for unit in held), columns)


def _open(path: Path, dictionaries: Iterable[str] = ()) -> Any:
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(path, memory_map=False, read_dictionary=list(dictionaries))
    largest = max((_inflated(file.metadata.row_group(n)) for n in range(file.metadata.num_row_groups)), default=0)
    if largest > LARGEST_ROW_GROUP or is_bomb(largest, path.stat().st_size):
        file.close()
        raise IngestError(f"has a row group of {largest >> 20} MB: write it again with smaller ones")
    return file


def _inflated(group: Any) -> int:
    columns = [group.column(index) for index in range(group.num_columns)]
    in_lists = sum(column.num_values for column in columns if "." in column.path_in_schema)
    return max(group.total_byte_size, sum(column.total_uncompressed_size for column in columns)) + VALUE * in_lists


def _texts(file: Any) -> list[str]:
    """Columns to be read as they are stored, each text once, however many rows have it."""
    columns = (file.schema.column(index) for index in range(len(file.schema)))
    return [
        column.path
        for column in columns
        if column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL"
    ]


def _columns(file: Any) -> Metadata:
    fields = list(file.schema_arrow)[:MOST_COLUMNS]
    return {"columns": [field.name for field in fields], "types": [str(field.type) for field in fields]}


def _rows(file: Any) -> Iterator[Unit]:
    batches = (small for batch in file.iter_batches(batch_size=ROWS) for small in _small(batch))
    for batch in batches:
        names = _distinct(batch.schema.names)
        for values in zip(*map(_values, batch.columns), strict=True):
            row = dict(zip(names, map(_plain, values), strict=True))
            yield Unit(json.dumps(row, ensure_ascii=False, separators=(", ", ": ")) + "\n")


def _small(batch: Any) -> Iterator[Any]:
    """The same rows in batches that can be held as Python objects."""
    if sum(map(_size, batch.columns)) <= HARMLESS:
        yield batch
    elif batch.num_rows == 1:
        raise IngestError(f"has a row of more than {HARMLESS >> 20} MB: not stored")
    else:
        half = batch.num_rows // 2
        yield from _small(batch.slice(0, half))
        yield from _small(batch.slice(half))


def _size(array: Any) -> int:
    """Bytes once every text stands by itself."""
    from pyarrow import compute, types

    kind = array.type
    if types.is_dictionary(kind) and (types.is_string(kind.value_type) or types.is_binary(kind.value_type)):
        lengths = compute.binary_length(array.dictionary).take(array.indices)
        return VALUE * len(array) + (compute.sum(lengths.cast("int64")).as_py() or 0)
    if types.is_struct(kind):
        return sum(map(_size, array.flatten()))
    if types.is_nested(kind):
        return VALUE * len(array) + _size(array.flatten())
    return array.nbytes


def _values(column: Any) -> list:
    """Times become text inside Arrow, which knows nanoseconds; Python's do not."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_time(kind):
        return column.cast(pyarrow.string()).to_pylist()
    return column.to_pylist()


def _plain(value: Any) -> Any:
    """What JSON can say. Binary values are named by their size only: they are no text to search."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | datetime.timedelta) else value


def _distinct(names: list[str]) -> list[str]:
    """Two columns may have one name."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct
