"""Over time, from the mirror's rows: the versions of passages that a person may see, removed ones too.

Candidates are found by the words of the query and, with an embedder, by meaning; both are bounded. Rights are part of
every query.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Left
from django.utils.safestring import SafeString

from memories.models import Chunk, Commit

from . import meaning, snippets
from .engine import timeline as engine
from .engine.timeline import MEANS, Version
from .filters import table_of, visible_memories
from .scope import Scope
from .table import Table, steady
from .words import Asked, by_words

MOST = 60  # passages of each way to find them
LONGEST_TEXT = 8_000  # characters of a passage that are compared
LONGEST_QUERY = 1_000  # characters
MOST_CHANGES = 12


@dataclass(frozen=True)
class Found:
    """`line.first` and all versions in `line` carry their Chunk row as `source`, with memory and document. `said` is
    what `line.first` says, around the words that were asked for; `changes` are those of `line`, each with what the
    passage says that it added or removed. `counts`: the passages by memory. `wordless`: nothing was asked for."""

    line: engine.Timeline
    notes: list[str] = field(default_factory=list)
    said: SafeString = SafeString()
    changes: list[tuple[engine.Change, SafeString]] = field(default_factory=list)
    counts: dict[UUID, int] = field(default_factory=dict)
    wordless: bool = False


@steady
def timeline(user: Any, text: str, scope: Scope, since: datetime | None = None) -> Found:
    """`since`: changes after that moment; None: after the first passage. A past state in the scope is its end."""
    text, cut = _cleaned(text)
    asked = Asked.of(text)
    if asked is None:
        return Found(engine.timeline([]), cut, wordless=True)
    visible = visible_memories(user, scope)
    # what stood at a moment says nothing about its past: the moment only ends the view, below
    table = table_of(user, replace(scope, as_of=None), ever=True)
    by = by_words(table, asked, MOST)
    words = table.chunk(by.ranking)
    near, notes = _by_meaning(table, text)
    versions = _versions(Chunk.objects.filter(memory__in=visible), {*words, *near})
    kept = [version for version in versions if engine.matches(text, version.text) or version.key in near]
    if len(words) >= MOST or len(near) >= MOST:
        notes.append("Only the passages that match best are counted here.")
    seen = _until(kept, scope.as_of)
    line, marker = engine.timeline(seen, since, MOST_CHANGES), snippets.Marker(by.marked)
    changes = [(change, _said(None if change.words else change.new or change.old, marker)) for change in line.changes]
    counts = Counter(version.source.memory_id for version in seen)
    return Found(line, cut + notes, _said(line.first, marker), changes, dict(counts))


def _cleaned(text: str) -> tuple[str, list[str]]:
    text = " ".join(text.replace("\0", " ").encode("utf-8", "replace").decode().split())
    if len(text) <= LONGEST_QUERY:
        return text, []
    return text[:LONGEST_QUERY], [f"Over time only the first {LONGEST_QUERY:,} characters were searched for."]


def _said(version: Version | None, marker: snippets.Marker) -> SafeString:
    return snippets.snippet(version.text, marker, version.source.document.language) if version else SafeString()


def _by_meaning(table: Table, text: str) -> tuple[set[int], list[str]]:
    question = meaning.ask(text, table.memories)
    if question.vector is None:
        return set(), [note.replace("Searched", "Found") for note in question.notes]
    near = [row for row, cosine in meaning.nearest(question, table, MOST).items() if cosine >= MEANS]
    return set(table.chunk(near)), []


def _versions(chunks: QuerySet[Chunk], wanted: Iterable[int]) -> list[Version]:
    def moment(number: str) -> Subquery:
        return Subquery(Commit.objects.filter(memory=OuterRef("memory"), number=OuterRef(number)).values("time")[:1])

    rows = (
        chunks.filter(pk__in=list(wanted))
        .select_related("document", "memory")
        .defer("text", "metadata", "document__metadata")
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
