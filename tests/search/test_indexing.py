"""Vectors: made, reused, brought along by a file and sent along with it."""

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.engine.errors import UsageError
from memories.models import Chunk
from search import embedding, services, vectors
from search.embedding import EmbedderAway
from search.engine.boxes import VECTOR, Rows, Vectors, append
from search.models import Embedding, EmbeddingModel
from search.queries import search

pytestmark = pytest.mark.django_db
SIZE = 16


def quiet(done: int, total: int, stage: str) -> None: ...


class Fake:
    """An embedder of another world: a text's vector is drawn from the text. Counts what it is asked for."""

    def __init__(self) -> None:
        self.name, self.asked, self.away_after = "fake", [], None

    def health(self, at=None):
        return {"state": "ready", "model": self.name, "dimension": SIZE, "reason": ""}

    def embed(self, texts, *, timeout, query=False, model=None, at=None):
        if self.away_after is not None and len(self.asked) >= self.away_after:
            raise EmbedderAway("the embedder is not running")
        self.asked += texts
        made = np.array([np.random.default_rng(sum(text.encode())).standard_normal(SIZE) for text in texts])
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def fake(monkeypatch) -> Fake:
    fake = Fake()
    monkeypatch.setattr(embedding, "health", fake.health)
    monkeypatch.setattr(embedding, "embed", fake.embed)
    monkeypatch.setattr(services, "PATIENCE", 0)
    return fake


def stored(name: str = "fake") -> dict[str, np.ndarray]:
    rows = Embedding.objects.filter(model__name=name).values_list("chunk__text", "vector")
    return {text: np.array(vector) for text, vector in rows}


def test_each_present_chunk_gets_its_vector(new_memory, fake):
    row = new_memory({"a.txt": "x" * 990 + "end of it." + "the next", "b.txt": "other"})
    seen = []
    counts = services.index_memory(row, lambda *step: seen.append(step))
    assert counts == {"model": "fake", "embedded": 3, "reused": 0, "imported": 0, "lacking": 0}
    assert set(fake.asked) == {"x" * 990 + "end of it.", "x" * 40 + "end of it." + "the next", "other"}
    assert seen[0] == (0, 3, "indexing by meaning") and seen[-1] == (3, 3, "indexing by meaning")
    assert np.allclose(stored()["other"], fake.embed(["other"], timeout=1)[0], atol=1e-3)
    model = EmbeddingModel.objects.get()
    assert (model.active, model.dimensions, services.coverage(model)) == (True, SIZE, (3, 3))
    assert services.index_memory(row, quiet)["embedded"] == 0


def test_what_was_stored_stays_when_the_embedder_goes(new_memory, fake, monkeypatch):
    monkeypatch.setattr(services, "BATCH", 2)
    row = new_memory({f"{name}.txt": f"text {name}" for name in "abcde"})
    fake.away_after = 4
    with pytest.raises(EmbedderAway):
        services.index_memory(row, quiet)
    assert len(stored()) == 4
    fake.away_after = None
    assert services.index_memory(row, quiet)["embedded"] == 1
    assert len(fake.asked) == len(set(fake.asked)) == 5


def test_a_stop_between_batches_keeps_what_is_there(new_memory, fake, monkeypatch):
    monkeypatch.setattr(services, "BATCH", 2)
    row = new_memory({f"{name}.txt": f"text {name}" for name in "abcde"})

    def cancel(done, total, stage):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        services.index_memory(row, cancel)
    assert len(stored()) == 2


def test_the_same_text_is_embedded_once(new_memory, append, fake):
    one = new_memory({"a.txt": "call me ishmael", "copy.txt": "call me ishmael"})
    two = new_memory({"b.txt": "call me ishmael", "c.txt": "new"})
    assert services.index_memory(one, quiet)["embedded"] == 1
    assert services.index_memory(two, quiet) | {"model": ""} == {
        "model": "", "embedded": 1, "reused": 1, "imported": 0, "lacking": 0,
    }  # fmt: skip
    assert fake.asked == ["call me ishmael", "new"] and Embedding.objects.count() == 4


def test_only_what_is_new_is_embedded_after_a_commit(new_memory, append, fake):
    row = new_memory({"a.txt": "one"})
    services.index_memory(row, quiet)
    append(row, {"a.txt": "two", "b.txt": "three"})
    mirror.follow(row)
    services.index_memory(row, quiet)
    assert fake.asked == ["one", "two", "three"]


