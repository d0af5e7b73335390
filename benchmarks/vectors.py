"""Vectors for measurements in numbers that no model makes in an hour: real ones with noise."""

from pathlib import Path

import numpy as np

from benchmarks.bench import Bench

REAL = 2_000  # texts of the corpus that are embedded
NOISE = 0.5  # length of what is added to a vector of length 1


def real(corpus: Path) -> np.ndarray:
    """float32 (REAL, dimension), each row of length 1."""
    from memories.engine import Config
    from memories.engine.indexing import load_embedder

    return load_embedder(Config()).embed(Bench(corpus, Path("."), quick=True).chunks(REAL))


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def near(those: np.ndarray, count: int, numbers: np.random.Generator) -> np.ndarray:
    """float32 (count, dimension), each row of length 1 and near one of those."""
    noise = unit(numbers.standard_normal((count, those.shape[1])).astype(np.float32))
    return unit(those[numbers.integers(0, len(those), count)] + NOISE * noise)
