"""Where everything lies: derived from the pages, kept in boxes, rebuilt from the pages at will.

A segment covers a run of commits with columns: the place of each page's sample, every chunk operation
and every document record. Each commit writes one segment; when FANOUT segments of a level have come
together they are written again as one of the next level (a log-structured merge), so that a file of n
commits has O(log n) segments and a commit writes, amortised, O(its own size * log n).
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import zstandard

from .errors import Damaged
from .shapes import check_facts, check_record

FANOUT = 8
DELETED = 0xFFFFFFFF
GROUP = 256  # document records that are compressed together, so that one can be read alone
LARGEST_BLOB = 1 << 31
SCANS = 32  # lookups in a column before sorting it pays

PAGES = {"offset": "i8", "size": "u4", "kind": "u1"}
OPERATIONS = {"document": "u4", "order": "i8", "page": "u4", "index": "u2", "span": "u2", "size": "u4", "lines": "u4"}
DOCUMENTS = {"number": "u4", "path": "u8", "page": "u4", "deleted": "u1"}
SCHEMAS = {"pages": PAGES, "operations": OPERATIONS, "documents": DOCUMENTS}

Columns = dict[str, np.ndarray]


# Level 9 in 128 KB windows: as small as with a large one here, in a tenth of the memory.
_LEVEL = zstandard.ZstdCompressionParameters.from_level(9, window_log=17, hash_log=15, chain_log=15)


def _deflate(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(compression_params=_LEVEL).compress(data)


def path_hash(path: str) -> int:
    return int.from_bytes(blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def columns(schema: dict[str, str], rows: Iterable[tuple]) -> Columns:
    """Rows of Python integers as arrays, one for each column."""
    lists = list(zip(*rows, strict=True)) or [()] * len(schema)
    return {name: np.array(values, dtype) for (name, dtype), values in zip(schema.items(), lists, strict=True)}


def join(parts: list[Columns], schema: dict[str, str]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {
        name: np.concatenate([part[name] for part in parts] or [np.empty(0, kind)]) for name, kind in schema.items()
    }


def pack_columns(table: Columns, schema: dict[str, str]) -> bytes:
    """Differences, byte planes, zstd: a chunk costs some four bytes."""
    planes = []
    for name, dtype in schema.items():
        values = table[name].astype(dtype)
        steps = np.diff(values, prepend=values.dtype.type(0)) if len(values) else values
        kind = np.dtype(dtype).newbyteorder("<")
        planes.append(steps.astype(kind).view(np.uint8).reshape(len(values), kind.itemsize).T.tobytes())
    return _deflate(b"".join(planes))


def unpack_columns(blob: bytes, schema: dict[str, str], rows: int) -> Columns:
    width = sum(np.dtype(dtype).itemsize for dtype in schema.values())
    try:
        raw = zstandard.ZstdDecompressor().decompress(blob, max_output_size=max(1, width * rows))
    except zstandard.ZstdError as error:
        raise Damaged(f"the directory does not inflate ({error})") from None
    if len(raw) != width * rows:
        raise Damaged("the directory's columns do not have the length that it says")
    table, at = {}, 0
    for name, dtype in schema.items():
        kind = np.dtype(dtype).newbyteorder("<")
        plane = np.frombuffer(raw, np.uint8, rows * kind.itemsize, at).reshape(kind.itemsize, rows)
        at += rows * kind.itemsize
        table[name] = np.cumsum(np.ascontiguousarray(plane.T).view(kind).reshape(rows).astype(dtype), dtype=dtype)
    return table


def pack_records(records: list[dict[str, Any]]) -> bytes:
    """Document records in groups of zstd frames, each preceded by its length."""
    out = b""
    for start in range(0, len(records), GROUP):
        text = json.dumps(records[start : start + GROUP], ensure_ascii=False, separators=(",", ":"))
        frame = _deflate(text.encode("utf-8", "surrogatepass"))
        out += len(frame).to_bytes(4, "big") + min(GROUP, len(records) - start).to_bytes(4, "big") + frame
    return out


def _groups(blob: bytes) -> tuple[list[int], list[bytes]]:
    """(first row of each compressed group, the groups)."""
    starts, frames, at, row = [], [], 0, 0
    while at + 8 <= len(blob):
        length, rows = int.from_bytes(blob[at : at + 4], "big"), int.from_bytes(blob[at + 4 : at + 8], "big")
        starts.append(row)
        frames.append(blob[at + 8 : at + 8 + length])
        row, at = row + rows, at + 8 + length
    return starts, frames


def _inflate_rows(frame: bytes, most: int) -> tuple[list[dict[str, Any]], int]:
    """(JSON objects, bytes that they took inflated)."""
    try:
        if not 0 <= zstandard.frame_content_size(frame) <= most:
            raise Damaged("the directory inflates to more than the file can hold")
        text = zstandard.ZstdDecompressor().decompress(frame, max_output_size=most)
        rows = json.loads(text)
    except (zstandard.ZstdError, ValueError, RecursionError) as error:
        raise Damaged(f"the directory's records are not readable ({type(error).__name__})") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Damaged("the directory's records are not records")
    return rows, len(text)


@dataclass
class Segment:
    """A run of commits. `load(name)` gives a blob of its box; a segment in memory has `tables` filled."""

    first_commit: int
    last_commit: int
    first_page: int
    rows: dict[str, int]
    load: Callable[[str], bytes] | None = None
    level: int = 0
    box: int = -1
    most_inflated: int = LARGEST_BLOB  # bytes that its records and commits may inflate to
    heal: Callable[["Segment"], "Segment"] | None = None  # the same rows from the pages, when the box is damaged
    tables: dict[str, Columns] = field(default_factory=dict)
    _commits: list[dict[str, Any]] | None = None
    _records: list[dict[str, Any]] | None = None
    _groups: tuple[list[int], list[bytes]] | None = None
    _inflated: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _asked: dict[str, int] = field(default_factory=dict)
    _sorted: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def rows_with(self, column: str, value: int) -> np.ndarray:
        """Rows of the documents table with that value, in order; sorted once many have been asked for."""
        values = self.table("documents")[column]
        self._asked[column] = self._asked.get(column, 0) + 1
        if self._asked[column] < SCANS:
            return np.flatnonzero(values == value)
        if column not in self._sorted:
            order = np.argsort(values, kind="stable")
            self._sorted[column] = order, values[order]
        order, ordered = self._sorted[column]
        wanted = values.dtype.type(value)
        return order[np.searchsorted(ordered, wanted) : np.searchsorted(ordered, wanted, side="right")]

    @property
    def last_page(self) -> int:
        return self.first_page + self.rows["pages"] - 1

    def table(self, name: str) -> Columns:
        if name not in self.tables:
            self._or_healed(lambda: self._load_table(name))
        return self.tables[name]

    def _load_table(self, name: str) -> None:
        self.tables[name] = unpack_columns(self.load(name), SCHEMAS[name], self.rows[name])

    def _or_healed(self, read: Callable[[], None]) -> None:
        try:
            read()
        except Damaged:
            if self.heal is None:
                raise
            whole, self.heal = self.heal(self), None
            self.tables, self._commits, self._records = dict(whole.tables), whole._commits, whole._records
            self.rows, self.box = whole.rows, -1  # the next writer stores it again
            self._sorted, self._asked = {}, {}

    def commits(self) -> list[dict[str, Any]]:
        if self._commits is None:
            self._or_healed(self._load_commits)
        return self._commits

    def _load_commits(self) -> None:
        if self._commits is None:
            found = [check_facts(info) for info in self._inflate(self.load("commits"))]
            if [row.get("number") for row in found] != list(range(self.first_commit, self.last_commit + 1)):
                raise Damaged("the directory lacks commits")
            self._commits = found

    def record(self, row: int) -> dict[str, Any]:
        """The document record in that row of the documents table."""
        if self._records is None:
            found: list[dict[str, Any]] = []
            self._or_healed(lambda: found.append(self._load_record(row)))
            if found:
                return found[0]
        return self._records[row]

    def _load_record(self, row: int) -> dict[str, Any]:
        if self._groups is None:
            self._groups = _groups(self.load("records"))
        starts, frames = self._groups
        group = bisect_right(starts, row) - 1
        if group < 0:
            raise Damaged("the directory lacks a document record")
        if group not in self._inflated:
            self._inflated[group] = self._inflate(frames[group])
        records = self._inflated[group]
        if row - starts[group] >= len(records):
            raise Damaged("the directory lacks a document record")
        return records[row - starts[group]]

    def _inflate(self, frame: bytes) -> list[dict[str, Any]]:
        rows, size = _inflate_rows(frame, self.most_inflated)
        self.most_inflated -= size
        return rows

    def present_record(self, row: int) -> dict[str, Any]:
        """The record in a row that the documents table does not call deleted."""
        return check_record(self.record(row))

    def records_blob(self) -> bytes:
        if self._records is None:
            found: list[bytes] = []
            self._or_healed(lambda: found.append(self.load("records")))
            if found:
                return found[0]
        return pack_records(self._records)

    def part(self, first_commit: int, last_commit: int) -> "Segment":
        """The rows of a run of its commits, in memory. Raises Damaged when it does not have them all."""
        commits = [info for info in self.commits() if first_commit <= info["number"] <= last_commit]
        if [info["number"] for info in commits] != list(range(first_commit, last_commit + 1)):
            raise Damaged("the pages lack commits that the directory names")
        first, end = commits[0]["first_frame"], commits[-1]["first_frame"] + commits[-1]["frames"]
        pages = {
            name: values[first - self.first_page : end - self.first_page]
            for name, values in self.table("pages").items()
        }
        tables, chosen = {"pages": pages}, {}
        for name in ("operations", "documents"):
            table = self.table(name)
            chosen[name] = np.flatnonzero((table["page"] >= first) & (table["page"] < end))
            tables[name] = {column: values[chosen[name]] for column, values in table.items()}
        records = [self.record(int(row)) for row in chosen["documents"]]
        return Segment.in_memory(first, commits, tables, records)

    def blobs(self) -> dict[str, bytes]:
        packed = {name: pack_columns(self.table(name), schema) for name, schema in SCHEMAS.items()}
        text = json.dumps(self.commits(), ensure_ascii=False, separators=(",", ":")).encode()
        return {**packed, "commits": _deflate(text), "records": self.records_blob()}

    def reference(self) -> dict[str, Any]:
        return {
            "box": self.box, "level": self.level, "commits": [self.first_commit, self.last_commit],
            "first_page": self.first_page, "rows": self.rows,
        }  # fmt: skip

    @staticmethod
    def in_memory(
        first_page: int, commits: list[dict[str, Any]], tables: dict[str, Columns], records: list[dict[str, Any]]
    ) -> "Segment":
        rows = {name: len(next(iter(table.values()))) for name, table in tables.items()}
        first, last = commits[0]["number"], commits[-1]["number"]
        return Segment(first, last, first_page, rows, tables=tables, _commits=commits, _records=records)


def merge_segments(segments: list[Segment]) -> Segment:
    """One segment for a run of neighbours; document records are carried over without being inflated."""
    tables = {name: join([part.table(name) for part in segments], schema) for name, schema in SCHEMAS.items()}
    rows = {name: sum(part.rows[name] for part in segments) for name in SCHEMAS}
    blob = b"".join(part.records_blob() for part in segments)
    merged = Segment(
        segments[0].first_commit, segments[-1].last_commit, segments[0].first_page, rows,
        load={"records": blob}.__getitem__, level=max(part.level for part in segments) + 1, tables=tables,
    )  # fmt: skip
    merged._commits = [commit for part in segments for commit in part.commits()]
    return merged


def add_segment(segments: list[Segment], new: Segment) -> tuple[list[Segment], Segment]:
    """The list with `new` in it, after merging full levels, and the segment that must be written."""
    segments = [*segments, new]
    while True:
        level = segments[-1].level
        run = 0
        while run < len(segments) and segments[-1 - run].level == level:
            run += 1
        if run < FANOUT:
            return segments, segments[-1]
        segments = [*segments[:-run], merge_segments(segments[-run:])]


@dataclass
class Directory:
    """All segments of a file, oldest first, and the summary of its head."""

    segments: list[Segment]
    head: dict[str, Any]

    @property
    def pages(self) -> int:
        return self.segments[-1].last_page + 1 if self.segments else 0

    def segment_of_page(self, number: int) -> Segment:
        for segment in reversed(self.segments):
            if segment.first_page <= number <= segment.last_page:
                return segment
        raise Damaged(f"the file has no frame {number}")

    def place(self, number: int) -> tuple[int, int]:
        """(offset, size) of the sample of page `number`."""
        segment = self.segment_of_page(number)
        table, row = segment.table("pages"), number - segment.first_page
        return int(table["offset"][row]), int(table["size"][row])

    def kind(self, number: int) -> int:
        segment = self.segment_of_page(number)
        return int(segment.table("pages")["kind"][number - segment.first_page])

    def commits(self) -> list[dict[str, Any]]:
        return [commit for segment in self.segments for commit in segment.commits()]

    def operations(self) -> Columns:
        return join([segment.table("operations") for segment in self.segments], OPERATIONS)

    def operations_of(self, document: int) -> Columns:
        """Only one document's operations, oldest first."""
        parts = []
        for segment in self.segments:
            table = segment.table("operations")
            chosen = np.flatnonzero(table["document"] == document)
            parts.append({name: values[chosen] for name, values in table.items()})
        return join(parts, OPERATIONS)

    def find_path(self, path: str) -> dict[str, Any] | None:
        """The record of the present document at `path`, touching one hash column a segment."""
        wanted = path_hash(path)
        for segment in reversed(self.segments):
            for row in segment.rows_with("path", wanted)[::-1]:
                record = segment.record(int(row))
                if record.get("path") == path and self.record_of(record["number"]) == record:
                    return record
        return None

    def record_of(self, number: int) -> dict[str, Any] | None:
        """The newest record of a document; None when there is none or it was deleted."""
        for segment in reversed(self.segments):
            rows = segment.rows_with("number", number)
            if len(rows):
                deleted = segment.table("documents")["deleted"][rows[-1]]
                return None if deleted else segment.present_record(int(rows[-1]))
        return None
