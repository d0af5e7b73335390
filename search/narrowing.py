"""A scope as conditions on passages. Which memories it may touch at all is decided before."""

from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q, QuerySet

from memories.models import Chunk, Commit

from .scope import FAMILIES, Scope


def narrowed(chunks: QuerySet[Chunk], scope: Scope) -> QuerySet[Chunk]:
    """Without `scope.as_of` whatever any commit holds."""
    if scope.tags:
        chunks = chunks.filter(Q(memory__tags__overlap=list(scope.tags)) | Q(document__tags__overlap=list(scope.tags)))
    if scope.types:
        chunks = chunks.filter(_types(scope.types))
    if scope.path:
        chunks = chunks.filter(_path(scope.path))
    if scope.author or scope.since or scope.until:
        chunks = chunks.filter(Exists(_commits(scope)))
    return _as_of(chunks, scope.as_of)


def _types(families: tuple[str, ...]) -> Q:
    """A type counts for the first family that has one of its beginnings."""
    known = [(family, start) for family, starts in FAMILIES.items() for start in starts]
    matched = []
    for place, (family, start) in enumerate(known):
        if family in families:
            earlier = [other for name, other in known[:place] if name != family and other.startswith(start)]
            not_earlier = [~Q(document__media_type__startswith=other) for other in earlier]
            matched.append(
                reduce(lambda one, other: one & other, not_earlier, Q(document__media_type__startswith=start))
            )
    return reduce(or_, matched, Q(pk__in=()))


def _path(text: str) -> Q:
    if not any(mark in text for mark in "*?"):
        return Q(document__path__icontains=text)
    return Q(document__path__iregex="^" + _pattern(text) + "$")


def _pattern(text: str) -> str:
    """Only * and ? mean something; everything else stands for itself."""
    return "".join({"*": ".*", "?": "."}.get(one) or (one if one.isalnum() else f"\\{one}") for one in text)


def _commits(scope: Scope) -> QuerySet[Commit]:
    commits = Commit.objects.filter(memory=OuterRef("memory"), number=OuterRef("added"))
    if scope.author:
        commits = commits.filter(author__icontains=scope.author)
    if scope.since:
        commits = commits.filter(time__date__gte=scope.since)
    return commits.filter(time__date__lte=scope.until) if scope.until else commits


def _as_of(chunks: QuerySet[Chunk], moment: int | datetime | None) -> QuerySet[Chunk]:
    if moment is None:
        return chunks
    if isinstance(moment, int):
        return chunks.filter(Q(removed=None) | Q(removed__gt=moment), added__lte=moment)
    then = Commit.objects.filter(memory=OuterRef("memory"), time__lte=moment)
    return chunks.filter(
        Exists(then.filter(number=OuterRef("added"))),
        Q(removed=None) | ~Exists(then.filter(number=OuterRef("removed"))),
    )
