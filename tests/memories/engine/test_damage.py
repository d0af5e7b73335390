"""A flipped bit is corrected or reported with commit and frame; nothing wrong is ever returned as right."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memories.engine import locks
from memories.engine.container import View
from memories.engine.errors import Damaged, MemvidError
from memories.engine.memory import Memory
from memories.engine.walk import init_segment

from .making import boxes_of, make, prose, source

TEXTS = {"a.txt": prose(14000), "b.txt": prose(12500, 2)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "m.mp4"
    memory = make(path, TEXTS)
    memory.commit([source("c.txt", prose(3000, 5))])
    memory.close()
    return path


ALL = {**TEXTS, "c.txt": prose(3000, 5)}


def read_all(memory: Memory) -> dict[str, str]:
    return {document.path: memory.text(document.number) for document in memory.documents()}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_harmless_or_reported(whole, tmp_path, data):
    raw = bytearray(whole.read_bytes())
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "flipped.mp4"
    path.write_bytes(raw)
    try:
        with Memory.open(path) as memory:
            state = read_all(memory)
            earlier = {name: ALL[name] for name in state}
            assert state == earlier and set(state) >= set(TEXTS)
            if len(state) < len(ALL):
                assert memory.notes
            memory.verify()
    except MemvidError as error:
        assert "\n" not in str(error)


def flip_sample(path: Path, frame: int) -> None:
    with Memory.open(path) as memory:
        offset, size = memory.log.directory.place(frame)
    with open(path, "r+b") as file:
        file.seek(offset + size // 2)
        middle = file.read(40)
        file.seek(offset + size // 2)
        file.write(bytes(byte ^ 0xFF for byte in middle))


def test_a_damaged_frame_is_named_and_the_rest_reads_on(whole, tmp_path):
    path = tmp_path / "m.mp4"
    shutil.copy(whole, path)
    with Memory.open(path) as memory:
        frame = memory.chunks("a.txt")[0].frame
    flip_sample(path, frame)
    with Memory.open(path) as memory:
        with pytest.raises(Damaged, match=f"commit 1, frame {frame}"):
            memory.text("a.txt")
        assert memory.text("c.txt") == ALL["c.txt"]
        report = memory.verify()
        assert not report.ok and report.bad_frames == [frame]


def test_truncation_anywhere_never_returns_a_wrong_text(whole, tmp_path):
    size = whole.stat().st_size
    for length in range(1, size, size // 97):
        path = tmp_path / "cut.mp4"
        shutil.copy(whole, path)
        os.truncate(path, length)
        try:
            with Memory.open(path) as memory:
                assert read_all(memory) in (TEXTS, ALL)
        except MemvidError as error:
            assert "\n" not in str(error)


def without_boxes(path: Path, out: Path) -> None:
    view = View(os.open(path, os.O_RDONLY), path.stat().st_size)
    parts = [view.read(box.offset, box.size) for box in view.boxes() if box.kind != b"uuid"]
    os.close(view.descriptor)
    out.write_bytes(b"".join(parts))


def test_without_its_boxes_it_opens_with_its_whole_history_and_can_be_appended_to(whole, tmp_path):
    path = tmp_path / "bare.mp4"
    without_boxes(whole, path)
    with Memory.open(whole) as memory, Memory.open(path) as bare:
        assert read_all(bare) == ALL
        assert [c.hash for c in bare.commits()] == [c.hash for c in memory.commits()]
        bare.commit([source("d.txt", "appended to a file that had lost its boxes")])
    with Memory.open(path) as again:
        assert again.verify().ok
        assert read_all(again) == {**ALL, "d.txt": "appended to a file that had lost its boxes"}
        assert read_all(Memory.open(path, at=1)) == TEXTS


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_after_a_remux_it_opens_with_its_whole_history(whole, tmp_path):
    path = tmp_path / "remuxed.mp4"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", whole, "-c", "copy", path], check=True)
    with Memory.open(whole) as memory, Memory.open(path) as copy:
        assert read_all(copy) == ALL
        assert [c.hash for c in copy.commits()] == [c.hash for c in memory.commits()]
        with pytest.raises(MemvidError, match="vacuum"):
            copy.commit([source("d.txt", "x")])
        fresh = copy.vacuum(tmp_path / "fresh.mp4")
    fresh.commit([source("d.txt", "x")])
    assert read_all(fresh) == {**ALL, "d.txt": "x"}


def test_a_box_that_contradicts_the_pages_loses(whole, tmp_path):
    """A directory of another memory is put behind the frames: the pages win."""
    other = tmp_path / "other.mp4"
    make(other, {"z.txt": prose(9000, 9)}).close()
    view = View(os.open(other, os.O_RDONLY), other.stat().st_size)
    box = [view.read(box.offset, box.size) for box in view.boxes() if box.kind == b"uuid"][-1]
    os.close(view.descriptor)
    path = tmp_path / "mixed.mp4"
    without_boxes(whole, path)
    path.write_bytes(path.read_bytes() + box)
    with Memory.open(path) as memory:
        assert read_all(memory) == ALL
        assert memory.notes


def test_repair_saves_what_can_be_saved_and_lists_the_rest(whole, tmp_path):
    path, out = tmp_path / "m.mp4", tmp_path / "repaired.mp4"
    shutil.copy(whole, path)
    with Memory.open(path) as memory:
        frame = memory.chunks("b.txt")[-1].frame
    flip_sample(path, frame)
    report = Memory.repair(path, out)
    assert report.lost_frames == [frame] and report.lost and report.incomplete == ["b.txt"]
    with Memory.open(out) as memory:
        assert memory.verify().ok
        assert memory.text("c.txt") == ALL["c.txt"]
        assert memory.document("b.txt").metadata == {"incomplete": True}
        kept = {chunk.id for chunk in memory.read_many(memory.chunks())}
        assert kept and memory.stats()["chunks"] == len(kept)


def test_a_flip_in_the_mp4_header_is_seen_by_verify(whole, tmp_path):
    path = tmp_path / "m.mp4"
    raw = bytearray(whole.read_bytes())
    header = len(init_segment(View(os.open(whole, os.O_RDONLY), len(raw))))
    moof = raw.index(b"moof", header)
    raw[moof + 19] ^= 1  # inside mfhd
    path.write_bytes(raw)
    with Memory.open(path) as memory:
        assert any("commit 1" in problem for problem in memory.verify().problems)


def end_frame(path: Path) -> int:
    with Memory.open(path) as memory:
        return memory.log.directory.pages - 1


@pytest.mark.parametrize("lost_box", [False, True], ids=["box whole", "box damaged"])
def test_a_damaged_end_page_of_an_acknowledged_commit_is_never_cut_away(whole, tmp_path, lost_box):
    path, out = tmp_path / "m.mp4", tmp_path / "repaired.mp4"
    shutil.copy(whole, path)
    frame = end_frame(path)
    with Memory.open(path) as memory:
        box = memory.log.directory.segments[-1].box
    flip_sample(path, frame)
    if lost_box:
        with open(path, "r+b") as file:
            file.seek(box + 50)
            file.write(b"\xff" * 20)
    before = path.read_bytes()
    with Memory.open(path) as memory:
        assert read_all(memory) == (TEXTS if lost_box else ALL)
        assert any("repair" in note for note in memory.notes)
        with pytest.raises(Damaged, match="repair"):
            memory.commit([source("d.txt", "x")])
        assert not memory.verify().ok
    assert path.read_bytes() == before
    report = Memory.repair(path, out)
    assert frame in report.lost_frames and not report.incomplete
    with Memory.open(out) as memory:
        assert read_all(memory) == ALL and memory.verify().ok


def zero_hole(raw: bytes, whole: Path) -> bytes:
    """What a power cut may leave of a commit: its end reached the disk, a part before it did not, no box follows."""
    with Memory.open(whole) as memory:
        first = memory.commits()[1].first_frame
        offset, size = memory.log.directory.place(first)
        end = sum(memory.log.directory.place(memory.log.directory.pages - 1))
    return raw[:offset] + bytes(size) + raw[offset + size : end]


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (lambda raw, whole: raw + struct.pack(">I4s", 100, b"moof") + os.urandom(92), ALL),
        (lambda raw, whole: raw + struct.pack(">I4s", 8, b"moof"), ALL),
        (lambda raw, whole: raw + struct.pack(">I4s", 50, b"moof") + bytes(42), ALL),
        (lambda raw, whole: raw + os.urandom(5000), ALL),
        (zero_hole, TEXTS),
    ],
    ids=["garbage fragment", "empty fragment", "zeros", "noise", "hole"],
)
def test_what_no_commit_acknowledged_is_ignored_and_removed_by_the_next_writer(whole, tmp_path, tail, kept):
    path = tmp_path / "m.mp4"
    path.write_bytes(tail(whole.read_bytes(), whole))
    with Memory.open(path) as memory:
        assert read_all(memory) == kept and memory.notes and not memory.verify().ok
        memory.commit([source("d.txt", "next")])
    with Memory.open(path) as memory:
        assert read_all(memory) == {**kept, "d.txt": "next"} and memory.verify().ok


def test_a_file_that_was_joined_to_itself_reads_and_is_not_written(whole, tmp_path):
    path = tmp_path / "m.mp4"
    path.write_bytes(whole.read_bytes() * 2)
    with Memory.open(path) as memory:
        assert read_all(memory) == ALL
        with pytest.raises(Damaged, match="something else follows"):
            memory.commit([source("d.txt", "x")])


def test_repair_without_the_manifest(whole, tmp_path):
    path, out = tmp_path / "m.mp4", tmp_path / "repaired.mp4"
    shutil.copy(whole, path)
    flip_sample(path, 0)
    with pytest.raises(Damaged, match="`memvid repair` writes a new file"):
        Memory.open(path)
    report = Memory.repair(path, out)
    assert report.lost_frames == [0] and "manifest" in report.lost[0]
    with Memory.open(out) as memory:
        assert read_all(memory) == ALL and memory.verify().ok


def test_repair_names_every_chunk_of_a_lost_frame(tmp_path):
    path, out = tmp_path / "m.mp4", tmp_path / "repaired.mp4"
    memory = make(path, {f"{i}.txt": prose(300, i) for i in range(60)})
    frame = memory.chunks()[30].frame
    lost = {chunk.id for chunk in memory.chunks() if chunk.frame <= frame < chunk.frame + chunk.frames}
    memory.close()
    assert len(lost) > 2
    flip_sample(path, frame)
    report = Memory.repair(path, out)
    assert all(any(line.startswith(f"chunk {name} of ") for line in report.lost) for name in lost)


def test_a_commit_that_is_being_written_is_no_damage(whole, tmp_path):
    path = tmp_path / "m.mp4"
    path.write_bytes(whole.read_bytes() + whole.read_bytes()[-3000:-40])
    with Memory.open(path) as memory:
        with locks.writer(path):
            assert memory.verify().ok
        assert not memory.verify().ok


def test_a_wrong_size_or_type_of_a_box_loses_no_commit(whole, tmp_path):
    """In each box after the first: one bit of its size, one of its type, and of a directory one of its content."""
    path, out = tmp_path / "m.mp4", tmp_path / "repaired.mp4"
    raw = whole.read_bytes()
    for box in boxes_of(whole)[1:]:
        places = [(box.offset, 0x40), (box.offset + 2, 1), (box.offset + 3, 8), (box.offset + 5, 1)]
        places += [(box.offset + 70, 0x20), (box.offset + box.size - 60, 4)] if box.kind == b"uuid" else []
        for place, bit in places:
            path.write_bytes(raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :])
            where = f"{box.kind} at {box.offset}, byte {place - box.offset}"
            with Memory.open(path) as memory:
                assert read_all(memory) == ALL, where
                assert len(memory.commits()) == 2, where
                if place - box.offset not in (0, 70):
                    continue  # all frames are read, and written anew, for one change of each kind
                assert not memory.verify().ok, where
            assert Memory.repair(path, out).lost == [], where
            with Memory.open(out) as memory:
                assert read_all(memory) == ALL and len(memory.commits()) == 2, where
            out.unlink()


def test_a_damaged_older_directory_box_is_rebuilt_and_written_again(whole, tmp_path):
    path = tmp_path / "m.mp4"
    raw = bytearray(whole.read_bytes())
    first = next(box for box in boxes_of(whole) if box.kind == b"uuid")
    raw[first.offset + 70] ^= 0x20
    path.write_bytes(raw)
    with Memory.open(path) as memory:
        assert [commit.message for commit in memory.commits()] == ["first", ""]
        assert any("directory box" in note for note in memory.notes)
        memory.commit([source("d.txt", "next")])
    with Memory.open(path) as memory:
        assert read_all(memory) == {**ALL, "d.txt": "next"} and not memory.notes
