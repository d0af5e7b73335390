"""Cut or killed at any byte: the file opens at the previous commit or at the whole new one."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from memories.engine.errors import MemvidError, NotAMemory
from memories.engine.memory import Memory

from .making import boxes_of, make, prose, source

NEAR, STRIDE = 24, 23  # bytes
FIRST, SECOND = {"a.txt": prose(3000)}, {"a.txt": prose(3000), "b.txt": prose(1200, 2)}


def contents(path: Path) -> dict[str, str]:
    with Memory.open(path) as memory:
        return {document.path: memory.text(document.number) for document in memory.documents()}


def check_cuts(path: Path, lengths: list[int], committed: int) -> list[str]:
    """Truncates the file to the lengths, the longest first; returns what went wrong."""
    wrong = []
    for length in lengths:
        os.truncate(path, length)
        with Memory.open(path) as memory:
            state = {document.path: memory.text(document.number) for document in memory.documents()}
            if state not in (FIRST, SECOND):
                wrong.append(f"{length}: {list(state)}")
            if memory.log.length not in (committed, length) and state == FIRST:
                wrong.append(f"{length}: claims {memory.log.length} committed bytes")
            if length > memory.log.length and not memory.notes:
                wrong.append(f"{length}: the torn tail is not reported")
    return wrong


def test_cuts_all_over_an_append(tmp_path):
    """At every byte near the edge of a box, where what is read changes, and at each few others."""
    path = tmp_path / "m.mp4"
    memory = make(path, FIRST)
    before = path.stat().st_size
    memory.commit([source("b.txt", SECOND["b.txt"])])
    memory.close()
    boxes = [place for box in boxes_of(path) for place in (box.offset, box.offset + box.size)]
    near = {place + step for place in boxes for step in range(-NEAR, NEAR) if before <= place + step}
    lengths = sorted(near.intersection(range(path.stat().st_size)) | set(range(before, path.stat().st_size, STRIDE)))
    middle, other = len(lengths) // 2, tmp_path / "n.mp4"
    shutil.copy(path, other)
    with ProcessPoolExecutor(2) as pool:
        jobs = [
            pool.submit(check_cuts, path, lengths[:middle:-1], before),
            pool.submit(check_cuts, other, lengths[middle::-1], before),
        ]
        assert [line for job in jobs for line in job.result()] == []


def test_a_first_commit_that_was_cut_off_is_said_to_be_none(tmp_path):
    path = tmp_path / "m.mp4"
    make(path, FIRST).close()
    for length in (0, 10, 400, 800, path.stat().st_size // 3):
        os.truncate(shutil.copy(path, tmp_path / "cut.mp4"), length)
        with pytest.raises(NotAMemory):
            Memory.open(tmp_path / "cut.mp4")


def test_the_next_writer_removes_the_torn_tail_and_goes_on(tmp_path):
    path = tmp_path / "m.mp4"
    memory = make(path, FIRST)
    before = path.stat().st_size
    memory.commit([source("b.txt", SECOND["b.txt"])])
    os.truncate(path, before + 900)
    with Memory.open(path) as torn:
        assert "after the last whole commit" in torn.notes[0]
        torn.commit([source("c.txt", "after the crash")])
    assert contents(path) == {**FIRST, "c.txt": "after the crash"}
    with Memory.open(path) as memory:
        assert memory.verify().ok


def test_a_whole_commit_without_its_box_is_adopted(tmp_path):
    path = tmp_path / "m.mp4"
    memory = make(path, FIRST)
    result = memory.commit([source("b.txt", SECOND["b.txt"])])
    box = memory.log.directory.segments[-1].box
    os.truncate(path, box + 20)
    with Memory.open(path) as adopted:
        assert adopted.head.hash == result.commit.hash
        adopted.commit([source("c.txt", "more")])
    assert contents(path) == {**SECOND, "c.txt": "more"}
    with Memory.open(path) as memory:
        assert memory.verify().ok


def test_an_index_restores_the_directory_that_a_kill_left_out(tmp_path):
    path = tmp_path / "m.mp4"
    memory = make(path, FIRST)
    memory.commit([source("b.txt", SECOND["b.txt"])])
    os.truncate(path, memory.log.directory.segments[-1].box)
    with Memory.open(path) as adopted:
        for payload in (b"one", b"two"):
            adopted.append_index("words", "test", {}, payload, first_commit=1, last_commit=2)
    with Memory.open(path) as memory:
        assert [box.load() for box in memory.indexes()] == [b"one", b"two"] and memory.notes == []
        memory.commit([source("c.txt", "more")])
        assert memory.verify().ok and len(memory.indexes()) == 2
    assert contents(path) == {**SECOND, "c.txt": "more"}


KILLED = """
import os, sys
from memories.engine import writer
from memories.engine.memory import Memory
sys.path.insert(0, sys.argv[3])
from tests.memories.engine.making import prose, source
calls = 0
real = os.pwrite
def pwrite(*arguments):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
    return real(*arguments)
os.pwrite = pwrite
Memory.open(sys.argv[1]).commit([source("b.txt", prose(1_000_000, 3))])
"""


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_writer_killed_in_the_middle_leaves_no_lock_and_no_half_commit(tmp_path, call):
    path = tmp_path / "m.mp4"
    make(path, FIRST).close()
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, path, str(call), root], cwd=root)
    assert done.returncode == -signal.SIGKILL
    assert contents(path) == FIRST
    with Memory.open(path) as memory:
        memory.commit([source("c.txt", "after")])
        assert memory.verify().ok
    assert set(contents(path)) == {"a.txt", "c.txt"}


def test_a_full_disk_commits_nothing_and_says_so(tmp_path, monkeypatch):
    path = tmp_path / "m.mp4"
    memory = make(path, FIRST)
    before = path.read_bytes()
    real, room = os.pwrite, [5000]

    def pwrite(descriptor, data, offset):
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        room[0] -= len(data)
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(MemvidError, match="nothing was committed: No space left on device"):
        memory.commit([source("b.txt", prose(300_000, 4))])
    assert path.read_bytes() == before
    with pytest.raises(MemvidError, match="No space left"):
        Memory.create(tmp_path / "new.mp4").commit([source("b.txt", prose(300_000, 4))])
    assert [p.name for p in tmp_path.iterdir()] == ["m.mp4"]


def test_a_failed_fsync_is_a_failed_commit(tmp_path, monkeypatch):
    path = tmp_path / "m.mp4"
    memory = make(path, FIRST)
    before = path.read_bytes()

    def fsync(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(MemvidError, match="nothing was committed"):
        memory.commit([source("b.txt", "text")])
    assert path.read_bytes() == before
