"""How long encoding takes without the index, beside the usual way on a sample of the same text."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.bench import CHUNK, Bench, store
from benchmarks.rows import Row, median, seconds
from benchmarks.usual import usual_seconds

SAMPLE = 12


def run(bench: Bench) -> list[Row]:
    folder = bench.files(len(bench.text))
    count = len(bench.text) / CHUNK
    taken: tuple[list[float], list[float], list[float]] = ([], [], [])
    for round_ in range(bench.rounds):  # in turns, so that whatever else the machine does falls on all alike
        sample = bench.chunks(SAMPLE)[round_ :: bench.rounds]
        taken[0].extend(usual_seconds(sample, bench.folder / f"usual-{round_}.mp4"))
        taken[1].append(_engine(bench, folder, round_) / count)
        taken[2].append(_command(bench, folder, round_) / count)
    beside, engine, command = map(median, taken)
    note = f"{count:,.0f} chunks, median of {bench.rounds}"
    return [
        Row("encode, engine", engine * 1e3, "ms/chunk", most=0.6, note=note),
        Row("encode, memvid encode --no-index", command * 1e3, "ms/chunk", note="wall time, start of Python included"),
        Row("encode, the usual way", beside * 1e3, "ms/chunk", note=f"qrcode 35-M + OpenCV mp4v, {SAMPLE} chunks"),
        Row("encode, times faster: engine", beside / engine, "x", least=150),
        Row("encode, times faster: command", beside / command, "x", least=150),
    ]


def _engine(bench: Bench, folder: Path, round_: int) -> float:
    path = bench.folder / f"engine-{round_}.mp4"
    taken = seconds(lambda: store(folder, path).close())
    path.unlink()
    return taken


def _command(bench: Bench, folder: Path, round_: int) -> float:
    path = bench.folder / f"command-{round_}.mp4"
    line = [sys.executable, "-m", "memories.cli", "encode", str(folder), "-o", str(path), "--no-index"]
    settings = {key: value for key, value in os.environ.items() if not key.startswith("MEMVID_")}
    taken = seconds(lambda: subprocess.run(line, check=True, env=settings, stdout=subprocess.DEVNULL))
    path.unlink()
    return taken
