"""The editor's page, and writing its text into the video at once. The text itself goes by the live document's line."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from collab.live import projection
from collab.views import comments

from .. import queries
from ..access import document_read, memory_write
from ..forms import CommitNowForm
from ..models import Document
from ..templatetags.memories import is_code


@login_required
@require_GET
def edit(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    document = document_read(request, pk, number)
    if document.removed is not None:
        return redirect("document", pk, number)  # says that it was removed, and shows its last text
    context = {
        "document": document,
        "memory": document.memory,
        "rights": queries.rights(request.user, document.memory),
        "format": _format(document),
        **comments.panel_for(request, document),
    }
    return render(request, "collab/editor.html", context)


def _format(document: Document) -> str:
    if document.media_type == "text/markdown" or document.path.lower().endswith((".md", ".markdown")):
        return "markdown"
    return "code" if is_code(document.media_type) else "text"


@login_required
@require_POST
def commit_now(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = memory_write(request, pk)
    form = CommitNowForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"error": " ".join(form.errors["message"])}, status=400)
    job = projection.commit_now(memory, request.user, form.cleaned_data["message"])
    return JsonResponse({"job": str(job.pk), "url": reverse("job", args=[job.pk])})
