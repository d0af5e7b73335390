"""Making vectors, and changing from one embedding model to another."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db import transaction

from memories.engine import Memory as MemoryFile
from memories.engine.errors import UsageError
from memories.models import Chunk, Memory

from . import embedding, vectors
from .boxes import BoxVectors, Keeper
from .embedding import EmbedderAway
from .models import Embedding, EmbeddingModel
from .vectors import Lacking, Row, digest_of

Progress = Callable[[int, int, str], None]

BATCH = 256  # chunks of one transaction: what a kill can cost, a few seconds
BULK_TIMEOUT = 120.0
PATIENCE = 120.0  # seconds to wait for an embedder that is loading, busy or being started again
PAUSE = 0.5
WRITER_WAIT = 60.0  # seconds to wait for another writer of the file


@dataclass
class Counts:
    """`imported` came with the file, `reused` from the same text elsewhere, `lacking` have none (now)."""

    model: str = ""
    embedded: int = 0
    reused: int = 0
    imported: int = 0
    lacking: int = 0


def index_memory(memory: Memory, progress: Progress, *, at: str | None = None) -> dict[str, Any]:
    """Gives each present chunk a vector of the model that the embedder serves; goes on where it was stopped.

    Raises EmbedderAway when the embedder stays away. `at`: the socket of another embedder, to build its model
    beside the one in use.
    """
    model = patiently(lambda: served_model(at), lambda: progress(0, 0, "waiting for the embedding model"))
    return asdict(_Indexing(memory, model, progress, at).run())


def import_vectors(memory: Memory, model: EmbeddingModel, progress: Progress) -> dict[str, Any]:
    """Only what the file brings along; needs no embedder. `lacking` says how many chunks are left."""
    return asdict(_Indexing(memory, model, progress, None, embeds=False).run())


def write_boxes(memory: Memory, progress: Progress, *, at: str | None = None) -> dict[str, Any]:
    """Puts words and vectors into the index boxes of the file, so that they travel with it."""
    from search.engine.index import build_index

    model = patiently(lambda: served_model(at), lambda: progress(0, 0, "waiting for the embedding model"))
    keeper = Keeper(
        model, lambda texts: _embed_patiently(texts, model, at, lambda: progress(0, 0, "writing the index"))
    )
    with MemoryFile.open(memory.path) as file:
        stats = build_index(
            file, keeper, progress=lambda done, total, _: progress(done, total, "writing the index"), wait=WRITER_WAIT
        )
    return asdict(stats)


def served_model(at: str | None = None) -> EmbeddingModel:
    """The row of the model that the embedder serves. Raises EmbedderAway."""
    health = embedding.health(at)
    if health["state"] != "ready":
        embedding.forget_health(at)
        raise EmbedderAway(health["reason"])
    return vectors.model_row(health["model"], health["dimension"])


def known_model(name: str, dimensions: int) -> EmbeddingModel:
    """For a restore without an embedder: the operator vouches for the name and size."""
    return vectors.model_row(name, dimensions)


# -- one model after another


def activate_model(model: EmbeddingModel) -> None:
    """Queries go to its vectors from now on; the embedder must serve it, else search is by words only."""
    with transaction.atomic():
        EmbeddingModel.objects.select_for_update().filter(active=True).exclude(pk=model.pk).update(active=False)
        EmbeddingModel.objects.filter(pk=model.pk).update(active=True)
    model.refresh_from_db()


def drop_model(model: EmbeddingModel) -> None:
    """Its vectors and their index; cannot be undone but by embedding again."""
    if EmbeddingModel.objects.filter(pk=model.pk, active=True).exists():
        raise UsageError(f"{model.name} is in use: activate another model first")
    vectors.drop_model(model)


def coverage(model: EmbeddingModel) -> tuple[int, int]:
    """Present chunks that have a vector of it, and all present chunks."""
    have = Embedding.objects.filter(model=model, chunk__removed=None).count()
    return have, Chunk.objects.present().count()


# -- indexing


class _Indexing:
    def __init__(
        self, memory: Memory, model: EmbeddingModel, progress: Progress, at: str | None, *, embeds: bool = True
    ):
        self._memory, self._model, self._progress, self._at, self._embeds = memory, model, progress, at, embeds
        self._counts = Counts(model.name)
        self._done, self._total = 0, 0

    def run(self) -> Counts:
        self._total = vectors.lacking(self._memory, self._model).count()
        if self._total:
            with MemoryFile.open(self._memory.path) as file:
                overlaps = {document.number: document.overlap for document in file.documents()}
                brought = BoxVectors(file, self._model)
            self._all(overlaps, brought)
        return self._counts

    def _all(self, overlaps: dict[int, int], brought: BoxVectors) -> None:
        after = 0
        while batch := vectors.lacking_batch(self._memory, self._model, after, BATCH):
            self._tell()
            after = batch[-1].chunk
            texts = {row.chunk: _text(row, overlaps.get(row.document, 0)) for row in batch}
            rows = [Row(row.chunk, None, found) for row in batch if (found := brought.get(row)) is not None]
            self._counts.imported += vectors.store(self._model, rows) if rows else 0
            left = [row.chunk for row in batch if row.chunk not in {row.chunk for row in rows}]
            if self._embeds:
                self._store_new([(chunk, texts[chunk]) for chunk in left])
            else:
                self._counts.lacking += len(left)
            self._done += len(batch)
        self._tell()

    def _store_new(self, wanted: list[tuple[int, str]]) -> None:
        digests = {chunk: digest_of(text) for chunk, text in wanted}
        found = vectors.known(self._model, set(digests.values()))
        new = {digests[chunk]: text for chunk, text in wanted if digests[chunk] not in found}
        made = _embed_patiently(list(new.values()), self._model, self._at, self._tell) if new else ()
        have = found | dict(zip(new, made, strict=True))
        if wanted:
            vectors.store(self._model, [Row(chunk, digest, have[digest]) for chunk, digest in digests.items()])
        self._counts.embedded += len(new)
        self._counts.reused += len(wanted) - len(new)

    def _tell(self) -> None:
        self._progress(self._done, self._total, "indexing by meaning")


def _text(row: Lacking, overlap: int) -> str:
    """As search.engine.index.embedded_text: a sentence that a chunk begins in the middle of gets its beginning."""
    return (row.previous[-overlap:] if overlap and row.previous else "") + row.text


def _embed_patiently(texts: list[str], model: EmbeddingModel, at: str | None, tell: Callable[[], None]) -> np.ndarray:
    return patiently(lambda: embedding.embed(texts, timeout=BULK_TIMEOUT, model=model.name, at=at), tell)


def patiently(ask: Callable[[], Any], tell: Callable[[], None]) -> Any:
    """Tries again while waiting may help; `tell` may raise to stop it."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except EmbedderAway as error:
            if not error.passing or time.monotonic() > until:
                raise
            tell()
            time.sleep(PAUSE)
