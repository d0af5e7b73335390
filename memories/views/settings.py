"""What may be changed about a memory: its name and rights, its people, its upkeep, and erasing."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from collab.access import here, may_write_here

from .. import queries, services
from ..access import memory_change, memory_erase, memory_read
from ..forms import Confirmation, ExportForm, MemoryForm, MergeForm, PersonForm, UpkeepForm
from ..models import Document, Job, Memory
from .common import back, chosen_memories, readers, say_errors
from .pages import around
from .trash import undo

MOST_OTHERS = 200


@login_required
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = memory_change(request, pk)
    form = MemoryForm(request.POST if request.method == "POST" else None, instance=memory)
    if request.method == "POST" and form.is_valid():
        services.update_memory(memory, **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("memory-settings", memory.pk)
    if form.errors:
        memory.refresh_from_db()  # the form has written into it
    return render(
        request, "memories/settings.html", _context(request, memory, form), status=422 if form.errors else 200
    )


def _context(request: HttpRequest, memory: Memory, form: MemoryForm) -> dict[str, Any]:
    others = queries.memories_of(memory.workspace, request.user).present().exclude(pk=memory.pk)
    full = others.exclude(state=Memory.State.EMPTY).order_by("name")
    return around(request, memory, "settings") | {
        "form": form,
        "people": list(memory.people.select_related("user").order_by("user__email")),
        "others": list(full[:MOST_OTHERS]),
        "acceptable": memory.state == Memory.State.BEHIND and memory.path.exists(),
        "last_verify": memory.jobs.filter(kind=Job.Kind.VERIFY).order_by("-created_at").first(),
    }


@login_required
@require_POST
def people(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = memory_change(request, pk)
    form = PersonForm(request.POST)
    if form.is_valid():
        services.set_person(memory, form.cleaned_data["email"], writes=form.cleaned_data["writes"], by=request.user)
        right = "read and write" if form.cleaned_data["writes"] else "read"
        messages.success(request, f"{form.cleaned_data['email']} may {right} this memory.")
    else:
        say_errors(request, form)
    return redirect("memory-settings", memory.pk)


@login_required
@require_POST
def person_remove(request: HttpRequest, pk: UUID, person: int) -> HttpResponse:
    memory = memory_change(request, pk)
    found = get_object_or_404(memory.people.select_related("user"), pk=person)
    services.remove_person(found)
    messages.success(request, f"{found.user} is no longer named here.")
    return redirect("memory-settings", memory.pk)


@login_required
@require_POST
def upkeep(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = memory_change(request, pk)
    form = UpkeepForm(request.POST)
    if not form.is_valid():
        say_errors(request, form)
        return redirect("memory-settings", memory.pk)
    if form.cleaned_data["action"] == "trash":
        services.trash([memory])
        undo(request, [memory])
        return redirect("memories")
    if memory.state == Memory.State.EMPTY:
        messages.info(request, "There is nothing in it yet.")
        return redirect("memory-settings", memory.pk)
    if form.cleaned_data["action"] == "accept":
        job = services.start_once(Job.Kind.MIRROR, memory, request.user, {"accept": True})
    else:
        job = services.start_once(form.cleaned_data["action"], memory, request.user)
    return redirect("job", job.pk)


@login_required
@require_POST
def merge(request: HttpRequest, pk: UUID) -> HttpResponse:
    """This memory and the chosen ones become a new one."""
    memory = memory_read(request, pk)
    form = MergeForm({"name": request.POST.get("name", ""), "memory": request.POST.getlist("memory")})
    if not form.is_valid():
        say_errors(request, form)
        return back(request, "memory-settings", memory.pk)
    visible = Memory.objects.visible_to(request.user).present().exclude(state=Memory.State.EMPTY)
    sources = chosen_memories(visible, [memory.pk, *form.cleaned_data["memory"]])
    if len(sources) < 2 or not may_write_here(request):
        messages.error(request, "Two memories with something in them, and the right to make a new one, are needed.")
        return back(request, "memory-settings", memory.pk)
    job = services.merge(here(request), request.user, sources, name=form.cleaned_data["name"])
    return redirect("job", job.pk)


@login_required
@require_http_methods(["GET", "POST"])
def erase(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """A removed document too: erasing is for what must be gone from every commit."""
    memory = memory_erase(request, pk)
    document = get_object_or_404(Document, memory=memory, number=number)
    expected = document.path.rpartition("/")[2].strip()
    form = Confirmation(request.POST or None, expected=expected)
    if request.method == "POST":
        if form.is_valid():
            job = services.start_once(Job.Kind.ERASE, memory, request.user, {"documents": [document.number]})
            return redirect("job", job.pk)
        say_errors(request, form)
    context = around(request, memory, "documents") | {"document": document, "expected": expected}
    return render(request, "memories/erase.html", context)


@readers
@require_GET
def download(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = memory_read(request, pk)
    # what is at work is read first: a job that ends in between is shown twice, not left out, and the page follows it
    working = queries.open_exports(memory)
    ended = queries.ended_exports(memory)
    context = around(request, memory, "download") | {
        "ended": ended,
        "working": working,
    }
    return render(request, "memories/_download.html" if request.htmx else "memories/download.html", context)


@login_required
@require_POST
def prepare_download(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = memory_read(request, pk)
    form = ExportForm(request.POST)
    form.full_clean()
    if memory.state == Memory.State.EMPTY:
        messages.info(request, "There is nothing to download yet.")
    else:
        params = {"history": form.cleaned_data["history"], "head": memory.head_hash}
        services.start_once(Job.Kind.EXPORT, memory, request.user, params)
    return redirect("memory-download", memory.pk)
