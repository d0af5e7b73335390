"""Search over all memories that a person may see: by words and by meaning, fused by rank.

Rights are part of every query: a row of a memory that the person may not see is never fetched, counted or ranked.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.utils.safestring import SafeString

from memories.models import Chunk, Commit, Job, Memory

from . import snippets, words
from .engine import fusion
from .meaning import Meaning, by_meaning
from .models import EmbeddingModel
from .scope import Scope

POOL = 100  # how deep each ranking goes into the fusion; on CISI 20 scores lower, 200 the same
LONGEST = 1_000  # characters of a query
MOST_CHOICES = 500
EVERYWHERE = Scope()


@dataclass(frozen=True)
class Hit:
    """`why` holds "words", "meaning" or both; `cosine` is None where the meaning was not compared or is far off."""

    chunk: Chunk
    memory: Memory
    path: str
    document: int
    order: int
    frame: int
    author: str
    time: datetime | None
    snippet: SafeString
    score: float
    why: tuple[str, ...]
    cosine: float | None


@dataclass(frozen=True)
class Found:
    """`mode` is what was done, which may be less than what is possible: hybrid, keyword or none.

    `total` counts the ranked passages (of each leg at most POOL), `more` says that some come after these. `counts` are
    the matches by memory. `correction` is what was searched for instead of misspelt words.
    """

    hits: list[Hit]
    notes: list[str] = field(default_factory=list)
    mode: str = "none"
    total: int = 0
    more: bool = False
    counts: dict[UUID, int] = field(default_factory=dict)
    correction: str = ""


def search(
    user: Any, text: str, scope: Scope = EVERYWHERE, *, mode: str = "hybrid", limit: int = 20, offset: int = 0
) -> Found:
    """The passages that answer `text` best, in what the person may see of the scope."""
    text, notes = _cleaned(text)
    asked = words.Asked.of(text)
    if not asked:
        return Found([], notes)
    visible = visible_memories(user, scope)
    size = visible.aggregate(chunks=Sum("chunks_count"))["chunks"] or 0
    meaning = by_meaning(visible, text, size, POOL)
    keyword = words.by_words(visible, asked, POOL)
    rankings = [keyword, list(meaning.cosines)] if meaning.done else [keyword]
    ranked = fusion.fuse(rankings)
    page = ranked[offset : offset + limit]
    notes += meaning.notes + _still_indexing(visible)
    hits = _hits(visible, page, asked, set(keyword), meaning)
    return Found(hits, notes, "hybrid" if meaning.done else "keyword", len(ranked), len(ranked) > offset + limit)


def memory_choices(user: Any) -> list[Memory]:
    """What a search can be kept to; the first ones by name where there are very many."""
    visible = Memory.objects.visible_to(user).present().select_related("workspace").order_by("workspace__name", "name")
    return list(visible.only("name", "workspace__name")[:MOST_CHOICES])


def embedding_models() -> QuerySet[EmbeddingModel]:
    return EmbeddingModel.objects.order_by("-active", "name")


def _cleaned(text: str) -> tuple[str, list[str]]:
    """Without what PostgreSQL does not take, and not longer than a question can be."""
    text = " ".join(text.replace("\0", " ").encode("utf-8", "replace").decode().split())
    if len(text) <= LONGEST:
        return text, []
    return text[:LONGEST], [f"Only the first {LONGEST:,} characters were searched for."]


def visible_memories(user: Any, scope: Scope) -> QuerySet[Memory]:
    visible = Memory.objects.visible_to(user).present()
    if scope.memories is not None:
        visible = visible.filter(pk__in=scope.memories)
    return visible.filter(workspace=scope.workspace) if scope.workspace is not None else visible


def _still_indexing(visible: QuerySet[Memory]) -> list[str]:
    open_states = (Job.State.QUEUED, Job.State.RUNNING)
    if Job.objects.filter(kind=Job.Kind.INDEX, state__in=open_states, memory__in=visible).exists():
        return ["Some passages are still being indexed by meaning; until then only their words are found."]
    return []


def _hits(
    visible: QuerySet[Memory],
    page: list[tuple[int, float]],
    asked: words.Asked,
    by_words: set[int],
    meaning: Meaning,
) -> list[Hit]:
    commit = Commit.objects.filter(memory=OuterRef("memory"), number=OuterRef("added"))
    rows = (
        Chunk.objects.present()
        .filter(pk__in=[pk for pk, _ in page], memory__in=visible)
        .select_related("document", "memory__workspace")
        .defer("text", "words", "metadata", "document__metadata")
        .annotate(
            author=Subquery(commit.values("author")[:1]),
            time=Subquery(commit.values("time")[:1]),
            beginning=snippets.beginning(),
            marked=snippets.marked(asked),
        )
        .in_bulk()
    )
    return [
        Hit(
            chunk=row, memory=row.memory, path=row.document.path, document=row.document.number, order=row.order,
            frame=row.frame, author=row.author or "", time=row.time,
            snippet=snippets.snippet(row.beginning, row.marked),
            score=score, cosine=meaning.cosines.get(pk),
            why=tuple(why for why, ranking in (("words", by_words), ("meaning", meaning.cosines)) if pk in ranking),
        )
        for pk, score in page
        if (row := rows.get(pk))  # it may have been removed since it was ranked
    ]  # fmt: skip
