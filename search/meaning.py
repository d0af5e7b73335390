"""The leg of meaning: the nearest vectors, by pgvector."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from pgvector import HalfVector

from memories.models import Job

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


# Written out, as putting a query together takes longer than its answer.
IN_USE = """
SELECT EXISTS (SELECT FROM memories_job WHERE kind = %s AND state = ANY(%s) AND memory_id = ANY(%s)),
    model.id, model.name, model.dimensions
FROM (VALUES (1)) AS once LEFT JOIN search_embeddingmodel AS model ON model.active
"""
WORKING = [Job.State.QUEUED.value, Job.State.RUNNING.value]
INDEXING = "Some passages are still being indexed by meaning; until then only their words are found."


def ask(text: str, memories: Collection[UUID]) -> Question:
    """`memories`: those that will be searched."""
    with connection.cursor() as cursor:
        cursor.execute(IN_USE, [Job.Kind.INDEX.value, WORKING, list(memories)])
        indexing, *facts = cursor.fetchone()
    notes = [INDEXING] if indexing else []
    if facts[0] is None:
        return Question(notes=["Searched by words only: no passage has been indexed by meaning yet.", *notes])
    model = EmbeddingModel.from_db(None, ("id", "name", "dimensions"), facts)
    try:
        return Question(_embedded(text, model), model, notes)
    except EmbedderAway as error:
        return Question(notes=[f"Searched by words only: {error}.", *notes])


def nearest(question: Question, table: Table, most: int) -> dict[int, float]:
    """Rows of the table and their cosines, the nearest first, however far off."""
    found = (_exact if table.size <= EXACT else _walked)(question, table, most)
    rows = table.find([chunk for chunk, _ in found])
    near = sorted(((1 - distance, rows[chunk]) for chunk, distance in found if chunk in rows), key=_best_first)
    return {row: cosine for cosine, row in near[:most]}


def cosines(question: Question, chunks: Collection[int]) -> dict[int, float]:
    """By primary key, of those that have a vector."""
    found = _distances(question, "vector", "chunk_id = ANY(%s)", list(chunks))
    return {chunk: 1 - distance for chunk, distance in found}


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


def _exact(question: Question, table: Table, most: int) -> list[tuple[int, float]]:
    dead = table.rows - table.size
    if dead > most:
        return _distances(question, "vector", "chunk_id = ANY(%s)", table.living().tolist(), most)
    return _distances(question, "vector", "memory_id = ANY(%s)", table.memories, most + dead)


def _walked(question: Question, table: Table, most: int) -> list[tuple[int, float]]:
    """By the index, so the distance is of what it has; of rows that do not count more are asked for."""
    most = min(most * table.rows // table.size, MOST_ASKED)
    stored = f"vector::halfvec({question.model.dimensions:d})"
    breadth = max(most, WIDE if table.rows >= LARGE else BREADTH)
    if breadth == BREADTH:
        return _distances(question, stored, "memory_id = ANY(%s)", table.memories, most)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(breadth)])
        return _distances(question, stored, "memory_id = ANY(%s)", table.memories, most)


def _distances(
    question: Question, stored: str, among: str, values: Collection[Any], most: int | None = None
) -> list[tuple[int, float]]:
    """(chunk, distance), the nearest first. Written out, as putting the query together took longer than its answer."""
    query = (
        f"SELECT chunk_id, {stored} <=> %s::halfvec AS distance FROM search_embedding"
        f" WHERE model_id = %s AND {among} ORDER BY distance LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [HalfVector(question.vector).to_text(), question.model.pk, values, most])
        return cursor.fetchall()
