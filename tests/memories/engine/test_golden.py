"""A file that an earlier build wrote: whatever changes, it stays readable."""

import shutil
from pathlib import Path

from memories.engine.memory import Memory

from .making import prose, source

GOLDEN = Path(__file__).parents[2] / "data" / "format-1.mp4"
ID, HEAD = "0b3b8b5901a9c570afa08331555bae22", "f9d2866ed215b02da04b659edef506b042fffa50c6132a22502503d4c7a9f15f"


def test_a_file_of_format_1_reads(tmp_path):
    path = tmp_path / "m.mp4"
    shutil.copy(GOLDEN, path)
    text = prose(3000)
    with Memory.open(path) as memory:
        assert (memory.id, memory.head.hash.hex()) == (ID, HEAD)
        assert memory.text("a.txt") == text[:1500] + "HERE" + text[1500:]
        assert memory.text("dir/ünï.txt") == "知識 😀\r\n" * 20
        assert memory.content("o.bin") == bytes(range(256)) * 4
        assert [(c.author, c.message) for c in memory.commits()] == [("Ada", "first"), ("", "second")]
        assert [box.load() for box in memory.indexes()] == [b"payload"]
        assert memory.verify().ok
    assert Memory.open(path, at=1).text("empty.txt") == ""


def test_a_file_of_format_1_can_be_appended_to(tmp_path):
    path = tmp_path / "m.mp4"
    shutil.copy(GOLDEN, path)
    with Memory.open(path) as memory:
        memory.commit([source("new.txt", "new")])
        assert memory.text("new.txt") == "new" and memory.verify().ok
