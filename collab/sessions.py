"""Sessions in the database, whose open pages hear of it when one ends: their sockets look again who they are."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as Stored
from django.db import transaction
from django.utils import timezone

from memories.sql import fetch

from .events import rights_changed

DATA = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s"


class SessionStore(Stored):
    def load(self) -> dict[str, Any]:
        rows = fetch(DATA, [self.session_key, timezone.now()])
        if not rows:
            self._session_key = None
        return self.decode(rows[0][0]) if rows else {}

    def flush(self) -> None:
        """At a log-out, in whichever tab, and where the session is no longer valid."""
        person = str(self.get(SESSION_KEY, ""))
        super().flush()
        if person.isdecimal():
            transaction.on_commit(lambda: rights_changed(int(person)))
