"""From an address to what the page shows: hits as passages, repeats and near-repeats folded, grouped by document."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import F, Max

from memories.models import Chunk, Commit, Memory

from . import queries
from .address import Address
from .engine.duplicates import grouped
from .queries import Found, Hit
from .snippets import LOOKED_AT

LIKE_LENGTH = 600  # characters of a passage that others are compared with
COMPARED = 4_000  # characters of a passage in which it is nearly the same as another
_NO_WORD = re.compile(r"[^\w\s]+")


@dataclass(frozen=True)
class Passage:
    """A hit at its place in the list; `at`: the commit that its links show; `also`: the same text elsewhere; `near`:
    nearly the same."""

    hit: Hit
    place: int
    at: int | None = None
    new: bool = False
    also: tuple[Hit, ...] = ()
    near: tuple[Hit, ...] = ()


@dataclass(frozen=True)
class Group:
    """The passages of one document, the best first."""

    first: Passage
    more: list[Passage]


@dataclass(frozen=True)
class Answer:
    address: Address
    found: Found
    passages: list[Passage] = field(default_factory=list)
    like: Chunk | None = None
    milliseconds: int = 0

    @cached_property
    def groups(self) -> list[Group]:
        found: dict[Any, list[Passage]] = {}
        for passage in self.passages:
            hit = passage.hit
            key = (hit.memory.pk, hit.document) if self.address.grouped else passage.place
            found.setdefault(key, []).append(passage)
        return [Group(first, more) for first, *more in found.values()]

    @property
    def notes(self) -> list[str]:
        return [*self.address.problems, *self.found.notes]


def answer(user: Any, address: Address, limit: int, *, fold: bool = True) -> Answer:
    """`fold`: of passages that are nearly the same only the best is in the list. The same text is there once anyway."""
    if not address.like:
        return _answered(user, address, address.text, limit, fold=fold)
    like = passage(user, address.like)
    if like is None:
        note = "The passage that others should be like is no longer there, or you may not see it: search for its words."
        return Answer(address, Found([], [note]))
    found = queries.like(user, like, address.scope, limit=limit, offset=address.offset)
    if found.hits or not found.notes:
        return Answer(address, found, _passages(address, found.hits, like, fold), like=like)
    text = " ".join(_NO_WORD.sub(" ", like.text[:LIKE_LENGTH]).split())
    by_words = _answered(user, address, text, limit, without=like, fold=fold)
    notes = [*by_words.found.notes, f"{found.notes[0]} These share its words."]
    return replace(by_words, found=replace(by_words.found, notes=notes), like=like)


def passage(user: Any, pk: int) -> Chunk | None:
    """Also one of the past, as its document may be looked at then."""
    chunks = Chunk.objects.select_related("document", "memory__workspace")
    return chunks.filter(pk=pk, memory__in=Memory.objects.visible_to(user).present()).first()


def names_of(user: Any, memories: Iterable[UUID]) -> dict[UUID, str]:
    """Those that the person may see."""
    found = Memory.objects.visible_to(user).present().filter(pk__in=list(memories))
    return dict(found.values_list("pk", "name"))


def _answered(
    user: Any, address: Address, text: str, limit: int, without: Chunk | None = None, *, fold: bool
) -> Answer:
    began = time.perf_counter()
    found = queries.search(
        user, text, address.scope, mode=address.mode, limit=limit, offset=address.offset, rerank=True
    )
    took = round((time.perf_counter() - began) * 1000)
    return Answer(address, found, _passages(address, found.hits, without, fold), milliseconds=took)


def _passages(address: Address, hits: list[Hit], without: Chunk | None, fold: bool) -> list[Passage]:
    """Each text once: the others that say the same, or nearly the same, are named beside it."""
    commits = _commits({hit.memory.pk for hit in hits}, address.scope.as_of)
    texts: dict[str, list[tuple[int, Hit]]] = {}
    for place, hit in enumerate(hits, address.offset + 1):
        texts.setdefault(_same(hit.beginning), []).append((place, hit))
    if without:
        texts.pop(_same(without.text[:LOOKED_AT]), None)
    alike = list(texts.values())
    groups = grouped([text[:COMPARED] for text in texts]) if fold else [[number] for number in range(len(alike))]
    found = []
    for first, *others in groups:
        (place, hit), *same = alike[first]
        found.append(
            Passage(
                hit, place, at=commits(hit.memory.pk), also=tuple(other for _, other in same),
                near=tuple(other for number in others for _, other in alike[number]),
                new=bool(address.news and hit.time and hit.time > address.news),
            )
        )  # fmt: skip
    return found


def _same(text: str) -> str:
    """Alike where only spaces and cases differ."""
    return " ".join(text.casefold().split())


def _commits(memories: set[UUID], as_of: int | datetime | None) -> Callable[[UUID], int | None]:
    """Which commit of a memory was its newest at that moment; None for the present."""
    if not isinstance(as_of, datetime) or not memories:
        return lambda memory: as_of if isinstance(as_of, int) else None
    rows = Commit.objects.filter(memory__in=memories, time__lte=as_of).values("memory")
    return dict(rows.annotate(newest=Max(F("number"))).values_list("memory", "newest")).get
