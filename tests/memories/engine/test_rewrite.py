"""Erase and repair where it is hard: originals, parity runs, lost pages."""

from pathlib import Path
from random import Random

import pytest
import zstandard

from memories.engine.errors import UsageError
from memories.engine.memory import Memory
from memories.engine.pages import Kind
from memories.engine.writer import Note

from .making import make, prose, source

RANDOM = Random(5)
ZSTD = zstandard.ZstdCompressor().compress(RANDOM.randbytes(5000))
ORIGINALS = {"a.zst": ZSTD, "b.bin": RANDOM.randbytes(7000), "c.bin": RANDOM.randbytes(6000), "empty.bin": b""}


@pytest.fixture
def memory(tmp_path) -> Memory:
    memory = make(tmp_path / "m.mp4", {"t.txt": prose(20_000)})
    memory.commit([source(name, f"text of {name}", original=data) for name, data in ORIGINALS.items()])
    moved = {**memory.state.documents[memory.document("c.bin").number], "path": "moved/c.bin"}
    memory.apply(lambda planner: planner.rewrite(moved), Note(message="renamed"))
    memory.remove(["t.txt"])
    return memory


def contents(memory: Memory) -> dict[str, bytes]:
    return {document.path: memory.content(document.number) for document in memory.documents()}


WANTED = {name.replace("c.bin", "moved/c.bin"): data for name, data in ORIGINALS.items()}


def test_a_rename_keeps_the_original(memory):
    assert contents(memory) == WANTED and memory.verify().ok
    assert "c.bin" in contents(Memory.open(memory.path, at=2))


def test_erase_and_repair_keep_originals_and_counts(memory, tmp_path):
    erased = memory.erase(["a.zst"], tmp_path / "e.mp4")
    Memory.repair(memory.path, tmp_path / "r.mp4")
    repaired = Memory.open(tmp_path / "r.mp4")
    assert contents(repaired) == WANTED and repaired.verify().ok
    assert contents(erased) == {name: data for name, data in WANTED.items() if name != "a.zst"} and erased.verify().ok
    assert [(c.put, c.deleted) for c in repaired.commits()] == [(c.put, c.deleted) for c in memory.commits()]
    assert erased.commits()[-1].deleted == memory.commits()[-1].deleted == 20


def lose(path: Path, frames: list[int]) -> None:
    """Overwrites the samples of the frames."""
    with Memory.open(path) as memory:
        places = [memory.log.directory.place(frame) for frame in frames]
    with open(path, "r+b") as file:
        for offset, size in places:
            file.seek(offset + size // 3)
            file.write(bytes(size // 2))


def frames_of(memory: Memory, kind: Kind) -> list[int]:
    return [number for number in range(memory.stats()["frames"]) if memory.log.directory.kind(number) == kind]


def test_a_lost_original_is_said_and_the_rest_can_be_used(memory, tmp_path):
    lose(memory.path, frames_of(memory, Kind.ATTACHMENT)[:1])
    report = Memory.repair(memory.path, tmp_path / "r.mp4")
    assert report.lost == ["the original of a.zst"]
    repaired = Memory.open(tmp_path / "r.mp4")
    assert repaired.content("a.zst") == b"text of a.zst" and repaired.content("b.bin") == ORIGINALS["b.bin"]
    assert repaired.verify().ok
    assert repaired.vacuum(tmp_path / "v.mp4").verify().ok


def test_a_lost_parity_page_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("memories.engine.parity.LANE", 12)
    text = "".join(RANDOM.choices("abcdefghijklmnopqrstuvwxyz ", k=120_000))
    memory = make(tmp_path / "m.mp4", {"a.txt": text}, "durable")
    parity = frames_of(memory, Kind.PARITY)
    inner = [number for number in parity if number < frames_of(memory, Kind.RECORDS)[-1]]
    assert inner
    lose(memory.path, inner[1:3])
    assert Memory.open(memory.path).text("a.txt") == text
    report = Memory.repair(memory.path, tmp_path / "r.mp4")
    assert report.lost == [] and report.lost_frames == inner[1:3]
    assert Memory.open(tmp_path / "r.mp4").text("a.txt") == text


def test_verify_compares_documents_with_their_digests(tmp_path):
    memory = Memory.create(tmp_path / "m.mp4")
    wrong = source("a.txt", "what is stored")
    wrong.digest = bytes(32)
    memory.commit([wrong, source("b.txt", "right")])
    assert memory.verify().problems == ["a.txt is not what was stored: its digest differs"]


def test_texts_that_are_no_text_are_refused(memory):
    with pytest.raises(UsageError, match="cannot be stored"):
        memory.commit([source("x.txt", "x")], message="\udcff")
    bad = source("nan.txt", "x", metadata={"mean": float("nan")})
    assert [outcome.state for outcome in memory.commit([bad]).outcomes] == ["failed"]
