"""Opening a memory and reading chunks at random, in a warm interpreter; the file is in the page cache."""

import random
import time

from benchmarks.bench import Bench
from benchmarks.rows import Row, median, seconds
from memories.engine import Memory
from memories.engine.dictionaries import forget_dictionaries

SMALL, LARGE = 10_000, 100_000
OPENINGS = 15
READS = 200


def run(bench: Bench) -> list[Row]:
    opened, first, more = _figures(bench, SMALL)
    _, cold, _ = _figures(bench, SMALL, keep_dictionary=False)
    wide_open, wide_first, wide_more = _figures(bench, LARGE)
    return [
        Row(f"open {SMALL:,} chunks", opened, "ms"),
        Row(f"open {SMALL:,} chunks and read one", first, "ms", most=50),
        Row(f"open {SMALL:,} chunks and read one, dictionary read again", cold, "ms", most=50),
        Row(f"read one more of {SMALL:,}", more, "ms", most=3),
        Row(f"open {LARGE:,} chunks", wide_open, "ms", most=100),
        Row(f"open {LARGE:,} chunks and read one", wide_first, "ms"),
        Row(f"read one more of {LARGE:,}", wide_more, "ms", most=3),
    ]


def _figures(bench: Bench, count: int, keep_dictionary: bool = True) -> tuple[float, float, float]:
    """Medians in ms: open (with its counts), open and read one chunk by its id, read another."""
    path = bench.memory_of(count)
    with Memory.open(path) as memory:
        ids = [ref.id for ref in memory.chunks()]
    pick = random.Random(count)
    alone, first, more = [], [], []
    for _ in range(OPENINGS + 1):
        if not keep_dictionary:
            forget_dictionaries()
        begun = time.perf_counter()
        with Memory.open(path) as memory:
            memory.stats()
            alone.append(time.perf_counter() - begun)
            memory.read(pick.choice(ids))
            first.append(time.perf_counter() - begun)
            for chunk in pick.sample(ids, READS // OPENINGS):
                more.append(seconds(lambda: memory.read(chunk)))  # noqa: B023 (called at once)
    # The first round warms what is imported late.
    return median(alone[1:]) * 1e3, median(first[1:]) * 1e3, median(more[READS // OPENINGS :]) * 1e3
