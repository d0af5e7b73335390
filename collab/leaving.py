"""Open pages hear of it when a session ends, a password changes or somebody is deactivated: their sockets look again
who they are. However it came about (a log-out, the admin panel, a reset by mail), a row of the database says so."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from .events import rights_changed
from .models import User


def listen() -> None:
    post_delete.connect(_session_ended, sender=Session)
    post_save.connect(_person_changed, sender=User)


def _session_ended(instance: Session, **_: Any) -> None:
    person = str(instance.get_decoded().get(SESSION_KEY, ""))
    if person.isdecimal():
        transaction.on_commit(lambda: rights_changed(int(person)))


def _person_changed(instance: User, created: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    if not created and (update_fields is None or update_fields & {"password", "is_active"}):
        transaction.on_commit(lambda: rights_changed(instance.pk))
