"""The best of a ranking in a new order, by the cross-encoder of the embedder process, where one is set.

Bounded: so many passages, so much of each, so long a wait. What does not come in time is noted, and the order stands.
"""

from collections.abc import Sequence

from django.db import connection

from . import embedding
from .embedding import EmbedderAway
from .engine.reranker import BEST, LONGEST, order
from .keeping import Kept
from .table import Table

WITHIN = 1.5  # seconds that a page waits for it
NOT_DONE = "The best passages could not be re-ranked"
TEXTS = "SELECT id, left(text, %s) FROM memories_chunk WHERE id = ANY(%s) AND memory_id = ANY(%s)"

_kept = Kept(4 << 20)  # orders, as the next page of a list asks for the same


def reranked(text: str, rows: Sequence[int], table: Table) -> tuple[Sequence[int], list[str]]:
    """The rows of the table in their new order, and notes. Without a re-ranking model both are as before."""
    wanted = embedding.health().get("rerank")
    if not wanted or len(rows) < 2:
        return rows, []
    if not wanted.get("model"):
        return rows, [f"{NOT_DONE}: {wanted.get('reason')}"]
    first = list(rows[:BEST])
    try:
        places = _order(str(wanted["model"]), text, table.chunk(first), table)
    except EmbedderAway as error:
        return rows, [f"{NOT_DONE}: {error}."]
    return [first[place] for place in places] + list(rows[BEST:]), []


def _order(model: str, text: str, chunks: list[int], table: Table) -> list[int]:
    key = model, text, tuple(chunks)
    if (kept := _kept.get(key)) is None:
        with connection.cursor() as cursor:
            cursor.execute(TEXTS, [LONGEST, chunks, table.memories])
            texts = dict(cursor.fetchall())
        scores = embedding.rerank(text, [texts.get(chunk, "") for chunk in chunks], timeout=WITHIN)
        kept = order(scores)
        _kept.put(key, kept, 40 * len(chunks) + len(text))
    return kept
