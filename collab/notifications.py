"""What a person is told: mentions, replies, own jobs that failed, memories that were shared with them.

Rights are asked when somebody reads, not when it was written: what they may not see any more is not among theirs.
"""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from memories.models import Job, Memory

from . import events
from .models import Comment, Notification, User

MOST_COUNTED = 99


def visible_to(user: Any) -> QuerySet[Notification]:
    memories = Memory.objects.known_to(user).present()
    gone = Q(memory=None, kind=Notification.Kind.JOB)  # a job whose memory was deleted is still the person's own
    return Notification.objects.filter(Q(memory__in=memories) | gone, user=user)


def listed(user: Any) -> QuerySet[Notification]:
    found = visible_to(user).select_related("actor", "memory", "job", "comment__thread")
    return found.order_by("-created_at", "pk")


def unread_count(user: Any) -> int:
    return visible_to(user).filter(read_at=None)[: MOST_COUNTED + 1].count()


# -- writes


def of_comment(kind: str, comment: Comment, users: Iterable[User]) -> None:
    """Only to people who may read comments of the memory; whoever was told of this comment is not told again."""
    memory = comment.thread.memory
    for user in users:
        if Memory.objects.known_to(user).present().filter(pk=memory.pk).exists():
            _notify(user, kind, actor=comment.author, memory=memory, comment=comment)


def of_failed_job(job: Job) -> None:
    """To who started it. What nobody asked for by hand has nobody to be told."""
    if job.created_by_id and job.created_by:
        _notify(job.created_by, Notification.Kind.JOB, memory=job.memory, job=job)


def of_invitation(memory: Memory, user: User, by: User | None) -> None:
    if user != by:
        _notify(user, Notification.Kind.INVITED, actor=by, memory=memory)


def _notify(user: User, kind: str, **facts: Any) -> None:
    once = {name: facts[name] for name in ("comment", "job") if name in facts}
    if once:
        rest = {name: value for name, value in facts.items() if name not in once}
        _, made = Notification.objects.get_or_create(user=user, **once, defaults={"kind": kind, **rest})
    else:
        made = bool(Notification.objects.create(user=user, kind=kind, **facts))
    if made:
        transaction.on_commit(lambda: events.notified(user.pk))


def mark_read(user: Any, rows: QuerySet[Notification]) -> None:
    if rows.filter(user=user, read_at=None).update(read_at=timezone.now()):
        transaction.on_commit(lambda: events.notified(user.pk))


# -- words


def address(row: Notification) -> str:
    """The page that it is about."""
    if row.comment_id:
        thread = row.comment.thread
        return f"{reverse('document', args=[thread.memory_id, thread.document_number])}#thread-{thread.pk}"
    return reverse("job", args=[row.job_id]) if row.job_id else reverse("memory", args=[row.memory_id])


def sentence(row: Notification) -> str:
    """One line, as a page and a mail say it."""
    who = str(row.actor) if row.actor else "Somebody"
    if row.kind == Notification.Kind.JOB:
        where = f" of {row.memory.name}" if row.memory else ""
        return f"{row.job.get_kind_display()}{where} failed"
    if row.kind == Notification.Kind.INVITED:
        return f"{who} shared {row.memory.name} with you"
    return f"{who} {row.get_kind_display()} in a comment on {row.memory.name}"
