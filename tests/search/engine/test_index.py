import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from search.engine import boxes, columns, index, tokens
from search.engine.boxes import KEYWORD, VECTOR, Living
from search.engine.index import build_index
from search.engine.searcher import Searcher
from tests.search.engine.fakes import FakeEmbedder, FakeMemory


@pytest.fixture
def memory() -> FakeMemory:
    memory = FakeMemory()
    memory.put("a.txt", *(f"text number{number} of a" for number in range(25)))
    memory.put("b.txt", "the white whale", "the sea")
    return memory


def vectors_of(memory: FakeMemory) -> dict[str, bytes]:
    """The vector that counts for each living chunk."""
    living = Living(memory.chunks())
    found = boxes.read(memory, VECTOR, "fake")
    vectors, places = boxes.gather([box.content for box in found], boxes.join(found, living))
    return {living.refs[place].id: vectors.packed[row].tobytes() for row, place in enumerate(places)}


def test_an_index_covers_every_chunk_in_batches(memory):
    seen = []
    stats = build_index(memory, FakeEmbedder(), batch=10, progress=lambda *step: seen.append(step))
    assert stats == index.IndexStats(27, 27, 27, 27, "fake", False) and stats.complete
    assert [box.kind for box in memory.indexes()] == [KEYWORD, VECTOR, VECTOR, VECTOR]
    assert [box.header["chunks"] for box in memory.indexes()] == [27, 10, 10, 7]
    assert [box.first_commit for box in memory.indexes()][-1] == 1 and memory.indexes()[-1].last_commit == 2
    assert seen[-1] == (27, 27, "vectors")


def test_the_overlap_is_embedded_with_a_chunk_but_its_words_count_once(memory):
    class Recording(FakeEmbedder):
        def embed(self, texts, progress=None):
            assert "hite whalethe sea" in texts
            return super().embed(texts)

    build_index(memory, Recording())
    assert [hit.chunk_id for hit in Searcher(memory, None).search("whale", mode="keyword").hits] == ["2.0"]


def test_a_second_build_adds_nothing(memory):
    build_index(memory, FakeEmbedder())
    embedder, count = FakeEmbedder(), len(memory.indexes())
    stats = build_index(memory, embedder)
    assert stats.added == embedder.embedded == 0 and stats.complete
    assert len(memory.indexes()) == count


def test_only_changed_chunks_are_embedded_again(memory):
    build_index(memory, FakeEmbedder())
    memory.put("b.txt", "the white whale", "the quiet sea", "the end")
    memory.remove("a.txt")
    embedder = FakeEmbedder()
    assert build_index(memory, embedder).added == embedder.embedded == 2
    assert build_index(memory, embedder).chunks == 3


@pytest.mark.parametrize("boxes_written", [0, 1, 2, 3])
def test_a_killed_build_goes_on_where_it_was(memory, boxes_written):
    memory.fail_append_after = boxes_written
    with pytest.raises(KeyboardInterrupt):
        build_index(memory, FakeEmbedder(), batch=10)
    memory.fail_append_after = None
    embedder = FakeEmbedder()
    assert build_index(memory, embedder, batch=10).complete
    assert embedder.embedded == 27 - 10 * max(boxes_written - 1, 0)


def test_a_build_told_to_stop_keeps_what_it_embedded(memory, monkeypatch):
    monkeypatch.setattr(index, "SLICE", 5)
    embedder = FakeEmbedder()
    stats = build_index(memory, embedder, batch=20, should_stop=lambda: embedder.embedded >= 10)
    assert stats.stopped and not stats.complete and stats.vectors == 10
    assert build_index(memory, FakeEmbedder()).added == 17


def test_a_commit_during_a_build_does_not_disturb_it(memory):
    class Disturbing(FakeEmbedder):
        def embed(self, texts, progress=None):
            if self.embedded == 0:
                memory.remove("a.txt")
                memory.put("b.txt", "the white whale", "another sea")
            return super().embed(texts)

    stats = build_index(memory, Disturbing(), batch=10)
    assert (stats.chunks, stats.vectors, stats.keywords) == (2, 1, 1)
    assert build_index(memory, FakeEmbedder()).complete


def test_without_a_model_only_words_are_indexed(memory):
    stats = build_index(memory, None)
    assert (stats.keywords, stats.vectors, stats.model) == (27, 0, None) and stats.complete
    assert {box.kind for box in memory.indexes()} == {KEYWORD}


def test_models_are_kept_apart(memory):
    build_index(memory, FakeEmbedder("one"))
    assert build_index(memory, FakeEmbedder("two")).added == 27


