"""An answer as it comes: by a language model where there is one, else from the best sentences, always with citations.

Whatever a language model does, an answer ends: what cannot be used is replaced by an extractive one that says so.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from memories.engine.errors import MemvidError
from search.engine import citations, prompts
from search.engine.citations import Passage, Piece
from search.engine.extract import FIRST_EMBEDDED, MOST_EMBEDDED, Answer, Found, disagreeing
from search.engine.llm import Model, ModelFailed, stream

EXTRACTIVE, MODEL = "extractive", "model"
INSTEAD = "These are the best sentences of your documents instead."
# float32 (len(texts), dimension), each row of length 1
Embed = Callable[[list[str]], np.ndarray]

log = logging.getLogger("memvid.ask")


@dataclass(frozen=True)
class Began:
    """Who answers."""

    mode: str


@dataclass(frozen=True)
class Said:
    """The next words, or the number of the passage that the words before rest on."""

    what: str | int


@dataclass(frozen=True)
class Note:
    text: str


@dataclass(frozen=True)
class Again:
    """Everything said so far does not count. `reason` is empty where there is nothing to complain of."""

    reason: str


Event = Began | Said | Note | Again


@dataclass
class Draft:
    """What the events up to now amount to. No pieces: nothing relevant was found."""

    mode: str = EXTRACTIVE
    pieces: list[Piece] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        if isinstance(event, Began):
            self.mode = event.mode
        elif isinstance(event, Said):
            take = citations.add if self.mode == MODEL else citations.quote
            take(self.pieces, event.what)
        elif isinstance(event, Note):
            self.notes.append(event.text)
        else:
            self.pieces = []
            self.notes += [event.reason] if event.reason else []


async def answer(
    question: str,
    passages: Sequence[Passage],
    *,
    model: Model | None = None,
    embed: Embed | None = None,
    sought: str = "",
    earlier: Sequence[str] = (),
) -> AsyncIterator[Event]:
    """`sought` is what was searched for, where that is more than the question. `embed` may raise MemvidError."""
    if model and passages:
        draft = Draft()
        async with aclosing(_by_model(model, question, passages, earlier)) as events:
            async for event in events:
                draft.take(event)
                yield event
        if draft.mode == MODEL:
            return
    else:
        yield Began(EXTRACTIVE)
    async with aclosing(_extracted(sought or question, passages, embed)) as events:
        async for event in events:
            yield event


async def _extracted(question: str, passages: Sequence[Passage], embed: Embed | None) -> AsyncIterator[Event]:
    """The first sentence at once where words are enough, else when a few are compared by meaning; then the others.
    The note on what disagrees quotes nothing: it is also shown to who may not see one of the sources any more."""
    made = await asyncio.to_thread(Answer, question, passages)
    first = made.sure()
    if first is None and await asyncio.to_thread(_look, made, question, embed, FIRST_EMBEDDED):
        first = made.best()
    if first:
        for event in _quoted(first):
            yield event
    await asyncio.to_thread(_look, made, question, embed, MOST_EMBEDDED)
    others = await asyncio.to_thread(made.chosen, first)
    for found in others:
        for event in _quoted(found):
            yield event
    for one, other in await asyncio.to_thread(disagreeing, [first, *others] if first else others):
        yield Note(f"Sources {one} and {other} disagree.")


def _look(made: Answer, question: str, embed: Embed | None, most: int) -> bool:
    """Whether the meaning of the next sentences is known now."""
    if embed is None or not (texts := made.candidates(most)):
        return False
    try:
        vectors = embed([question, *texts])
    except MemvidError as error:
        log.info("sentences were compared by words only: %s", error)
        return False
    made.look(vectors[0], vectors[1:])
    return True


def _quoted(found: Found) -> tuple[Said, Said]:
    return Said(found.text), Said(found.number)


async def _by_model(
    model: Model, question: str, passages: Sequence[Passage], earlier: Sequence[str]
) -> AsyncIterator[Event]:
    """Ends in the mode "extractive" when nothing of it can be used."""
    yield Began(MODEL)
    reader = citations.Reader({passage.number for passage in passages})
    pieces: list[Piece] = []
    failure = ""
    asked = prompts.messages(question, passages, earlier)
    try:
        async with aclosing(stream(model, asked)) as texts:
            async for text in texts:
                for one in reader.feed(text):
                    citations.add(pieces, one)
                    yield Said(one)
    except ModelFailed as error:
        failure = str(error)
    for one in reader.close():
        citations.add(pieces, one)
        yield Said(one)
    for event in _judged(pieces, failure, reader.invented, passages):
        yield event


def _judged(pieces: list[Piece], failure: str, invented: set[int], passages: Sequence[Passage]) -> list[Event]:
    text = "".join(piece.text for piece in pieces).strip()
    if not failure and text.strip("., ") == prompts.NOTHING:
        return [Again("")]
    if not any(piece.cites for piece in pieces):
        silent = "the language model cited no passage" if text else "the language model said nothing"
        reason = failure or ("the language model cited only passages that do not exist" if invented else silent)
        return [Again(f"{reason[:1].upper()}{reason[1:]}. {INSTEAD}"), Began(EXTRACTIVE)]
    notes = [f"The answer ends early: {failure}."] if failure else []
    if invented:
        listed = ", ".join(f"[{number}]" for number in sorted(invented)[:5]) + (" …" if len(invented) > 5 else "")
        notes.append(f"Citations of passages that do not exist were removed: {listed}.")
    if citations.uncited(pieces):
        notes.append("A part without a number of its own has no source: the language model named none.")
    if wrong := len(citations.misquoted(pieces, passages)):
        notes.append(f"{wrong} quotation{'s' if wrong > 1 else ''} could not be found in the cited passage.")
    return [Note(note) for note in notes]
