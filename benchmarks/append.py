"""Appending ten chunks to a large and to a small memory, in turns."""

import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from benchmarks.bench import CHUNK, Bench
from benchmarks.rows import Row, median
from memories.engine import Memory
from memories.engine.ingest import chunks_source

SMALL, LARGE = 100, 100_000
CHUNKS = 10
TURNS = 24  # three rounds of joining directories, which every eighth commit does


@dataclass
class Appends:
    """Seconds of the commit, seconds with opening and closing, bytes by which the file grew."""

    path: Path
    commit: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    grown: list[int] = field(default_factory=list)


def run(bench: Bench) -> list[Row]:
    small, large = (Appends(_copy(bench, count)) for count in (SMALL, LARGE))
    pick = random.Random(TURNS)
    for turn in range(-1, TURNS):
        at = pick.randrange(len(bench.text) - CHUNKS * CHUNK)
        chunks = [bench.text[at + i * CHUNK : at + (i + 1) * CHUNK] for i in range(CHUNKS)]
        for appends in (small, large) if turn % 2 else (large, small):
            _append(appends, chunks, f"new-{turn}.txt", count=turn >= 0)
    return [
        *(_row(f"append to {SMALL:,}", small.commit, f"{median(small.grown):,.0f} bytes"),),
        *(_row(f"append to {LARGE:,}", large.commit, f"{median(large.grown):,.0f} bytes"),),
        _ratio("time", large.commit, small.commit, 1.2),
        _ratio("time with opening", large.whole, small.whole),
        _ratio("bytes", large.grown, small.grown, 1.2),
        Row("append, mean time, large to small", mean(large.commit) / mean(small.commit), "x", note=_joins(large)),
        Row("append, mean bytes, large to small", mean(large.grown) / mean(small.grown), "x"),
    ]


def _copy(bench: Bench, count: int) -> Path:
    return Path(shutil.copyfile(bench.memory_of(count), bench.folder / f"append-{count}.mp4"))


def _append(appends: Appends, chunks: list[str], name: str, count: bool) -> None:
    """`count` False: a first turn that only warms up."""
    before, begun = appends.path.stat().st_size, time.perf_counter()
    with Memory.open(appends.path) as memory:
        opened = time.perf_counter()
        memory.commit([chunks_source(chunks, name)])
        done = time.perf_counter()
    closed = time.perf_counter()
    if count:
        appends.commit.append(done - opened)
        appends.whole.append(closed - begun)
        appends.grown.append(appends.path.stat().st_size - before)


def _row(name: str, taken: list[float], note: str) -> Row:
    return Row(name, median(taken) * 1e3, "ms", note=f"{CHUNKS} chunks, median of {len(taken)}; {note}")


def _ratio(what: str, large: list, small: list, most: float | None = None) -> Row:
    return Row(f"append, {what}, large to small", median(large) / median(small), "x", most=most)


def _joins(appends: Appends) -> str:
    return f"the slowest took {max(appends.commit) * 1e3:.0f} ms and {max(appends.grown):,} bytes"
