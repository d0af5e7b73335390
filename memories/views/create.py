"""A new memory from files, a text or a memory file that exists."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from collab.access import here, may_write_here
from collab.models import Workspace

from .. import services, uploads
from ..forms import NewMemoryForm
from ..models import Job, Memory
from ..staging import Refused
from .receiving import takes_files, text_name, with_paths


@takes_files
@login_required
def new(request: HttpRequest) -> HttpResponse:
    workspace = here(request)
    if not may_write_here(request):
        raise Http404("a viewer makes no memories")
    form = NewMemoryForm(request.POST if request.method == "POST" else None, initial={"visibility": "team"})
    if request.method == "POST" and form.is_valid():
        if request.headers.get("Accept") == "application/json":
            return _make_for_script(request, workspace, form)
        try:
            memory, job = _make_with_files(request, workspace, form)
            return redirect("job", job.pk) if job else redirect("memory", memory.pk)
        except Refused as reason:
            form.add_error(None, str(reason))
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"errors": form.errors}, status=422)
    return render(request, "memories/new.html", {"form": form}, status=422 if form.errors else 200)


def _make_for_script(request: HttpRequest, workspace: Workspace, form: NewMemoryForm) -> HttpResponse:
    """The row alone: the script sends the files afterwards, to the addresses in the answer."""
    memory = _make(request, workspace, form, request.POST.get("first", ""))
    return JsonResponse(
        {
            "memory": reverse("memory", args=[memory.pk]),
            "upload": reverse("memory-upload", args=[memory.pk]),
            "import": reverse("memory-import", args=[memory.pk]),
            "manifest": reverse("memory-manifest", args=[memory.pk]),
        },
        status=201,
    )


def _make(request: HttpRequest, workspace: Workspace, form: NewMemoryForm, first: str) -> Memory:
    fields: dict[str, Any] = form.memory_fields()
    fields["name"] = fields["name"] or _name_after(first)
    return services.make_memory(workspace, request.user, **fields)


def _name_after(path: str) -> str:
    """The folder, or the file without its ending."""
    first, slash, _ = path.partition("/")
    stem = first if slash else first.rpartition(".")[0] or first
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in stem).split())
    return words[:200] or f"Memory of {timezone.localdate():%-d %B %Y}"


@transaction.atomic
def _make_with_files(request: HttpRequest, workspace: Workspace, form: NewMemoryForm) -> tuple[Memory, Job | None]:
    """All in one request: nothing of it stays when it is refused."""
    files, text = with_paths(request), form.cleaned_data["text"]
    whole: UploadedFile | None = request.FILES.get("memory_file")
    title = text_name(form.cleaned_data["title"])
    memory = _make(request, workspace, form, _first(files, whole, title if text.strip() else ""))
    if whole is not None:
        return memory, uploads.begin_import(memory, request.user, whole)
    if not files and not text.strip():
        return memory, None
    job = uploads.begin(memory, request.user, sum(file.size for _, file in files))
    uploads.take(job, files)
    if text.strip():
        uploads.take_text(job, title, text)
    return memory, uploads.finish(job)


def _first(files: list[tuple[str, UploadedFile]], whole: UploadedFile | None, title: str) -> str:
    """The path that an unnamed memory is named after."""
    return files[0][0] if files else (whole.name if whole else title)
