"""Files that are none of ours, or were made to hurt: one clear line, bounded memory, nothing outside the folder."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import zstandard

from memories.engine import container, packer, records, writer
from memories.engine.builder import SegmentBuilder
from memories.engine.changes import Planner
from memories.engine.directory import DOCUMENTS, PAGES, pack_columns, unpack_columns
from memories.engine.errors import Damaged, MemvidError, NotAMemory, NotFound
from memories.engine.maintenance import safe_join
from memories.engine.memory import Memory
from memories.engine.writer import Note

from .making import make, prose, source


def refused(path: Path) -> str:
    with pytest.raises(MemvidError) as caught, Memory.open(path) as memory:
        memory.verify()
        for document in memory.documents():
            memory.text(document.number)
    message = str(caught.value)
    assert "\n" not in message and path.name in message
    return message


def test_files_that_are_no_memory(tmp_path):
    random = Random(3)
    samples = {
        "empty": b"",
        "text": b"just some text" * 100,
        "zeros": bytes(100_000),
        "random": random.randbytes(100_000),
        "seed": b'{"frames_dir": "x", "chunks": []}',
        "boxes": struct.pack(">I4s", 8, b"ftyp") + struct.pack(">I4s", 8, b"moov") + struct.pack(">I4s", 8, b"moof"),
        "endless": struct.pack(">I4s", 0, b"ftyp") * 1000,
        "trailer": random.randbytes(500) + container.TRAILER.pack(1 << 60, container.TRAILER_MAGIC),
    }
    for name, data in samples.items():
        path = tmp_path / f"{name}.mp4"
        path.write_bytes(data)
        refused(path)
    with pytest.raises(NotFound):
        Memory.open(tmp_path / "missing.mp4")
    with pytest.raises(NotAMemory):
        Memory.open(tmp_path)


def test_an_ordinary_video_is_no_memory(tmp_path):
    import av
    import numpy as np

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=30)
        stream.width, stream.height = 64, 64
        for shade in range(30):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), shade * 8, np.uint8), format="rgb24")
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
    assert "no frame of it holds a page" in refused(path)


SPARSE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from memories.engine.memory import Memory
from memories.engine.errors import MemvidError
try:
    Memory.open(sys.argv[1])
except MemvidError as error:
    print(error)
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def test_a_sparse_file_of_a_gigabyte_is_refused_in_bounded_memory(tmp_path):
    path = tmp_path / "sparse.mp4"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
    done = subprocess.run([sys.executable, "-c", SPARSE, path], capture_output=True, text=True, check=True)
    message, megabytes = done.stdout.splitlines()
    assert "sparse.mp4" in message and int(megabytes) < 400


def small_and_hostile(tmp_path: Path, whole: Path) -> dict[str, Path]:
    """Files of little data that once took gigabytes to open."""
    raw = whole.read_bytes()
    header = 1 << 31
    sparse = {
        "ftyp": struct.pack(">I4s", header, b"ftyp"),
        "moov": raw[:32] + struct.pack(">I4s", header - 64, b"moov"),
    }
    paths = {}
    for name, start in sparse.items():
        paths[name] = tmp_path / f"{name}.mp4"
        with open(paths[name], "wb") as file:
            file.write(start)
            file.truncate(header)
            file.seek(0, 2)
            file.write(struct.pack(">I4s", 8, b"moof"))
    paths["boxes"] = tmp_path / "boxes.mp4"
    paths["boxes"].write_bytes(raw + struct.pack(">I4s", 8, b"moof") * 2_000_000)
    paths["hole"] = tmp_path / "hole.mp4"
    with open(paths["hole"], "wb") as file:
        file.write(raw + struct.pack(">I4s", 1 << 30, b"moof"))
        file.truncate(len(raw) + (1 << 30))
    paths["rows"] = tmp_path / "rows.mp4"
    shutil.copy(whole, paths["rows"])
    rows = {"pages": 4, "operations": 1 << 27, "documents": 1}
    bomb = zstandard.compress(bytes(31 << 27), 1)
    rewrite_box(paths["rows"], lambda header, blobs: (edit(rows=rows)(header, blobs)[0], {**blobs, "operations": bomb}))
    return paths


def test_small_hostile_files_are_opened_in_bounded_memory(tmp_path):
    whole = tmp_path / "whole.mp4"
    make(whole, {"a.txt": prose(9000)}).close()
    for name, path in small_and_hostile(tmp_path, whole).items():
        done = subprocess.run([sys.executable, "-c", SPARSE, path], capture_output=True, text=True, check=True)
        assert int(done.stdout.splitlines()[-1]) < 400, name


def test_pages_that_inflate_to_gigabytes(tmp_path, monkeypatch):
    bomb = zstandard.ZstdCompressor(level=19).compress(b'{"a": "' + bytes(1 << 26) + b'"}')
    assert len(bomb) < 2832
    path = tmp_path / "bomb.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(writer, "deflate_json", lambda value: bomb)
        with pytest.raises(MemvidError):
            make(path, {"a.txt": "x"})
    assert not path.exists()
    real = writer.deflate_json
    with monkeypatch.context() as patch:
        patch.setattr(writer, "deflate_json", lambda value: bomb if "profile" in value else real(value))
        patch.setattr(Memory, "_refresh", lambda self: None)
        make(path, {"a.txt": "x"})
    assert "inflates" in refused(path)


def hostile_paths(path: Path, names: list[str], monkeypatch) -> Memory:
    """A memory with document paths that the planner would refuse."""
    memory = Memory.create(path)
    with monkeypatch.context() as patch:
        patch.setattr("memories.engine.changes.check_path", lambda path: None)
        memory.commit([source(name, "payload") for name in names])
    return memory


def test_export_stays_in_its_folder(tmp_path, monkeypatch):
    names = ["../escaped.txt", "/etc/memvid-test", "a/../../b.txt", "good.txt", "link/inside.txt", "good.txt/below.txt"]
    memory = hostile_paths(tmp_path / "m.mp4", names, monkeypatch)
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (out / "link").symlink_to(outside)
    states = {outcome.path: outcome.state for outcome in memory.export(out)}
    assert states == {name: "stored" if name == "good.txt" else "failed" for name in names}
    assert list(outside.iterdir()) == [] and not (tmp_path / "escaped.txt").exists()
    assert memory.export(out)[3].state == "failed"  # what exists is never overwritten
    for name in ("..", "a/../../x", "/x", "", "a\0b"):
        with pytest.raises(MemvidError):
            safe_join(out, name)


def rewrite_box(path: Path, change) -> None:
    """Replaces the directory box by one whose header `change` has edited; digests are made right."""
    with Memory.open(path) as memory:
        box = container.last_box(memory.log.view)
        header = {key: value for key, value in box.header.items() if key != "blobs"}
        blobs = {name: box.load(name) for name in box.header["blobs"]}
        offset = box.offset
    header, blobs = change(header, blobs)
    with open(path, "r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(container.make_box(container.DIRECTORY, header, blobs))


def edit(**changes):
    """Edits the first segment's reference."""

    def change(header, blobs):
        header["segments"][0].update(changes)
        return header, blobs

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit(box=1 << 50),
        edit(box=-5),
        edit(box="x"),
        edit(rows={"pages": 1 << 40, "operations": 1, "documents": 1}),
        edit(rows={"pages": 3, "operations": 4_000_000_000, "documents": 1}),
        edit(first_page=77),
        edit(commits=[1]),
        lambda header, blobs: ({**header, "segments": []}, blobs),
        lambda header, blobs: ({**header, "head": None}, blobs),
        lambda header, blobs: ({**header, "head": {**header["head"], "hash": "00"}}, blobs),
        lambda header, blobs: (header, {**blobs, "pages": zstandard.compress(bytes(1 << 20))}),
        lambda header, blobs: (header, {**blobs, "operations": b"no zstd"}),
        lambda header, blobs: (header, {**blobs, "records": b"\xff" * 40}),
        lambda header, blobs: (header, {**blobs, "commits": zstandard.compress(b"[1, 2]")}),
        lambda header, blobs: (header, {**blobs, "commits": zstandard.compress(b"[" * 100_000)}),
        lambda header, blobs: (header, {**blobs, "commits": zstandard.compress(b'[{"number": 1}]')}),
        lambda header, blobs: ({**header, "head": {"number": 1, "hash": header["head"]["hash"]}}, blobs),
        *(
            lambda header, blobs, change=change: ({**header, "head": {**header["head"], **change}}, blobs)
            for change in (
                {"time": 10**18},
                {"index": "abc"},
                {"index": -7},
                {"dictionaries": 5},
                {"dictionaries": [[0, 9]]},
                {"sequence": "x"},
                {"chunks": "many"},
                {"metadata": None},
                {"hash": None},
            )
        ),
    ],
)
def test_a_box_that_lies_is_caught_by_the_pages(tmp_path, change):
    path, text = tmp_path / "m.mp4", prose(9000)
    make(path, {"a.txt": text}).close()
    rewrite_box(path, change)
    try:
        with Memory.open(path) as memory:
            assert {document.path: memory.text(document.number) for document in memory.documents()} == {"a.txt": text}
    except MemvidError as error:
        assert "\n" not in str(error)


