"""Conversations as they may be shown now, and what erasing takes out of them.

An answer quotes documents. Whenever one is shown or exported, each passage that it rests on is looked for anew by the
rights that the person has at that moment; what rests on a passage that they may not see any more is not shown. A
language model may have used any passage that it was given, so such an answer is withheld as a whole.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from memories.engine.rewrite import ERASED, striker
from memories.models import Chunk, Document, Memory

from .asking import LONGEST, digest_of
from .engine.citations import says
from .models import Conversation, Turn

HIDDEN = "no longer visible to you"
WITHHELD = "This part rests on a memory that is no longer visible to you."
MOST_TURNS = 100  # of one conversation


@dataclass(frozen=True)
class Source:
    """A cited passage. `text` is empty where it is not in the memory any more as it was then."""

    number: int
    memory: Memory
    document: int
    path: str
    order: int = 0
    frame: int | None = None
    text: str = ""
    at: int | None = None  # the last commit that had it, where it is in the past


@dataclass(frozen=True)
class Part:
    """A claim and its sources. `withheld`: it may not be shown; `hidden` numbers lead nowhere."""

    text: str = ""
    sources: tuple[Source, ...] = ()
    hidden: tuple[int, ...] = ()
    withheld: bool = False

    @property
    def unsourced(self) -> tuple[str, str, str] | None:
        """What it claims without a source, with the blanks before and after."""
        if self.sources or not says(self.text):
            return None
        said = self.text.strip()
        before, _, after = self.text.partition(said)
        return before, said, after


@dataclass(frozen=True)
class Shown:
    turn: Turn
    parts: list[Part] = field(default_factory=list)
    withheld: bool = False

    @property
    def sources(self) -> list[Source]:
        return sorted({one.number: one for part in self.parts for one in part.sources}.values(), key=lambda s: s.number)


def conversation_read(request: HttpRequest, pk: UUID) -> Conversation:
    """404 for everybody but the person themselves."""
    return get_object_or_404(Conversation.objects.of(request.user).select_related("memory", "workspace"), pk=pk)


def listed(user: Any, workspace: Any, most: int = 100) -> list[Conversation]:
    return list(Conversation.objects.of(user).filter(workspace=workspace).order_by("-updated_at", "pk")[:most])


def scope_name(user: Any, conversation: Conversation) -> str:
    """Where it asks; a memory that the person may not see has no name for them."""
    if conversation.memory_id is None:
        return "All memories"
    visible = Memory.objects.visible_to(user).present().filter(pk=conversation.memory_id)
    return visible.values_list("name", flat=True).first() or f"A memory that is {HIDDEN}"


def shown(user: Any, turns: Iterable[Turn]) -> list[Shown]:
    turns = list(turns)
    memories = _visible(user, turns)
    chunks, paths = _chunks(turns, memories), _paths(turns, memories)
    return [_shown(turn, memories, chunks, paths) for turn in turns]


def _visible(user: Any, turns: Iterable[Turn]) -> dict[str, Memory]:
    keys = {place["memory"] for turn in turns for place in turn.passages}
    found = Memory.objects.visible_to(user).present().filter(pk__in=keys).select_related("workspace")
    return {str(memory.pk): memory for memory in found}


def _cited(turn: Turn) -> list[dict[str, Any]]:
    numbers = {number for piece in turn.pieces for number in piece["cites"]}
    return [place for place in turn.passages if place["number"] in numbers]


Key = tuple[str, int, int]  # memory, document, order


def _chunks(turns: Iterable[Turn], memories: Collection[str]) -> dict[Key, list[Chunk]]:
    """Every version of the cited chunks of visible memories, the present one first."""
    places = [place for turn in turns for place in _cited(turn) if place["memory"] in memories]
    rows = (
        Chunk.objects.filter(
            memory__in={place["memory"] for place in places},
            document__number__in={place["document"] for place in places},
            order__in={place["order"] for place in places},
        )
        .annotate(beginning=Left("text", LONGEST), number=F("document__number"))
        .only("memory_id", "order", "frame", "added", "removed")
        .order_by("-added")
    )
    found: dict[Key, list[Chunk]] = {}
    for row in rows:
        found.setdefault((str(row.memory_id), row.number, row.order), []).append(row)
    return found


def _paths(turns: Iterable[Turn], memories: Collection[str]) -> dict[tuple[str, int], str]:
    places = [place for turn in turns for place in _cited(turn) if place["memory"] in memories]
    rows = Document.objects.filter(
        memory__in={place["memory"] for place in places}, number__in={place["document"] for place in places}
    )
    return {(str(memory), number): path for memory, number, path in rows.values_list("memory", "number", "path")}


def _shown(turn: Turn, memories: dict[str, Memory], chunks: dict[Key, list[Chunk]], paths: dict) -> Shown:
    given = {place["memory"] for place in turn.passages}
    if turn.mode == Turn.Mode.MODEL and not given <= memories.keys():
        return Shown(turn, withheld=True)
    sources = {
        place["number"]: _source(place, memories[place["memory"]], chunks, paths)
        for place in _cited(turn)
        if place["memory"] in memories
    }
    return Shown(turn, [_part(piece, sources) for piece in turn.pieces])


def _part(piece: dict[str, Any], sources: dict[int, Source]) -> Part:
    hidden = tuple(number for number in piece["cites"] if number not in sources)
    if hidden:
        return Part(hidden=hidden, withheld=True)
    return Part(piece["text"], tuple(sources[number] for number in piece["cites"]))


def _source(place: dict[str, Any], memory: Memory, chunks: dict[Key, list[Chunk]], paths: dict) -> Source:
    path = paths.get((place["memory"], place["document"]), "")
    versions = chunks.get((place["memory"], place["document"], place["order"]), [])
    same = [row for row in versions if digest_of(row.beginning) == place["digest"]]
    if not same:
        return Source(place["number"], memory, place["document"], path)
    row = next((row for row in same if row.removed is None), same[0])
    at = None if row.removed is None else row.removed - 1
    return Source(
        place["number"], memory, place["document"], path, row.order, row.frame, row.beginning, at,
    )  # fmt: skip


# -- erasing


def erase(memory: Memory, numbers: Collection[int], names: Collection[str]) -> None:
    """Takes out what rests on these documents, the questions that led to them, and their names. Twice does no harm."""
    strike = striker(names)
    of_memory = Q(conversation__memory=memory) | Q(passages__contains=[{"memory": str(memory.pk)}])
    near = Conversation.objects.filter(pk__in=Turn.objects.filter(of_memory).values("conversation"))
    for conversation in near.iterator():
        _update(conversation, title=strike(conversation.title))
    for turn in Turn.objects.filter(conversation__in=near).iterator():
        pieces = strike(turn.pieces)
        _update(turn, question=strike(turn.question), notes=strike(turn.notes), pieces=pieces)
    given = Q()
    for number in numbers:
        given |= Q(passages__contains=[{"memory": str(memory.pk), "document": number}])
    if given:
        _strike(Turn.objects.filter(given), lambda p: p["memory"] == str(memory.pk) and p["document"] in numbers)


def forget(memory: Memory) -> None:
    """For a memory that is deleted for good."""
    turns = Turn.objects.filter(passages__contains=[{"memory": str(memory.pk)}])
    _strike(turns, lambda place: place["memory"] == str(memory.pk))


def _strike(turns: QuerySet[Turn], is_gone: Callable[[dict[str, Any]], bool]) -> None:
    for turn in turns.select_related("conversation").iterator():
        gone = {place["number"] for place in turn.passages if is_gone(place)}
        by_model = turn.mode == Turn.Mode.MODEL
        first = turn.conversation.turns.order_by("pk").first()
        if first == turn:
            _update(turn.conversation, title=ERASED)
        _update(
            turn,
            question=ERASED,
            passages=[place for place in turn.passages if place["number"] not in gone],
            pieces=[one for one in turn.pieces if not (by_model or gone & set(one["cites"]))],
            notes=[*turn.notes, "A document that this answer rested on was erased."],
            state=Turn.State.DONE,  # an answer that is still being written is not kept
        )


def _update(row: Conversation | Turn, **values: Any) -> None:
    if any(getattr(row, name) != value for name, value in values.items()):
        type(row).objects.filter(pk=row.pk).update(**values)
