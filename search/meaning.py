"""The leg of meaning: the nearest vectors, by pgvector."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.db import connection, transaction

from memories.models import Job
from memories.sql import fetch

from . import embedding
from .embedding import QUERY_TIMEOUT, EmbedderAway
from .keeping import Kept
from .models import Embedding, EmbeddingModel
from .table import Table

# Up to so many chunks in reach every vector is compared, which is exact; above, the HNSW index is walked until
# enough of what it finds may be seen.
EXACT = 20_000
# Candidates that the walk keeps: hnsw.ef_search of every connection (settings), and from LARGE chunks on, where
# more vectors lie near each other: of a million, 500 around each of 2,000, these find all of the nearest ten.
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


IN_USE = """
SELECT EXISTS (SELECT FROM memories_job WHERE kind = %s AND state = ANY(%s) AND memory_id = ANY(%s)),
    model.id, model.name, model.dimensions
FROM (VALUES (1)) AS once LEFT JOIN search_embeddingmodel AS model ON model.active
"""
WORKING = [Job.State.QUEUED.value, Job.State.RUNNING.value]
INDEXING = "Some passages are still being indexed by meaning; until then only their words are found."


def ask(text: str, memories: Collection[UUID]) -> Question:
    """`memories`: those that will be searched."""
    [(indexing, *facts)] = fetch(IN_USE, [Job.Kind.INDEX.value, WORKING, list(memories)])
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
    return compared(question, table, most, ())[0]


def compared(
    question: Question, table: Table, most: int, besides: Collection[int]
) -> tuple[dict[int, float], dict[int, float]]:
    """As `nearest`; and the cosines of more chunks by primary key, of those that have a vector."""
    ask = _exact if table.size <= EXACT else _walked
    found, others = ask(_Asking(question, list(besides)), table, most)
    rows = table.find([chunk for chunk, _ in found])
    near = sorted(((1 - distance, rows[chunk]) for chunk, distance in found if chunk in rows), key=_best_first)
    return {row: cosine for cosine, row in near[:most]}, {chunk: 1 - distance for chunk, distance in others}


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


Distances = list[tuple[int, float]]  # by primary key of the chunk


class _Asking(NamedTuple):
    """`besides` are compared in the same query: a journey to the database costs as much as the distances."""

    question: Question
    besides: list[int]

    def distances(self, stored: str, among: str, values: Collection[Any], most: int) -> tuple[Distances, Distances]:
        """The nearest first; and those of the others."""
        vector, model = _written(self.question.vector), self.question.model.pk
        sql = DISTANCES.format(stored=stored, among=among)
        rows = fetch(sql, [vector, model, values, most, model, self.besides], prepared=False)
        found = [(chunk, distance) for chunk, distance, other in rows if not other]
        return found, [(chunk, distance) for chunk, distance, other in rows if other]


DISTANCES = """
WITH asked AS (SELECT %s::halfvec AS vector)
(SELECT chunk_id, {stored} <=> (SELECT vector FROM asked) AS distance, false FROM search_embedding
    WHERE model_id = %s AND {among} ORDER BY distance LIMIT %s)
UNION ALL
SELECT chunk_id, vector <=> (SELECT vector FROM asked), true FROM search_embedding
    WHERE model_id = %s AND chunk_id = ANY(%s)
"""


def _written(vector: np.ndarray) -> str:
    """As pgvector reads it, to the digits that a half has."""
    return f"[{','.join(['%.5g'] * len(vector))}]" % tuple(vector.tolist())


def _exact(asking: _Asking, table: Table, most: int) -> tuple[Distances, Distances]:
    dead = table.rows - table.size
    if dead > most:
        return asking.distances("vector", "chunk_id = ANY(%s)", table.living().tolist(), most)
    return asking.distances("vector", "memory_id = ANY(%s)", table.memories, most + dead)


def _walked(asking: _Asking, table: Table, most: int) -> tuple[Distances, Distances]:
    """By the index, so the distance is of what it has; of rows that do not count more are asked for."""
    most = min(most * table.rows // table.size, MOST_ASKED)
    stored = f"vector::halfvec({asking.question.model.dimensions:d})"
    breadth = max(most, WIDE if table.rows >= LARGE else BREADTH)
    if breadth == BREADTH:
        return asking.distances(stored, "memory_id = ANY(%s)", table.memories, most)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(breadth)])
        return asking.distances(stored, "memory_id = ANY(%s)", table.memories, most)
