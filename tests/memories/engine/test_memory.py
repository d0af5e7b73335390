"""What a memory does: store, change, remove, look back, rewrite."""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from memories.engine import locks
from memories.engine.errors import Conflict, Locked, MemvidError, NotFound, UsageError
from memories.engine.memory import Memory
from memories.engine.model import Draft
from memories.engine.roots import recorded_roots

from .making import make, prose, source

ODD = {
    "note.txt": "A note of less than sixty characters.",
    "empty.txt": "",
    "emoji.txt": "😀🏳️‍🌈👩‍👩‍👧‍👦 end",
    "cjk.txt": "知識は動画である。" * 200,
    "crlf.txt": "one\r\ntwo\rthree\n\r\n",
    "nul.txt": "before\0after",
    "long line.txt": prose(1_000_000),
    "dir/with\nnewline.txt": "named oddly",
    "bom.txt": "\ufeffmarked",
}


def test_odd_documents_come_back_byte_for_byte(tmp_path):
    memory = make(tmp_path / "m.mp4", ODD)
    with Memory.open(memory.path) as again:
        assert {d.path: again.content(d.path) for d in again.documents()} == {k: v.encode() for k, v in ODD.items()}
        out = tmp_path / "out"
        assert all(outcome.state == "stored" for outcome in again.export(out))
    assert {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()} == {
        name: text.encode() for name, text in ODD.items()
    }


def test_a_chunk_is_read_with_its_place(tmp_path):
    text = "".join(f"line {i}\n" for i in range(1000))
    memory = make(tmp_path / "m.mp4", {"a.txt": text})
    chunk = memory.read("1.3")
    assert text[2000:3000] == chunk.text and chunk.before == text[1950:2000]
    assert chunk.line == text[:2000].count("\n") + 1
    assert memory.read(memory.chunks("a.txt")[2]) == chunk
    assert chunk.text[:40] in memory.page_text(chunk.ref.frame)
    for wrong in ("1.99", "9.1", "x", "1", "1.-2"):
        with pytest.raises(NotFound):
            memory.read(wrong)


def test_unchanged_input_commits_nothing_and_a_change_only_its_chunks(tmp_path):
    text = prose(20_000)
    memory = make(tmp_path / "m.mp4", {"a.txt": text, "b.txt": "other"})
    assert memory.commit([source("a.txt", text), source("b.txt", "other")]).commit is None
    changed = text[:9_500] + "One more sentence. " + text[9_500:]
    result = memory.commit([source("a.txt", changed), source("b.txt", "other")])
    assert (result.commit.put, result.commit.deleted) == (1, 0)
    assert [outcome.state for outcome in result.outcomes] == ["stored", "unchanged"]
    assert memory.text("a.txt") == changed


def test_every_past_state_can_be_opened(tmp_path):
    path = tmp_path / "m.mp4"
    memory = make(path, {"a.txt": "first"})
    memory.commit([source("a.txt", "second"), source("b.txt", "new")], message="two", author="Ada")
    memory.remove(["a.txt"], message="three")
    states = [{"a.txt": "first"}, {"a.txt": "second", "b.txt": "new"}, {"b.txt": "new"}]
    for number, state in enumerate(states, 1):
        with Memory.open(path, at=number) as then:
            assert {d.path: then.text(d.path) for d in then.documents()} == state
            assert then.stats()["documents"] == len(state) and then.head.number == number
            with pytest.raises(UsageError):
                then.commit([source("c.txt", "x")])
    second = memory.commits()[1]
    assert (second.author, second.message) == ("Ada", "two")
    assert Memory.open(path, at=second.time).head.number == 2
    assert Memory.open(path, at=datetime.now(UTC) + timedelta(days=1)).head.number == 3
    for at in (0, 4, datetime(2001, 1, 1, tzinfo=UTC), "2001-01-01"):
        with pytest.raises(NotFound):
            Memory.open(path, at=at)


def test_many_small_commits_stay_readable_and_merge_their_segments(tmp_path):
    path = tmp_path / "m.mp4"
    memory = make(path, {"0.txt": "text 0"})
    for number in range(1, 30):
        memory.commit([source(f"{number}.txt", f"text {number}")])
    memory.commit([source("5.txt", "text 5 again")], remove=["7.txt"])
    with Memory.open(path) as again:
        assert len(again.log.directory.segments) <= 12
        wanted = {f"{n}.txt": f"text {n}" for n in range(30) if n != 7} | {"5.txt": "text 5 again"}
        assert {d.path: again.text(d.path) for d in again.documents()} == wanted
        assert [c.number for c in again.commits()] == list(range(1, 32))
        assert again.verify().ok
    with Memory.open(path, at=10) as then:
        assert len(then.documents()) == 10


