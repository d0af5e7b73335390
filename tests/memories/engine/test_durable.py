"""What the durable profile promises: lost frames come back, re-encoding is survived."""

import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from memories.engine.errors import Damaged
from memories.engine.memory import Memory
from memories.engine.pages import Kind
from memories.engine.parity import ParityPage, ParityWriter, parity_count, recover
from memories.engine.scan import Rebuilder, Spool, mend

from .making import make, prose, source

TEXT = prose(180_000)
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture(scope="module")
def durable(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("durable") / "m.mp4"
    memory = make(path, {"a.txt": TEXT}, "durable")
    memory.commit([source("b.txt", "a small commit")])
    memory.close()
    return path


@pytest.fixture(scope="module")
def pages(durable):
    with Memory.open(durable) as memory:
        return [memory.log.page(number) for number in range(memory.stats()["frames"])]


def survives(pages: list, lost: set[int]) -> bool:
    spool = Spool()
    try:
        for page in pages:
            if page.number not in lost:
                spool.put(page, page.number)
        mend(spool)
        present = [spool.get(page.number) for page in pages if page.kind != Kind.PARITY]
        return present == [page for page in pages if page.kind != Kind.PARITY] and not Rebuilder(spool).run().problems
    finally:
        spool.close()


def test_a_random_loss_of_five_percent_is_mended(pages):
    """1,000 draws of 5 % of all frames of a commit."""
    big = [page for page in pages if page.commit == 1]
    random, count = Random(7), round(len(big) * 0.05)
    groups = [page for page in big if page.kind == Kind.PARITY]
    lanes = {(p.first, p.lane): p for p in (ParityPage.unpack(page.payload) for page in groups)}
    for _ in range(1000):
        lost = set(random.sample(range(len(big)), count))
        for parity in lanes.values():
            own = parity.covered()
            rows = [page.number for page in groups if ParityPage.unpack(page.payload).lane == parity.lane]
            assert len(lost & set(own)) <= len(rows) - len(lost & set(rows))
    for _ in range(10):
        assert survives(pages, set(random.sample(range(len(big)), count)))


def test_any_run_of_five_percent_is_mended(pages):
    length = round(len(pages) * 0.05)
    assert all(survives(pages, set(range(first, first + length))) for first in range(0, len(pages) - length, 5))


def test_a_small_commit_has_parity_and_survives_the_loss_of_any_frame(pages):
    small = [page for page in pages if page.commit == 2]
    assert sum(page.kind == Kind.PARITY for page in small) >= 1
    assert all(survives(pages, {page.number}) for page in small)


def test_parity_says_when_it_cannot_mend():
    random = Random(1)
    data = [random.randbytes(100) for _ in range(20)]
    writer = ParityWriter(100, 20)
    for page in data:
        writer.add(page)
    parity = list(writer.pages(first=0))
    assert len(parity) == parity_count(20)
    known = {number: data[number] for number in range(len(parity), 20)}
    assert recover(list(range(20)), known, parity) == {number: data[number] for number in range(len(parity))}
    del known[19]
    with pytest.raises(Damaged, match="frames are lost"):
        recover(list(range(20)), known, parity)


def test_a_damaged_frame_is_read_through_its_parity(durable, tmp_path):
    path = tmp_path / "m.mp4"
    shutil.copy(durable, path)
    with Memory.open(path) as memory:
        frame = memory.chunks("a.txt")[40].frame
        offset, size = memory.log.directory.place(frame)
    with open(path, "r+b") as file:
        file.seek(offset + 60)
        file.write(bytes(size - 200))
    with Memory.open(path) as memory:
        assert memory.text("a.txt") == TEXT
        assert frame in memory.log.mended
        assert memory.verify().bad_frames == [frame]
    report = Memory.repair(path, tmp_path / "repaired.mp4")
    assert report.restored_frames == [frame] and not report.lost
    assert Memory.open(tmp_path / "repaired.mp4").verify().ok


def transcode(path: Path, out: Path, *options: str) -> None:
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-i", path, *options, out], check=True)


@needs_ffmpeg
@pytest.mark.parametrize(
    "options",
    [
        ("-c:v", "libx264", "-crf", "30", "-vf", "scale=720:720", "-preset", "veryfast"),
        ("-c:v", "libx264", "-crf", "30", "-vf", "scale=-2:720,pad=1280:720:(ow-iw)/2", "-preset", "veryfast"),
        ("-c:v", "libvpx-vp9", "-b:v", "800k", "-deadline", "realtime", "-cpu-used", "8"),
    ],
    ids=["crf 30 at 720p", "crf 30 in a 1280x720 picture", "VP9 at 800 kbit/s"],
)
def test_it_survives_a_video_platform(durable, tmp_path, options):
    copy = tmp_path / ("copy.webm" if "libvpx-vp9" in options else "copy.mp4")
    transcode(durable, copy, *options)
    with Memory.open(copy) as memory:
        assert memory.text("a.txt") == TEXT
        assert memory.text("b.txt") == "a small commit"
        assert len(memory.commits()) == 2
