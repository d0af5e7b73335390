import pytest

from memories.engine.errors import MemvidError, NotFound, UsageError
from search.engine import legs
from search.engine.embedder import ModelMissing
from search.engine.index import build_index
from search.engine.searcher import Searcher
from tests.search.engine.fakes import FakeEmbedder, FakeMemory


def no_model():
    raise ModelMissing("The embedding model fake is not on this machine: install it.")


@pytest.fixture
def memory() -> FakeMemory:
    memory = FakeMemory()
    memory.put(
        "moby.txt", "Call me Ishmael.\n", "the white whale\nin the sea\n", "the captain and the ship\n", tags=("novel",)
    )
    memory.put("emma.txt", "handsome clever and rich\n", "a white dress\n")
    return memory


@pytest.fixture
def indexed(memory) -> FakeMemory:
    build_index(memory, FakeEmbedder())
    return memory


def searcher(memory: FakeMemory, **options) -> Searcher:
    return Searcher(memory, FakeEmbedder, **options)


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
def test_every_mode_finds_the_chunk_and_says_where_it_lies(indexed, mode):
    results = searcher(indexed).search("the white whale", mode=mode)
    hit = results.hits[0]
    assert results.mode == mode and results.notes == []
    assert (hit.document, hit.chunk_id, hit.frame, hit.commit) == ("moby.txt", "1.1", 1, 1)
    assert hit.text == "the white whale\nin the sea\n"
    assert hit.metadata == {"heading": "h", "lines": [2, 3], "media_type": "text/plain", "tags": ["novel"]}
    assert [hit.score for hit in results.hits] == sorted((hit.score for hit in results.hits), reverse=True)


def test_the_text_comes_from_the_frame_and_not_from_an_index(indexed):
    ref, _ = indexed._chunks[1, 1 << 24]
    indexed._chunks[1, 1 << 24] = (ref, "what the frame holds")
    assert searcher(indexed).search("white whale").hits[0].text == "what the frame holds"


def test_k_cuts_and_total_counts_all_that_matched(indexed):
    results = searcher(indexed).search("white", k=1, mode="keyword")
    assert len(results.hits) == 1 and results.total == 2
    assert searcher(indexed).search("white", k=1, mode="semantic", threshold=-1).total == 5


def test_context_is_the_neighbours_in_the_same_document(indexed):
    hit = searcher(indexed).search("whale", k=1, context=1, mode="keyword").hits[0]
    assert (hit.before, hit.after) == (["Call me Ishmael.\n"], ["the captain and the ship\n"])
    hit = searcher(indexed).search("handsome", k=1, context=9, mode="keyword").hits[0]
    assert (hit.before, hit.after) == ([], ["a white dress\n"])


def test_the_threshold_cuts_hits_by_meaning(indexed):
    assert len(searcher(indexed).search("a white dress", k=9, mode="semantic", threshold=0.7).hits) == 1
    assert searcher(indexed).search("zebra", mode="semantic", threshold=0.9).total == 0


def test_documents_narrow_the_search(indexed):
    found = searcher(indexed).search("white", documents=["emma.txt"], threshold=-1)
    assert {hit.document for hit in found.hits} == {"emma.txt"} and found.total == 2
    assert searcher(indexed).search("white", documents=[1], mode="keyword").hits[0].document == "moby.txt"
    assert searcher(indexed).search("white", documents=[]).hits == []
    with pytest.raises(NotFound):
        searcher(indexed).search("white", documents=["nowhere.txt"])


@pytest.mark.parametrize(("query", "note"), [("", "empty"), (" \n", "empty"), ("?! -- ...", "no letter or digit")])
@pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
def test_a_query_without_words_has_no_hits_and_a_note(indexed, query, note, mode):
    results = searcher(indexed).search(query, mode=mode)
    assert results.hits == [] and results.total == 0
    assert note in results.notes[0]


@pytest.mark.parametrize("query", ["whale " * 1700, "x" * 10_000, "\x00 whale", "🐋", "\ud800 whale", "鯨"])
def test_odd_queries_are_answered(indexed, query):
    assert searcher(indexed).search(query).notes == []


@pytest.mark.parametrize("wrong", [{"mode": "fuzzy"}, {"k": 0}, {"context": -1}])
def test_a_wrong_call_says_so(indexed, wrong):
    with pytest.raises(UsageError):
        searcher(indexed).search("whale", **wrong)


def test_without_vectors_it_searches_words_and_says_so(memory):
    build_index(memory, None)
    results = searcher(memory).search("white whale")
    assert results.mode == "keyword" and results.hits[0].chunk_id == "1.1"
    assert results.notes == ["Searched by words only: it has no vectors yet; `memvid index` makes them."]
    with pytest.raises(MemvidError, match="no vectors yet"):
        searcher(memory).search("white whale", mode="semantic")


