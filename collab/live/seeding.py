"""The first state of a live document: the text of the file, put in once, by the server."""

import time
from uuid import UUID

from django.db import transaction
from pycrdt import Doc, Text

from memories import turns
from memories.engine import Memory as MemoryFile
from memories.engine.errors import MemvidError
from memories.engine.history import last_change
from memories.models import Document, Memory

from ..models import LiveDocument
from .updates import ROOT

LONGEST = 2_000_000  # characters
SERVER = 1  # the client id of what the server itself types; browsers draw theirs from 32 bits


class CannotEdit(Exception):
    """One line: why the document cannot be opened for editing."""


@transaction.atomic
def opened(memory: Memory, number: int) -> LiveDocument:
    """The live document of a document; made from its text when somebody opens it for the first time. Raises CannotEdit.

    Two seedings of one text would merge to the text twice: whoever comes second waits and finds the first one's.
    """
    found = LiveDocument.objects.filter(memory=memory, document_number=number).first()
    if found is None:
        take_turn(memory, number)
        found = LiveDocument.objects.filter(memory=memory, document_number=number).first()
    return found or _seed(memory, number)


def take_turn(memory: Memory, number: int) -> None:
    """To make the live document, or to take it away: until the transaction ends."""
    turns.take(f"live {memory.pk} {number}")


def _seed(memory: Memory, number: int) -> LiveDocument:
    if not Document.objects.present().filter(memory=memory, number=number).exists():
        raise CannotEdit("the document is no longer in this memory")
    text, commit = text_in_file(memory, number)
    return make(memory, number, text, commit)


def make(memory: Memory, number: int, text: str, commit: int) -> LiveDocument:
    """`text` is the document's as of `commit`, which changed it last. Raises CannotEdit.

    Generations begin at the second of their birth: a row that is made anew, after an erase, never has one that a
    browser still knows.
    """
    if len(text) > LONGEST:
        raise CannotEdit(f"it is longer than {LONGEST:,} characters: upload a changed file instead")
    state = state_of(text)
    return LiveDocument.objects.create(
        memory=memory, document_number=number, generation=int(time.time()), snapshot=state, projected_state=state,
        projected_commit=commit,
    )  # fmt: skip


@transaction.atomic
def begin_anew(pk: UUID) -> None:
    """Another generation with the same text: no copy that a browser still has is merged into it."""
    from . import log, texts

    live = LiveDocument.objects.select_for_update().get(pk=pk)
    text = texts.text_of(log.state_now(pk).update)
    base = state_of(texts.text_of(bytes(live.projected_state)))
    update, _ = texts.edits(base, text)
    live.updates.all().delete()
    live.clients.all().delete()
    live.generation = max(int(time.time()), live.generation + 1)
    live.projected_state, live.snapshot = base, log.merged([base, update] if update else [base])
    live.snapshot_seq = live.head_seq
    live.writing_request = ""
    live.save()


def state_of(text: str) -> bytes:
    """One Yjs update that says the text."""
    document = Doc({ROOT: Text()}, client_id=SERVER)
    document[ROOT].insert(0, plain(text))
    return document.get_update()


def text_in_file(memory: Memory, number: int) -> tuple[str, int]:
    """(the document's text in the file, the commit that last changed it). Raises CannotEdit."""
    try:
        with MemoryFile.open(memory.path) as file:
            return read(file, number), last_change(file, number)
    except MemvidError as error:
        raise CannotEdit(f"its text cannot be read: {error}") from None


def read(file: MemoryFile, number: int) -> str:
    return "".join(file.chunk_texts(number))


def plain(text: str) -> str:
    """As editors count it: lines end with one line feed, and no byte order mark stands before the first."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