def test_a_retry_is_not_a_second_commit(tmp_path):
    memory = make(tmp_path / "m.mp4", {"a.txt": "x"})
    first = memory.commit([source("b.txt", "y")], request_id="r-1")
    again = memory.commit([source("b.txt", "something else")], request_id="r-1")
    assert again.repeated and again.commit.hash == first.commit.hash and memory.text("b.txt") == "y"


def test_an_unexpected_head_is_refused(tmp_path):
    memory = make(tmp_path / "m.mp4", {"a.txt": "x"})
    parent = memory.head.hash
    memory.commit([source("b.txt", "y")], expected_parent=parent)
    with pytest.raises(Conflict):
        memory.commit([source("c.txt", "z")], expected_parent=parent)


def test_a_second_writer_is_refused_or_waits_and_readers_go_on(tmp_path):
    path = tmp_path / "m.mp4"
    make(path, {"a.txt": "x"}).close()
    with locks.writer(path), Memory.open(path) as reader:
        assert reader.text("a.txt") == "x"
        with pytest.raises(Locked, match="--wait"):
            reader.commit([source("b.txt", "y")])
        waiting = threading.Thread(target=lambda: Memory.open(path).commit([source("b.txt", "y")], wait=60))
        waiting.start()
    waiting.join()
    assert Memory.open(path).text("b.txt") == "y"


WRITER = """
import sys
from memories.engine.memory import Memory
from tests.memories.engine.making import source
for n in range(4):
    Memory.open(sys.argv[1]).commit([source(f"{sys.argv[2]}-{n}.txt", "text " * 50)], wait=120)
"""


def test_writers_of_several_processes_take_turns(tmp_path):
    path, root = tmp_path / "m.mp4", Path(__file__).parents[3]
    make(path, {"a.txt": "x"}).close()
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, name], cwd=root) for name in "pqr"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with Memory.open(path) as memory:
        assert len(memory.documents()) == 13 and len(memory.commits()) == 13
        assert memory.verify().ok


def test_one_bad_source_does_not_spoil_the_others(tmp_path):
    def broken():
        yield Draft("the first part")
        raise OSError(5, "Input/output error")

    bad = source("bad.txt", "x")
    bad.drafts = broken
    memory = Memory.create(tmp_path / "m.mp4")
    result = memory.commit([source("a.txt", "x"), bad, source("../b.txt", "y"), source("c.txt", "z")])
    assert [(o.path, o.state) for o in result.outcomes] == [
        ("a.txt", "stored"), ("bad.txt", "failed"), ("../b.txt", "failed"), ("c.txt", "stored"),
    ]  # fmt: skip
    assert [d.path for d in memory.documents()] == ["a.txt", "c.txt"] and memory.verify().ok


def test_originals_come_back(tmp_path):
    pdf = bytes(range(256)) * 200
    memory = Memory.create(tmp_path / "m.mp4")
    memory.commit([source("a.pdf", "the text", original=pdf), source("b.pdf", "other", original=b"tiny")])
    memory.commit([source("a.pdf", "the text, changed", original=pdf[::-1])])
    with Memory.open(memory.path) as again:
        assert again.content("a.pdf") == pdf[::-1] and again.content("b.pdf") == b"tiny"
        assert again.text("a.pdf") == "the text, changed" and again.verify().ok
    assert Memory.open(memory.path, at=1).content("a.pdf") == pdf


def test_vacuum_keeps_ids_and_drops_the_past(tmp_path):
    memory = make(tmp_path / "m.mp4", {"a.txt": prose(5000), "b.txt": "the secret word is xyzzy"})
    memory.remove(["b.txt"])
    fresh = memory.vacuum(tmp_path / "v.mp4")
    assert [c.id for c in fresh.chunks()] == [c.id for c in memory.chunks()]
    assert len(fresh.commits()) == 1 and fresh.text("a.txt") == memory.text("a.txt")
    assert fresh.commits()[0].metadata["origin"]["commit"] == 2
    fresh.commit([source("b.txt", "back")])
    with pytest.raises(MemvidError, match="exists"):
        memory.vacuum(tmp_path / "v.mp4")


def all_text(memory: Memory) -> str:
    """Everything any frame of the file holds."""
    return "".join(memory.page_text(number) for number in range(memory.stats()["frames"]))


