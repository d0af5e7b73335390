"""One memory: what it is, what it holds, and how it came to be so."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from .. import queries, services
from ..access import jobs_visible_to, memory_read, memory_write
from ..forms import DocumentFilter, DocumentsForm, MomentForm
from ..models import Document, Job, Memory
from .common import back, page_of, readers, say_errors

FIRST = 12
PER_PAGE = 25


def around(request: HttpRequest, memory: Memory, tab: str) -> dict[str, Any]:
    """What every page of a memory shows around its content."""
    return {
        "memory": memory,
        "tab": tab,
        "rights": queries.rights(request.user, memory),
        "open_memory_jobs": queries.open_jobs_of(memory, request.user),
    }


@readers
@require_GET
def memory(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = memory_read(request, pk)
    context = around(request, memory, "overview")  # first: what a job changes meanwhile is shown beside that job
    documents = list(queries.listed_documents(memory, DocumentFilter({}).chosen())[:FIRST])
    counts = queries.chunk_counts(documents)
    failed = jobs_visible_to(request.user).filter(memory=memory, state=Job.State.FAILED).order_by("-created_at").first()
    context |= {
        "documents": [(document, counts.get(document.pk, 0)) for document in documents],
        "more": max(0, memory.documents_count - FIRST),
        "failed": failed
        if failed and not memory.jobs.filter(created_at__gt=failed.created_at, state=Job.State.DONE).exists()
        else None,
        "commits": list(memory.commits.order_by("-number")[:3]),
    }
    return render(request, "memories/_memory.html" if request.htmx else "memories/memory.html", context)


@readers
@require_GET
def documents(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = memory_read(request, pk)
    form = DocumentFilter(request.GET)
    chosen = form.chosen()
    then = memory.commits.filter(number=chosen["at"]).first() if chosen["at"] else None
    if then is None or then.number == memory.head:
        chosen["at"], then = "", None
    page = page_of(request, queries.listed_documents(memory, chosen).values_list("pk", flat=True), PER_PAGE)
    documents = queries.documents_in_order(page.object_list)
    counts = queries.chunk_counts(documents, chosen["at"] or None)
    context = around(request, memory, "documents") | {
        "then": then,
        "form": form,
        "chosen": chosen,
        "page": page,
        "documents": [(document, counts.get(document.pk, 0)) for document in documents],
        **queries.document_facets(memory),
    }
    return render(request, "memories/_documents.html" if request.htmx else "memories/documents.html", context)


@login_required
@require_POST
def remove_documents(request: HttpRequest, pk: UUID) -> HttpResponse:
    """First shows what will be removed, then does it."""
    memory = memory_write(request, pk)
    form = DocumentsForm({"document": request.POST.getlist("document")})
    if not form.is_valid():
        say_errors(request, form)
        return back(request, "memory-documents", memory.pk)
    chosen = Document.objects.present().filter(memory=memory, number__in=form.cleaned_data["document"])
    documents = list(chosen.order_by("path"))
    if not documents:
        messages.error(request, "These documents are not in the memory any more.")
        return back(request, "memory-documents", memory.pk)
    if "confirmed" not in request.POST:
        context = around(request, memory, "documents") | {"documents": documents, "next": request.POST.get("next", "")}
        return render(request, "memories/remove.html", context)
    numbers = [document.number for document in documents]
    what = documents[0].path if len(documents) == 1 else f"{len(documents)} documents"
    params = {"documents": numbers, "message": f"remove {what}"}
    services.start_once(Job.Kind.REMOVE, memory, request.user, params)
    messages.success(request, f"Removing {what}. Their text stays in the history until it is vacuumed or erased.")
    return redirect("memory-documents", memory.pk)


@readers
@require_GET
def history(request: HttpRequest, pk: UUID) -> HttpResponse:
    """With a date in the address the memory as it was then."""
    memory = memory_read(request, pk)
    if request.GET.get("on") or request.GET.get("ago"):
        form = MomentForm(request.GET)
        if form.is_valid():
            return _as_it_was(request, memory, form.cleaned_data["on"])
        say_errors(request, form)
    page = page_of(request, memory.commits.order_by("-number"), PER_PAGE)
    context = around(request, memory, "history") | {"page": page, "first": memory.commits.order_by("number").first()}
    context["zone"] = timezone.get_current_timezone_name()
    return render(request, "memories/history.html", context)


def _as_it_was(request: HttpRequest, memory: Memory, moment: datetime) -> HttpResponse:
    commit = queries.commit_on(memory, moment)
    if commit is None:
        messages.info(request, "The memory did not exist yet then: choose a day from its first commit on.")
        return redirect("memory-history", memory.pk)
    if commit.number == memory.head:
        messages.info(request, "Nothing was committed since then: this is the memory as it was, and as it is now.")
    return redirect(f"{reverse('memory-documents', args=[memory.pk])}?at={commit.number}")
