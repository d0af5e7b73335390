"""Over time, from the mirror's rows: the versions of passages that a person may see, removed ones too.

Candidates are found by the words of the query and, with an embedder, by meaning; both are bounded. Rights are part of
every query.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db import connection, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Left
from pgvector import HalfVector
from pgvector.django import CosineDistance, HalfVectorField

from memories.mirroring import TEXT_SEARCH
from memories.models import Chunk, Commit

from . import embedding
from .embedding import QUERY_TIMEOUT, EmbedderAway
from .engine import timeline as engine
from .engine.timeline import MEANS, Version
from .models import Embedding, EmbeddingModel
from .narrowing import narrowed
from .queries import visible_memories
from .scope import Scope

EXACT = 5_000  # chunks in reach up to which every vector is compared
MOST = 60  # passages of each way to find them
CANDIDATES = 2_000  # rows that are ranked by their words
MOST_WORDS = 16
LONGEST_TEXT = 8_000  # characters of a passage that are compared
LONGEST_QUERY = 1_000
MOST_CHANGES = 12


@dataclass(frozen=True)
class Found:
    """`line.first` and all versions in `line` carry their Chunk row as `source`, with memory and document."""

    line: engine.Timeline
    notes: list[str] = field(default_factory=list)


def timeline(user: Any, text: str, scope: Scope, since: datetime | None = None) -> Found:
    """`since`: changes after that moment; None: after the first passage. A past state in the scope is its end."""
    text = " ".join(text.replace("\0", " ").encode("utf-8", "replace").decode().split())[:LONGEST_QUERY]
    visible = visible_memories(user, scope)
    # what stood at a moment says nothing about its past: the moment only ends the view, below
    chunks = narrowed(Chunk.objects.filter(memory__in=visible), replace(scope, as_of=None))
    by_words = _by_words(chunks, text)
    exact = (visible.aggregate(chunks=Sum("chunks_count"))["chunks"] or 0) <= EXACT
    meaning, notes = _by_meaning(chunks, text, exact)
    versions = _versions(chunks, {*by_words, *meaning})
    kept = [version for version in versions if engine.matches(text, version.text) or version.key in meaning]
    if len(by_words) >= MOST or len(meaning) >= MOST:
        notes.append("Only the passages that match best are counted here.")
    return Found(engine.timeline(_until(kept, scope.as_of), since, MOST_CHANGES), notes)


def _by_words(chunks: QuerySet[Chunk], text: str) -> list[int]:
    words = [word for word in engine.asked(text) if len(word) < 100][:MOST_WORDS]
    if not words:
        return []
    some = reduce(or_, (SearchQuery(word, config=TEXT_SEARCH) for word in words))
    candidates = chunks.filter(words=some).values("pk")[:CANDIDATES]
    ranked = Chunk.objects.filter(pk__in=candidates).annotate(rank=SearchRank(F("words"), some)).order_by("-rank", "pk")
    return list(ranked.values_list("pk", flat=True)[:MOST])


def _by_meaning(chunks: QuerySet[Chunk], text: str, exact: bool) -> tuple[dict[int, float], list[str]]:
    model = EmbeddingModel.objects.filter(active=True).first()
    if model is None:
        return {}, ["Found by words only: no passage has been indexed by meaning yet."]
    try:
        vector = embedding.embed([text], timeout=QUERY_TIMEOUT, query=True, model=model.name)[0] if text else None
    except EmbedderAway as error:
        return {}, [f"Found by words only: {error}."]
    return ({} if vector is None else _nearest(chunks, model, vector, exact)), []


def _nearest(chunks: QuerySet[Chunk], model: EmbeddingModel, vector: np.ndarray, exact: bool) -> dict[int, float]:
    stored = "vector" if exact else Cast("vector", HalfVectorField(dimensions=model.dimensions))  # as the index has it
    rows = (
        Embedding.objects.filter(model_id=model.pk, chunk__in=chunks)
        .annotate(distance=CosineDistance(stored, HalfVector(vector)))
        .order_by("distance")
        .values_list("chunk", "distance")
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true)")
        found = list(rows[:MOST])
    return {chunk: 1 - distance for chunk, distance in found if 1 - distance >= MEANS}


def _versions(chunks: QuerySet[Chunk], wanted: Iterable[int]) -> list[Version]:
    def moment(number: str) -> Subquery:
        return Subquery(Commit.objects.filter(memory=OuterRef("memory"), number=OuterRef(number)).values("time")[:1])

    rows = (
        chunks.filter(pk__in=list(wanted))
        .select_related("document", "memory")
        .defer("text", "words", "metadata", "document__metadata")
        .annotate(beginning=Left("text", LONGEST_TEXT), added_at=moment("added"), removed_at=moment("removed"))
        .order_by("pk")
    )
    return [
        Version(
            row.pk, row.memory_id, row.document.path, row.order, row.beginning, row.added, row.added_at, row.removed,
            row.removed_at, row,
        )
        for row in rows
        if row.added_at is not None
    ]  # fmt: skip


def _until(versions: list[Version], end: int | datetime | None) -> list[Version]:
    """As it looked then: what came later is not there, and what was removed later still stands."""
    if end is None:
        return versions

    def later(number: int | None, at: datetime | None) -> bool:
        return number is not None and at is not None and (number > end if isinstance(end, int) else at > end)

    return [
        replace(version, removed=None, removed_at=None) if later(version.removed, version.removed_at) else version
        for version in versions
        if not later(version.commit, version.added_at)
    ]
