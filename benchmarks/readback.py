"""Whether every frame of a file is read back, for each codec."""

from benchmarks.bench import Bench, store
from benchmarks.rows import Row
from memories.engine.video import CODECS

SAMPLE = 500_000  # characters


def run(bench: Bench) -> list[Row]:
    return [_row(bench, codec) for codec in CODECS]


def _row(bench: Bench, codec: str) -> Row:
    folder = bench.files(bench.sized(SAMPLE))
    path = bench.folder / f"readback-{codec}.mp4"
    with store(folder, path, codec=codec) as memory:
        report = memory.verify()
        same = all(memory.content(file.name) == file.read_bytes() for file in folder.iterdir())
    path.unlink()
    share = 100 * (1 - len(report.bad_frames) / report.frames) if report.ok and same else 0.0
    remark = f"{report.frames} frames by {' and '.join(report.readers)}" + ("" if same else "; the text differs")
    return Row(f"read back, {codec}", share, "% of frames", least=100, note=remark)
