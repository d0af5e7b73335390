"""The memories of a workspace, and what is done to many of them at once."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from collab.access import here, may_write_here

from .. import comparing, queries, services
from ..forms import PAIR, BulkForm, MemoryFilter
from ..models import Job, Memory
from .common import back, chosen_memories, page_of, say_errors
from .compare import address, start
from .trash import undo


@login_required
@require_GET
def memories(request: HttpRequest) -> HttpResponse:
    workspace = here(request)
    form = MemoryFilter(request.GET)
    chosen = form.chosen()
    page = page_of(request, queries.listed_memories(workspace, request.user, chosen))
    jobs = queries.open_jobs_by_memory(page.object_list)
    context = {
        "form": form,
        "chosen": chosen,
        "page": page,
        "rows": [(memory, jobs.get(memory.pk)) for memory in page.object_list],
        "tags": queries.tags_of(queries.memories_of(workspace, request.user).present()),
        "may_write": may_write_here(request),
    }
    return render(request, "memories/_memories.html" if request.htmx else "memories/memories.html", context)


@login_required
@require_POST
def bulk(request: HttpRequest) -> HttpResponse:
    here(request)
    form = BulkForm({**request.POST.dict(), "memory": request.POST.getlist("memory")})
    if not form.is_valid():
        say_errors(request, form)
        return back(request, "memories")
    return BULK[form.cleaned_data["action"]](request, form.cleaned_data)


def _allowed(request: HttpRequest, facts: dict[str, Any], allowed: Any) -> list[Memory]:
    """Says how many of the chosen ones the person has no right to."""
    found = chosen_memories(allowed, facts["memory"])
    left = len(set(facts["memory"])) - len(found)
    if left:
        messages.warning(request, f"{left} of the chosen were left alone: you may not do that to them.")
    return found


def _manageable(request: HttpRequest, facts: dict[str, Any]) -> list[Memory]:
    return _allowed(request, facts, Memory.objects.manageable_by(request.user).present())


def _trash(request: HttpRequest, facts: dict[str, Any]) -> HttpResponse:
    found = _manageable(request, facts)
    if found:
        services.trash(found)
        undo(request, found)
    return back(request, "memories")


def _tag(request: HttpRequest, facts: dict[str, Any]) -> HttpResponse:
    found = _manageable(request, facts)
    services.add_tags(found, facts["tags"])
    if found:
        messages.success(request, f"{_count(found)} tagged {', '.join(facts['tags'])}.")
    return back(request, "memories")


def _merge(request: HttpRequest, facts: dict[str, Any]) -> HttpResponse:
    found = _allowed(request, facts, Memory.objects.visible_to(request.user).present())
    full = [memory for memory in found if memory.state != Memory.State.EMPTY]
    if not may_write_here(request):
        messages.error(request, "You may read here, but not make new memories.")
    elif len(full) < 2:
        messages.error(request, "Two memories with something in them are needed to merge.")
    else:
        name = facts["name"] or " + ".join(memory.name for memory in full)[:200]
        job = services.merge(here(request), request.user, full, name=name)
        messages.success(request, f"Merging {len(full)} memories into “{name}”. The originals stay as they are.")
        return redirect("job", job.pk)
    return back(request, "memories")


def _compare(request: HttpRequest, facts: dict[str, Any]) -> HttpResponse:
    """The one that was made first is the older side."""
    visible = Memory.objects.visible_to(request.user).present().exclude(state=Memory.State.EMPTY)
    found = sorted(_allowed(request, facts, visible), key=lambda memory: memory.created_at)
    if len(found) != PAIR:
        messages.error(request, "Two memories with something in them are needed to compare.")
        return back(request, "memories")
    chosen = {"a": found[0].pk, "b": found[1].pk}
    start(request, comparing.state_of(found[0], None), comparing.state_of(found[1], None), semantic=False)
    return redirect(address(chosen))


def _upkeep(kind: str, words: str) -> Callable[[HttpRequest, dict[str, Any]], HttpResponse]:
    def start(request: HttpRequest, facts: dict[str, Any]) -> HttpResponse:
        found = [memory for memory in _manageable(request, facts) if memory.state != Memory.State.EMPTY]
        for memory in found:
            services.start_once(kind, memory, request.user)
        if found:
            messages.success(request, format_html("{} {}: <a href='/jobs/'>see the jobs</a>.", words, _count(found)))
        return back(request, "memories")

    return start


def _restore(request: HttpRequest, facts: dict[str, Any]) -> HttpResponse:
    found = _allowed(request, facts, Memory.objects.manageable_by(request.user).trashed())
    services.restore(found)
    if found:
        messages.success(request, f"{_count(found)} restored.")
    return back(request, "memories")


def _count(found: list[Memory]) -> str:
    return f"“{found[0].name}”" if len(found) == 1 else f"{len(found)} memories"


BULK = {
    "trash": _trash,
    "tag": _tag,
    "merge": _merge,
    "compare": _compare,
    "vacuum": _upkeep(Job.Kind.VACUUM, "Vacuuming"),
    "verify": _upkeep(Job.Kind.VERIFY, "Verifying"),
    "restore": _restore,
}
