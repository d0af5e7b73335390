"""The text of a live document, and changing it from code: by edits, so that what people type meanwhile stays."""

from typing import NamedTuple
from uuid import uuid4

from django.db import transaction
from pycrdt import Doc, Text

from memories.engine.reflow import pieces
from memories.engine.textdiff import ADDED, REMOVED
from memories.models import Document, Memory

from ..events import send
from ..models import LiveClient, LiveDocument, User
from . import groups, log, seeding
from .updates import ROOT


class Present(NamedTuple):
    live: LiveDocument
    seq: int
    state: bytes  # one Yjs update, from which `replace` goes on
    text: str


def read(document: Document) -> Present:
    """As it is now; opens it for editing if nobody has yet. Raises seeding.CannotEdit."""
    live = seeding.opened(document.memory, document.number)
    state = log.state_now(live.pk)
    return Present(live, state.head, state.update, text_of(state.update))


def text_of(state: bytes) -> str:
    """The text of a state; what waits for an update before it is not in it."""
    return str(loaded(state)[ROOT])


def loaded(state: bytes) -> Doc:
    """To be used and dropped within one function: a document is bound to its thread."""
    document = Doc({ROOT: Text()})
    document.apply_update(state)
    return document


@transaction.atomic
def replace(live: LiveDocument, state: bytes, text: str, author: User | None) -> int:
    """Turns the text of `state` into `text`; what was typed since merges with it. Gives the number of the update."""
    update, client = edits(state, text)
    return live.head_seq if update is None else store(live, update, client, author)


def edits(state: bytes, text: str) -> tuple[bytes | None, int]:
    """(the edits as one update, the client they are by): words that stay are not touched."""
    document = loaded(state)
    before = document.get_state()
    if not _retype(document, seeding.plain(text)):
        return None, document.client_id
    return document.get_update(before), document.client_id


def _retype(document: Doc, text: str) -> bool:
    """Positions count bytes of UTF-8."""
    content, at, changed = document[ROOT], 0, False
    with document.transaction():
        for piece in pieces(str(content), text):
            size = len(piece.text.encode())
            if piece.kind == REMOVED and size:
                del content[at : at + size]
            elif piece.kind == ADDED and size:
                content.insert(at, piece.text)
            at += 0 if piece.kind == REMOVED else size
            changed |= piece.kind in (REMOVED, ADDED) and size > 0
    return changed


def store(live: LiveDocument, update: bytes, client: int, author: User | None) -> int:
    """Appends an update of the server's own, and tells open pages when the transaction is over. Raises log.Gone."""
    LiveClient.objects.get_or_create(live=live, client=client)
    entry = log.Entry(uuid4(), update, author.pk if author else None)
    seq = log.append_now(live.pk, live.generation, [entry])[entry.message].seq
    hint = groups.appended(live.pk, live.generation, seq, [update])
    transaction.on_commit(lambda: send(groups.live_group(live.pk), hint))
    return seq


def merge(base: str, mine: str, theirs: str) -> str:
    """Both changes of one text, as if typed at once: what either removed goes, what either added stays. What both
    changed alike counts once."""
    state = seeding.state_of(base)
    document = loaded(state)
    for changed in (mine, unlike(base, mine, theirs)):
        update, _ = edits(state, changed)
        if update is not None:
            document.apply_update(update)
    return str(document[ROOT])


Hunk = tuple[int, int, str]  # of a text: from, to, and what stands there instead


def _hunks(base: str, changed: str) -> list[Hunk]:
    found: list[Hunk] = []
    at = 0
    for piece in pieces(base, changed):
        size = 0 if piece.kind == ADDED else len(piece.text)
        if piece.kind in (ADDED, REMOVED) and piece.text:
            start, _, text = found.pop() if found and found[-1][1] == at else (at, at, "")
            found.append((start, at + size, text + piece.text * (piece.kind == ADDED)))
        at += size
    return found


def unlike(base: str, mine: str, theirs: str) -> str:
    """Their text as it would be without the changes that are mine too."""
    if base == mine:
        return theirs
    known, parts, at = set(_hunks(base, mine)), [], 0
    for start, end, text in _hunks(base, theirs):
        if (start, end, text) not in known:
            parts += [base[at:start], text]
            at = end
    return "".join([*parts, base[at:]])


def live_documents(memory: Memory) -> list[LiveDocument]:
    return list(LiveDocument.objects.filter(memory=memory).order_by("document_number"))
