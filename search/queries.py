"""Search over all memories that a person may see: by words and by meaning, in one ranking.

Rights are part of what every query hangs on (`filters.visible_memories`): a row of a memory that the person may not
see is never fetched, counted or ranked.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from memories.models import Chunk, Memory
from memories.sql import fetch

from . import meaning, reranking, snippets, typos
from .engine import fusion, tokens
from .filters import table_of
from .meaning import Question
from .models import EmbeddingModel
from .scope import Scope
from .stems import variants
from .table import Table, steady
from .words import Asked, Words, by_words

POOL = 100  # how deep each ranking goes into the blend
DEEP = 1_000  # passages by words that a list goes on with
LONGEST = 10_000  # characters of a query
MOST_CHOICES = 500
EVERYWHERE = Scope()


@dataclass(frozen=True)
class Hit:
    """`place` is its place in the ranking, from 1. `chunk` is the primary key, `beginning` its first characters; of its
    document `source` is the primary key, `document` the number. `why` holds "words", "meaning" or both; `cosine` is
    None where the meaning was not compared or is far off. `more`: ranked passages of its document it stands for."""

    place: int
    chunk: int
    memory: Memory
    path: str
    source: int
    document: int
    order: int
    frame: int
    author: str
    time: datetime | None
    beginning: str
    language: str
    snippet: SafeString
    score: float
    why: tuple[str, ...]
    cosine: float | None
    more: int = 0


@dataclass(frozen=True)
class Found:
    """`mode` is what was done, which may be less than what was asked for, or "none".

    `total` counts the ranked passages (at most DEEP by words, and POOL by meaning), `more` says that some come after
    these; `counts` are the ranked ones by memory. `correction` is what was searched for instead of misspelt words.
    """

    hits: list[Hit]
    notes: list[str] = field(default_factory=list)
    mode: str = "none"
    total: int = 0
    more: bool = False
    counts: dict[UUID, int] = field(default_factory=dict)
    correction: str = ""


@dataclass(frozen=True)
class Listed:
    """What a list is of: each passage, or the best of each document (`by_document`), or what else was ranked of the one
    document `beside`, by primary key, or as many of every memory as one page has room for (`evenly`). The chunk
    `without` is left out."""

    by_document: bool = False
    beside: int | None = None
    evenly: bool = False
    without: int | None = None


EACH = Listed()


@dataclass(frozen=True)
class _Ranked:
    """Rows of the table, best first, with their scores; the cosines of those that were compared."""

    rows: Sequence[int]
    scores: dict[int, float]
    cosines: dict[int, float]
    words: Words | None


@steady
def search(
    user: Any,
    text: str,
    scope: Scope = EVERYWHERE,
    *,
    mode: str = "hybrid",
    limit: int = 20,
    offset: int = 0,
    rerank: bool = False,
    listed: Listed = EACH,
) -> Found:
    """The passages that answer `text` best, in what the person may see of the scope. `mode`: one of scope.MODES.

    `rerank`: the best of the blend are read again by the re-ranking model, if one is set. `limit` and `offset` count
    what is `listed`.
    """
    text, notes = _cleaned(text)
    asked = Asked.of(text, phrase=mode == "phrase")
    if asked is None:
        return Found([], notes)
    table = table_of(user, scope)
    question = meaning.ask(text, table.memories) if mode in ("hybrid", "semantic") and table.size else Question()
    notes += question.notes
    done = mode if question.vector is not None or mode not in ("hybrid", "semantic") else "keyword"
    ranked = _rank(table, asked, question, done)
    if rerank and mode == "hybrid":
        rows, more = reranking.reranked(text, ranked.rows, table)
        ranked, notes = replace(ranked, rows=rows), notes + more
    ranked = replace(ranked, rows=_without(table, ranked.rows, listed.without))
    return _found(table, ranked, asked, notes, done, _Page(listed, limit, offset))


@steady
def like(
    user: Any, chunk: Chunk, scope: Scope = EVERYWHERE, *, limit: int = 20, offset: int = 0, listed: Listed = EACH
) -> Found:
    """Passages that mean nearly what a passage does, which the person must be allowed to see; without itself."""
    table = table_of(user, scope)
    question = meaning.vector_of(chunk.pk)
    if question.vector is None:
        return Found([], question.notes)
    found = meaning.nearest(question, table, POOL + 1)
    cosines = {row: cosine for row, cosine in found.items() if cosine >= meaning.LEAST_COSINE}
    ranked = _Ranked(_without(table, list(cosines), chunk.pk), cosines, cosines, None)
    return _found(table, ranked, None, [], "semantic", _Page(listed, limit, offset))


def memory_choices(user: Any) -> list[Memory]:
    """What a search can be kept to; the first ones by name where there are very many."""
    visible = Memory.objects.visible_to(user).present().select_related("workspace").order_by("workspace__name", "name")
    return list(visible.only("name", "workspace__name")[:MOST_CHOICES])


def embedding_models() -> QuerySet[EmbeddingModel]:
    return EmbeddingModel.objects.order_by("-active", "name")


# -- ranking


def _rank(table: Table, asked: Asked, question: Question, mode: str) -> _Ranked:
    words = by_words(table, asked, DEEP, fuzzy=mode == "fuzzy")
    if question.vector is None:
        return _Ranked(words.ranking, {row: float(words.scores[row]) for row in words.ranking}, {}, words)
    first = words.ranking[:POOL] if mode != "semantic" else []
    chunks = table.chunk(first)
    near, others = meaning.compared(question, table, POOL, chunks)
    allowed = words.allowed(near)
    near = {row: cosine for row, cosine in near.items() if row in allowed}
    if mode == "semantic":
        return _Ranked(list(near), near, near, words)
    near = {row: cosine for row, cosine in near.items() if cosine >= meaning.LEAST_COSINE}
    cosines = {row: others.get(chunk, 0.0) for row, chunk in zip(first, chunks, strict=True)} | near
    return _blended(words, near, cosines)


def _blended(words: Words, near: dict[int, float], cosines: dict[int, float]) -> _Ranked:
    """The best of both legs by both scores; after them, what was found by words alone further down."""
    rows, meant = np.array(list(cosines), np.int64), np.array(list(cosines.values()))
    blended = fusion.blend(meant, words.moments.standing(words.scores[rows]))
    order = np.lexsort((rows, -blended))
    scores = dict(zip(rows[order].tolist(), fusion.shown(blended[order]).tolist(), strict=True))
    rest = [row for row in words.ranking[POOL:] if row not in scores]
    return _Ranked([*scores, *rest], scores | dict.fromkeys(rest, 0.0), near, words)


# -- what is shown


def _without(table: Table, rows: Sequence[int], chunk: int | None) -> Sequence[int]:
    gone = set(table.find([chunk]).values()) if chunk is not None else ()
    return [row for row in rows if row not in gone] if gone else rows


class _Page(NamedTuple):
    """A part of what is listed."""

    listed: Listed
    limit: int
    offset: int

    def places(self, table: Table, rows: Sequence[int]) -> tuple[dict[int, int], bool]:
        """Places in the ranking, each with how many more it stands for; and whether more come after them."""
        places, behind = self._all(table, rows)
        here = slice(self.offset, self.offset + self.limit)
        return dict(zip(places[here].tolist(), behind[here].tolist(), strict=True)), len(places) > here.stop

    def _all(self, table: Table, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        if self.listed.by_document:
            _, first, counts = np.unique(table.documents(rows), return_index=True, return_counts=True)
            order = np.argsort(first)
            return first[order], counts[order] - 1
        if self.listed.beside is not None:
            places = np.flatnonzero(table.documents(rows) == self.listed.beside)[1:]
        elif self.listed.evenly:
            places = self._shares(table.memory_of(rows))
        else:
            places = np.arange(len(rows))
        return places, np.zeros(len(places), np.int64)

    def _shares(self, memories: list[UUID]) -> np.ndarray:
        """The first ones of each memory, as many of each as a page has room for."""
        share, taken = max(1, self.limit // len(set(memories))), Counter[UUID]()
        places = []
        for place, memory in enumerate(memories):
            taken[memory] += 1
            if taken[memory] <= share:
                places.append(place)
        return np.array(places, np.int64)


def _found(table: Table, ranked: _Ranked, asked: Asked | None, notes: list[str], mode: str, page: _Page) -> Found:
    places, more = page.places(table, ranked.rows) if ranked.rows else ({}, False)
    hits = _hits(table, ranked, places)
    words = ranked.words
    counts = table.by_memory(np.array(ranked.rows, np.int64)) if ranked.rows else {}
    return Found(
        hits, notes, mode, len(ranked.rows), more, counts,
        _correction(asked, words, hits) if words and words.replaced else "",
    )  # fmt: skip


ROWS = """
SELECT c.id, c."order", c.frame, d.id, d.number, d.path, d.language, m.id, m.name, m.workspace_id, k.author, k.time,
    left(c.text, %s)