def test_erase_leaves_no_trace_in_any_commit(tmp_path):
    secret = "the secret word is xyzzy. " * 30
    memory = make(tmp_path / "m.mp4", {"a.txt": prose(300_000), "b.txt": secret})
    memory.commit([source("b.txt", secret + "more")], message="two", author="Ada")
    memory.remove(["b.txt"])
    erased = memory.erase(["b.txt"], tmp_path / "e.mp4")
    assert "xyzzy" in all_text(memory)
    assert "xyzzy" not in all_text(erased)
    assert b"xyzzy" not in erased.log.blocks.dictionary(erased.stats()["frames"]).as_bytes()
    assert "b.txt" not in str(
        [segment.record(i) for segment in erased.log.directory.segments for i in range(segment.rows["documents"])]
    )
    assert [(c.number, c.author, c.message, c.time) for c in erased.commits()] == [
        (c.number, c.author, c.message, c.time) for c in memory.commits()
    ]
    assert erased.text("a.txt") == memory.text("a.txt") and erased.verify().ok
    with pytest.raises(NotFound):
        memory.erase(["never.txt"], tmp_path / "f.mp4")


def test_merge_notes_where_each_part_came_from(tmp_path):
    one = make(tmp_path / "one.mp4", {"a.txt": "same", "b.txt": "of one"})
    two = make(tmp_path / "two.mp4", {"a.txt": "same", "b.txt": "of two", "c.pdf": "x"})
    two.commit([source("d.pdf", "text", original=b"%PDF bytes")])
    merged = Memory.merge(tmp_path / "m.mp4", [one.path, two.path])
    assert {d.path: merged.text(d.path) for d in merged.documents()} == {
        "a.txt": "same", "b.txt": "of one", "two/b.txt": "of two", "c.pdf": "x", "d.pdf": "text",
    }  # fmt: skip
    assert [c.metadata["origin"]["id"] for c in merged.commits()] == [one.id, two.id]
    assert merged.content("d.pdf") == b"%PDF bytes" and merged.verify().ok


def rooted(path: Path, texts: dict[str, str], *roots: tuple[str, str]) -> Memory:
    """A memory that has recorded roots: (name, place)."""
    memory = Memory.create(path)
    records = [{"name": name, "kind": "folder", "places": [place]} for name, place in roots]
    memory.commit([source(name, text) for name, text in texts.items()], roots=records)
    return memory


def test_merge_keeps_roots_apart_and_vacuum_keeps_them(tmp_path):
    one = rooted(tmp_path / "one.mp4", {"docs/a": "of one", "docs/s": "same"}, ("docs", "first"))
    two = rooted(tmp_path / "two.mp4", {"docs/b": "of two", "docs/s": "same"}, ("docs", "second"))
    more = rooted(tmp_path / "more.mp4", {"docs/c": "of one"}, ("docs", "first"))
    merged = Memory.merge(tmp_path / "m.mp4", [one.path, two.path, more.path])
    assert [d.path for d in merged.documents()] == ["docs/a", "docs/c", "docs/s", "two/docs/b"]
    roots = {("docs", ("first",)), ("two/docs", ("second",))}
    assert {(root.name, root.places) for root in recorded_roots(merged.commits())} == roots
    again = merged.vacuum(tmp_path / "v.mp4")
    assert {(root.name, root.places) for root in recorded_roots(again.commits())} == roots


def test_more_roots_than_an_end_page_holds_survive_a_rewrite(tmp_path):
    memory = rooted(tmp_path / "m.mp4", {"a": "x"})
    names = [f"root {number:03}" for number in range(60)]
    for some in (names[:20], names[20:40], names[40:]):
        records = [{"name": name, "kind": "folder", "places": [sha256(name.encode()).hexdigest()]} for name in some]
        memory.commit([source("a", some[0])], roots=records)
    for rewritten in (memory.vacuum(tmp_path / "v.mp4"), Memory.merge(tmp_path / "n.mp4", [memory.path])):
        assert sorted(root.name for root in recorded_roots(rewritten.commits())) == names


@pytest.mark.parametrize("name", ["...mp4", "..mp4", "\udcff.mp4", f"{'n' * 250}.mp4"])
def test_merge_of_an_oddly_named_memory(tmp_path, name):
    one, two = make(tmp_path / "one.mp4", {"a": "of one"}), make(tmp_path / name, {"a": "of two"})
    merged = Memory.merge(tmp_path / "m.mp4", [one.path, two.path])
    (tmp_path / "out").mkdir()
    assert {outcome.state for outcome in merged.export(tmp_path / "out")} == {"stored"}
    assert sorted(merged.text(document.path) for document in merged.documents()) == ["of one", "of two"]


