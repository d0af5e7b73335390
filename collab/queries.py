"""Reads for the pages about people and workspaces."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, QuerySet, Value, When

from memories.models import Commit, Memory

from .models import Invitation, Membership, Role, Workspace

CARDS, CHANGES, MEMBERS, INVITATIONS = 8, 8, 50, 100


@dataclass(frozen=True)
class Home:
    memories: list[Memory]
    memories_count: int
    changes: list[Commit]
    changes_count: int
    since: datetime | None


def home(user: Any, workspace: Workspace, since: datetime | None) -> Home:
    """The newest memories, and what changed since; when nothing did, the latest changes at all."""
    memories = Memory.objects.visible_to(user).present().filter(workspace=workspace)
    changes = Commit.objects.filter(memory__in=memories).select_related("memory").order_by("-time", "-pk")
    new = changes.filter(time__gt=since) if since else changes.none()
    count = new.count() if since else 0
    return Home(
        memories=list(memories.order_by("-updated_at", "pk")[:CARDS]),
        memories_count=memories.count(),
        changes=list((new if count else changes)[:CHANGES]),
        changes_count=count,
        since=since,
    )


def members(workspace: Workspace, page: str | None) -> Page:
    """Owners first."""
    rank = Case(*(When(role=role, then=Value(place)) for place, role in enumerate(Role)))
    found = Membership.objects.filter(workspace=workspace).select_related("user").order_by(rank, "joined_at", "pk")
    return Paginator(found, MEMBERS).get_page(page)


def open_invitations(workspace: Workspace) -> QuerySet[Invitation]:
    return workspace.invitations.open().select_related("created_by").order_by("-created_at", "-pk")[:INVITATIONS]
