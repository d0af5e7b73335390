"""Saved searches: an address with a name. Whoever opens one sees what they themselves may see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from collab.models import Workspace
from memories.models import Commit

from . import queries
from .address import Address
from .filters import visible_memories
from .models import SavedSearch

MOST = 100  # of one person in a workspace
LISTED = 30
LOOKED_THROUGH = 100  # passages among which the new ones are counted
LONGEST = 8_000  # characters of an address
UNDO_AGE = 3600  # seconds
SALT = "search.saved.2"  # another one when the facts in a token change


class Full(Exception):
    """They have as many saved searches as one may have."""


def listed(user: Any, workspace: Workspace) -> QuerySet[SavedSearch]:
    found = SavedSearch.objects.visible_to(user).filter(workspace=workspace).select_related("user")
    return found.order_by("name", "pk")[:LISTED]


def address_of(params: str) -> Address:
    return Address.read(QueryDict(params))


def kept(params: str) -> str | None:
    """The query string that is worth saving, in its one order; None where it asks for nothing that lasts."""
    if len(params) > LONGEST:
        return None
    address = address_of(params)
    return address.write(like=None, news=None) if address.text else None


def has_room(user: Any, workspace: Workspace) -> bool:
    return SavedSearch.objects.filter(user=user, workspace=workspace).count() < MOST


def news(search: SavedSearch) -> tuple[int, bool]:
    """(passages that commits after the last look added and that match, whether there may be more).

    Where nothing was committed since, nothing is searched.
    """
    address = address_of(search.params)
    visible = visible_memories(search.user, address.scope)
    since = search.last_seen_at
    if address.scope.as_of or not Commit.objects.filter(memory__in=visible, time__gt=since).exists():
        return 0, False
    day = (since - timedelta(days=1)).date()  # a day early: whose midnight counts is not ours to say
    day = max(day, address.scope.since or day)
    scope = replace(address.scope, since=day)
    found = queries.search(search.user, address.text, scope, mode=address.mode, limit=LOOKED_THROUGH)
    return sum(hit.time is not None and hit.time > since for hit in found.hits), found.more


def look(search: SavedSearch) -> str:
    """Its address, in which what came since the last look is marked; from now on that counts as seen."""
    before = int(search.last_seen_at.timestamp())
    SavedSearch.objects.filter(pk=search.pk).update(last_seen_at=timezone.now())
    return address_of(search.params).write(news=before)


def delete(search: SavedSearch) -> str:
    """What brings it back for an hour."""
    facts = {name: getattr(search, name) for name in ("pk", "name", "params", "shared", "workspace_id", "user_id")}
    facts |= {"created": search.created_at.timestamp(), "seen": search.last_seen_at.timestamp()}
    search.delete()
    return signing.dumps(facts, salt=SALT, compress=True)


def undelete(user: Any, token: str) -> SavedSearch | None:
    """As it is, where it is back already. Raises Full."""
    try:
        facts = signing.loads(token, salt=SALT, max_age=UNDO_AGE)
    except signing.BadSignature:
        return None
    workspace = Workspace.objects.visible_to(user).filter(pk=facts.pop("workspace_id")).first()
    if facts.pop("user_id") != user.pk or workspace is None:
        return None
    there = SavedSearch.objects.filter(pk=facts["pk"]).first()
    return there or _made_again(user, workspace, facts)


def _made_again(user: Any, workspace: Workspace, facts: dict[str, Any]) -> SavedSearch:
    if not has_room(user, workspace):
        raise Full
    created, seen = (datetime.fromtimestamp(facts.pop(one), tz=UTC) for one in ("created", "seen"))
    facts |= {"user": user, "workspace": workspace, "last_seen_at": seen}
    row, _ = SavedSearch.objects.get_or_create(pk=facts.pop("pk"), defaults=facts)  # it may be undone twice at once
    SavedSearch.objects.filter(pk=row.pk).update(created_at=created)
    return row
