"""What people searched for, for them to come back to and for the workspace to learn from.

A search is logged once it stood: when the page was loaded with it, a hit was opened, or it was left standing while its
results were read; not with every key. The page brings a signed ticket with its results, which says what was searched
and what came of it, and hands it back; so nobody can log what was not searched.
"""

import logging
import uuid
from typing import Any

from django.core import signing
from django.db import DatabaseError
from django.utils import timezone
from psycopg.types.json import Jsonb

from memories.sql import fetch

from .answers import Answer
from .models import LoggedQuery

log = logging.getLogger("memvid.search")

SALT = "search.querylog"
TICKET_AGE = 24 * 3600  # seconds
RECENT = 6
LOOKED_AT = 60  # logged queries that the recent ones are taken from
_NAMES = uuid.UUID("2cb0dd5a-51a0-4b19-8bf1-6b4d0ef1a8a4")


def facts(user: Any, workspace: int | None, answer: Answer) -> dict[str, Any]:
    """What would be logged; nothing for who does not want it, and where there is nothing to log."""
    address = answer.address
    if answer.found.mode == "none" or not address.text or not wanted_by(user):
        return {}
    return {
        "q": address.text, "mode": address.mode, "filters": address.filters(), "n": answer.found.total,
        "ms": answer.milliseconds, "user": user.pk, "workspace": workspace,
    }  # fmt: skip


def ticket(facts: dict[str, Any]) -> str:
    return signing.dumps(facts, salt=SALT, compress=True) if facts else ""


def redeem(user: Any, ticket: str, clicked: int | None = None) -> None:
    """Does nothing with a ticket that is not theirs or is stale."""
    try:
        facts = signing.loads(ticket, salt=SALT, max_age=TICKET_AGE)
    except signing.BadSignature:
        return
    if facts["user"] == user.pk and wanted_by(user):
        record(user, facts, clicked)


def record(user: Any, facts: dict[str, Any], clicked: int | None = None) -> None:
    """What goes wrong is noted, and harms no search."""
    try:
        _insert(user, facts, clicked)
    except DatabaseError as error:
        log.error("a search was not logged: %s", error)


def recent(user: Any) -> list[str]:
    """The newest first, each once."""
    if not wanted_by(user):
        return []
    rows = LoggedQuery.objects.filter(user=user).order_by("-time").values_list("query", flat=True)[:LOOKED_AT]
    return list(dict.fromkeys(rows))[:RECENT]


def forget(user: Any) -> int:
    """How many were deleted."""
    return LoggedQuery.objects.filter(user=user).delete()[0]


def wanted_by(user: Any) -> bool:
    return bool(getattr(user, "log_searches", False))


# Nobody waits until it is on the disk.
INSERT = """
INSERT INTO search_loggedquery AS log
    (id, user_id, workspace_id, query, mode, filters, count, milliseconds, clicked, time)
SELECT %s::uuid, %s::bigint, %s::bigint, %s, %s, %s::jsonb, %s::int, %s::int, %s::int, %s::timestamptz
FROM (SELECT set_config('synchronous_commit', 'off', true)) AS lazily
ON CONFLICT (id) DO UPDATE SET clicked = coalesce(excluded.clicked, log.clicked) RETURNING id
"""


def _insert(user: Any, facts: dict[str, Any], clicked: int | None) -> None:
    now = timezone.now()
    key = uuid.uuid5(_NAMES, repr((user.pk, facts["q"], facts["mode"], facts["filters"], f"{now:%Y-%m-%d %H}")))
    values = [
        key, user.pk, facts["workspace"], facts["q"], facts["mode"], Jsonb(facts["filters"]), facts["n"], facts["ms"],
        clicked, now,
    ]  # fmt: skip
    fetch(INSERT, values)
