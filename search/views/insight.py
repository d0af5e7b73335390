"""What the memories say to each other about a query, and when it was said: parts of the search page."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from .. import queries
from ..correlations import correlations
from ..engine.correlate import MOST_PASSAGES
from ..engine.timeline import Bucket
from ..engine.timeline import timeline as empty_timeline
from ..scope import FAMILIES, MODES, Scope
from ..timeline import Found, timeline

MOST_MEMORIES = 100
FIRST_YEAR, LAST_YEAR = 1900, 2999  # days that a clock can mean: beyond them time zones overflow
LARGEST_COMMIT = 2**31 - 1

# The chart, in its own units: a bar stands on BASE, removals hang below it.
WIDTH, HEIGHT, BASE, TOP = 640, 150, 100, 8
BELOW = 34
MOST_LABELS = 8


@require_safe
@login_required
def agreement(request: HttpRequest) -> HttpResponse:
    query, scope = _query(request), _scope(request.GET)
    mode = request.GET.get("mode") if request.GET.get("mode") in MODES else "hybrid"
    found = queries.search(request.user, query, scope, mode=mode, limit=MOST_PASSAGES)
    compared = correlations(request.user, query, scope, found)
    kinds = [
        (kind, label, hint, [one for one in compared.found if one.kind == kind]) for kind, label, hint in KINDS
    ]  # fmt: skip
    return render(request, "search/_agreement.html", {"query": query, "compared": compared, "kinds": kinds})


KINDS = (
    ("contradict", "Contradict each other", "They speak of the same, and hardly both can be right"),
    ("agree", "Agree", "They say the same"),
    ("complement", "Complete each other", "They speak of the same, each with something of its own"),
)


@require_safe
@login_required
def over_time(request: HttpRequest) -> HttpResponse:
    query = _query(request)
    since = _moment(request.GET.get("changed_since"), time.min)
    found = timeline(request.user, query, _scope(request.GET), since) if query else Found(empty_timeline([]))
    context = {"query": query, "found": found, "line": found.line, "chart": _chart(found.line.spread)}
    return render(request, "search/_over_time.html", context)


# -- the chart


@dataclass(frozen=True)
class Bar:
    """In the chart's units; `label` is empty where it would not fit."""

    x: float
    width: float
    top: float
    height: float
    gone: float
    middle: float
    label: str
    name: str
    added: int
    removed: int


def _chart(spread: list[Bucket]) -> dict[str, Any]:
    """Where the bars stand. The tables beside it says the same in words."""
    most_added = max((bucket.added for bucket in spread), default=0) or 1
    most_removed = max((bucket.removed for bucket in spread), default=0) or 1
    step = WIDTH / max(1, len(spread))
    width = min(48.0, step * 0.7)
    every = -(-len(spread) // MOST_LABELS)
    bars = []
    for place, bucket in enumerate(spread):
        middle = step * (place + 0.5)
        height = (BASE - TOP) * bucket.added / most_added
        name = _named(bucket.key)
        bars.append(
            Bar(
                round(middle - width / 2, 1), round(width, 1), round(BASE - height, 1), round(height, 1),
                round((BELOW - 12) * bucket.removed / most_removed, 1), round(middle, 1),
                "" if place % every else name[0], name[1], bucket.added, bucket.removed,
            )
        )  # fmt: skip
    return {"bars": bars, "width": WIDTH, "height": HEIGHT, "base": BASE, "words": HEIGHT - 4}


def _named(key: str) -> tuple[str, str]:
    """Of 2026-03: short and in full."""
    if "-" not in key:
        return key, key
    year, month = map(int, key.split("-"))
    day = datetime(year, month, 1)
    return date_format(day, "M y"), date_format(day, "F Y")


# -- the address


def _query(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\0", " ").strip()[: queries.LONGEST + 1]


def _scope(given: QueryDict) -> Scope:
    """What cannot be read is left out, but for memories: none of them can be read, so nothing is found."""
    asked = [text for text in given.getlist("memory") if text.strip()][:MOST_MEMORIES]
    since, until = (_moment(given.get(name), time.min) for name in ("since", "until"))
    return Scope(
        memories=tuple(pk for text in asked if (pk := _uuid(text))) if asked else None,
        tags=_texts(given, "tag", 50), types=tuple(one for one in given.getlist("type") if one in FAMILIES),
        author=_text(given, "author", 200), since=since and since.date(), until=until and until.date(),
        path=_text(given, "path", 300), as_of=_commit(given.get("commit")) or _moment(given.get("as_of"), time.max),
    )  # fmt: skip


def _text(given: QueryDict, name: str, most: int) -> str:
    return given.get(name, "").replace("\0", " ").strip()[:most]


def _texts(given: QueryDict, name: str, most: int) -> tuple[str, ...]:
    return tuple(text for one in given.getlist(name)[:MOST_MEMORIES] if (text := one.replace("\0", " ").strip()[:most]))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _commit(text: str | None) -> int | None:
    number = int(text) if text and text.isascii() and text.isdigit() and len(text) < 11 else 0
    return number if 0 < number <= LARGEST_COMMIT else None


def _moment(text: str | None, at: time) -> datetime | None:
    """The beginning or the end of a day, where people are."""
    try:
        day = parse_date(text or "")
    except ValueError:
        return None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        return None
    return timezone.make_aware(datetime.combine(day, at))
