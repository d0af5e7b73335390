"""Chunks whose vectors point almost the same way, by pgvector."""

from collections.abc import Callable, Iterator

from django.db import connection

from memories.models import Chunk, Memory

from .models import Embedding, EmbeddingModel

EXACT = 5_000  # chunks of a memory up to which each is compared with each
BATCH = 200  # chunks of one statement
NEAREST = 10  # of each chunk: enough to join a group
Progress = Callable[[int, int, str], None]

# A chunk meets those after it alone where each is compared; the walk of an index finds neighbours on both sides.
QUERY = """
SELECT a.chunk_id, b.chunk_id, 1 - b.distance
FROM search_embedding AS a
CROSS JOIN LATERAL (
    SELECT e.chunk_id, e.{vector} <=> a.{vector} AS distance
    FROM search_embedding AS e JOIN memories_chunk AS c ON c.id = e.chunk_id
    WHERE e.model_id = {model} AND e.memory_id = %s AND c.removed IS NULL AND e.chunk_id {others} a.chunk_id
    ORDER BY e.{vector} <=> a.{vector} LIMIT {nearest}
) AS b
WHERE a.model_id = {model} AND a.chunk_id = ANY(%s) AND b.distance <= %s
"""


def active_model() -> EmbeddingModel | None:
    return EmbeddingModel.objects.filter(active=True).first()


def compared(memory: Memory, model: EmbeddingModel) -> list[int]:
    """The present chunks that have a vector."""
    rows = Embedding.objects.filter(model=model, chunk__memory=memory, chunk__removed=None)
    return list(rows.order_by("chunk").values_list("chunk", flat=True))


def near_meanings(
    memory: Memory, model: EmbeddingModel, chunks: list[int], least: float, progress: Progress
) -> Iterator[tuple[int, int, float]]:
    """Pairs of chunks with at least that cosine. Exact for a memory of some thousand chunks, else by the index."""
    exact = Chunk.objects.present().filter(memory=memory).count() <= EXACT
    size = int(model.dimensions)
    query = QUERY.format(
        vector="vector" if exact else f"vector::halfvec({size})", model=int(model.pk), nearest=NEAREST,
        others=">" if exact else "<>",
    )  # fmt: skip
    for start in range(0, len(chunks), BATCH):
        progress(start, len(chunks), "comparing meanings")
        with connection.cursor() as cursor:
            cursor.execute(query, [memory.pk, chunks[start : start + BATCH], 1 - least])
            rows = cursor.fetchall()
        yield from rows
