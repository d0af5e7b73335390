"""Parquet through pyarrow, a few hundred rows at a time: one JSON object a row, so that integers stay integers."""

import datetime
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from memories.engine.errors import IngestError
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import Unit, pack
from memories.engine.ingest.structured import DATA_RANKS
from memories.engine.ingest.tables import MOST_COLUMNS
from memories.engine.model import Draft, Metadata

ROWS = 256
LARGEST_ROW_GROUP = 1 << 30


def describe(path: Path, option: str) -> Metadata:
    with _open(path) as file:
        return _columns(file) | {"rows": file.metadata.num_rows}


def parse(path: Path, split: SplitSettings, option: str) -> Iterator[Draft]:
    with _open(path) as file:
        columns = _columns(file)
        for held in pack(_rows(file), split, DATA_RANKS):
            yield Draft("".join(unit.text for unit in held), columns)


def _open(path: Path) -> Any:
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(path, memory_map=False)
    groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
    if any(group.total_byte_size > LARGEST_ROW_GROUP for group in groups):
        file.close()
        raise IngestError("has a row group of more than 1 GB: write it again with smaller ones")
    return file


def _columns(file: Any) -> Metadata:
    fields = list(file.schema_arrow)[:MOST_COLUMNS]
    return {"columns": [field.name for field in fields], "types": [str(field.type) for field in fields]}


def _rows(file: Any) -> Iterator[Unit]:
    for batch in file.iter_batches(batch_size=ROWS):
        names = _distinct(batch.schema.names)
        for values in zip(*map(_values, batch.columns), strict=True):
            row = dict(zip(names, map(_plain, values), strict=True))
            yield Unit(json.dumps(row, ensure_ascii=False, separators=(", ", ": ")) + "\n")


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
