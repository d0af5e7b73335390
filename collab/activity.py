"""What happened, newest first: read from the rows that exist anyway, each kind by its own query, so that there is
nothing to keep in step and nothing to erase twice. Every query begins with the memories that the person may see."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import CharField, Model, Q, QuerySet
from django.db.models.functions import Cast
from django.urls import reverse

from memories.models import Commit, Job, Memory, MemoryPerson
from memories.queries import memories_of

from . import comments
from .models import LiveVersion, Membership, Role, User, Workspace

PER_PAGE = 40
LONGEST = 200  # characters of a quoted text
TOLD_WHEN_DONE = (Job.Kind.ERASE, Job.Kind.VACUUM, Job.Kind.MERGE, Job.Kind.IMPORT)
VERSION_WORDS = {
    LiveVersion.Kind.NAMED: "named a version", LiveVersion.Kind.RESTORE: "went back to an earlier version",
    LiveVersion.Kind.MERGE: "merged edits with a changed file",
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    time: datetime
    icon: str
    who: str
    what: str
    memory: Memory | None = None
    url: str = ""
    detail: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Scope:
    """Whose eyes, and what of: everything in a workspace, or one memory (`workspace` is then None)."""

    user: Any
    seen: QuerySet[Memory]  # present ones
    known: QuerySet[Memory]  # those that the person belongs to, trashed ones too
    workspace: Workspace | None
    before: datetime | None

    def newest(self, rows: QuerySet, column: str) -> QuerySet:
        """One more than a page, so that it is known whether there are older ones."""
        if self.before:
            rows = rows.filter(**{f"{column}__lt": self.before})
        return rows.order_by(f"-{column}", "-pk")[: PER_PAGE + 1]


def of_workspace(user: User, workspace: Workspace, before: datetime | None) -> Scope:
    known = Memory.objects.known_to(user).filter(pk__in=memories_of(workspace, user).values("pk"))
    return Scope(user, known.present(), known, workspace, before)


def of_memory(user: Any, memory: Memory, before: datetime | None) -> Scope:
    seen = Memory.objects.visible_to(user).present().filter(pk=memory.pk)
    return Scope(user, seen, Memory.objects.known_to(user).filter(pk=memory.pk), None, before)


def listed(scope: Scope, kind: str) -> tuple[list[Event], datetime | None]:
    """(a page of events, before which time the next page begins). What happened in one moment stays on one page."""
    sources = [source for name, source in SOURCES if kind in ("", name)]
    found = sorted((event for source in sources for event in source(scope)), key=lambda event: event.time, reverse=True)
    end = PER_PAGE
    while end < len(found) and found[end].time == found[end - 1].time:
        end += 1
    return found[:end], found[end - 1].time if end < len(found) else None


# -- documents


def _commits(scope: Scope) -> Iterable[Event]:
    rows = Commit.objects.filter(memory__in=scope.seen).select_related("memory")
    for row in scope.newest(rows, "time"):
        url = f"{reverse('memory-documents', args=[row.memory_id])}?at={row.number}"
        what = f"stored commit {row.number}: {row.message or 'no message'}"
        yield Event(row.time, "history", row.author or "Somebody", what[:LONGEST], row.memory, url)


def _versions(scope: Scope) -> Iterable[Event]:
    rows = LiveVersion.objects.filter(live__memory__in=scope.known.present(), kind__in=VERSION_WORDS)
    for row in scope.newest(rows.defer("text").select_related("live__memory"), "created_at"):
        who = ", ".join(str(author) for author in row.authors.all()) or "Somebody"
        url = reverse("document-history", args=[row.live.memory_id, row.live.document_number])
        what = VERSION_WORDS[row.kind]
        yield Event(row.created_at, "tag", who, what, row.live.memory, url, row.label)


def _made(scope: Scope) -> Iterable[Event]:
    for row in scope.newest(scope.seen.select_related("created_by"), "created_at"):
        who = str(row.created_by or "Somebody")
        yield Event(row.created_at, "memory", who, "made the memory", row, reverse("memory", args=[row.pk]))


def _jobs(scope: Scope) -> Iterable[Event]:
    ended = Q(state=Job.State.DONE, kind__in=TOLD_WHEN_DONE) | Q(state=Job.State.FAILED)
    rows = Job.objects.filter(ended, memory__in=scope.known.present()).exclude(finished_at=None)
    for row in scope.newest(rows.select_related("memory", "created_by"), "finished_at"):
        failed = row.state == Job.State.FAILED
        what = f"{row.get_kind_display().lower()} {'failed' if failed else 'is done'}"
        who, url = str(row.created_by or "Workspace"), reverse("job", args=[row.pk])
        yield Event(row.finished_at, "alert" if failed else "jobs", who, what, row.memory, url, row.reason, failed)


# -- comments


def _comments(scope: Scope) -> Iterable[Event]:
    rows = comments.comments_visible_to(scope.user).filter(thread__memory__in=scope.known.present())
    for row in scope.newest(rows.select_related("thread__memory", "author"), "created_at"):
        thread = row.thread
        url = f"{reverse('document', args=[thread.memory_id, thread.document_number])}#thread-{thread.pk}"
        who = str(row.author or "Somebody")
        yield Event(row.created_at, "comment", who, "commented", thread.memory, url, row.text[:LONGEST])


# -- people and rights


def _joined(scope: Scope) -> Iterable[Event]:
    if scope.workspace is None:
        return
    rows = Membership.objects.filter(workspace=scope.workspace).select_related("user")
    for row in scope.newest(rows, "joined_at"):
        yield Event(row.joined_at, "people", str(row.user), f"joined {scope.workspace.name}", url=reverse("settings"))


def _members(scope: Scope) -> Iterable[Event]:
    if scope.workspace is None:
        return
    left = Q(action=LogEntry.Action.DELETE, changes__workspace__0=str(scope.workspace.pk))
    there = _keys(Membership.objects.filter(workspace=scope.workspace))
    other_role = Q(action=LogEntry.Action.UPDATE, object_pk__in=there, changes__has_key="role")
    rows = _logged(Membership).filter(left | other_role)
    for row in scope.newest(rows, "timestamp"):
        whom = row.object_repr.rpartition(" in ")[0] or row.object_repr
        if row.action == LogEntry.Action.DELETE:
            what = f"removed {whom}" if row.actor and str(row.actor) != whom else "left"
            yield Event(row.timestamp, "people", _actor(row) if "removed" in what else whom, what)
        else:
            role = Role(row.changes["role"][1]).label.lower()
            yield Event(row.timestamp, "people", _actor(row), f"made {whom} {role}", url=reverse("settings"))


def _rights(scope: Scope) -> Iterable[Event]:
    """Who was let in to a memory by name."""
    known = {str(memory.pk): memory for memory in scope.known.present()}
    rows = _logged(MemoryPerson).filter(action=LogEntry.Action.CREATE, changes__memory__1__in=list(known))
    for row in scope.newest(rows, "timestamp"):
        memory = known[row.changes["memory"][1]]
        whom = row.object_repr.rpartition(f" {memory}")[0].rpartition(" ")[0] or "somebody"
        yield Event(row.timestamp, "people", _actor(row), f"shared it with {whom}", memory, _page(memory))


def _settings(scope: Scope) -> Iterable[Event]:
    """Another name, another circle of readers, into the trash and out of it."""
    known = _keys(scope.known)
    told = Q(changes__has_key="name") | Q(changes__has_key="visibility") | Q(changes__has_key="deleted_at")
    rows = _logged(Memory).filter(told, action=LogEntry.Action.UPDATE, object_pk__in=known)
    rows = list(scope.newest(rows, "timestamp"))
    memories = {str(m.pk): m for m in scope.known.filter(pk__in=[row.object_pk for row in rows])}
    for row in rows:
        memory = memories[row.object_pk]
        if memory.deleted_at and "deleted_at" not in row.changes:
            continue  # of what lies in the trash nothing is told but that
        yield Event(row.timestamp, "settings", _actor(row), _change(row.changes), memory, _page(memory))


def _change(changes: dict[str, list[str]]) -> str:
    parts = []
    if "name" in changes:
        parts.append(f"renamed it from “{changes['name'][0]}”")
    if "visibility" in changes:
        parts.append(f"made it {changes['visibility'][1]}")
    if "deleted_at" in changes:
        parts.append("took it out of the trash" if changes["deleted_at"][1] == "None" else "put it into the trash")
    return " and ".join(parts)


def _logged(model: type[Model]) -> QuerySet[LogEntry]:
    return LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model)).select_related("actor")


def _keys(rows: QuerySet) -> QuerySet:
    """Primary keys as the audit trail writes them."""
    return rows.annotate(key=Cast("pk", CharField())).values("key")


def _actor(row: LogEntry) -> str:
    return str(row.actor or "Somebody")


def _page(memory: Memory) -> str:
    return "" if memory.deleted_at else reverse("memory", args=[memory.pk])


KINDS = (
    ("", "Everything"), ("documents", "Documents"), ("comments", "Comments"), ("people", "People and rights"),
    ("jobs", "Jobs"),
)  # fmt: skip
SOURCES: tuple[tuple[str, Callable[[Scope], Iterable[Event]]], ...] = (
    ("documents", _commits), ("documents", _versions), ("documents", _made), ("comments", _comments),
    ("people", _joined), ("people", _members), ("people", _rights), ("people", _settings), ("jobs", _jobs),
)  # fmt: skip
