"""info, history, verify, diff, extract, export: what is said about a memory and what comes out of it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from memories.engine.config import MODEL
from memories.engine.memory import Memory
from tests.cli.conftest import FILES, small_disk
from tests.memories.engine.making import source

DOCUMENTS = {name: text for name, text in FILES.items() if name.startswith("documents/")}


@pytest.fixture
def changed(memvid, memory) -> str:
    """A second commit: one document changed, one new."""
    Path("documents/code.py").write_text("def anchor():\n    pass\n")
    Path("documents/new.txt").write_text("A new text.\n")
    memvid("append documents --video m.mp4 --no-index --message 'the second'")
    return memory


def damage(path: str) -> None:
    """Overwrites the middle of the file, where frames are."""
    data = bytearray(Path(path).read_bytes())
    middle = len(data) // 3
    data[middle : middle + 200] = b"\xff" * 200
    Path(path).write_bytes(data)


def test_info(memvid, memory):
    info = memvid("info m.mp4 --json").json
    expected = {"chunks", "documents", "frames", "commits", "bytes", "text_bytes", "codec", "profile"}
    assert expected | {"indexed_chunks", "model"} < set(info)
    assert info["documents"] == 3
    assert info["text_bytes"] == sum(len(text) for text in DOCUMENTS.values())
    assert (info["codec"], info["profile"], info["model"], info["indexed_chunks"]) == ("av1", "compact", None, 0)
    assert "documents  3" in memvid("info m.mp4").out


def test_info_as_of(memvid, changed):
    assert memvid("info m.mp4 --as-of 1 --json").json["documents"] == 3
    assert memvid("info m.mp4 --json").json["documents"] == 4


def test_history(memvid, changed):
    commits = memvid("history m.mp4 --json").json["commits"]
    assert [commit["number"] for commit in commits] == [1, 2]
    assert {"number", "time", "author", "message", "put", "deleted", "frames"} <= set(commits[0])
    assert commits[1]["message"] == "the second"
    out = memvid("history m.mp4").out.splitlines()
    assert out[0].split() == ["COMMIT", "TIME", "PUT", "DELETED", "FRAMES", "AUTHOR", "MESSAGE"]
    assert out[2].endswith("the second")


def test_verify(memvid, memory):
    report = memvid("verify m.mp4 --json").json
    assert (report["ok"], report["bad_frames"]) == (True, [])
    assert report["frames"] == memvid("info m.mp4 --json").json["frames"]
    assert report["readers"]


def test_verify_of_a_damaged_memory_is_exit_1(memvid, memory):
    damage(memory)
    ran = memvid("verify m.mp4 --json", code=1)
    assert ran.json["ok"] is False
    assert ran.err.count("\n") == 1
    assert "memvid repair m.mp4" in ran.err


@pytest.mark.parametrize("line", ["append new_docs -v m.mp4", "encode documents -o m.mp4 --sync", "remove m.mp4 1"])
def test_writing_a_damaged_memory_is_one_line_with_the_remedy(memvid, memory, line):
    with Memory.open(memory) as opened:
        offset, size = opened.log.directory.place(opened.log.directory.pages - 1)
    with open(memory, "r+b") as file:
        file.seek(offset + size // 2)
        file.write(b"\xff" * 8)
    before = Path(memory).read_bytes()
    ran = memvid(line, code=1)
    assert ran.err.count("\n") == 1 and "`memvid repair` writes a new file with what reads" in ran.err
    assert Path(memory).read_bytes() == before


def test_a_torn_tail_is_noted_and_the_commit_before_it_shown(memvid, changed):
    data = Path("m.mp4").read_bytes()
    Path("torn.mp4").write_bytes(data[: len(data) * 3 // 4])
    ran = memvid("info torn.mp4 --json")
    assert ran.json["commits"] == 1
    assert ran.json["notes"]
    assert ran.err == "".join(f"memvid: {note}\n" for note in ran.json["notes"])


def test_diff_of_two_memories(memvid, memory):
    Path("documents/code.py").write_text("def anchor():\n    pass\n")
    Path("documents/deep/mind.txt").unlink()
    Path("documents/new.txt").write_text("A new text.\n")
    memvid("encode documents -o new.mp4 --no-index")
    document = memvid("diff m.mp4 new.mp4 --json").json
    assert document["documents"] == {
        "added": ["documents/new.txt"],
        "removed": ["documents/deep/mind.txt"],
        "changed": ["documents/code.py"],
        "renamed": [],
    }
    assert document["modified"][0]["document"] == "documents/code.py"
    assert document["modified"][0]["kind"] == "rewritten"
    summary = {"added": 1, "removed": 1, "modified": 1, "unchanged": 1, "old_chunks": 3, "new_chunks": 3}
    assert document["summary"].items() >= summary.items()
    assert 0.33 < document["summary"]["similarity"] < 0.67 and document["summary"]["growth"] < 0
    out = memvid("diff m.mp4 new.mp4").out
    assert "-def sail(ship):" in out
    assert "+def anchor():" in out
    assert "% the same, -" in out


def test_diff_between_two_commits_of_one_memory(memvid, changed):
    document = memvid("diff m.mp4 m.mp4 --from 1 --to 2 --json").json
    assert document["documents"]["added"] == ["documents/new.txt"]
    assert document["summary"]["modified"] == 1


def test_diff_of_the_same_is_empty(memvid, memory):
    document = memvid("diff m.mp4 m.mp4 --json").json
    assert document["summary"]["unchanged"] == document["summary"]["old_chunks"] == 3
    assert not any(document["documents"].values())


def test_diff_by_meaning_needs_a_real_model(memvid, changed, monkeypatch):
    line = "diff m.mp4 m.mp4 --from 1 --semantic --json"
    assert "no-model" in memvid(line, code=1).err
    monkeypatch.setenv("MEMVID_EMBEDDING_MODEL", MODEL)
    pair = memvid(line).json["modified"][0]
    assert 0 < pair["cosine"] < 0.99 and pair["meaning"] == "says something else"
    assert "says something else" in memvid(line.removesuffix(" --json")).out


def test_diff_into_a_file(memvid, changed):
    memvid("diff m.mp4 m.mp4 --from 1 -o diff.json")
    assert '"documents/new.txt"' in Path("diff.json").read_text()
    assert "diff.json exists" in memvid("diff m.mp4 m.mp4 -o diff.json", code=1).err


def test_diff_takes_two_or_four_names(memvid, memory):
    assert "two memories" in memvid("diff m.mp4", code=2).err
    assert "two memories" in memvid("diff m.mp4 m.json m.mp4", code=2).err


def test_extract_text(memvid, memory):
    frames = memvid("info m.mp4 --json").json["frames"]
    texts = [memvid(f"extract m.mp4 --frame {number} --json").json["text"] for number in range(frames)]
    assert any("white whale" in text for text in texts)
    number = next(number for number, text in enumerate(texts) if "white whale" in text)
    memvid(f"extract m.mp4 --frame {number} -o frame.txt")
    assert Path("frame.txt").read_text("utf-8") == texts[number]
    assert "frame.txt exists" in memvid(f"extract m.mp4 --frame {number} -o frame.txt", code=1).err


def test_an_extracted_picture_is_a_symbol_that_others_read(memvid, memory):
    import zxingcpp

    memvid("extract m.mp4 --frame 0 -o frame.png")
    with Image.open("frame.png") as picture:
        assert zxingcpp.read_barcodes(picture.convert("L"))


@pytest.mark.parametrize("frame", ["99", "-1"])
def test_a_frame_that_is_not_there(memvid, memory, frame):
    ran = memvid(f"extract m.mp4 --frame={frame}", code=1)
    assert frame in ran.err
    assert ran.err.count("\n") == 1


def test_export_gives_every_byte_back(memvid, memory):
    memvid("export m.mp4 out")
    assert {name: Path("out", name).read_text() for name in DOCUMENTS} == DOCUMENTS


def test_export_as_of(memvid, changed):
    memvid("export m.mp4 out --as-of 1")
    assert {name: Path("out", name).read_text() for name in DOCUMENTS} == DOCUMENTS
    assert not Path("out/documents/new.txt").exists()


def test_export_leaves_a_folder_that_is_not_empty_alone(memvid, memory):
    assert "documents is not empty" in memvid("export m.mp4 documents", code=1).err
    memvid("export m.mp4 documents --force")
    assert Path("documents/documents/code.py").exists()
    ran = memvid("export m.mp4 documents --force", code=1)
    assert ran.err.startswith("memvid: 3 documents not written: documents/code.py: ")


def test_reading_leaves_the_file_as_it_is(memvid, memory):
    before = Path(memory).read_bytes()
    for line in ("info m.mp4", "history m.mp4", "verify m.mp4", "search -v m.mp4 -q whale", "export m.mp4 out"):
        memvid(line)
    assert Path(memory).read_bytes() == before


@pytest.mark.parametrize(
    "line", ["export m.mp4 out", "extract m.mp4 --frame 0 -o f.png", "extract m.mp4 --frame 1 -o f.txt",
             "diff m.mp4 m.mp4 --from 1 -o f.json"]
)  # fmt: skip
def test_what_cannot_be_written_whole_is_not_there(memvid, changed, line):
    Path("out").mkdir()
    before = sorted(os.listdir())
    with small_disk(8):
        ran = memvid(line, code=1)
    assert ran.err.count("\n") == 1 and "File too large" in ran.err
    assert sorted(os.listdir()) == before
    assert not any(path.is_file() for path in Path("out").rglob("*"))


def test_export_names_what_is_not_what_was_stored_and_goes_on(memvid, memory):
    with Memory.open(memory) as opened:
        opened.commit([replace(source("lie.txt", "another text"), digest=bytes(32))])
    ran = memvid("export m.mp4 out", code=1)
    assert ran.err == "memvid: 1 document not written: lie.txt: it is not what was stored: its digest differs\n"
    assert {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()} == set(DOCUMENTS)


def test_a_record_that_lies_fails_alone(memory):
    with Memory.open(memory) as opened:
        number = opened.document("documents/code.py").number
        opened.state.documents[number] |= {"tags": None, "digest": 7}
        outcomes = {outcome.path: outcome for outcome in opened.export("out")}
    assert {path: outcome.state for path, outcome in outcomes.items()} == dict.fromkeys(DOCUMENTS, "stored") | {
        "documents/code.py": "failed"
    }
    assert outcomes["documents/code.py"].reason.startswith("its record is damaged: ")


def test_export_makes_no_folder_through_a_link(memvid, memory):
    for name in ("elsewhere", "out"):
        Path(name).mkdir()
    Path("out/documents").symlink_to("../elsewhere", target_is_directory=True)
    ran = memvid("export m.mp4 out --force", code=1)
    assert "a link inside the folder leads out of it" in ran.err
    assert not os.listdir("elsewhere")