@pytest.mark.parametrize(("loader", "reason"), [(no_model, "not on this machine"), (None, "no embedding model")])
def test_without_a_model_it_searches_words_and_says_so(indexed, loader, reason):
    results = Searcher(indexed, loader).search("white whale")
    assert results.mode == "keyword" and reason in results.notes[0] and results.hits[0].chunk_id == "1.1"
    with pytest.raises(MemvidError, match=reason):
        Searcher(indexed, loader).search("white whale", mode="semantic")


def test_a_keyword_search_never_loads_a_model(indexed):
    def loader():
        raise AssertionError("loaded")

    assert Searcher(indexed, loader).search("whale", mode="keyword").hits


def test_without_any_index_all_chunks_are_read_and_it_says_so(memory):
    results = searcher(memory).search("white whale", mode="keyword")
    assert results.hits[0].chunk_id == "1.1"
    assert results.notes == ["There is no keyword index, so all 5 chunks were read; `memvid index` makes one."]


def test_a_few_chunks_that_are_not_indexed_are_found_all_the_same(indexed):
    indexed.put("new.txt", "a walrus sleeps")
    assert searcher(indexed).search("walrus").hits[0].document == "new.txt"
    semantic = searcher(indexed).search("a walrus sleeps", mode="semantic")
    assert semantic.hits[0].document == "new.txt" and semantic.notes == []


def test_many_chunks_that_are_not_indexed_are_left_out_and_counted(indexed, monkeypatch):
    monkeypatch.setattr(legs, "KEYWORD_SCAN", 1)
    monkeypatch.setattr(legs, "VECTOR_SCAN", 1)
    indexed.put("new.txt", "a walrus sleeps", "a walrus wakes")
    for mode in ("keyword", "semantic", "hybrid"):
        results = searcher(indexed).search("walrus", mode=mode)
        assert results.notes == ["2 of 7 chunks are not indexed yet; `memvid index` goes on with them."]
        assert "new.txt" not in {hit.document for hit in results.hits}


def test_replaced_and_removed_chunks_are_not_found(indexed):
    indexed.put("moby.txt", "Call me Ishmael.\n", "the black cat\n")
    indexed.remove("emma.txt")
    results = searcher(indexed).search("white whale dress", k=9)
    assert {hit.text for hit in results.hits} <= {"Call me Ishmael.\n", "the black cat\n"}


def test_the_past_has_only_what_lived_then(indexed):
    past = indexed.at()
    indexed.put("moby.txt", "nothing about it")
    indexed.put("new.txt", "a white whale again")
    build_index(indexed, FakeEmbedder())
    found = searcher(past).search("white whale", k=9)
    assert found.hits[0].chunk_id == "1.1" and "new.txt" not in {hit.document for hit in found.hits}
    assert "moby.txt" not in {hit.document for hit in searcher(indexed).search("whale", mode="keyword").hits}


def test_the_model_of_the_vectors_is_used_when_another_is_configured(indexed):
    results = Searcher(indexed, lambda: FakeEmbedder("newer")).search("a white dress", mode="semantic")
    assert results.hits[0].text == "a white dress\n" and results.hits[0].score > 0.7
    assert results.notes == ["The vectors were made by fake, so that model is used, not newer."]


def test_the_configured_model_is_used_when_it_has_vectors(indexed):
    build_index(indexed, FakeEmbedder("newer"))
    assert Searcher(indexed, lambda: FakeEmbedder("newer")).search("a white dress", mode="semantic").notes == []


def test_answers_are_kept_up_to_the_cache_size(indexed):
    embedder = FakeEmbedder()
    kept = Searcher(indexed, lambda: embedder, cache_size=1)
    assert kept.search("whale") is kept.search("whale") and embedder.queries == 1
    kept.search("ship")
    kept.search("whale")
    assert embedder.queries == 3
    unkept = Searcher(indexed, lambda: embedder, cache_size=0)
    assert unkept.search("whale") == unkept.search("whale") and embedder.queries == 5


def test_the_number_of_threads_is_kept_and_changes_no_score(indexed, monkeypatch):
    monkeypatch.setattr(legs, "BLOCK", 2)
    asked = []
    pool = legs.ThreadPoolExecutor
    monkeypatch.setattr(legs, "ThreadPoolExecutor", lambda workers: asked.append(workers) or pool(workers))
    one, three = (searcher(indexed, threads=threads).search("white whale", mode="semantic") for threads in (1, 3))
    assert asked == [1, 3] and one == three


def test_a_damaged_frame_takes_away_its_chunk_only_and_is_named(indexed):
    indexed.damaged = {1}
    results = searcher(indexed).search("white", mode="keyword")
    assert [hit.document for hit in results.hits] == ["emma.txt"]
    assert results.notes == ["Frame 1 cannot be read."]


def test_an_empty_memory_has_no_hits():
    assert searcher(FakeMemory()).search("whale").hits == []
