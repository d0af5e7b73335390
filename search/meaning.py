"""The leg of meaning: the nearest vectors, by pgvector."""

from dataclasses import dataclass, field

import numpy as np
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Cast
from pgvector import HalfVector
from pgvector.django import CosineDistance, HalfVectorField

from memories.models import Memory

from . import embedding
from .embedding import QUERY_TIMEOUT, EmbedderAway
from .models import Embedding, EmbeddingModel

# Up to so many chunks in reach every vector is compared, which is exact; above, the HNSW index is walked until
# enough of what it finds may be seen.
EXACT = 5_000
MOST_WALKED = 40_000
# Further off than this nothing is meant. Of 1,012 passages from six novels the nearest to a query about nothing in
# them was at 0.15 to 0.28 and the tenth at 0.11 to 0.21; to one about them, at 0.33 to 0.63 and 0.24 to 0.56
# (all-MiniLM-L6-v2).
LEAST_COSINE = 0.25


@dataclass(frozen=True)
class Meaning:
    """`cosines` by chunk, the nearest first. `done` False: the notes say why there was no search by meaning."""

    cosines: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    done: bool = False


def by_meaning(visible: QuerySet[Memory], text: str, size: int, most: int) -> Meaning:
    """`size`: about how many chunks the visible memories hold."""
    model = EmbeddingModel.objects.filter(active=True).first()
    if model is None:
        return Meaning(notes=["Searched by words only: no passage has been indexed by meaning yet."])
    try:
        vector = _embedded(text, model)
    except EmbedderAway as error:
        return Meaning(notes=[f"Searched by words only: {error}."])
    return Meaning(_nearest(visible, model, vector, most, exact=size <= EXACT), done=True)


def _embedded(text: str, model: EmbeddingModel) -> np.ndarray:
    health = embedding.health()
    if health["state"] != "ready":
        raise EmbedderAway(health["reason"])
    return embedding.embed([text], timeout=QUERY_TIMEOUT, query=True, model=model.name)[0]


def _nearest(
    visible: QuerySet[Memory], model: EmbeddingModel, vector: np.ndarray, most: int, exact: bool
) -> dict[int, float]:
    stored = "vector" if exact else Cast("vector", HalfVectorField(dimensions=model.dimensions))  # as the index has it
    rows = (
        Embedding.objects.filter(model_id=model.pk, chunk__removed=None, chunk__memory__in=visible)
        .annotate(distance=CosineDistance(stored, HalfVector(vector)))
        .order_by("distance")
        .values_list("chunk", "distance")
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', %s, true),"
            " set_config('hnsw.max_scan_tuples', %s, true)",
            [str(most), str(MOST_WALKED)],
        )
        found = list(rows[:most])
    near = ((1 - distance, chunk) for chunk, distance in found)
    # the index gives them only roughly in order
    return {
        chunk: cosine for cosine, chunk in sorted(near, key=lambda one: (-one[0], one[1])) if cosine >= LEAST_COSINE
    }
