"""From an address to what the page shows: hits as passages, repeats and near-repeats folded."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Max

from memories.models import Chunk, Commit, Memory

from . import queries
from .address import Address
from .engine.duplicates import grouped
from .queries import Found, Hit, Listed
from .snippets import LOOKED_AT

LIKE_LENGTH = 600  # characters of a passage that others are compared with
COMPARED = 4_000  # characters of a passage in which it is nearly the same as another
_NO_WORD = re.compile(r"[^\w\s]+")


@dataclass(frozen=True)
class Passage:
    """A hit in the list; `at`: the commit that its links show; `also`: the same text elsewhere; `near`: nearly the
    same."""

    hit: Hit
    at: int | None = None
    new: bool = False
    also: tuple[Hit, ...] = ()
    near: tuple[Hit, ...] = ()


@dataclass(frozen=True)
class Answer:
    address: Address
    found: Found
    passages: list[Passage] = field(default_factory=list)
    like: Chunk | None = None
    milliseconds: int = 0

    @property
    def notes(self) -> list[str]:
        return [*self.address.problems, *self.found.notes]


def answer(user: Any, address: Address, limit: int, *, fold: bool = True) -> Answer:
    """`fold`: the best of each document is listed, where the address wants that, and of passages that are nearly the
    same only the best. Without it each text is there, once."""
    listed = Listed(by_document=fold and address.grouped)
    return _answer(user, address, limit, listed, fold)


def beside(user: Any, address: Address, document: int, limit: int) -> Answer:
    """What else was found in the one document, by primary key."""
    return _answer(user, address, limit, Listed(beside=document), True)


def _answer(user: Any, address: Address, limit: int, listed: Listed, fold: bool) -> Answer:
    address = _in_time(user, address)
    if not address.like:
        return _answered(user, address, address.text, limit, listed, fold)
    like = passage(user, address.like)
    if like is None:
        note = "The passage that others should be like is no longer there, or you may not see it: search for its words."
        return Answer(address, Found([], [note]))
    found = queries.like(user, like, address.scope, limit=limit, offset=address.offset, listed=listed)
    if found.hits or not found.notes:
        return Answer(address, found, _passages(address, found.hits, like, fold), like=like)
    text = " ".join(_NO_WORD.sub(" ", like.text[:LIKE_LENGTH]).split())
    by_words = _answered(user, address, text, limit, replace(listed, without=like.pk), fold, without=like)
    notes = [*by_words.found.notes, f"{found.notes[0]} These share its words."]
    return replace(by_words, found=replace(by_words.found, notes=notes), like=like)


def _in_time(user: Any, address: Address) -> Address:
    """A commit that its memory does not have yet is its present, and the page says so."""
    scope = address.scope
    if not isinstance(scope.as_of, int):
        return address
    visible = Memory.objects.visible_to(user).present()
    head = visible.filter(pk__in=scope.memories, head__lt=scope.as_of).values_list("head", flat=True).first()
    if head is None:
        return address
    note = f"There is no commit {scope.as_of} in this memory yet: its present, commit {head}, was searched."
    return replace(address, scope=replace(scope, as_of=None), problems=(*address.problems, note))


def passage(user: Any, pk: int) -> Chunk | None:
    """Also one of the past, as its document may be looked at then."""
    chunks = Chunk.objects.select_related("document", "memory__workspace")
    return chunks.filter(pk=pk, memory__in=Memory.objects.visible_to(user).present()).first()


def names_of(user: Any, memories: Iterable[UUID]) -> dict[UUID, str]:
    """Those that the person may see."""
    found = Memory.objects.visible_to(user).present().filter(pk__in=list(memories))
    return dict(found.values_list("pk", "name"))


def _answered(
    user: Any, address: Address, text: str, limit: int, listed: Listed, fold: bool, without: Chunk | None = None
) -> Answer:
    began = time.perf_counter()
    found = queries.search(
        user, text, address.scope, mode=address.mode, limit=limit, offset=address.offset, rerank=True, listed=listed
    )
    took = round((time.perf_counter() - began) * 1000)
    return Answer(address, found, _passages(address, found.hits, without, fold), milliseconds=took)


def _passages(address: Address, hits: list[Hit], without: Chunk | None, fold: bool) -> list[Passage]:
    """Each text once: the others that say the same, or nearly the same, are named beside it."""
    commits = _commits({hit.memory.pk for hit in hits}, address.scope.as_of)
    found = []
    for first, also, near in _folded([hit for hit in hits if hit.more or not _is(hit, without)], fold):
        new = bool(address.news and first.time and first.time > address.news)
        found.append(Passage(first, at=commits(first.memory.pk), new=new, also=also, near=near))
    return found


def _is(hit: Hit, chunk: Chunk | None) -> bool:
    return chunk is not None and _same(hit.beginning) == _same(chunk.text[:LOOKED_AT])


def _folded(hits: list[Hit], fold: bool) -> list[tuple[Hit, tuple[Hit, ...], tuple[Hit, ...]]]:
    """Each with those of the same text and, if `fold`, of nearly the same. One that stands for more of its document
    stays, as they would go with it."""
    texts: dict[Any, list[Hit]] = {}
    for hit in hits:
        texts.setdefault(hit.place if hit.more else _same(hit.beginning), []).append(hit)
    alike = list(texts.values())
    groups = grouped([same[0].beginning[:COMPARED] for same in alike]) if fold else [[one] for one in range(len(alike))]
    found = []
    for first, *others in groups:
        near = [hit for other in others for hit in alike[other] if not hit.more]
        found.append((alike[first][0], tuple(alike[first][1:]), tuple(near)))
        found += [(alike[other][0], (), ()) for other in others if alike[other][0].more]
    return sorted(found, key=lambda one: one[0].place)


def _same(text: str) -> str:
    """Alike where only spaces and cases differ."""
    return " ".join(text.casefold().split())


def _commits(memories: set[UUID], as_of: int | datetime | None) -> Callable[[UUID], int | None]:
    """Which commit of a memory was its newest at that moment; None for the present."""
    if not isinstance(as_of, datetime) or not memories:
        return lambda memory: as_of if isinstance(as_of, int) else None
    rows = Commit.objects.filter(memory__in=memories, time__lte=as_of).values("memory")
    return dict(rows.annotate(newest=Max(F("number"))).values_list("memory", "newest")).get
