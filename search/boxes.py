"""Vectors travel in the index boxes of the MP4 file: out of them into the database, and the other way."""

from collections.abc import Callable

import numpy as np

from memories.engine import Memory as MemoryFile
from search.engine import boxes, quantise
from search.engine.boxes import VECTOR, Living

from .models import EmbeddingModel
from .vectors import Lacking, digest_of, known


class BoxVectors:
    """The vectors of one model that a file brings along, by document number, order key and commit."""

    def __init__(self, file: MemoryFile, model: EmbeddingModel):
        found = [box for box in boxes.read(file, VECTOR, model.name) if box.content.packed.shape[1] == model.dimensions]
        living = Living(file.chunks()) if found else Living([])
        self._vectors, places = boxes.gather([box.content for box in found], boxes.join(found, living))
        refs = (living.refs[place] for place in places.tolist())
        self._rows = {(ref.document, ref.order, ref.commit): row for row, ref in enumerate(refs)}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, chunk: Lacking) -> np.ndarray | None:
        """float32 (dimensions,) of length 1; None where there is none, or none that can be used."""
        row = self._rows.get((chunk.document, chunk.order, chunk.added))
        if row is None:
            return None
        with np.errstate(all="ignore"):  # the numbers of a hostile file are checked below
            vector = quantise.unpack(self._vectors.packed[row : row + 1], self._vectors.scales[row : row + 1])[0]
        return vector if np.isfinite(vector).all() and abs(np.linalg.norm(vector) - 1) < 0.01 else None


class Keeper:
    """An embedder, as search.engine.index wants one, that takes what the database has and asks only for the rest."""

    def __init__(self, model: EmbeddingModel, embed: Callable[[list[str]], np.ndarray]):
        self.name, self.dimension = model.name, model.dimensions
        self._model, self._embed = model, embed

    def embed(self, texts: list[str], progress: object = None) -> np.ndarray:
        digests = [digest_of(text) for text in texts]
        have = known(self._model, set(digests))
        new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in have}
        if new:
            have |= dict(zip(new, self._embed(list(new.values())), strict=True))
        return np.array([have[digest] for digest in digests], np.float32).reshape(-1, self.dimension)