def forged(**changes):
    """Edits the commits that the box lists, in their right shape."""

    def change(header, blobs):
        commits = json.loads(zstandard.decompress(blobs["commits"]))
        return header, {**blobs, "commits": zstandard.compress(json.dumps([commits[0] | changes]).encode())}

    return change


def test_the_pages_overrule_what_a_box_says_of_the_head_and_verify_compares_the_history(tmp_path):
    path = tmp_path / "m.mp4"
    make(path, {"a.txt": prose(9000)}).close()
    lie = {"chunks": 77, "documents": 8, "message": "a lie"}
    rewrite_box(path, lambda header, blobs: ({**header, "head": {**header["head"], **lie}}, blobs))
    with Memory.open(path) as memory:
        assert memory.head.message == "first" and memory.stats()["documents"] == 1 and memory.verify().ok
    rewrite_box(path, forged(author="someone else"))
    with Memory.open(path) as memory:
        assert "the directory's commits differ from the pages" in memory.verify().problems


def test_a_document_that_only_the_box_calls_deleted_is_there(tmp_path):
    path = tmp_path / "m.mp4"
    make(path, {"a.txt": "one", "b.txt": "two"}).close()

    def change(header, blobs):
        table = unpack_columns(blobs["documents"], DOCUMENTS, 2)
        table["deleted"][0] = 1
        return header, {**blobs, "documents": pack_columns(table, DOCUMENTS)}

    rewrite_box(path, change)
    with Memory.open(path) as memory:
        assert {document.path for document in memory.documents()} == {"a.txt", "b.txt"}
        assert any("rebuilt" in note for note in memory.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"tags": [1]}, {"tags": None}, {"digest": "zz"}, {"encoding": 5}, {"encoding": "hex"}, {"encoding": "no such"},
        {"original": 7}, {"original": {"commit": 1}}, {"meta": []}, {"overlap": -1}, {"size": "1"}, {"number": 1 << 40},
    ],
    ids=str,
)  # fmt: skip
def test_hostile_document_records_in_pages_give_one_line(tmp_path, monkeypatch, change):
    path = tmp_path / "m.mp4"
    real = SegmentBuilder.head
    with monkeypatch.context() as patch:
        patch.setattr(records, "check_record", lambda record: record)
        patch.setattr(Memory, "_refresh", lambda self: None)
        patch.setattr(
            SegmentBuilder, "head", lambda self, head, page: (real(self, head, page), head.put.update(change))
        )
        build = records.build
        patch.setattr(packer, "build", lambda heads, pieces: build([spoilt(head, change) for head in heads], pieces))
        make(path, {"a.txt": "x"})
    assert "makes no sense" in refused(path)


