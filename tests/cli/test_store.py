"""encode, append, --preview, --sync: what goes in, what is left out and why, and what is refused."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.cli.conftest import small_disk


def states(ran) -> dict[str, str]:
    return {outcome["path"]: outcome["state"] for outcome in ran.json["outcomes"]}


def documents(memvid, name: str = "m.mp4") -> set[str]:
    shutil.rmtree("listed", ignore_errors=True)
    memvid(f"export {name} listed")
    return {str(path.relative_to("listed")) for path in Path("listed").rglob("*") if path.is_file()}


def test_every_file_has_an_outcome(memvid, here):
    (here / "documents/.hidden").write_text("x")
    (here / "documents/photo.bin").write_bytes(bytes(range(256)))
    (here / "documents/empty.txt").touch()
    ran = memvid("encode documents -o m.mp4 --no-index --json")
    assert states(ran) == {
        "documents/.hidden": "skipped",
        "documents/photo.bin": "skipped",
        "documents/empty.txt": "stored",
        "documents/code.py": "stored",
        "documents/whale.md": "stored",
        "documents/deep/mind.txt": "stored",
    }
    assert {outcome["reason"] for outcome in ran.json["outcomes"] if outcome["state"] == "skipped"} == {
        "hidden",
        "extension excluded: bin",
    }
    assert ran.json["commit"] == 1
    assert ran.json["counts"] == {"stored": 4, "skipped": 2}
    assert ran.json["documents"] == 4
    assert ran.json["bytes"] == Path("m.mp4").stat().st_size


def test_a_file_that_fails_does_not_stop_the_rest(memvid, here):
    (here / "documents/broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    ran = memvid("encode documents -o m.mp4 --no-index", code=1)
    assert "failed: documents/broken.pdf: " in ran.out
    assert ran.err.startswith("memvid: 1 file failed, the rest is stored: documents/broken.pdf: ")
    assert ran.err.count("\n") == 1
    assert memvid("info m.mp4 --json").json["documents"] == 3


def test_nothing_but_failures_leaves_no_file(memvid, here):
    (here / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    assert "nothing was stored: broken.pdf: " in memvid("encode broken.pdf -o m.mp4", code=1).err
    assert not (here / "m.mp4").exists()


def test_nothing_to_take_leaves_no_file(memvid, here):
    (here / "documents/.git").mkdir()
    ran = memvid("encode documents -o m.mp4 --include-extensions zig", code=1)
    assert "nothing to store: skipped 3: extension not included" in ran.err
    assert not (here / "m.mp4").exists()


def test_an_existing_output_is_refused(memvid, memory):
    before = Path(memory).read_bytes()
    ran = memvid("encode new_docs -o m.mp4", code=1)
    assert "m.mp4 exists" in ran.err
    assert "append" in ran.err
    assert Path(memory).read_bytes() == before


def test_texts_and_files_and_folders_at_once(memvid, here):
    memvid("encode documents/code.py -d new_docs -f documents/whale.md --text 'One text' 'Two' -o m.mp4 --no-index")
    names = documents(memvid)
    assert {"code.py", "new_docs/more.txt", "new_docs/other.txt", "whale.md"} < names
    assert sorted(Path("listed", name).read_text() for name in names if name.startswith("text-")) == ["One text", "Two"]


def test_files_takes_folders_too(memvid, here):
    memvid("encode --files new_docs documents/code.py -o m.mp4 --no-index")
    assert documents(memvid) == {"new_docs/more.txt", "new_docs/other.txt", "code.py"}


def test_a_file_named_twice_is_taken_once(memvid, here):
    ran = memvid("encode documents documents ./documents/deep -o m.mp4 --no-index --json")
    assert len(ran.json["outcomes"]) == 3


def test_two_folders_of_one_name_stay_apart(memvid, here):
    for name in ("a/docs", "b/docs"):
        Path(name).mkdir(parents=True)
        Path(name, "same.txt").write_text(f"text of {name}\n")
    memvid("encode a/docs -o m.mp4 --no-index")
    memvid("append b/docs --video m.mp4 --no-index")
    memvid("append a/docs --video m.mp4 --no-index")
    assert documents(memvid) == {"docs/same.txt", "b/docs/same.txt"}
    assert Path("listed/docs/same.txt").read_text() == "text of a/docs\n"


def test_a_project_that_moves_keeps_its_names(memvid, here, monkeypatch):
    Path("project").mkdir()
    Path("documents").rename("project/documents")
    monkeypatch.chdir(here / "project")
    memvid("encode documents -o m.mp4 --no-index")
    monkeypatch.chdir(here)
    Path("project").rename("elsewhere")
    monkeypatch.chdir(here / "elsewhere")
    assert "nothing changed" in memvid("encode documents -o m.mp4 --sync --no-index").out


def test_the_memory_does_not_swallow_itself(memvid, here, monkeypatch):
    monkeypatch.chdir(here / "documents")
    memvid("encode . -o m.mp4 -i m.json")
    ran = memvid("append . --video m.mp4 -i m.json --json")
    assert states(ran)["documents/m.json"] == "skipped"
    assert ran.json["commit"] is None


def test_append_of_the_same_changes_nothing(memvid, memory):
    before = Path(memory).read_bytes()
    ran = memvid("append documents --video m.mp4")
    assert "nothing changed" in ran.out
    assert Path(memory).read_bytes() == before


def test_append_never_deletes(memvid, memory):
    Path("documents/code.py").unlink()
    memvid("append documents --video m.mp4 --no-index")
    assert "documents/code.py" in documents(memvid)


def test_append_stores_what_changed(memvid, memory):
    Path("documents/code.py").write_text("def anchor():\n    pass\n")
    ran = memvid("append documents --video m.mp4 --message 'second look' --author Ada --no-index --json")
    assert states(ran) == {
        "documents/code.py": "stored",
        "documents/whale.md": "unchanged",
        "documents/deep/mind.txt": "unchanged",
    }
    last = memvid("history m.mp4 --json").json["commits"][-1]
    assert (last["number"], last["message"], last["author"]) == (2, "second look", "Ada")


def test_preview_writes_nothing(memvid, here):
    (here / "documents/.hidden").write_text("x")
    ran = memvid("encode documents -o m.mp4 --text hello --preview --json")
    assert [item["path"] for item in ran.json["taken"]][:2] == ["documents/code.py", "documents/deep/mind.txt"]
    assert ran.json["left_out"][0]["reason"] == "hidden"
    assert ran.json["files"] == 4
    assert "4 files, " in memvid("encode documents -o m.mp4 --text hello --preview").out
    assert not (here / "m.mp4").exists()


def test_preview_of_an_append_knows_the_roots(memvid, memory):
    ran = memvid("append --video m.mp4 documents --preview --json")
    assert ran.json["files"] == 3


def test_sync_makes_a_new_memory_too(memvid, here):
    assert memvid("encode documents -o m.mp4 --sync --no-index --json").json["documents"] == 3


def test_sync_follows_the_folder(memvid, here):
    for number in range(6):
        Path(f"documents/{number}.txt").write_text(f"text {number}\n")
    memvid("encode documents -o m.mp4 --no-index")
    Path("documents/0.txt").unlink()
    Path("documents/new.txt").write_text("new\n")
    ran = memvid("encode documents -o m.mp4 --sync --no-index --json")
    assert states(ran)["documents/0.txt"] == "removed"
    assert states(ran)["documents/new.txt"] == "stored"
    assert "documents/0.txt" not in documents(memvid)


def test_sync_deletes_nothing_outside_its_roots(memvid, memory):
    memvid("append new_docs --text note --video m.mp4 --no-index")
    Path("new_docs/more.txt").unlink()
    assert "nothing changed" in memvid("encode documents -o m.mp4 --sync").out


def test_sync_deletes_nothing_in_a_folder_it_never_saw(memvid, here):
    memvid("encode documents/code.py -o m.mp4 --no-index")
    Path("documents/code.py").unlink()
    ran = memvid("encode documents -o m.mp4 --sync --no-index --json")
    assert "removed" not in ran.json["counts"]


def test_sync_past_a_fifth_wants_a_yes(memvid, memory):
    before = Path(memory).read_bytes()
    Path("documents/code.py").unlink()
    ran = memvid("encode documents -o m.mp4 --sync", code=1)
    assert "would delete 1 of 3 documents (first: 'documents/code.py'); say --yes" in ran.err
    assert Path(memory).read_bytes() == before
    memvid("encode documents -o m.mp4 --sync --yes --no-index")
    assert "documents/code.py" not in documents(memvid)


def test_sync_keeps_what_a_filter_left_out(memvid, memory):
    ran = memvid("encode documents -o m.mp4 --sync --yes --include-extensions py --json")
    assert "removed" not in ran.json["counts"]
    assert ran.json["documents"] == 3


def test_sync_deletes_nothing_after_a_walk_with_errors(memvid, memory, monkeypatch):
    Path("documents/code.py").unlink()
    scandir = os.scandir

    def denied(path):
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    ran = memvid("encode documents -o m.mp4 --sync --yes --json", code=1)
    assert "removed" not in ran.json["counts"]
    assert "nothing is deleted, because not everything could be looked at" in ran.json["notes"]


def test_sync_of_a_folder_that_is_gone_deletes_nothing(memvid, memory):
    Path("documents").rename("other")
    assert "documents: no such file or folder" in memvid("encode documents -o m.mp4 --sync --yes", code=1).err
    assert len(documents(memvid)) == 3


def test_sync_does_not_change_the_codec(memvid, memory):
    assert "m.mp4 is av1; its codec cannot change" in memvid("encode documents -o m.mp4 --sync -c h264", code=2).err


def test_a_name_with_newlines_is_stored_and_shown_on_one_line(memvid, here):
    Path("documents/bad\nname\x1b[31m.txt").write_text("text\n")
    ran = memvid("encode documents -o m.mp4 --no-index --preview")
    assert "documents/bad\\nname\\x1b[31m.txt" in ran.out
    memvid("encode documents -o m.mp4 --no-index")
    assert any("name" in name for name in documents(memvid))


def test_a_symlink_loop_ends(memvid, here):
    Path("documents/loop").symlink_to("..", target_is_directory=True)
    ran = memvid("encode documents --follow-symlinks -o m.mp4 --no-index --json")
    assert ran.json["counts"]["stored"] == 5


@pytest.mark.parametrize("codec", ["av1", "h264", "h265", "vp9", "mp4v"])
def test_every_codec(memvid, here, codec):
    memvid(f"encode new_docs -o m.mp4 -c {codec} --no-index")
    assert memvid("info m.mp4 --json").json["codec"] == codec
    assert documents(memvid) == {"new_docs/more.txt", "new_docs/other.txt"}


def test_a_second_writer_is_refused_while_one_holds_the_lock(memvid, memory):
    with open(memory, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        ran = memvid("append new_docs --video m.mp4", code=1)
        assert ran.err.count("\n") == 1
        memvid("append new_docs --video m.mp4 --wait 0.2", code=1)
        assert memvid("info m.mp4 --json").json["documents"] == 3
    memvid("append new_docs --video m.mp4 --wait --no-index")


def test_a_file_whose_reading_fails_fails_alone(memvid, here):
    Path("documents/broken.txt").symlink_to("/proc/self/mem")  # reading its first byte is an error
    ran = memvid("encode documents --follow-symlinks -o m.mp4 --no-index", code=1)
    assert "1 file failed, the rest is stored: documents/broken.txt: " in ran.err
    assert documents(memvid) == {"documents/code.py", "documents/whale.md", "documents/deep/mind.txt"}


def test_sync_keeps_a_file_whose_name_is_not_unicode(memvid, here):
    Path("documents/d\\xe9j\udce0").mkdir()
    for name in ("vu\udcff.txt", "gone\udcff.txt"):
        Path("documents/d\\xe9j\udce0", name).write_text("text\n")
    memvid("encode documents -o m.mp4 --no-index")
    Path("documents/d\\xe9j\udce0/gone\udcff.txt").unlink()
    ran = memvid("encode documents -o m.mp4 --sync --yes --include-extensions py --json --no-index")
    removed = [path for path, state in states(ran).items() if state == "removed"]
    assert removed == ["documents/d\\xe9j\\xe0/gone\\xff.txt"]


@pytest.mark.parametrize(
    ("size", "named"),
    [(3_000_000, f"{tempfile.gettempdir()} cannot hold the working files"), (300_000, "m.mp4: nothing was committed")],
    ids=["working files", "memory"],
)
def test_a_full_disk_is_one_line_that_names_it_and_leaves_nothing(memvid, here, size, named):
    Path("noise.txt").write_text(os.urandom(size // 2).hex())
    before = sorted(os.listdir())
    with small_disk(100_000):
        ran = memvid("encode noise.txt -o m.mp4 --no-index", code=1)
    assert ran.err.count("\n") == 1 and named in ran.err and "File too large" in ran.err
    assert sorted(os.listdir()) == before


def test_hundreds_of_files_named_one_by_one_keep_their_names(memvid, here):
    for folder in ("a", "b"):
        (here / folder).mkdir()
        for number in range(300):
            (here / folder / f"file-{number}.txt").write_text(f"{folder} {number}")
    first, second = (" ".join(f"{folder}/file-{number}.txt" for number in range(300)) for folder in "ab")
    memvid(f"encode {first} -o m.mp4 --no-index")
    assert memvid(f"append --video m.mp4 {first} --no-index --json").json["commit"] is None
    memvid(f"append --video m.mp4 {second} --no-index")
    assert len(documents(memvid)) == 600
    assert (here / "listed/file-7.txt").read_text() == "a 7"
    assert (here / "listed/b/file-7.txt").read_text() == "b 7"
