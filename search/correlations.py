"""What the memories that a person may see say to each other about a query."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db.models.functions import Left

from memories.models import Chunk

from . import embedding
from .embedding import EmbedderAway
from .engine.correlate import LONGEST_TEXT, MOST_PASSAGES, Correlation, Passage, correlate
from .filters import visible_memories
from .models import EmbeddingModel
from .queries import Found
from .scope import Scope

TIMEOUT = 1.0  # seconds for each 32 sentences; a page waits for a few of these at most


@dataclass(frozen=True)
class Compared:
    """Each side of `found` has its Chunk row, with memory and document, as `passage.source`. `memories`: how many of
    them had a passage to compare."""

    found: list[Correlation]
    notes: list[str] = field(default_factory=list)
    by: str = "words"
    memories: int = 0


def correlations(user: Any, text: str, scope: Scope, found: Found) -> Compared:
    """Of the first passages of `found`, at most MOST_PASSAGES and as many of each memory that has ranked ones."""
    wanted = _chosen(found)
    rows = (
        Chunk.objects.filter(pk__in=wanted, memory__in=visible_memories(user, scope))
        .select_related("document", "memory")
        .defer("text", "metadata", "document__metadata")
        .annotate(beginning=Left("text", LONGEST_TEXT))
        .in_bulk()
    )
    passages = [Passage(pk, row.memory_id, row.beginning, row) for pk in wanted if (row := rows.get(pk))]
    memories = len({passage.memory for passage in passages})
    if memories < 2:
        return Compared([], memories=memories)
    embedder = _Embedder()
    try:
        done = correlate(passages, text, embedder)
    except EmbedderAway as error:
        done = correlate(passages, text, None)
        return Compared(done.found, [f"{done.notes[0]} {str(error).capitalize()}."], done.by, memories)
    return Compared(done.found, done.notes, done.by, memories)


def lacks_shares(found: Found) -> bool:
    """Whether the hits hold less of a memory than its share, though more of it is ranked."""
    held = Counter(hit.memory.pk for hit in found.hits)
    return any(held[memory] < min(count, _share(found)) for memory, count in found.counts.items())


def _share(found: Found) -> int:
    """Passages of each memory that has ranked ones."""
    return max(1, MOST_PASSAGES // max(1, len(found.counts)))


def _chosen(found: Found) -> list[int]:
    kept: Counter[Any] = Counter()
    chosen = []
    for hit in found.hits:
        kept[hit.memory.pk] += 1
        if kept[hit.memory.pk] <= _share(found):
            chosen.append(hit.chunk)
    return chosen[:MOST_PASSAGES]


class _Embedder:
    """The site's embedder for a page: it answers soon, or the page goes without it."""

    def __call__(self, texts: list[str]) -> np.ndarray:
        model = EmbeddingModel.objects.filter(active=True).first()
        health = embedding.health()
        if health["state"] != "ready":
            raise EmbedderAway(health["reason"])
        return embedding.embed(texts, timeout=TIMEOUT, model=model.name if model else None)