def spoilt(head: records.Head, change: dict) -> records.Head:
    return records.Head({**head.put, **change})


def test_verify_names_a_path_that_leaves_the_folder(tmp_path, monkeypatch):
    memory = hostile_paths(tmp_path / "m.mp4", ["../escaped.txt"], monkeypatch)
    assert any("leaves the folder" in problem for problem in memory.verify().problems)


def test_offsets_swapped_in_the_directory_never_give_a_wrong_text(tmp_path):
    path = tmp_path / "m.mp4"
    texts = {"a.txt": prose(9000), "b.txt": prose(9000, 2)}
    make(path, texts).close()

    def change(header, blobs):
        rows = header["segments"][0]["rows"]["pages"]
        table = unpack_columns(blobs["pages"], PAGES, rows)
        for name in table:
            table[name][[1, 2]] = table[name][[2, 1]]
        return header, {**blobs, "pages": pack_columns(table, PAGES)}

    rewrite_box(path, change)
    with Memory.open(path) as memory:
        with pytest.raises(Damaged, match="the frame shows page"):
            memory.text("a.txt")
        assert not memory.verify().ok


def test_a_planner_refuses_records_that_fit_no_page(tmp_path):
    memory = Memory.create(tmp_path / "m.mp4")
    noise = os.urandom(3000).hex()
    wide = source("wide.txt", "x", metadata={"columns": [noise[i : i + 50] for i in range(0, 5000, 50)]})
    outcomes = memory.commit([source("x/" * 500 + "a", "x"), source("b" * 1500, "y"), wide]).outcomes
    assert [outcome.state for outcome in outcomes] == ["stored", "failed", "stored"]
    assert memory.document("wide.txt").metadata["shortened"] is True
    assert memory.verify().ok


def test_a_note_that_fits_no_page_is_refused_and_nothing_is_written(tmp_path):
    memory = make(tmp_path / "m.mp4", {"a.txt": "x"})
    before = memory.path.read_bytes()

    def plan(planner: Planner) -> None:
        planner.put(source("b.txt", "y"))

    with pytest.raises(MemvidError, match="too long"):
        memory.apply(plan, Note(message=os.urandom(4000).hex()))
    assert memory.path.read_bytes() == before


def test_a_link_to_a_memory_is_the_memory(tmp_path):
    path, link = tmp_path / "m.mp4", tmp_path / "link.mp4"
    make(path, {"a.txt": "x"}).close()
    link.symlink_to(path)
    Memory.open(link).commit([source("b.txt", "y")])
    assert Memory.open(path).text("b.txt") == "y"
    shutil.move(path, tmp_path / "moved.mp4")
    assert Memory.open(tmp_path / "moved.mp4").verify().ok