def test_vacuum_of_a_memory_without_documents(tmp_path):
    memory = make(tmp_path / "m.mp4", {"a": "x"})
    memory.remove(["a"])
    empty = memory.vacuum(tmp_path / "v.mp4")
    assert empty.documents() == [] and empty.stats()["commits"] == 1 and empty.verify().ok


def test_erase_takes_paths_and_numbers(tmp_path):
    memory = make(tmp_path / "m.mp4", {"a": "x", "b": "y", "3": "named like a number", "d": "z"})
    memory.remove(["b"])
    erased = memory.erase(["3", 1, "2"], tmp_path / "e.mp4")  # a path, and two numbers of which one is gone
    assert [document.path for document in erased.documents()] == ["d"] and erased.verify().ok
    for wrong in (7, "7", "²", "9" * 5000):
        with pytest.raises(NotFound, match="no commit of"):
            memory.erase([wrong], tmp_path / "f.mp4")


def test_moments_at_the_ends_of_the_calendar(tmp_path, monkeypatch):
    memory = make(tmp_path / "m.mp4", {"a": "x"})
    for zone in ("America/New_York", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert Memory.open(memory.path, at="9999-12-31").head.number == 1
        with pytest.raises(NotFound, match="did not exist yet"):
            Memory.open(memory.path, at="0001-01-01")
    monkeypatch.undo()
    time.tzset()
    for wrong in ("²", "9" * 5000):
        with pytest.raises(UsageError, match="neither a commit number nor a date"):
            Memory.open(memory.path, at=wrong)


def test_paths_are_written_plainly_and_notes_are_texts(tmp_path):
    memory = Memory.create(tmp_path / "m.mp4")
    paths = ["p", "p/b", "p//b", "./p", "p/", "p/./b"]
    result = memory.commit([source(path, path) for path in paths], message=None, author=None)
    assert [outcome.state for outcome in result.outcomes] == ["stored", "stored", *["failed"] * 4]
    assert result.commit.message == "" and "use 'p/b'" in result.outcomes[2].reason
    states = {outcome.path: outcome.state for outcome in memory.export(tmp_path / "out")}
    assert states["p"] == "stored" and states["p/b"] in ("stored", "failed")
    with pytest.raises(UsageError, match="must be texts"):
        memory.commit([source("q", "q")], message=5)


def test_diff_names_chunks_and_documents(tmp_path):
    path, text = tmp_path / "m.mp4", prose(5000)
    memory = make(path, {"a.txt": text, "b.txt": "gone soon"})
    memory.commit([source("a.txt", text[:2500] + "HERE" + text[2500:]), source("c.txt", "new")], remove=["b.txt"])
    diff = Memory.open(path, at=1).diff(memory)
    assert (diff.documents_added, diff.documents_removed, diff.documents_changed) == (["c.txt"], ["b.txt"], ["a.txt"])
    assert [(old.id, new.id) for old, new in diff.modified] == [("1.3", "1.3")]
    assert diff.unchanged == 4 and len(diff.added) == len(diff.removed) == 1


def test_an_index_box_is_outside_the_chain_and_survives_commits(tmp_path):
    memory = make(tmp_path / "m.mp4", {"a.txt": "x"})
    head = memory.head.hash
    memory.append_index("vector", "model", {"dimension": 3}, b"payload", first_commit=1, last_commit=1)
    assert memory.head.hash == head
    memory.commit([source("b.txt", "y")])
    memory.append_index("vector", "model", {"dimension": 3}, b"second", first_commit=2, last_commit=2)
    with Memory.open(memory.path) as again:
        assert [box.load() for box in again.indexes()] == [b"payload", b"second"]
        assert again.verify().ok
    assert [box.load() for box in Memory.open(memory.path, at=1).indexes()] == [b"payload"]


def test_many_documents_are_found_by_path_and_by_number(tmp_path):
    """More than one group of records and more lookups than are answered by scanning."""
    texts = {f"d{number // 50}/{number}.txt": f"text {number}" for number in range(600)}
    memory = make(tmp_path / "m.mp4", texts)
    memory.commit([source("d3/150.txt", "changed")], remove=["d5/251.txt"])
    with Memory.open(memory.path) as again:
        result = again.commit([source(path, text) for path, text in texts.items()])
        states = {outcome.path: outcome.state for outcome in result.outcomes}
        stored = {path for path, state in states.items() if state == "stored"}
        assert stored == {"d3/150.txt", "d5/251.txt"} and len(states) == 600
        assert {d.path: again.text(d.path) for d in again.documents()} == texts
