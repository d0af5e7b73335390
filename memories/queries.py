"""Reads for the pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db.models import Count, F, Func, Q, QuerySet, Sum, TextField, Value, Window
from django.utils import timezone

from collab.models import User, Workspace

from .access import jobs_visible_to
from .models import (
    ERASE,
    MANAGE,
    SHARED,
    WRITE,
    Chunk,
    Commit,
    Document,
    Job,
    JobFile,
    Memory,
    MemoryPerson,
    MemoryQuerySet,
)
from .services import OPEN

SORTS = {
    "changed": ("-updated_at", "pk"),
    "name": ("name", "pk"),
    "size": ("-file_bytes", "pk"),
    "chunks": ("-chunks_count", "pk"),
    "made": ("-created_at", "pk"),
}
CHUNKS_A_PAGE = 50
OPEN_SHOWN = 5
LONG = timedelta(seconds=30)


def open_job_count(workspace: Workspace, user: Any) -> int:
    """Mostly there is none at all, which is asked first: who may know of which is a dear question on every page."""
    at_work = Q(workspace=workspace, state__in=(Job.State.QUEUED, Job.State.RUNNING))
    if not Job.objects.filter(at_work).exists():
        return 0
    return shown_jobs(jobs_visible_to(user).filter(at_work)).distinct().count()


def open_jobs_of(memory: Memory, user: Any) -> list[Job]:
    """The newest ones that the person may know of; likewise."""
    at_work = Q(memory=memory, state__in=OPEN)
    if not Job.objects.filter(at_work).exists():
        return []
    found = jobs_visible_to(user).filter(at_work).distinct().select_related("created_by")
    return list(found.order_by("-created_at")[:OPEN_SHOWN])


def shown_jobs(found: QuerySet[Job]) -> QuerySet[Job]:
    """Edits that are written into the video are no news, unless that fails or takes long."""
    begun = timezone.now() - LONG
    return found.exclude(Q(kind=Job.Kind.LIVE) & (Q(state=Job.State.DONE) | Q(state__in=OPEN, created_at__gt=begun)))


# -- memories


def memories_of(workspace: Workspace, user: Any) -> MemoryQuerySet:
    """Those of the workspace, and those of others that somebody shared with the person by name."""
    shared = MemoryPerson.objects.filter(user=user).values("memory")
    return Memory.objects.visible_to(user).filter(Q(workspace=workspace) | Q(pk__in=shared))


def listed_memories(workspace: Workspace, user: Any, chosen: dict[str, Any]) -> MemoryQuerySet:
    """`chosen` is what MemoryFilter read."""
    found = memories_of(workspace, user).present()
    if chosen["q"]:
        tags = Func(F("tags"), Value(" "), function="array_to_string", output_field=TextField())
        found = found.alias(tag_text=tags).filter(
            Q(name__icontains=chosen["q"]) | Q(description__icontains=chosen["q"]) | Q(tag_text__icontains=chosen["q"])
        )
    if chosen["tag"]:
        found = found.filter(tags__contains=[chosen["tag"]])
    if chosen["state"]:
        found = found.filter(state=chosen["state"])
    if chosen["visibility"]:
        found = found.filter(visibility=chosen["visibility"])
    if chosen["mine"]:
        found = found.filter(created_by=user)
    return found.select_related("created_by").order_by(*SORTS[chosen["sort"]])


def tags_of(memories: MemoryQuerySet) -> list[str]:
    """The tags in use, most used first."""
    tag = Func(F("tags"), function="unnest")
    counted = memories.order_by().annotate(one=tag).values("one").annotate(n=Count("*")).order_by("-n", "one")
    return [row["one"] for row in counted[:50]]


def open_jobs_by_memory(memories: list[Memory]) -> dict[Any, Job]:
    """The newest open job of each memory that has one."""
    jobs = Job.objects.filter(memory__in=[memory.pk for memory in memories], state__in=OPEN)
    return {job.memory_id: job for job in shown_jobs(jobs).order_by("created_at")}


@dataclass(frozen=True)
class Rights:
    write: bool
    manage: bool
    erase: bool


def rights(user: Any, memory: Memory) -> Rights:
    return Rights(*memory.allows(user, WRITE, MANAGE, ERASE))


def people_of(memory: Memory) -> QuerySet[User]:
    """Everybody whom `known_to` gives this memory."""
    members = memory.workspace.memberships.values("user")
    may = Q(pk__in=memory.people.values("user"))
    may |= Q(pk__in=members) if memory.visibility in SHARED else Q(pk=memory.created_by_id) & Q(pk__in=members)
    return User.objects.filter(may, is_active=True)


def trashed_memories(workspace: Workspace, user: User) -> MemoryQuerySet:
    """Those that the person may take out again."""
    found = Memory.objects.manageable_by(user).trashed().filter(workspace=workspace)
    return found.select_related("created_by").order_by("-deleted_at", "pk")


# -- documents


def listed_documents(memory: Memory, chosen: dict[str, Any]) -> QuerySet[Document]:
    """Those of now, or of the commit `at`."""
    rows = Document.objects.as_of(chosen["at"]) if chosen["at"] else Document.objects.present()
    found = rows.filter(memory=memory)
    if chosen["q"]:
        found = found.filter(path__icontains=chosen["q"])
    if chosen["type"]:
        found = found.filter(media_type=chosen["type"])
    if chosen["tag"]:
        found = found.filter(tags__contains=[chosen["tag"]])
    return found.order_by("path", "pk")


def documents_in_order(keys: Iterable[int]) -> list[Document]:
    """Of one page of the keys: what is passed over on the way to it is read from the index alone."""
    keys = list(keys)
    found = Document.objects.in_bulk(keys)
    return [found[key] for key in keys if key in found]


def document_facets(memory: Memory) -> dict[str, list[str]]:
    """Types and tags, most used first. Counting ten thousand documents for every page of a list is dear, and one
    commit says the same each time; a process remembers some, no store does."""
    return _facets(memory.pk, memory.head_hash)


@lru_cache(maxsize=64)
def _facets(memory: Any, head: str) -> dict[str, list[str]]:
    present = Document.objects.present().filter(memory=memory).order_by()
    types = present.values_list("media_type", flat=True).annotate(n=Count("*")).order_by("-n", "media_type")
    tag = Func(F("tags"), function="unnest")
    tags = present.annotate(one=tag).values("one").annotate(n=Count("*")).order_by("-n", "one")
    return {"types": list(types[:50]), "tags": [row["one"] for row in tags[:50]]}


def chunk_counts(documents: list[Document], at: int | None = None) -> dict[int, int]:
    keys = [document.pk for document in documents]
    rows = Chunk.objects.as_of(at) if at else Chunk.objects.present()
    counted = rows.filter(document__in=keys).values("document").annotate(n=Count("*"))
    return {row["document"]: row["n"] for row in counted}


def commit_on(memory: Memory, moment: datetime) -> Commit | None:
    """The one that was the newest then; None before the first."""
    return memory.commits.filter(time__lte=moment).order_by("-number").first()


def chunks_at(document: Document, commit: int) -> QuerySet[Chunk]:
    """In reading order, each with the line it starts on (`line`, from 1)."""
    before = Window(Sum("lines"), order_by=F("order").asc()) - F("lines") + 1
    return Chunk.objects.as_of(commit).filter(document=document).annotate(line=before).order_by("order")


def page_of_chunk(chunks: QuerySet[Chunk], order: int) -> int:
    return chunks.filter(order__lt=order).count() // CHUNKS_A_PAGE + 1


# -- jobs


def listed_jobs(workspace: Workspace, user: User, chosen: dict[str, Any]) -> QuerySet[Job]:
    found = shown_jobs(jobs_visible_to(user).filter(workspace=workspace)).distinct()
    if chosen["state"] == "open":
        found = found.filter(state__in=OPEN)
    elif chosen["state"]:
        found = found.filter(state=chosen["state"])
    if chosen["kind"]:
        found = found.filter(kind=chosen["kind"])
    if chosen["mine"]:
        found = found.filter(created_by=user)
    return found.select_related("memory", "created_by").order_by("-created_at", "pk")


def file_counts(jobs: list[Job]) -> dict[Any, dict[str, int]]:
    """By job: how many files there are in each state, `all`, and those that can be tried `again`."""
    counts: dict[Any, dict[str, int]] = {}
    rows = JobFile.objects.filter(job__in=[job.pk for job in jobs]).values("job", "state")
    failed = Q(state=JobFile.State.FAILED) & ~Q(staged="")
    for row in rows.annotate(n=Count("*"), again=Count("pk", filter=failed)):
        of_job = counts.setdefault(row["job"], {"all": 0, "again": 0})
        of_job["again"] += row["again"]
        of_job[row["state"]] = row["n"]
        of_job["all"] += row["n"]
    return counts


def open_exports(memory: Memory) -> dict[bool, Job]:
    """The downloads that are being prepared of the memory as it is now, by whether they will hold its history."""
    jobs = memory.jobs.filter(kind=Job.Kind.EXPORT, state__in=OPEN, params__head=memory.head_hash)
    return {bool(job.params.get("history")): job for job in jobs}


def ended_exports(memory: Memory) -> dict[bool, Job]:
    """The newest of each kind that is ready, or else failed, of the memory as it is now."""
    states = (Job.State.FAILED, Job.State.DONE)  # in this order: what is ready counts more
    ended = memory.jobs.filter(kind=Job.Kind.EXPORT, state__in=states, params__head=memory.head_hash)
    newest = sorted(ended.order_by("finished_at"), key=lambda job: states.index(job.state))
    return {bool(job.params.get("history")): job for job in newest}
