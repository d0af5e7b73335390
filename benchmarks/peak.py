"""Peak memory of encoding a small and a large text, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

from benchmarks.bench import Bench, store
from benchmarks.rows import Row

SMALL, LARGE = 2_000_000, 19_000_000  # characters


def run(bench: Bench) -> list[Row]:
    small, large = (_peak(bench, bench.sized(characters)) for characters in (SMALL, LARGE))
    return [
        Row("memory, small", small[0] / 2**20, "MiB", note=f"{small[1]:,} bytes of text"),
        Row("memory, large", large[0] / 2**20, "MiB", note=f"{large[1]:,} bytes of text"),
        Row("memory, large to small", large[0] / small[0], "x", most=1.2),
    ]


def _peak(bench: Bench, characters: int) -> tuple[int, int]:
    """(bytes of resident memory at the most, bytes of text)."""
    folder, path = bench.files(characters), bench.folder / f"peak-{characters}.mp4"
    line = [sys.executable, "-m", "benchmarks.peak", str(folder), str(path)]
    ran = subprocess.run(line, check=True, capture_output=True, text=True)
    path.unlink()
    return int(ran.stdout), sum(file.stat().st_size for file in folder.iterdir())


def high_water() -> int:
    """Bytes. Linux keeps it for each program; getrusage would count what the parent held when it forked, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    store(Path(sys.argv[1]), Path(sys.argv[2])).close()
    print(high_water())