def test_chunks_that_went_away_meanwhile_are_left_out(new_memory, fake):
    row = new_memory({"a.txt": "one", "b.txt": "two"})
    model = services.served_model()
    wanted = vectors.lacking_batch(row, model, 0, 9)
    Chunk.objects.filter(pk=wanted[0].chunk).delete()
    some = [vectors.Row(lacking.chunk, None, np.eye(SIZE, dtype=np.float32)[0]) for lacking in wanted]
    assert vectors.store(model, some) == 1
    assert vectors.store(model, some) == 0  # as another worker would


def test_vectors_travel_with_the_file(new_memory, fake):
    row = new_memory({"a.txt": "call me ishmael", "b.txt": "the best of times"})
    services.index_memory(row, quiet)
    before = stored()
    stats = services.write_boxes(row, quiet)
    assert stats["vectors"] == stats["keywords"] == 2 and len(fake.asked) == 2
    Embedding.objects.all().delete()
    counts = services.import_vectors(row, EmbeddingModel.objects.get(), quiet)
    assert counts["imported"] == 2 and counts["lacking"] == 0 and len(fake.asked) == 2
    after = stored()
    assert all(before[text] @ after[text] > 0.999 for text in before)
    assert not Embedding.objects.exclude(digest=None).exists()


def box(row, **vectors_) -> None:
    with MemoryFile.open(row.path) as file:
        refs = file.chunks()
        append(file, VECTOR, "fake", Rows.of(refs), Vectors(**vectors_))


@pytest.mark.parametrize("scale", [np.nan, np.inf, 0, 1e30, 1])
def test_a_hostile_box_is_not_believed(new_memory, fake, scale):
    row = new_memory({"a.txt": "one"})
    box(row, packed=np.full((1, SIZE), 9, np.int8), scales=np.full(1, scale, np.float32))
    assert services.index_memory(row, quiet)["embedded"] == 1


def test_a_box_of_another_size_is_not_used(new_memory, fake):
    row = new_memory({"a.txt": "one"})
    box(row, packed=np.full((1, 4), 9, np.int8), scales=np.ones(1, np.float32))
    assert services.index_memory(row, quiet)["embedded"] == 1


def test_a_foreign_vector_counts_for_its_file_alone(new_memory, fake):
    theirs, ours = new_memory({"a.txt": "one"}), new_memory({"a.txt": "one"})
    box(theirs, packed=np.full((1, SIZE), 9, np.int8), scales=np.full(1, 1 / (9 * SIZE**0.5), np.float32))
    assert services.index_memory(theirs, quiet)["imported"] == 1
    assert services.index_memory(ours, quiet)["embedded"] == 1


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%%hnsw%%'")
        return {name for (name,) in cursor.fetchall()}


def test_a_second_model_is_built_beside_the_first_and_takes_over(new_memory, alice, fake):
    row = new_memory({"a.txt": "call me ishmael"})
    services.index_memory(row, quiet)
    fake.name = "better"
    assert "serves the model" not in str(search(alice, "ishmael").notes)
    services.index_memory(row, quiet)
    old, new = EmbeddingModel.objects.order_by("pk")
    assert (old.active, new.active) == (True, False) and len(indexes()) == 2
    with pytest.raises(UsageError, match="is in use"):
        services.drop_model(old)
    services.activate_model(new)
    old.refresh_from_db()
    assert (old.active, new.active) == (False, True)
    services.drop_model(old)
    assert indexes() == {vectors.index_name(new)} and set(stored("better")) == {"call me ishmael"}
    assert Embedding.objects.count() == 1


def test_the_command_changes_models(new_memory, fake, capsys):
    row = new_memory({"a.txt": "call me ishmael"})
    services.index_memory(row, quiet)
    fake.name = "better"
    call_command("embedding_models", build="elsewhere.sock")
    call_command("embedding_models", activate="better")
    call_command("embedding_models", drop="fake")
    assert capsys.readouterr().out.splitlines()[-1] == f"better: {SIZE} dimensions, 1 of 1 chunks, active"
    with pytest.raises(CommandError, match="no model 'fake'"):
        call_command("embedding_models", drop="fake")
    with pytest.raises(CommandError, match="is in use"):
        call_command("embedding_models", drop="better")


def test_with_the_real_model(new_memory, alice, embedder):
    row = new_memory({"moby.txt": "The white whale swam before him.", "tax.txt": "The tax return is due in March."})
    assert services.index_memory(row, quiet)["embedded"] == 2
    assert services.write_boxes(row, quiet)["vectors"] == 2
    found = search(alice, "a pale sea animal")
    assert found.mode == "hybrid" and not found.notes
    assert (found.hits[0].path, found.hits[0].why) == ("moby.txt", ("meaning",))
