"""What a scope leaves of the chunks that a person may see, as a table."""

import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from memories.access import visible_sql
from memories.models import Commit, Document, Memory

from . import table
from .scope import FAMILIES, Scope
from .table import NEVER, Part, Reach, Table

Test = Callable[[Part, np.ndarray], np.ndarray]


def visible_memories(user: Any, scope: Scope) -> QuerySet[Memory]:
    """The rights are in this query, and everything that a search reads hangs on it."""
    visible = Memory.objects.visible_to(user).present()
    if scope.memories is not None:
        visible = visible.filter(pk__in=scope.memories)
    return visible.filter(workspace=scope.workspace) if scope.workspace is not None else visible


def table_of(user: Any, scope: Scope, *, ever: bool = False) -> Table:
    """`ever`: whatever stood in any commit, also what was removed since."""
    reach, tests = _reach(user, scope), _tests(user, scope)
    if not tests and not ever:
        return table.load(reach)
    if scope.as_of is None and not ever:
        tests.append(lambda part, removed: removed == NEVER)

    def dead(part: Part, removed: np.ndarray) -> np.ndarray | None:
        alive = np.ones(part.size, bool)
        for test in tests:
            alive &= test(part, removed)
        return None if alive.all() else ~alive

    return table.load(reach, dead)


def _reach(user: Any, scope: Scope) -> Reach:
    """As `visible_memories`."""
    sql, params = Reach.within(*visible_sql(user))
    if scope.memories is not None:
        sql, params = f"{sql} AND m.id = ANY(%s)", (*params, list(scope.memories))
    if scope.workspace is not None:
        sql, params = f"{sql} AND m.workspace_id = %s", (*params, scope.workspace)
    return Reach(sql, params)


def _tests(user: Any, scope: Scope) -> list[Test]:
    within = scope.tags or scope.types or scope.path
    made = scope.author or scope.since or scope.until
    if scope.as_of is None and not within and not made:
        return []
    visible = visible_memories(user, scope)
    return [
        *([_as_of(visible, scope.as_of)] if scope.as_of is not None else []),
        *([_in_documents(_documents(visible, scope))] if within else []),
        *([_in_commits(_commits(visible, scope))] if made else []),
    ]


def _as_of(visible: QuerySet[Memory], when: int | datetime) -> Test:
    if isinstance(when, int):
        return lambda part, removed: (part.columns.added <= when) & (removed > when)
    heads = _heads(visible, when)

    def test(part: Part, removed: np.ndarray) -> np.ndarray:
        head = heads.get(part.memory, 0)
        return (part.columns.added <= head) & (removed > head)

    return test


def _heads(visible: QuerySet[Memory], when: datetime) -> dict[UUID, int]:
    """The newest commit of each memory at that moment."""
    commits = Commit.objects.filter(memory__in=visible, time__lte=when).order_by()
    return dict(commits.values("memory").annotate(head=Max("number")).values_list("memory", "head"))


def _in_documents(documents: np.ndarray) -> Test:
    return lambda part, removed: np.isin(part.columns.documents, documents)


def _documents(visible: QuerySet[Memory], scope: Scope) -> np.ndarray:
    found = Document.objects.filter(memory__in=visible)
    if scope.tags:
        found = found.filter(Q(tags__overlap=list(scope.tags)) | Q(memory__tags__overlap=list(scope.tags)))
    if scope.types:
        found = found.filter(_of_families(scope.types))
    if scope.path:
        found = found.filter(_of_path(scope.path))
    return np.fromiter(found.values_list("pk", flat=True).iterator(chunk_size=10_000), np.int64)


def _of_families(names: tuple[str, ...]) -> Q:
    """A type belongs to the first family that has a beginning of it."""
    found, before = Q(pk__in=()), Q(pk__in=())
    for name, heads in FAMILIES.items():
        own = Q()
        for head in heads:
            own |= Q(media_type__startswith=head)
        if name in names:
            found |= own & ~before
        before |= own
    return found


def _of_path(pattern: str) -> Q:
    if not set(pattern) & set("*?"):
        return Q(path__icontains=pattern)
    wild = {"*": ".*", "?": "."}
    return Q(path__iregex="^" + "".join(wild.get(letter) or re.escape(letter) for letter in pattern) + "$")


def _in_commits(commits: dict[UUID, np.ndarray]) -> Test:
    nothing = np.zeros(0, np.uint32)
    return lambda part, removed: np.isin(part.columns.added, commits.get(part.memory, nothing))


def _commits(visible: QuerySet[Memory], scope: Scope) -> dict[UUID, np.ndarray]:
    found = Commit.objects.filter(memory__in=visible)
    if scope.author:
        found = found.filter(author__icontains=scope.author)
    if scope.since:
        found = found.filter(time__gte=_midnight(scope.since))
    if scope.until:
        found = found.filter(time__lt=_midnight(scope.until + timedelta(days=1)))
    numbers: dict[UUID, list[int]] = {}
    for memory, number in found.values_list("memory", "number").iterator(chunk_size=10_000):
        numbers.setdefault(memory, []).append(number)
    return {memory: np.array(some, np.uint32) for memory, some in numbers.items()}


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
