"""Two memories side by side, or one as it was and as it is."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from collab.access import here

from .. import comparing, queries, services
from ..comparing import State
from ..engine import textdiff
from ..engine.errors import MemvidError
from ..forms import CompareForm
from ..models import Job, Memory
from .common import say_errors

MOST_CHOICES = 500


@login_required
@require_http_methods(["GET", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """A POST lets a worker compare what is too much for a page; both lead to the same address."""
    workspace = here(request)
    form = CompareForm(request.POST or request.GET)
    visible = queries.memories_of(workspace, request.user).present().exclude(state=Memory.State.EMPTY)
    context: dict[str, Any] = {"choices": list(visible.order_by("name", "pk")[:MOST_CHOICES]), "form": form}
    if not form.is_valid():
        if request.GET:
            say_errors(request, form)
        return render(request, "memories/compare.html", context)
    facts = form.cleaned_data
    old, new = _state(request, facts["a"], facts["a_at"]), _state(request, facts["b"], facts["b_at"])
    if request.method == "POST":
        start(request, old, new, facts["semantic"])
        return redirect(address(facts))
    context |= {"old": old, "new": new, "semantic": facts["semantic"], **_found(request, old, new, facts["semantic"])}
    return render(request, "memories/_compare.html" if request.htmx else "memories/compare.html", context)


def _state(request: HttpRequest, pk: Any, at: int | None) -> State:
    memory = Memory.objects.visible_to(request.user).present().select_related("workspace").filter(pk=pk).first()
    state = comparing.state_of(memory, at) if memory else None
    if state is None:
        raise Http404("there is no such memory, or no such commit of it")
    return state


def _found(request: HttpRequest, old: State, new: State, semantic: bool) -> dict[str, Any]:
    found = comparing.known(old, new, semantic)
    try:
        if found is None and comparing.is_quick(old, new, semantic):
            found = comparing.compare(old, new)
    except MemvidError as error:
        return {"problem": str(error)}
    if found is None:
        return {"job": _job(request, old, new, semantic)}
    return {"found": found, "modified": [(row, _pieces(row)) for row in found["modified"]]}


def _pieces(row: dict[str, Any]) -> list[textdiff.Piece]:
    return textdiff.words(row["old"]["text"], row["new"]["text"])


def _params(old: State, new: State, semantic: bool) -> dict[str, Any]:
    return {
        "a_at": old.commit.number, "b": str(new.memory.pk), "b_at": new.commit.number, "semantic": semantic,
    }  # fmt: skip


def _job(request: HttpRequest, old: State, new: State, semantic: bool) -> Job | None:
    """The last one that was asked for, as long as it says something: it runs, or it failed."""
    jobs = old.memory.jobs.filter(kind=Job.Kind.COMPARE, params=_params(old, new, semantic))
    job = jobs.order_by("-created_at").first()
    return job if job and job.state != Job.State.DONE else None


def start(request: HttpRequest, old: State, new: State, semantic: bool) -> None:
    if comparing.known(old, new, semantic) is None and not comparing.is_quick(old, new, semantic):
        services.start_once(Job.Kind.COMPARE, old.memory, request.user, _params(old, new, semantic))
        messages.info(request, "A worker compares them; the result shows here as soon as it is there.")


def address(facts: dict[str, Any]) -> str:
    query = {name: value for name, value in facts.items() if value and name != "semantic"}
    if facts.get("semantic"):
        query["semantic"] = "1"
    return f"{reverse('memories-compare')}?{urlencode(query)}"
