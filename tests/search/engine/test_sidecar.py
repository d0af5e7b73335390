import json
import os
import tracemalloc

import pytest

from memories.engine.errors import MemvidError
from search.engine.index import build_index
from search.engine.searcher import Searcher
from search.engine.sidecar import read_sidecar, write_sidecar
from tests.search.engine.fakes import FakeEmbedder, FakeMemory


@pytest.fixture
def memory() -> FakeMemory:
    memory = FakeMemory()
    memory.put("moby.txt", "Call me Ishmael.", "the white whale")
    build_index(memory, FakeEmbedder())
    return memory


@pytest.fixture
def path(memory, tmp_path):
    write_sidecar(memory, tmp_path / "memory.json")
    return tmp_path / "memory.json"


def test_a_sidecar_says_which_chunks_there_are_and_holds_no_text(memory, path):
    content = json.loads(path.read_text())
    assert (content["format"], content["version"], content["memory"], content["model"]) == (
        "memvid-index",
        1,
        "00ff",
        "fake",
    )
    assert content["head"] == {"commit": 1, "hash": memory.head.hash.hex()}
    assert [(chunk["id"], chunk["document"], chunk["frame"], chunk["commit"]) for chunk in content["chunks"]] == [
        ("1.0", "moby.txt", 0, 1),
        ("1.1", "moby.txt", 1, 1),
    ]
    assert "whale" not in path.read_text()
    assert [entry.name for entry in path.parent.iterdir()] == ["memory.json"]


def test_its_vectors_come_back_and_answer_where_the_memory_has_none(memory, path):
    indexed = Searcher(memory, FakeEmbedder).search("the white whale", mode="semantic")
    memory._boxes.clear()
    sidecar, note = read_sidecar(memory, path)
    assert note == "" and sidecar.model == "fake" and sidecar.vectors.packed.shape == (2, 64)
    assert Searcher(memory, FakeEmbedder, sidecar=path).search("the white whale", mode="semantic") == indexed


def test_a_vector_whose_length_is_not_1_does_not_count(memory, path):
    content = json.loads(path.read_text())
    content["chunks"][0]["scale"] = 1e30
    path.write_text(json.dumps(content))
    sidecar, _ = read_sidecar(memory, path)
    assert sidecar.vectors.packed.shape == (1, 64) and sidecar.rows.orders.tolist() == [1 << 24]


def test_a_memory_without_vectors_has_a_sidecar_of_its_chunks(memory, path):
    memory._boxes.clear()
    write_sidecar(memory, path)
    assert [chunk["vector"] for chunk in json.loads(path.read_text())["chunks"]] == [None, None]
    assert read_sidecar(memory, path) == (None, "")


def test_an_empty_memory_has_an_empty_sidecar(tmp_path):
    write_sidecar(FakeMemory(), tmp_path / "empty.json")
    assert json.loads((tmp_path / "empty.json").read_text())["chunks"] == []


def test_a_stale_sidecar_is_ignored_with_a_note(memory, path):
    memory.put("new.txt", "a walrus")
    sidecar, note = read_sidecar(memory, path)
    assert sidecar is None and "has changed since" in note and "\n" not in note
    assert note in Searcher(memory, FakeEmbedder, sidecar=path).search("whale").notes


def test_a_stale_sidecar_is_mentioned_when_only_words_can_be_searched(memory, path):
    memory.put("new.txt", "a walrus")
    memory._boxes.clear()
    notes = Searcher(memory, FakeEmbedder, sidecar=path).search("whale").notes
    assert any("has changed since" in note for note in notes) and any("words only" in note for note in notes)


def test_the_sidecar_of_another_memory_is_ignored_with_a_note(path):
    other = FakeMemory(id="beef")
    other.put("moby.txt", "Call me Ishmael.", "the white whale")
    sidecar, note = read_sidecar(other, path)
    assert sidecar is None and "another memory" in note


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: text.replace('"dimension": 64', '"dimension": 63'),
        lambda text: text.replace('"vector": "', '"vector": "!', 1),
        lambda text: text.replace('"id": "1.0"', '"id": "one"'),
        lambda text: text.replace('"chunks"', '"other"'),
        lambda text: text.replace('"version": 1', '"version": 2'),
    ],
)
def test_a_damaged_sidecar_is_ignored_with_a_note(memory, path, damage):
    path.write_text(damage(path.read_text()))
    sidecar, note = read_sidecar(memory, path)
    assert sidecar is None and str(path) in note and "\n" not in note


def test_bytes_that_are_no_text_and_a_missing_file_are_ignored_with_a_note(memory, path):
    path.write_bytes(b"\xff\xfe\x00")
    assert "damaged" in read_sidecar(memory, path)[1]
    path.unlink()
    assert "cannot be read" in read_sidecar(memory, path)[1]


def test_a_file_that_is_too_large_or_none_is_not_read(memory, path):
    for beginning in (b"", path.read_bytes()):
        path.write_bytes(beginning)
        os.truncate(path, 1 << 30)
        tracemalloc.start()
        assert "no index of ours" in read_sidecar(memory, path)[1]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()
    path.unlink()
    os.mkfifo(path)
    assert read_sidecar(memory, path)[0] is None
    with pytest.raises(MemvidError, match="is no file"):
        write_sidecar(memory, path)


def test_a_sidecar_that_cannot_be_written_leaves_the_old_one(memory, path):
    before = path.read_bytes()
    memory.documents = lambda: (_ for _ in ()).throw(MemvidError("gone"))
    with pytest.raises(MemvidError, match="gone"):
        write_sidecar(memory, path)
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1
    with pytest.raises(MemvidError, match="cannot be written"):
        write_sidecar(memory, path / "below" / "a.json")
