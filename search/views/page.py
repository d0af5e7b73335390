"""The search page, its results as one types, and the first hits for the field on every page."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_vary_headers
from django.utils.timezone import localdate
from django.views.decorators.http import require_safe

from memories.models import Document, Memory
from memories.queries import tags_of

from .. import answers, embedding, export, queries, querylog, saved
from ..address import DEFAULTS, UNSEEN, Address
from ..answers import Answer
from ..forms import FURTHEST, MODE_NAMES, TYPE_NAMES, VIEW_NAMES
from ..models import SavedSearch
from ..queries import Found
from .common import address_of, is_part, written
from .insight import agreement_of, over_time_of

PAGE = 10  # the next come while one reads
QUICK = 6
SINGLE = ("author", "path", "since", "until", "as_of", "commit", "group", "like")
INSIGHT = {"agreement": agreement_of, "over-time": over_time_of}
TYPED = "X-Search-Typed"  # a request that a key caused, which is not logged yet


@require_safe
@login_required
def search(request: HttpRequest) -> HttpResponse:
    """The page; for htmx its results alone, or the next of them."""
    address = address_of(request)
    insight = INSIGHT.get(address.view) if address.text else None
    answer = Answer(address, Found([])) if insight else answers.answer(request.user, address, PAGE)
    part, typed = is_part(request), TYPED in request.headers
    facts = querylog.facts(request.user, _workspace(request), answer)
    if facts and not typed and not address.offset:
        querylog.record(request.user, facts)
    context = _results(request, answer) | {"ticket": querylog.ticket(facts), "typed": typed}
    if not (part and address.asks):
        context["saved"] = _saved(request)
    if not part:
        context |= _around(request, address, context["names"]) | (insight(request.user, address) if insight else {})
    response = render(request, _template(part, address.offset), context)
    if part and not address.offset:
        response["HX-Replace-Url" if typed else "HX-Push-Url"] = f"{request.path}?{address.write()}"
    patch_vary_headers(response, ("HX-Request",))  # else going back shows the part that the browser kept
    return response


@require_safe
@login_required
def beside(request: HttpRequest, pk: int) -> HttpResponse:
    """What else a search found in one document, for the list under its best passage."""
    address = address_of(request)
    visible = Memory.objects.visible_to(request.user).present()
    document = get_object_or_404(Document.objects.only("pk"), pk=pk, memory__in=visible)
    answer = answers.beside(request.user, address, document.pk, PAGE)
    return render(request, "search/_beside.html", {"answer": answer, "next": _next(answer)})


@require_safe
@login_required
def quick(request: HttpRequest) -> HttpResponse:
    """The first hits; with nothing typed what they searched for last."""
    address = Address.read(request.GET)
    if not address.text:
        return render(request, "search/_recent.html", {"recent": querylog.recent(request.user)})
    found = queries.search(request.user, address.text, limit=QUICK)
    context = {"query": address.text, "found": found, "all": urlencode({"q": address.text})}
    return render(request, "search/_quick.html", context)


@require_safe
@login_required
def state(request: HttpRequest) -> HttpResponse:
    """The chip that says whether meaning is searched too; it asks again until the model is there."""
    return render(request, "search/_state.html", {"health": embedding.health()})


def _template(part: bool, offset: int) -> str:
    if not part:
        return "search/page.html"
    return "search/_more.html" if offset else "search/_results.html"


def _workspace(request: HttpRequest) -> int | None:
    return request.membership.workspace_id if request.membership else None


def _results(request: HttpRequest, answer: Answer) -> dict[str, Any]:
    address, found = answer.address, answer.found
    names = answers.names_of(request.user, address.memories) if address.memories else {}
    unseen = len(address.memories) - len(names) if address.scope.memories is not None else 0
    return {
        "answer": answer, "address": address, "found": found, "query": address.text, "names": names,
        "unseen": unseen or (address.scope.memories == ()),
        "chips": address.chips(names), "offset": address.offset, "health": embedding.health(),
        "next": _next(answer),
        "counts": written(found.counts),
        "params": address.write(), "exact": address.write(mode="phrase"), "cleared": address.without_filters(),
        "kinds": export.NAMES.items(), "tabs": _tabs(address), "changes": _changes(address),
        "recent": [] if address.asks else querylog.recent(request.user),
    }  # fmt: skip


def _next(answer: Answer) -> str:
    """The address of the next ones, if there are any."""
    ahead = answer.address.offset + PAGE
    return answer.address.write(offset=ahead) if answer.found.more and ahead <= FURTHEST else ""


def _tabs(address: Address) -> list[dict[str, Any]]:
    """Views of what the same words find."""
    if not address.text:
        return []
    return [
        {"key": view, "label": label, "current": view == address.view,
         "rest": address.write(view=None if view == DEFAULTS["view"] else view)}
        for view, label in VIEW_NAMES.items()
    ]  # fmt: skip


def _changes(address: Address) -> str:
    """Where what changed since the last look at a saved search is told; its whole day, as the address has days."""
    if not address.news:
        return ""
    return address.write(news=None, view="over-time", changed_since=localdate(address.news).isoformat())


def _around(request: HttpRequest, address: Address, names: dict[UUID, str]) -> dict[str, Any]:
    """What stands around the results and stays as one types. A chosen memory stays chosen though it is not listed."""
    chosen = {name: set(address.values[name]) for name in ("memory", "tag", "type")}
    known = tags_of(Memory.objects.visible_to(request.user).present())
    memories = queries.memory_choices(request.user)
    unlisted = set(address.memories) - {one.pk for one in memories}
    return {
        "memories": [(one, str(one.pk) in chosen["memory"]) for one in memories],
        "unlisted": [(pk, names.get(pk, UNSEEN)) for pk in address.memories if pk in unlisted],
        "tags": [(tag, tag in chosen["tag"]) for tag in dict.fromkeys([*address.values["tag"], *known[:12]])],
        "types": [(family, name, family in chosen["type"]) for family, name in TYPE_NAMES.items()],
        "modes": MODE_NAMES.items(),
        "set": {name: address.one(name) for name in SINGLE},
        "MOST": queries.MOST_CHOICES,
    }


def _saved(request: HttpRequest) -> list[SavedSearch]:
    return list(saved.listed(request.user, request.membership.workspace)) if request.membership else []
