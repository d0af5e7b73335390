"""What happened in the workspace, or in one memory."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from memories.access import memory_read
from memories.views.common import readers
from memories.views.pages import around

from .. import access, activity
from ..forms import ActivityFilter


@login_required
@require_GET
def workspace(request: HttpRequest) -> HttpResponse:
    chosen = ActivityFilter(request.GET).chosen()
    scope = activity.of_workspace(request.user, access.here(request), chosen["before"])
    context = _page(scope, chosen)
    return render(request, "activity/_feed.html" if request.htmx else "activity/page.html", context)


@readers
@require_GET
def memory(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = memory_read(request, pk)
    chosen = ActivityFilter(request.GET).chosen()
    context = _page(activity.of_memory(request.user, found, chosen["before"]), chosen)
    if request.htmx:
        return render(request, "activity/_feed.html", context | {"memory": found})
    return render(request, "activity/memory.html", around(request, found, "activity") | context)


def _page(scope: activity.Scope, chosen: dict[str, Any]) -> dict[str, Any]:
    events, older = activity.listed(scope, chosen["kind"])
    return {"events": events, "older": older.isoformat() if older else "", "chosen": chosen, "kinds": activity.KINDS}
