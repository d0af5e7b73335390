"""What the memories say to each other about a query, and when it was said: parts of the search page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from .. import queries
from ..address import Address
from ..correlations import correlations, sought
from ..engine.timeline import Bucket
from ..engine.timeline import timeline as empty_timeline
from ..timeline import Found, timeline
from .common import address_of, written

# The chart, in its own units: a bar stands on BASE, removals hang below it.
WIDTH, HEIGHT, BASE, TOP = 640, 150, 100, 8
BELOW = 34
MOST_LABELS = 8


KINDS = (
    ("contradict", "Contradict each other", "They speak of the same, and hardly both can be right"),
    ("agree", "Agree", "They say the same"),
    ("complement", "Complete each other", "They speak of the same, each with something of its own"),
)


@require_safe
@login_required
def agreement(request: HttpRequest) -> HttpResponse:
    return render(request, "search/_agreement.html", agreement_of(request.user, address_of(request)))


@require_safe
@login_required
def over_time(request: HttpRequest) -> HttpResponse:
    return render(request, "search/_over_time.html", over_time_of(request.user, address_of(request)))


def agreement_of(user: Any, address: Address) -> dict[str, Any]:
    """What its template needs."""
    found = sought(user, address.text, address.scope, address.mode)
    compared = correlations(user, address.text, address.scope, found)
    kinds = [
        (kind, label, hint, [one for one in compared.found if one.kind == kind]) for kind, label, hint in KINDS
    ]  # fmt: skip
    return {
        "query": address.text, "compared": compared, "kinds": kinds, "cut": _is_cut(found),
        "wordless": found.mode == "none", "counts": written(found.counts),
    }  # fmt: skip


def _is_cut(found: queries.Found) -> bool:
    """Whether more passages may match than are ranked."""
    return found.total >= (queries.POOL if found.mode == "semantic" else queries.DEEP)


def over_time_of(user: Any, address: Address) -> dict[str, Any]:
    """What its template needs."""
    text, since = address.text, address.changed_since
    found = timeline(user, text, address.scope, since) if text else Found(empty_timeline([]))
    return {
        "query": text, "timeline": found, "line": found.line, "chart": _chart(found.line.spread),
        "since": {"day": address.one("changed_since"), "rest": address.write(changed_since=None)},
        "counts": written(found.counts),
    }  # fmt: skip


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
    """Of 2026-03: short and in full; a year of two digits would pass for a day."""
    if "-" not in key:
        return key, key
    year, month = map(int, key.split("-"))
    day = datetime(year, month, 1)
    return date_format(day, "M Y"), date_format(day, "F Y")
