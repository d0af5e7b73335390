from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from memories import access

from .. import embedding, queries
from ..forms import WhereForm
from ..scope import Scope

PAGE = 20
QUICK = 6


@require_safe
@login_required
def search(request: HttpRequest) -> HttpResponse:
    """The page; for htmx its results alone, or the next of them."""
    where = WhereForm(request.GET)
    if not where.is_valid():
        raise Http404("no such place to search in")
    pk, offset = where.cleaned_data["memory"], where.cleaned_data["offset"] or 0
    memory = access.memory_read(request, pk) if pk else None
    query = _query(request)
    scope = Scope(memories=(memory.pk,) if memory else None)
    found = queries.search(request.user, query, scope, limit=PAGE, offset=offset)
    context = {
        "query": query, "memory": memory, "found": found, "offset": offset, "health": embedding.health(),
        "next": urlencode({"q": query, "memory": memory.pk if memory else "", "offset": offset + PAGE}),
    }  # fmt: skip
    partial = request.htmx and not request.htmx.history_restore_request and not request.htmx.boosted
    if not partial:
        context["memories"] = queries.memory_choices(request.user)
    response = render(request, _template(partial, offset), context)
    patch_vary_headers(response, ("HX-Request",))  # else going back shows the part that the browser kept
    return response


def _template(partial: bool, offset: int) -> str:
    if not partial:
        return "search/page.html"
    return "search/_more.html" if offset else "search/_results.html"


@require_safe
@login_required
def quick(request: HttpRequest) -> HttpResponse:
    """The first hits, for the field on every page."""
    query = _query(request)
    found = queries.search(request.user, query, limit=QUICK)
    return render(request, "search/_quick.html", {"query": query, "found": found, "all": urlencode({"q": query})})


@require_safe
@login_required
def state(request: HttpRequest) -> HttpResponse:
    """The chip that says whether meaning is searched too; it asks again until the model is there."""
    return render(request, "search/_state.html", {"health": embedding.health()})


def _query(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\0", " ").strip()[: queries.LONGEST + 1]
