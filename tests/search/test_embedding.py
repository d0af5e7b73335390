"""The embedder process, with the real model, and the site's side of the socket."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search import embedding
from search.embedding import EmbedderAway
from search.engine import batching
from search.engine.batching import Batcher, Refused

ROOT = Path(__file__).parents[2]


def test_the_web_process_loads_no_model_library():
    command = "import memvid_site.asgi, search.views, sys; print(*sys.modules)"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "memvid_site.settings"}
    ran = subprocess.run([sys.executable, "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert not {"torch", "transformers", "sentence_transformers"} & set(ran.stdout.split())


# -- the real one


def healthy() -> dict:
    """A page waits a quarter of a second for it, which a busy machine may need."""
    while (said := embedding.health())["state"] == "away":
        embedding.forget_health()
    return said


def test_it_serves_the_vectors_of_the_model(embedder):
    health = healthy()
    assert (health["state"], health["dimension"]) == ("ready", 384)
    texts = [
        "The white whale.",
        "A sperm whale without colour.",
        "Quarterly tax return.",
        "",
        "x" * 50_000,
        "\ud800",
    ] * 9
    vectors = embedding.embed(texts, timeout=60)
    assert vectors.shape == (54, 384) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.5 > 0.2 > far
    assert np.allclose(embedding.embed(texts[:1], timeout=60, query=True)[0], vectors[0], atol=0.01)


def test_many_ask_at_once(embedder):
    def ask(place: int) -> np.ndarray:
        return embedding.embed([f"number {place % 5}"] * (1 + place % 7), timeout=60, query=place % 2 == 0)

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(ask, range(40)))
    assert all(len(vectors) == 1 + place % 7 for place, vectors in enumerate(found))
    assert np.allclose(found[3][0], found[8][0], atol=0.02)


def test_another_model_than_the_wanted_one_is_not_used(embedder):
    with pytest.raises(EmbedderAway, match="not other/model"):
        embedding.embed(["x"], timeout=10, model="other/model")


def test_its_socket_is_its_users_alone(embedder):
    assert os.stat(embedder).st_mode & 0o777 == 0o600


def test_a_second_one_on_the_same_socket_does_not_start(embedder):
    ran = subprocess.run([sys.executable, "-m", "search.embedder", embedder], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 1 and "another embedder already listens" in ran.stderr
    assert healthy()["state"] == "ready"


def talk(path: str, data: bytes) -> bytes:
    """What it answers until it closes the connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def message(header: object) -> bytes:
    data = json.dumps(header).encode()
    return struct.pack("<I", len(data)) + data


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["do", "kind", "texts", "within"]), inner),
).map(message))  # fmt: skip
def test_hostile_bytes_never_end_it(embedder, data):
    talk(str(embedder), data)
    assert talk(str(embedder), message({"do": "health"}))[4:].startswith(b'{"state": "ready"')


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"do": "embed", "kind": "query", "texts": ["a"] * 33}, "1 to 32 texts"),
        ({"do": "embed", "kind": "query", "texts": ["a" * 9000]}, "at most 8192 characters"),
        ({"do": "embed", "kind": "query", "texts": ["a"], "within": "long"}, "number of seconds"),
        ({"do": "embed", "kind": "song", "texts": ["a"]}, "it must ask"),
        ([1], "no JSON object"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(embedder, request_, reason):
    assert reason in json.loads(talk(str(embedder), message(request_))[4:])["reason"]


def test_too_large_a_message_is_refused_before_it_is_read(embedder):
    answer = talk(str(embedder), struct.pack("<I", 1 << 31) + b"x" * 100)
    assert json.loads(answer[4:])["error"] == "bad"


# -- starting and stopping, with a model that is quickly there


def settled(path: str) -> bool:
    """It listens, and knows whether it has its model."""
    embedding.forget_health(path)
    health = embedding.health(path)
    return health["state"] == "ready" or "no such model" in health["reason"]


class Model:
    name, dimension = "small", 2

    def embed(self, texts, progress=None):
        if "bad" in texts:
            raise ValueError("no such thing")
        return np.ones((len(texts), 2), np.float32)

    embed_queries = embed


START = """
import sys
from pathlib import Path
from search.engine import serving
from tests.search.test_embedding import Model
def load():
    if sys.argv[2] == "broken":
        raise OSError("no such model")
    return Model()
serving.run(Path(sys.argv[1]), load)
"""


@pytest.fixture
def start(tmp_path):
    """Starts one with a small model, or a broken one; gives its socket and process."""
    started = []

    def run(kind: str = "small") -> tuple[str, subprocess.Popen]:
        path = str(tmp_path / "e.sock")
        process = subprocess.Popen([sys.executable, "-c", START, path, kind], cwd=ROOT, stderr=subprocess.DEVNULL)
        started.append(process)
        until(lambda: process.poll() is not None or settled(path))
        return path, process

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_a_model_that_cannot_be_loaded_is_told(start):
    path, _ = start("broken")
    assert embedding.health(path) == {"state": "away", "model": "", "dimension": 0, "reason": "OSError: no such model"}
    with pytest.raises(EmbedderAway, match="no such model") as caught:
        embedding.embed(["x"], timeout=5, at=path)
    assert not caught.value.passing


def test_it_stops_cleanly_and_takes_its_socket_along(start):
    path, process = start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0 and not os.path.exists(path)


def test_the_socket_of_a_killed_one_is_replaced(start):
    path, process = start()
    process.kill()
    process.wait()
    with pytest.raises(EmbedderAway, match="not running"):
        embedding.embed(["x"], timeout=5, at=path)
    assert os.path.exists(path)
    assert start()[0] == path and embedding.embed(["x"], timeout=5, at=path).shape == (1, 2)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("dear")
    ran = subprocess.run([sys.executable, "-m", "search.embedder", path], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 1 and "is a file and no socket" in ran.stderr
    assert path.read_text() == "dear"


def test_a_text_that_the_model_cannot_take_fails_alone(start):
    path, _ = start()
    with pytest.raises(EmbedderAway, match="could not embed it"):
        embedding.embed(["bad"], timeout=5, at=path)
    assert embedding.embed(["good"], timeout=5, at=path).shape == (1, 2)


def test_nobody_there_is_said_at_once(tmp_path):
    path = str(tmp_path / "none.sock")
    assert embedding.health(path)["reason"] == "the embedder is not running"
    with pytest.raises(EmbedderAway, match="not running"):
        embedding.embed(["x"], timeout=5, at=path)
    assert "cannot be reached" in embedding.health(str(tmp_path / ("x" * 200)))["reason"]


def test_one_that_is_silent_is_not_waited_for(tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "e.sock"))
        silent.listen()
        assert embedding.health(str(tmp_path / "e.sock"))["reason"] == "the embedder has not answered in time"


# -- the queue


def held() -> tuple[Batcher, threading.Event, list[list[str]]]:
    """A ready batcher whose model waits for the event with each batch, and the batches."""
    go, seen = threading.Event(), []

    class Slow(Model):
        def embed(self, texts, progress=None):
            seen.append(list(texts))
            go.wait(30)
            return super().embed(texts)

        embed_queries = embed

    ready = threading.Event()
    batcher = Batcher(lambda: ready.set() or Slow())
    batcher.start()
    ready.wait(30)
    while batcher.state == "loading":
        threading.Event().wait(0.001)
    return batcher, go, seen


def until(condition) -> None:
    while not condition():
        threading.Event().wait(0.001)


def test_queries_go_before_documents_and_are_embedded_together():
    batcher, go, seen = held()
    first = batcher.submit("document", [f"d{place}" for place in range(40)], 60)
    until(lambda: seen)
    queries = [batcher.submit("query", [f"q{place}"], 60) for place in range(3)]
    go.set()
    assert len(first.result(30)) == 40 and all(len(query.result(30)) == 1 for query in queries)
    assert seen[1] == ["q0", "q1", "q2"] and [len(batch) for batch in seen] == [16, 3, 16, 8]


def test_what_waits_is_bounded_and_what_is_too_old_is_dropped(monkeypatch):
    monkeypatch.setitem(batching.MOST_WAITING, "query", 2)
    batcher, go, seen = held()
    batcher.submit("document", ["d"], 60)
    until(lambda: seen)
    late, kept = batcher.submit("query", ["late"], 1e-9), batcher.submit("query", ["kept"], 60)
    with pytest.raises(Refused, match="too many texts"):
        batcher.submit("query", ["third"], 60)
    go.set()
    with pytest.raises(Refused, match="too late"):
        late.result(30)
    assert len(kept.result(30)) == 1 and ["late"] not in seen


def test_stopping_tells_those_who_wait():
    batcher, go, seen = held()
    batcher.submit("document", ["d"], 60)
    until(lambda: seen)
    waiting = batcher.submit("document", ["e"], 60)
    batcher.stop()
    go.set()
    with pytest.raises(Refused, match="being stopped"):
        waiting.result(30)
    with pytest.raises(Refused, match="being stopped"):
        batcher.submit("query", ["f"], 60)


def test_while_the_model_loads_it_answers(tmp_path):
    go = threading.Event()
    batcher = Batcher(lambda: go.wait(30) and Model())
    batcher.start()
    assert batcher.facts()["state"] == "loading"
    with pytest.raises(Refused, match="being loaded"):
        batcher.submit("query", ["x"], 60)
    go.set()
