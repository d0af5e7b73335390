"""Re-ranking on the site: the embedder's second model, its bounds, and what a page says of it."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from search import embedding, queries, reranking
from search.embedding import EmbedderAway
from search.engine.batching import Batcher, Refused
from tests.search.test_embedding import Model, message, talk, until

ROOT = Path(__file__).parents[2]
ORES = {"a.txt": ["ore ore ore"], "b.txt": ["ore and gold gold"], "c.txt": ["ore and ore and tin"]}


class Backwards:
    """Prefers what comes late; waits for an event with each batch."""

    name = "backwards"

    def __init__(self):
        self.go, self.batches = threading.Event(), []

    def scores(self, pairs):
        self.batches.append(pairs)
        assert self.go.wait(30)
        return np.array([float(text.split()[-1]) for _, text in pairs], np.float32)


@pytest.fixture
def batcher() -> Callable[..., Batcher]:
    started = []

    def start(*loads) -> Batcher:
        started.append(Batcher(*loads))
        started[-1].start()
        until(lambda: started[-1].state != "loading")
        return started[-1]

    yield start
    for one in started:
        one.stop()


# -- the queue


def test_pairs_wait_behind_queries_and_a_query_for_few_of_them(batcher):
    model, seen = Backwards(), []

    class Watching(Model):
        def embed_queries(self, texts):
            seen.append(len(model.batches))
            return super().embed(texts)

    started = batcher(Watching, lambda: model)
    scores = started.submit("rerank", [("q", f"number {place}") for place in range(30)], 60)
    until(lambda: model.batches)
    query = started.submit("query", ["first"], 60)
    model.go.set()
    assert scores.result(30).tolist() == list(range(30)) and len(query.result(30)) == 1
    assert seen == [1] and [len(batch) for batch in model.batches] == [8, 8, 8, 6]


def test_what_is_late_is_not_read_to_its_end(batcher):
    model = Backwards()
    started = batcher(Model, lambda: model)
    first = started.submit("rerank", [("q", "1")], 60)
    until(lambda: model.batches)
    late = started.submit("rerank", [("q", "1")] * 30, 1e-9)
    model.go.set()
    assert len(first.result(30)) == 1
    with pytest.raises(Refused, match="too late"):
        late.result(30)
    assert len(model.batches) == 1


def test_a_model_that_cannot_be_loaded_leaves_the_embedder_ready(batcher):
    def broken():
        raise OSError("no such model")

    started = batcher(Model, broken)
    assert started.facts()["state"] == "ready"
    assert started.facts()["rerank"] == {"model": "", "reason": "OSError: no such model"}
    with pytest.raises(Refused, match="no such model"):
        started.submit("rerank", [("q", "1")], 60)
    assert len(started.submit("document", ["x"], 60).result(30)) == 1


def test_without_the_setting_nothing_is_said_of_it(batcher):
    started = batcher(Model)
    assert "rerank" not in started.facts()
    with pytest.raises(Refused, match="no re-ranking model is set"):
        started.submit("rerank", [("q", "1")], 60)


# -- the process


@pytest.fixture
def start(tmp_path):
    """Starts an embedder with the named re-ranking model; gives its socket and what it has said."""
    started = []

    def run(model: str) -> tuple[str, Path]:
        path, log = str(tmp_path / f"{len(started)}.sock"), tmp_path / f"{len(started)}.log"
        command = [sys.executable, "-m", "search.embedder", path]
        with log.open("wb") as file:
            environment = os.environ | {"MEMVID_RERANK_MODEL": model}
            started.append(subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, env=environment))

        def settled() -> bool:
            embedding.forget_health(path)
            return embedding.health(path)["state"] == "ready"

        until(lambda: settled() or started[-1].poll() is not None)
        return path, log

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_the_process_serves_the_model_of_the_setting(start, cross_encoder):
    path, log = start(str(cross_encoder))
    assert embedding.health(path)["rerank"] == {"model": str(cross_encoder), "reason": ""}
    scores = embedding.rerank("ore", ["tin and tin", "gold \ud800", "tin and gold"] * 10, timeout=60, at=path)
    assert scores.dtype == np.float32 and scores.shape == (30,) and scores[:3].argsort().tolist() == [0, 2, 1]
    assert embedding.embed(["x"], timeout=60, at=path).shape == (1, 384)
    with pytest.raises(EmbedderAway, match="1 to 32 texts"):
        embedding.rerank("ore", [], timeout=60, at=path)
    assert b"must be a string" in talk(path, message({"do": "rerank", "texts": ["a"]}))
    assert f"re-ranked by {cross_encoder}" in log.read_text()


def test_a_model_that_is_not_there_is_one_line_at_the_start(start):
    path, log = start("no/such-model")
    assert embedding.health(path)["state"] == "ready"
    assert "The re-ranking model no/such-model is not on this machine" in embedding.health(path)["rerank"]["reason"]
    said = [line for line in log.read_text().splitlines() if "re-rank" in line]
    assert len(said) == 1 and said[0].startswith("embedder: search goes on without re-ranking: The re-ranking model")


# -- the page


@pytest.fixture
def model(away, monkeypatch) -> list[tuple[str, list[str]]]:
    """The embedder has a re-ranking model that counts gold; gives what it was asked."""
    asked = []

    def rerank(query: str, texts: list[str], *, timeout: float, at=None) -> np.ndarray:
        asked.append((query, texts))
        return np.array([text.count("gold") for text in texts], np.float32)

    away["rerank"] = {"model": f"gold {id(asked)}", "reason": ""}
    monkeypatch.setattr(embedding, "rerank", rerank)
    return asked


def paths(found) -> list[str]:
    return [hit.path for hit in found.hits]


@pytest.mark.django_db
def test_the_best_are_shown_in_their_new_order_on_every_page_of_the_list(rows, alice, model):
    rows(ORES)
    plain = paths(queries.search(alice, "ore"))
    assert plain[0] == "a.txt" and model == []  # only where the page asks for it
    assert paths(queries.search(alice, "ore", rerank=True)) == ["b.txt", "a.txt", "c.txt"]
    pages = [paths(queries.search(alice, "ore", rerank=True, limit=1, offset=place))[0] for place in range(3)]
    assert pages == ["b.txt", "a.txt", "c.txt"] and len(model) == 1
    assert queries.search(alice, "ore", rerank=True, mode="keyword").hits[0].path == "a.txt"


@pytest.mark.django_db
def test_it_reads_the_best_thirty_and_only_what_the_person_may_see(rows, alice, bob, model):
    rows({"a.txt": [f"ore {'and ' * place}" for place in range(40)] + ["ore " + "x" * 9_000]})
    rows({"secret.txt": ["ore gold"]}, name="Hidden", visibility="private", created_by=bob)
    found = queries.search(alice, "ore", rerank=True, limit=50)
    assert len(found.hits) == 41 and len(model[0][1]) == 30
    assert not any("gold" in text for text in model[0][1]) and max(map(len, model[0][1])) <= 4_000


@pytest.mark.django_db
def test_a_late_answer_leaves_the_order_and_a_note(page, rows, model, monkeypatch):
    rows(ORES)
    assert page(q="ore").index("b.txt") < page(q="ore").index("a.txt")

    def late(*_, **__):
        raise EmbedderAway("the embedder has not answered in time")

    monkeypatch.setattr(embedding, "rerank", late)
    html = page(q="ore tin")
    assert "The best passages could not be re-ranked: the embedder has not answered in time." in html
    assert reranking.WITHIN <= 2


@pytest.mark.django_db
def test_a_missing_model_is_said_on_the_page_and_no_model_is_not(page, rows, away):
    rows(ORES)
    assert "re-rank" not in page(q="ore")
    away["rerank"] = {"model": "", "reason": "The re-ranking model x is not on this machine (gone): name a folder."}
    html = page(q="ore")
    assert "could not be re-ranked: The re-ranking model x is not on this machine (gone)" in html and "a.txt" in html
