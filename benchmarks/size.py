"""Bytes of a whole file per byte of UTF-8 text, beside other ways to keep the same text."""

import gzip
import lzma
import sqlite3
from collections.abc import Callable
from pathlib import Path

import zstandard

from benchmarks.bench import CHUNK, Bench, store
from benchmarks.rows import Row

SAMPLE = 1_000_000  # characters for the profiles that take long


def run(bench: Bench) -> list[Row]:
    whole, sample = len(bench.text), min(len(bench.text), bench.sized(SAMPLE))
    data = bench.text.encode()
    packers: dict[str, Callable[[], int]] = {
        "gzip -9": lambda: len(gzip.compress(data, 9)),
        "zstd -19": lambda: len(zstandard.ZstdCompressor(level=19).compress(data)),
        "xz -9": lambda: len(lzma.compress(data, preset=9)),
        "SQLite FTS5": lambda: fts5_bytes(bench.text, bench.folder / "words.db"),
    }
    return [
        _ours(bench, "compact", whole, most=0.52, note="aim 0.49"),
        _ours(bench, "compact", sample, note="a smaller file"),
        _ours(bench, "universal", sample),
        _ours(bench, "durable", sample, note="with parity"),
        *(Row(f"size, {name}", pack() / len(data), "bytes/byte", note=_remark(name)) for name, pack in packers.items()),
    ]


def _ours(bench: Bench, profile: str, characters: int, most: float | None = None, note: str = "") -> Row:
    path = bench.folder / f"{profile}-{characters}.mp4"
    with store(bench.files(characters), path, profile) as memory:
        ratio = path.stat().st_size / memory.stats()["text_bytes"]
    path.unlink()
    note = f"{characters:,} characters" + (f", {note}" if note else "")
    return Row(f"size, {profile}", ratio, "bytes/byte", most=most, note=note)


def _remark(name: str) -> str:
    return "chunks of 1,000, searchable by word" if "FTS5" in name else "no random access"


def fts5_bytes(text: str, path: Path) -> int:
    """The database with each chunk as a row, after `optimize` and VACUUM."""
    database = sqlite3.connect(path)
    database.execute("CREATE VIRTUAL TABLE chunks USING fts5(text)")
    rows = ((text[at : at + CHUNK],) for at in range(0, len(text), CHUNK))
    database.executemany("INSERT INTO chunks VALUES (?)", rows)
    database.execute("INSERT INTO chunks(chunks) VALUES ('optimize')")
    database.commit()
    database.execute("VACUUM")
    database.close()
    return path.stat().st_size
