"""May I: each lookup gives the row or 404, to a stranger and to somebody without the right alike."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from collab.models import User

from .models import Document, Job, Memory, MemoryQuerySet
from .sql import Written

VISIBLE = Written(lambda pk: _keys(Memory.objects.visible_to(User(pk=pk, is_active=True)).present()))


def memory_read(request: HttpRequest, pk: UUID) -> Memory:
    return _memory(Memory.objects.visible_to(request.user).present(), pk)


def memory_write(request: HttpRequest, pk: UUID) -> Memory:
    return _memory(Memory.objects.writable_by(request.user).present(), pk)


def memory_manage(request: HttpRequest, pk: UUID) -> Memory:
    """May change name, rights and tags, and put it into the trash or take it out again."""
    return _memory(Memory.objects.manageable_by(request.user), pk)


def memory_change(request: HttpRequest, pk: UUID) -> Memory:
    """As `memory_manage`, but not while it lies in the trash."""
    return _memory(Memory.objects.manageable_by(request.user).present(), pk)


def memory_erase(request: HttpRequest, pk: UUID) -> Memory:
    return _memory(Memory.objects.erasable_by(request.user).present(), pk)


def visible_sql(user: Any) -> tuple[str, tuple[Any, ...]]:
    """`Memory.objects.visible_to(user).present()` as SQL that selects primary keys, with its parameters.

    Put together once for everybody: that takes longer than a query with it.
    """
    if not user.is_authenticated or not user.is_active:
        return sql_of(Memory.objects.visible_to(user).present())
    return VISIBLE.sql(user.pk)


def sql_of(memories: QuerySet[Memory]) -> tuple[str, tuple[Any, ...]]:
    """Selects their primary keys."""
    return _keys(memories).query.sql_with_params()


def _keys(memories: QuerySet[Memory]) -> QuerySet:
    return memories.order_by().values("pk")


def _memory(memories: MemoryQuerySet, pk: UUID) -> Memory:
    return get_object_or_404(memories.select_related("workspace"), pk=pk)


def document_read(request: HttpRequest, memory: UUID, number: int) -> Document:
    """The memory's rights are the document's."""
    visible = Memory.objects.visible_to(request.user).present()
    return get_object_or_404(
        Document.objects.select_related("memory__workspace"), memory__in=visible, memory=memory, number=number
    )


def document_write(request: HttpRequest, memory: UUID, number: int) -> Document:
    """One that is there now."""
    writable = Memory.objects.writable_by(request.user).present()
    documents = Document.objects.present().select_related("memory__workspace")
    return get_object_or_404(documents, memory__in=writable, memory=memory, number=number)


def job_read(request: HttpRequest, pk: UUID) -> Job:
    return get_object_or_404(jobs_visible_to(request.user).select_related("memory", "created_by"), pk=pk)


def job_write(request: HttpRequest, pk: UUID) -> Job:
    """May cancel or retry: whoever started it, or may write its memory."""
    job = job_read(request, pk)
    if job.created_by_id != request.user.pk:
        get_object_or_404(Memory.objects.writable_by(request.user), pk=job.memory_id)
    return job


def jobs_visible_to(user: Any) -> QuerySet[Job]:
    """Also their own, as long as they may see its memory: a person who may not has nothing to do with it any more."""
    found = Job.objects.filter(memory__in=Memory.objects.with_jobs_for(user))
    if not user.is_authenticated:
        return found
    seen = Q(memory=None) | Q(memory__in=Memory.objects.visible_to(user).present())
    return found | Job.objects.filter(seen, created_by=user)


def jobs_writable_by(user: Any) -> QuerySet[Job]:
    """Those that the person may cancel, retry and clear."""
    return jobs_visible_to(user).filter(Q(created_by=user) | Q(memory__in=Memory.objects.writable_by(user)))


def may_run(user: Any, job: Job) -> bool:
    """Whether the person may do what the job does: who began it may have lost the right since."""
    if job.memory_id is None:
        return True
    memories = Memory.objects.present()
    if job.kind == Job.Kind.ERASE:
        memories = memories.erasable_by(user)
    elif job.kind == Job.Kind.VACUUM or job.params.get("accept"):  # which drop what the memory held
        memories = memories.manageable_by(user)
    elif job.kind == Job.Kind.EXPORT:
        memories = memories.visible_to(user)
    else:
        memories = memories.writable_by(user)
    return memories.filter(pk=job.memory_id).exists()
