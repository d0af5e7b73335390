"""What the memories that a person may see say to each other about a query."""

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
from .queries import Found, Listed, search
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


def sought(user: Any, text: str, scope: Scope, mode: str = "hybrid") -> Found:
    """What is compared: the best passages, as many of each memory that has ranked ones. The ranking is that of the
    whole scope, so that a word is not taken for misspelt in a part of it."""
    return search(user, text, scope, mode=mode, limit=MOST_PASSAGES, listed=Listed(evenly=True))


def correlations(user: Any, text: str, scope: Scope, found: Found) -> Compared:
    """Of the passages of `found`, as `sought` lists them."""
    wanted = [hit.chunk for hit in found.hits[:MOST_PASSAGES]]
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


class _Embedder:
    """The site's embedder for a page: it answers soon, or the page goes without it."""

    def __call__(self, texts: list[str]) -> np.ndarray:
        model = EmbeddingModel.objects.filter(active=True).first()
        health = embedding.health()
        if health["state"] != "ready":
            raise EmbedderAway(health["reason"])
        return embedding.embed(texts, timeout=TIMEOUT, model=model.name if model else None)
