"""Comments on documents: who may read them, who is meant, and what writing one sets in motion.

Comments are for those inside: who sees a public memory by its address alone neither reads nor writes any.
"""

import re
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from memories.models import Document, Memory
from memories.queries import people_of

from . import events, notifications
from .models import Comment, Notification, Thread, User

MOST_THREADS = 200  # of a document that are shown
MOST_NAMED = 2000  # people of a memory that are looked through for a mention


def commented_by(user: Any) -> QuerySet[Memory]:
    """The memories whose comments the person reads and writes."""
    return Memory.objects.known_to(user).present()


def threads_visible_to(user: Any) -> QuerySet[Thread]:
    return Thread.objects.filter(memory__in=commented_by(user))


def comments_visible_to(user: Any) -> QuerySet[Comment]:
    return Comment.objects.filter(thread__memory__in=commented_by(user))


def threads_of(user: Any, document: Document) -> list[Thread]:
    """Open ones first, each with its comments."""
    said = Comment.objects.select_related("author").prefetch_related("mentions").order_by("created_at", "pk")
    found = threads_visible_to(user).filter(memory=document.memory_id, document_number=document.number)
    found = found.select_related("created_by", "resolved_by").prefetch_related(Prefetch("comments", said))
    return sorted(found.order_by("-pk")[:MOST_THREADS], key=lambda thread: (thread.resolved_at is not None, thread.pk))


# -- writes


@transaction.atomic
def begin(document: Document, by: User, text: str, quote: str, start: str, end: str) -> Thread:
    thread = Thread.objects.create(
        memory=document.memory, document_number=document.number, quote=quote, start=start, end=end, created_by=by
    )
    _say(thread, by, text)
    return thread


@transaction.atomic
def reply(thread: Thread, by: User, text: str) -> Comment:
    """A reply to what was resolved opens it again."""
    if thread.resolved_at is not None:
        resolve(thread, by, False)
    return _say(thread, by, text)


def _say(thread: Thread, by: User, text: str) -> Comment:
    comment = Comment.objects.create(thread=thread, author=by, text=text)
    meant = _mention(comment)
    others = Comment.objects.filter(thread=thread).exclude(author=None).values_list("author", flat=True)
    part = {*others, thread.created_by_id} - {None, by.pk} - {user.pk for user in meant}
    notifications.of_comment(Notification.Kind.REPLY, comment, User.objects.filter(pk__in=part))
    _tell(thread)
    return comment


@transaction.atomic
def edit(comment: Comment, text: str) -> None:
    comment.text, comment.edited_at = text, timezone.now()
    comment.save(update_fields=("text", "edited_at"))
    _mention(comment)
    _tell(comment.thread)


@transaction.atomic
def delete(comment: Comment) -> None:
    """A thread goes with its last comment."""
    thread = comment.thread
    comment.delete()
    if not thread.comments.exists():
        thread.delete()
    _tell(thread)


@transaction.atomic
def resolve(thread: Thread, by: User, resolved: bool) -> None:
    thread.resolved_at, thread.resolved_by = (timezone.now(), by) if resolved else (None, None)
    thread.save(update_fields=("resolved_at", "resolved_by"))
    _tell(thread)


def _mention(comment: Comment) -> list[User]:
    """Who is named in the text hears of it once, however often it is edited."""
    meant = [user for user in mentioned(comment.text, _people(comment.thread.memory)) if user != comment.author]
    comment.mentions.set(meant)
    notifications.of_comment(Notification.Kind.MENTION, comment, meant)
    return meant


def _people(memory: Memory) -> list[User]:
    return list(people_of(memory).order_by("name", "email")[:MOST_NAMED])


def _tell(thread: Thread) -> None:
    memory, number = thread.memory, thread.document_number
    transaction.on_commit(lambda: events.comment_changed(memory.workspace_id, memory.pk, number))


# -- mentions


def mentioned(text: str, people: list[User]) -> list[User]:
    """Whose name or address stands behind an @; of two that fit there, who has the longer one."""
    found = {name: user for user in reversed(people) for name in names_of(user)}
    return list(dict.fromkeys(found[match[1].casefold()] for match in pattern(found).finditer(text))) if found else []


def names_of(user: User) -> list[str]:
    return [name.casefold() for name in (user.name, user.email) if name]


def pattern(names: Any) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<!\w)@({'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