@pytest.mark.parametrize("dead", [0, 7])
def test_many_small_boxes_become_one(memory, dead):
    embedder = FakeEmbedder()
    for number in range(20):
        memory.put(f"{number}.md", f"note {number}")
        build_index(memory, embedder)
    for number in range(dead):
        memory.remove(f"{number}.md")
    before = vectors_of(memory)
    build_index(memory, embedder)
    assert len(boxes.read(memory, VECTOR, "fake")) <= index.SMALL_BOXES
    assert len(boxes.read(memory, KEYWORD, tokens.NAME)) <= index.SMALL_BOXES
    assert vectors_of(memory) == before and len(before) == 47 - dead
    assert embedder.embedded == 47
    assert Searcher(memory, None).search("note 19", mode="keyword").hits[0].document == "19.md"


def test_chunks_in_two_boxes_count_once(memory):
    build_index(memory, FakeEmbedder())
    once = Searcher(memory, lambda: FakeEmbedder()).search("the white whale", mode="keyword")
    twin = FakeMemory()
    twin._documents, twin._chunks, twin._commits = memory._documents, memory._chunks, memory._commits
    build_index(twin, FakeEmbedder())
    memory._boxes += twin._boxes
    assert Searcher(memory, lambda: FakeEmbedder()).search("the white whale", mode="keyword").hits == once.hits


@pytest.mark.parametrize(
    "lie",
    [
        {"format": 2},
        {"sections": [["vectors", 10**9]]},
        {"sections": "none"},
        {"dimension": 63},
        {"dimension": None},
        {"serial": "x"},
        {"replaces": 3},
        {"chunks": "27"},
        {"chunks": 26},
    ],
)
def test_a_box_that_contradicts_itself_is_built_again(memory, lie):
    build_index(memory, FakeEmbedder())
    memory.spoil(1, **lie)
    assert boxes.read(memory, VECTOR, "fake") == []
    assert build_index(memory, FakeEmbedder()).added == 27


@pytest.mark.parametrize("scale", [np.nan, np.inf, 1e30, 0.1, 0, -1])
def test_a_vector_whose_length_is_not_1_does_not_count(memory, scale):
    build_index(memory, FakeEmbedder())
    before, (box,) = vectors_of(memory), boxes.read(memory, VECTOR, "fake")
    scales = np.concatenate([np.float32([scale]), box.content.scales[1:]])
    boxes.append(memory, VECTOR, "fake", box.rows, boxes.Vectors(-box.content.packed, scales))
    (first, *others), after = before, vectors_of(memory)
    assert after[first] == before[first] and all(after[other] != before[other] for other in others)
    assert [len(box.rows) for box in boxes.read(memory, VECTOR, "fake")] == [27, 26]


@pytest.mark.parametrize("claimed", [1, 10**7, 10**12])
def test_a_box_that_claims_more_than_its_bytes_can_hold_is_not_loaded(memory, claimed):
    build_index(memory, FakeEmbedder())
    zeros = columns.deflate(bytes(10**8))
    names = ("documents", "orders", "commits", "vectors", "scales")
    memory._boxes[1] = replace(memory._boxes[1], payload=zeros * len(names))
    memory.spoil(1, chunks=claimed, sections=[[name, len(zeros)] for name in names])
    tracemalloc.start()
    assert boxes.read(memory, VECTOR, "fake") == []
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_header_is_plain_data_and_the_columns_are_small():
    memory = FakeMemory()
    memory.put("long.txt", *(f"text {number}" for number in range(3000)))
    build_index(memory, FakeEmbedder(), batch=3000)
    header = memory.indexes()[-1].header
    assert (header["dimension"], header["quantisation"], header["format"]) == (64, "int8", 1)
    sizes = dict(header["sections"])
    assert sizes["documents"] + sizes["orders"] + sizes["commits"] < 200
    assert sum(sizes.values()) == len(memory.indexes()[-1].payload)


def test_an_empty_memory_gets_no_box():
    memory = FakeMemory()
    assert build_index(memory, FakeEmbedder()).complete
    assert memory.indexes() == []


def test_rows_join_by_document_order_and_commit():
    memory = FakeMemory()
    memory.put("a", "one", "two")
    rows = boxes.Rows.of(memory.chunks())
    memory.put("a", "one", "other")
    assert Living(memory.chunks()).places(rows).tolist() == [0, -1]
    assert np.array_equal(boxes.Rows.read(rows.sections(), 2).orders, rows.orders)


def test_a_memory_that_was_emptied_is_searched_and_indexed_on(memory):
    build_index(memory, FakeEmbedder())
    for path in ("a.txt", "b.txt"):
        memory.remove(path)
    assert vectors_of(memory) == {} and Searcher(memory, lambda: FakeEmbedder()).search("whale").hits == []
    assert build_index(memory, FakeEmbedder()).complete
    memory.put("c.txt", "another whale")
    assert build_index(memory, FakeEmbedder()).added == 1 and len(vectors_of(memory)) == 1
