"""A question of a conversation: what is found for it, the answer as it comes, and what is kept of it."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Left
from django.utils import timezone

from memories.engine import Memory as MemoryFile
from memories.engine.errors import MemvidError
from memories.models import Chunk, Document, Memory

from . import embedding, queries
from .embedding import EmbedderAway
from .engine import answering, followup
from .engine.citations import Passage
from .engine.examples import about as text_about
from .models import Conversation, EmbeddingModel, Turn
from .scope import Scope

PASSAGES = 12
LONGEST = 20_000  # characters of a passage
LONGEST_TITLE = 80
EMBED_WITHIN = 0.5  # seconds; without the vectors of its sentences an answer is chosen by words
LEANED = "Searched together with the question before, on which this one seems to lean."


@dataclass
class Found:
    """`passages` in the order of the search; `places` say where each is; `sought` is what was searched for."""

    sought: str
    earlier: list[str]
    passages: list[Passage] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    model: str = ""


def new_conversation(user: Any, workspace: Any, memory: Memory | None, question: str) -> Conversation:
    """It is stored with its first question."""
    return Conversation(user=user, workspace=workspace, memory=memory, title=title_of(question))


def title_of(question: str) -> str:
    text = " ".join(question.split())
    return text if len(text) <= LONGEST_TITLE else f"{text[:LONGEST_TITLE].rpartition(' ')[0] or text[:LONGEST_TITLE]}…"


def digest_of(text: str) -> str:
    return hashlib.sha256(text[:LONGEST].encode()).hexdigest()[:24]


def begin(user: Any, conversation: Conversation, question: str) -> tuple[Turn, Found]:
    """Searches by the rights that the person has now, and notes the question."""
    found = _found(user, conversation, question)
    if conversation._state.adding:
        conversation.save()
    turn = Turn.objects.create(
        conversation=conversation, question=question, passages=found.places, notes=list(found.notes)
    )
    Conversation.objects.filter(pk=conversation.pk).update(updated_at=timezone.now())
    return turn, found


def _found(user: Any, conversation: Conversation, question: str) -> Found:
    latest = conversation.turns.order_by("-pk").values_list("question", flat=True)[: followup.FURTHEST]
    earlier = list(reversed(latest))
    sought = followup.with_earlier(question, earlier)
    found = Found(sought, earlier, notes=[LEANED] if sought != question else [])
    if conversation.memory_id:
        scope = Scope(memories=(conversation.memory_id,))
    else:
        scope = Scope(workspace=conversation.workspace_id)
    hits = queries.search(user, sought, scope, mode="hybrid", limit=PASSAGES)
    found.notes += hits.notes
    found.model = EmbeddingModel.objects.filter(active=True).values_list("name", flat=True).first() or ""
    texts = dict(
        Chunk.objects.filter(
            pk__in=[hit.chunk for hit in hits.hits], memory__in=Memory.objects.visible_to(user).present()
        ).values_list("pk", Left("text", LONGEST))
    )
    for hit in hits.hits:
        if not (text := texts.get(hit.chunk)):
            continue
        number = len(found.passages) + 1
        found.passages.append(Passage(number, text, hit.path, hit.cosine))
        found.places.append(
            {
                "number": number, "memory": str(hit.memory.pk), "document": hit.document, "order": hit.order,
                "digest": digest_of(text),
            }
        )  # fmt: skip
    return found


async def answer(found: Found, question: str) -> AsyncIterator[answering.Event]:
    """Touches no database, so that a slow language model holds no connection to one."""
    events = answering.answer(
        question, found.passages, model=settings.LLM, embed=_embedding_with(found.model), sought=found.sought,
        earlier=found.earlier,
    )  # fmt: skip
    async with aclosing(events):
        async for event in events:
            yield event


def _embedding_with(model: str) -> answering.Embed | None:
    def embed(texts: list[str]) -> np.ndarray:
        health = embedding.health()
        if health["state"] != "ready":
            raise EmbedderAway(health["reason"])
        return embedding.embed(texts, timeout=EMBED_WITHIN, query=True, model=model)

    return embed if model else None


def keep(turn: Turn, draft: answering.Draft, *, whole: bool) -> None:
    """What came of it, also when the reader went away in the middle."""
    if not _still_there(turn.passages):
        draft = answering.Draft(notes=["A document that this answer rested on was erased meanwhile."])
    state = Turn.State.DONE if whole else Turn.State.STOPPED
    # only while it is open: erasing may have emptied it meanwhile
    Turn.objects.filter(pk=turn.pk, state=Turn.State.OPEN).update(
        pieces=[asdict(piece) for piece in draft.pieces], notes=turn.notes + draft.notes, mode=draft.mode, state=state
    )


def _still_there(passages: list[dict[str, Any]]) -> bool:
    """Whether every document is known to the site: one that was erased while it was quoted is not. While the rows of a
    memory are made anew, its file knows."""
    wanted = {(place["memory"], place["document"]) for place in passages}
    known = Document.objects.filter(
        memory__in={memory for memory, _ in wanted}, number__in={number for _, number in wanted}
    )
    missing = wanted - {(str(memory), number) for memory, number in known.values_list("memory", "number")}
    return all(_is_in_file(memory, number) for memory, number in missing)


def _is_in_file(memory: str, number: int) -> bool:
    being_mirrored = Memory.objects.filter(pk=memory, head=0).first()
    if being_mirrored is None:
        return False
    try:
        with MemoryFile.open(being_mirrored.path) as file:
            return file.log.directory.record_of(number) is not None
    except (MemvidError, OSError):
        return False


def choices(user: Any, workspace: Any, chosen: Memory | None, most: int = 500) -> list[Memory]:
    """What a question can be kept to; `chosen` may be of another workspace."""
    visible = Memory.objects.visible_to(user).present()
    here = Q(workspace=workspace) | Q(pk=chosen.pk if chosen else None)
    return list(visible.filter(here).order_by("name", "pk").only("name")[:most])


def examples(user: Any, workspace: Any, memory: Memory | None, most: int = 3) -> list[str]:
    """Questions that documents of these memories answer: of different documents, the newest first."""
    visible = Memory.objects.visible_to(user).present().filter(workspace=workspace)
    visible = visible.filter(pk=memory.pk) if memory else visible
    documents = Document.objects.present().filter(memory__in=visible).order_by("-memory__updated_at", "-pk")
    newest = list(documents.values_list("pk", flat=True)[: 4 * most])
    rows = Chunk.objects.present().filter(document__in=newest).order_by("document", "order").distinct("document")
    firsts = rows.annotate(beginning=Left("text", 3_000)).only("document_id", "metadata")
    by_document = {row.document_id: row for row in firsts}
    found = [
        text_about(by_document[pk].beginning, by_document[pk].metadata.get("headings") or ())
        for pk in newest
        if pk in by_document
    ]
    return list(dict.fromkeys(filter(None, found)))[:most]
