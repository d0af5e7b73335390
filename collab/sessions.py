"""Sessions in the database, whose open pages hear of it when one ends: their sockets look again who they are."""

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as Stored
from django.db import transaction

from .events import rights_changed


class SessionStore(Stored):
    def flush(self) -> None:
        """At a log-out, in whichever tab, and where the session is no longer valid."""
        person = str(self.get(SESSION_KEY, ""))
        super().flush()
        if person.isdecimal():
            transaction.on_commit(lambda: rights_changed(int(person)))
