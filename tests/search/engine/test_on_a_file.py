"""The whole of search on a real memory file; only the model is a fake."""

import hashlib
from pathlib import Path

import pytest

from memories.engine.memory import Memory
from memories.engine.model import Draft, Source
from search.engine.index import build_index
from search.engine.searcher import Searcher
from search.engine.sidecar import read_sidecar, write_sidecar
from tests.search.engine.fakes import FakeEmbedder

MOBY = ["Call me Ishmael. ", "The white whale swam in the sea.\nAhab saw it.\n", "The ship went down."]


def source(path: str, *texts: str) -> Source:
    data = "".join(texts).encode()
    return Source(path, hashlib.sha256(data).digest(), lambda: [Draft(text) for text in texts], len(data), overlap=4)


@pytest.fixture
def path(tmp_path) -> Path:
    with Memory.create(tmp_path / "m.mp4") as memory:
        memory.commit([source("moby.txt", *MOBY), source("emma.txt", "Emma Woodhouse, handsome, clever, and rich.")])
        build_index(memory, FakeEmbedder(), batch=2)
    return tmp_path / "m.mp4"


def test_the_index_in_the_file_answers_in_every_mode(path):
    with Memory.open(path) as memory:
        assert [(box.kind, box.header["chunks"]) for box in memory.indexes()] == [
            ("keyword", 4),
            ("vector", 2),
            ("vector", 2),
        ]
        for mode in ("hybrid", "semantic", "keyword"):
            results = Searcher(memory, FakeEmbedder).search("the white whale", mode=mode, context=1)
            hit = results.hits[0]
            assert (hit.document, hit.text, results.notes) == ("moby.txt", MOBY[1], [])
            assert (hit.before, hit.after, hit.metadata["lines"]) == (MOBY[:1], MOBY[2:], [1, 2])
            assert hit.text in memory.page_text(hit.frame)


def test_a_changed_memory_is_indexed_further_and_its_past_stays(path):
    with Memory.open(path) as memory:
        memory.commit([source("walrus.txt", "A walrus sleeps.")], remove=["emma.txt"])
        embedder = FakeEmbedder()
        assert build_index(memory, embedder).complete and embedder.embedded == 1
        assert Searcher(memory, FakeEmbedder).search("walrus", mode="keyword").hits[0].document == "walrus.txt"
        assert Searcher(memory, FakeEmbedder).search("Emma", mode="keyword").hits == []
    with Memory.open(path, at=1) as past:
        assert Searcher(past, FakeEmbedder).search("walrus", mode="keyword").hits == []
        assert Searcher(past, FakeEmbedder).search("Emma").hits[0].document == "emma.txt"


def test_a_sidecar_belongs_to_one_head_of_one_memory(path, tmp_path):
    beside = tmp_path / "m.json"
    with Memory.open(path) as memory:
        write_sidecar(memory, beside)
        assert read_sidecar(memory, beside)[1] == ""
        memory.commit([source("walrus.txt", "A walrus sleeps.")])
        assert "has changed" in read_sidecar(memory, beside)[1]
    with Memory.open(path, at=1) as past:
        assert read_sidecar(past, beside)[0] is not None
    with Memory.create(tmp_path / "other.mp4") as other:
        other.commit([source("moby.txt", *MOBY)])
        assert "another memory" in read_sidecar(other, beside)[1]