FROM memories_chunk AS c JOIN memories_document AS d ON d.id = c.document_id
    JOIN memories_memory AS m ON m.id = c.memory_id
    LEFT JOIN memories_commit AS k ON k.memory_id = c.memory_id AND k.number = c.added
WHERE c.id = ANY(%s) AND c.memory_id = ANY(%s)
"""


def _hits(table: Table, ranked: _Ranked, places: dict[int, int]) -> list[Hit]:
    """Of the memories of the table, which are those that the person may see. `places`: each with how many more it
    stands for."""
    by_chunk = dict(zip(table.chunk([ranked.rows[place] for place in places]), places, strict=True))
    if not by_chunk:
        return []
    rows = {row[0]: row for row in fetch(ROWS, [snippets.LOOKED_AT, list(by_chunk), table.memories])}
    marker = snippets.Marker(ranked.words.marked if ranked.words else {})
    memories: dict[UUID, Memory] = {}
    hits = []
    for chunk, place in by_chunk.items():
        if chunk not in rows:  # it may have been removed since it was ranked
            continue
        _, order, frame, source, number, path, language, memory, name, workspace, author, time, beginning = rows[chunk]
        row = ranked.rows[place]
        if memory not in memories:
            memories[memory] = Memory.from_db(None, ("id", "workspace_id", "name"), (memory, workspace, name))
        hits.append(
            Hit(
                place=place + 1, chunk=chunk, memory=memories[memory], path=path, source=source, document=number,
                order=order, frame=frame, more=places[place], author=author or "", time=time, beginning=beginning,
                language=language,
                snippet=snippets.snippet(beginning, marker, language),
                score=round(ranked.scores[row], 6), cosine=ranked.cosines.get(row), why=_why(ranked, row),
            )
        )  # fmt: skip
    return hits


def _why(ranked: _Ranked, row: int) -> tuple[str, ...]:
    by_word = ranked.words is not None and ranked.words.scores[row] > 0
    return (("words",) if by_word else ()) + (("meaning",) if row in ranked.cosines else ())


def _correction(asked: Asked, words: Words, hits: list[Hit]) -> str:
    """The query with the words that were taken for misspelt ones, as the first hits write them."""
    return " ".join(_as_written(words.replaced[word], word, hits) if word in words.replaced else word
                    for word in asked.words)  # fmt: skip


def _as_written(term: str, misspelt: str, hits: list[Hit]) -> str:
    """Of the forms that stand under the term, the one that is nearest to what was typed."""
    forms = {
        word.casefold()
        for hit in hits
        for word in set(tokens.words(hit.beginning))
        if term in variants(word, [hit.language])
    }
    return typos.nearest(misspelt.casefold(), forms) or term


def _cleaned(text: str) -> tuple[str, list[str]]:
    """Without what PostgreSQL does not take, and not longer than a question can be."""
    ends = text[-1:].isspace()  # the last word is a whole one
    text = " ".join(text.replace("\0", " ").encode("utf-8", "replace").decode().split())
    if len(text) <= LONGEST:
        return text + " " * bool(ends and text), []
    return text[:LONGEST], [f"Only the first {LONGEST:,} characters were searched for."]
