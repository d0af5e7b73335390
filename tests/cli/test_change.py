"""remove, and the commands that write a new memory and leave the old one as it is."""

from pathlib import Path

import pytest


@pytest.fixture
def before(memory) -> bytes:
    return Path(memory).read_bytes()


def test_remove_says_that_the_history_keeps_it(memvid, memory):
    ran = memvid("remove m.mp4 documents/code.py --message gone")
    assert "removed 1 document; the history keeps the text; `memvid erase m.mp4" in ran.out
    assert memvid("info m.mp4 --json").json["documents"] == 2
    assert memvid("info m.mp4 --as-of 1 --json").json["documents"] == 3
    assert memvid("history m.mp4 --json").json["commits"][-1]["message"] == "gone"


def test_remove_by_number(memvid, memory):
    outcomes = memvid("append documents --video m.mp4 --json").json["outcomes"]
    number = next(one["document"] for one in outcomes if one["path"] == "documents/code.py")
    assert memvid(f"remove m.mp4 {number} --json").json["removed"] == ["documents/code.py"]


def test_remove_of_one_that_is_not_there_removes_nothing(memvid, memory, before):
    ran = memvid("remove m.mp4 documents/code.py gone.txt", code=1)
    assert "gone.txt" in ran.err
    assert Path(memory).read_bytes() == before


def test_erase_leaves_no_trace_in_the_new_file(memvid, memory, before):
    memvid("remove m.mp4 documents/code.py")
    memvid("erase m.mp4 documents/code.py -o e.mp4")
    assert memvid("info e.mp4 --json").json["documents"] == 2
    assert memvid("info e.mp4 --as-of 1 --json").json["documents"] == 2
    frames = memvid("info e.mp4 --json").json["frames"]
    assert not any("ship.go" in memvid(f"extract e.mp4 --frame {n}").out for n in range(frames))
    assert memvid("verify e.mp4 --json").json["ok"]


def test_erase_by_number(memvid, memory):
    memvid("erase m.mp4 1 -o e.mp4")
    assert memvid("info e.mp4 --json").json["documents"] == 2
    assert "no commit of m.mp4 has a document '9'" in memvid("erase m.mp4 9 -o f.mp4", code=1).err


def test_append_after_a_merge_replaces_only_what_came_from_that_folder(memvid, here):
    for name in ("one", "two"):
        folder = Path(name, "docs")
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(f"of {name}")
        memvid(f"encode {folder} -o {name}.mp4 --no-index")
    memvid("merge one.mp4 two.mp4 -o both.mp4 --no-index")
    Path("two/docs/a.txt").write_text("of two, changed")
    memvid("append two/docs --video both.mp4 --no-index")
    memvid("export both.mp4 out")
    assert Path("out/docs/a.txt").read_text() == "of one"
    assert Path("out/two/docs/a.txt").read_text() == "of two, changed"


def test_vacuum_keeps_the_present_only(memvid, memory):
    memvid("remove m.mp4 documents/code.py")
    memvid("vacuum m.mp4 -o v.mp4")
    info = memvid("info v.mp4 --json").json
    assert info["documents"] == 2
    memvid("export v.mp4 out")
    assert Path("out/documents/whale.md").read_text() == Path("documents/whale.md").read_text()


def test_repair_of_a_torn_file(memvid, memory):
    memvid("append new_docs --video m.mp4 --no-index")
    data = Path(memory).read_bytes()
    Path("torn.mp4").write_bytes(data[: int(len(data) * 0.9)])
    memvid("repair torn.mp4 -o r.mp4")
    assert memvid("verify r.mp4 --json").json["ok"]
    assert memvid("info r.mp4 --json").json["documents"] >= 3


def test_merge(memvid, memory, before):
    memvid("encode new_docs -o n.mp4 --no-index")
    assert memvid("merge m.mp4 n.mp4 -o both.mp4 --json").json["documents"] == 5
    assert "merged from 2 memories" in memvid("merge m.mp4 n.mp4 -o both2.mp4 --no-index").out
    assert Path(memory).read_bytes() == before


def test_merge_wants_two(memvid, memory):
    assert "name at least two memories" in memvid("merge m.mp4 -o x.mp4", code=2).err


def test_a_memory_whose_name_has_a_comma_can_be_merged(memvid, memory):
    Path("m.mp4").rename("a,b.mp4")
    memvid("encode new_docs -o n.mp4 --no-index")
    assert memvid("merge a,b.mp4 n.mp4 -o both.mp4 --json").json["documents"] == 5


@pytest.mark.parametrize(
    "line",
    [
        "erase m.mp4 documents/code.py -o t.mp4",
        "vacuum m.mp4 -o t.mp4",
        "repair m.mp4 -o t.mp4",
        "merge m.mp4 m.mp4 -o t.mp4",
    ],
)
def test_an_existing_target_is_refused(memvid, memory, line):
    Path("t.mp4").write_text("mine")
    assert "t.mp4 exists" in memvid(line, code=1).err
    assert Path("t.mp4").read_text() == "mine"


def test_the_new_memory_is_indexed_if_the_old_one_was(memvid, memory):
    assert memvid("vacuum m.mp4 -o a.mp4 --json").json["indexing"]["state"] == "off"
    memvid("index m.mp4")
    made = memvid("vacuum m.mp4 -o b.mp4 --json").json
    assert made["indexing"]["state"] == "done"
    info = memvid("info b.mp4 --json").json
    assert info["indexed_chunks"] == info["chunks"] > 0
