"""What somebody may do with a live document, asked of the database each time: nothing is remembered."""

from typing import NamedTuple
from uuid import UUID

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.http import HttpRequest

from memories.models import WRITE, Document, Memory

from ..models import LiveDocument, User
from . import seeding
from .room import Subject


class Rights(NamedTuple):
    memory: Memory
    may_write: bool


def rights(user: User, memory: UUID, number: int) -> Rights | None:
    """None to who may not see the memory; to everybody when it lies in the trash, or the document is not there.

    While a mirror is made anew the memory's head is 0 and its documents are missing for a moment.
    """
    found = Memory.objects.visible_to(user).present().filter(pk=memory).first()
    if found is None:
        return None
    there = Document.objects.present().filter(memory=found, number=number).exists()
    if not there and (found.head or not LiveDocument.objects.filter(memory=found, document_number=number).exists()):
        return None
    return Rights(found, found.allows(user, WRITE)[0])


def person_of(session_key: str | None) -> User | None:
    """Who is logged in by that session now: not after a logout, a new password or a deactivation."""
    request = HttpRequest()
    request.session = SessionStore(session_key=session_key)
    user = get_user(request)
    return user if user.is_authenticated else None


def subject(found: Rights, number: int) -> Subject:
    """The live document; made when it is opened for the first time. Raises seeding.CannotEdit."""
    live = seeding.opened(found.memory, number)
    return Subject(live.pk, found.memory.pk, number, found.memory.workspace_id, live.generation, live.head_seq)


def binds(live: UUID, client: int, user: int) -> bool:
    """Whether that client id is, or now becomes, that person's in the document: whoever comes first has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO collab_liveclient (live_id, client, user_id, created_at) VALUES (%s, %s, %s, now())"
            " ON CONFLICT (live_id, client) DO UPDATE SET client = excluded.client RETURNING user_id",
            [live, client, user],
        )
        return cursor.fetchone()[0] == user
