"""The leg of meaning: the nearest vectors, by pgvector."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Cast
from pgvector import HalfVector
from pgvector.django import CosineDistance, HalfVectorField

from . import embedding
from .embedding import QUERY_TIMEOUT, EmbedderAway
from .keeping import Kept
from .models import Embedding, EmbeddingModel
from .table import Table

# Up to so many chunks in reach every vector is compared, which is exact; above, the HNSW index is walked until
# enough of what it finds may be seen.
EXACT = 20_000
# Candidates that the walk keeps: hnsw.ef_search of every connection (settings), and from LARGE chunks on. Of a million
# vectors, 500 around each of 2,000, 200 find 92 % of the nearest ten; of 100,000, 99.9 %.
BREADTH, WIDE, LARGE = 200, 800, 300_000
MOST_ASKED = 1_000
# Further off than this nothing is meant. Of 1,012 passages from six novels the nearest to a query about nothing in
# them was at 0.15 to 0.28 and the tenth at 0.11 to 0.21; to one about them, at 0.33 to 0.63 and 0.24 to 0.56
# (all-MiniLM-L6-v2).
LEAST_COSINE = 0.25


_asked_before = Kept(4 << 20)


@dataclass(frozen=True)
class Question:
    """A query as a vector of the model in use; without one, `notes` say why there is no search by meaning."""

    vector: np.ndarray | None = None
    model: EmbeddingModel | None = None
    notes: list[str] = field(default_factory=list)


def ask(text: str) -> Question:
    model = EmbeddingModel.objects.filter(active=True).first()
    if model is None:
        return Question(notes=["Searched by words only: no passage has been indexed by meaning yet."])
    try:
        return Question(_embedded(text, model), model)
    except EmbedderAway as error:
        return Question(notes=[f"Searched by words only: {error}."])


def nearest(question: Question, table: Table, most: int) -> dict[int, float]:
    """Rows of the table and their cosines, the nearest first, however far off."""
    found = (_exact if table.size <= EXACT else _walked)(question, table, most)
    rows = table.find([chunk for chunk, _ in found])
    near = sorted(((1 - distance, rows[chunk]) for chunk, distance in found if chunk in rows), key=_best_first)
    return {row: cosine for cosine, row in near[:most]}


def cosines(question: Question, chunks: Collection[int]) -> dict[int, float]:
    """By primary key, of those that have a vector."""
    rows = _with_distance(_embeddings(question).filter(chunk__in=list(chunks)), question, "vector")
    return {chunk: 1 - distance for chunk, distance in rows.values_list("chunk", "distance")}


def vector_of(chunk: int) -> Question:
    """A stored passage as the question, for more like it."""
    found = Embedding.objects.filter(model__active=True, chunk=chunk).select_related("model").first()
    if found is None:
        return Question(notes=["This passage has not been indexed by meaning yet."])
    return Question(np.array(found.vector, np.float32), found.model)


def _best_first(near: tuple[float, int]) -> tuple[float, int]:
    return -near[0], near[1]


def _embedded(text: str, model: EmbeddingModel) -> np.ndarray:
    """Kept for a while: the next page of a list, another tab and a colleague ask the same."""
    health = embedding.health()
    if health["state"] != "ready":
        raise EmbedderAway(health["reason"])
    if (kept := _asked_before.get((model.name, text))) is None:
        kept = embedding.embed([text], timeout=QUERY_TIMEOUT, query=True, model=model.name)[0]
        _asked_before.put((model.name, text), kept, kept.nbytes + len(text))
    return kept


def _embeddings(question: Question) -> QuerySet[Embedding]:
    return Embedding.objects.filter(model_id=question.model.pk)


def _with_distance(rows: QuerySet[Embedding], question: Question, stored: Any) -> QuerySet[Embedding]:
    return rows.annotate(distance=CosineDistance(stored, HalfVector(question.vector)))


def _exact(question: Question, table: Table, most: int) -> list[tuple[int, float]]:
    rows, dead = _embeddings(question), table.rows - table.size
    rows = rows.filter(chunk__in=table.living().tolist()) if dead > most else rows.filter(memory__in=table.memories)
    ordered = _with_distance(rows, question, "vector").order_by("distance").values_list("chunk", "distance")
    return list(ordered[: most + min(dead, most)])


def _walked(question: Question, table: Table, most: int) -> list[tuple[int, float]]:
    """By the index, so the distance is of what it has; of rows that do not count more are asked for."""
    most = min(most * table.rows // table.size, MOST_ASKED)
    stored = Cast("vector", HalfVectorField(dimensions=question.model.dimensions))
    rows = _with_distance(_embeddings(question).filter(memory__in=table.memories), question, stored)
    ordered = rows.order_by("distance").values_list("chunk", "distance")[:most]
    breadth = max(most, WIDE if table.rows >= LARGE else BREADTH)
    if breadth == BREADTH:
        return list(ordered)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(breadth)])
        return list(ordered)
