"""Files on their way from a browser: in batches by the script, or in one form without it."""

import errno
from collections.abc import Callable
from functools import wraps
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from .. import services, uploads
from ..access import memory_write
from ..engine.ingest.registry import known
from ..forms import BatchForm, Manifest, TextForm
from ..models import Job, Memory
from ..staging import Refused
from ..uploads import NotReceiving

FULL = "the disk of the server is full: ask an administrator to make room, then try again"
OVER = "this upload was finished or cancelled already: reload the page and begin again"
SHOWN_GONE = 200


def takes_files(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Reads the files of a request before the check for forged requests does, so that a full disk has an answer."""
    checked = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            request.POST  # noqa: B018
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return _error(request, FULL, 507)
        return checked(request, *args, **kwargs)

    return wrapped


def with_paths(request: HttpRequest) -> list[tuple[str, UploadedFile]]:
    """(path in its folder, file); the script sends the paths beside the files, in the same order."""
    files, paths = request.FILES.getlist("file"), request.POST.getlist("path")
    if paths and len(paths) != len(files):
        raise Refused("the batch is not whole: send it again")
    return list(zip(paths or [file.name for file in files], files, strict=True))


def text_name(title: str) -> str:
    """What the document of a pasted text is called."""
    name = title.replace("/", "-").replace("\\", "-").strip(". ") or f"Text of {timezone.localtime():%Y-%m-%d %H.%M.%S}"
    return name if known(name) and PurePosixPath(name).suffix.lower() in (".txt", ".md", ".csv") else f"{name}.txt"


@takes_files
@login_required
@require_POST
def upload(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A batch of files; `batch` says of which upload, `finish` that it is the last."""
    memory = memory_write(request, pk)
    form = BatchForm(request.POST)
    if not form.is_valid():
        return _error(request, "; ".join(error for errors in form.errors.values() for error in errors), 400, memory)
    facts = form.cleaned_data
    try:
        files = with_paths(request)
        size = facts["size"] or sum(file.size for _, file in files)
        job = _batch(request, memory, facts["batch"]) or uploads.begin(memory, request.user, size)
        taken = uploads.take(job, files)
        if not _by_script(request) and request.POST.get("text", "").strip():
            _take_text(request, job)
        if facts["finish"] or not _by_script(request):
            uploads.finish(job, sync=facts["sync"], message=facts["message"])
    except Refused as reason:
        return _error(request, str(reason), 422, memory)
    except NotReceiving:
        return _error(request, OVER, 409, memory)
    if not _by_script(request):
        return redirect("job", job.pk)
    return JsonResponse(
        {
            "batch": job.pk,
            "files": taken,
            "job": reverse("job", args=[job.pk]),
            "cancel": reverse("job-cancel", args=[job.pk]),
        }
    )


def _take_text(request: HttpRequest, job: Job) -> None:
    form = TextForm(request.POST)
    if not form.is_valid():
        raise Refused("; ".join(error for errors in form.errors.values() for error in errors))
    uploads.take_text(job, text_name(form.cleaned_data["title"]), form.cleaned_data["text"])


@login_required
@require_POST
def manifest(request: HttpRequest, pk: UUID) -> JsonResponse:
    """What of a folder must be sent, and what is in the memory and no longer in the folder."""
    memory = memory_write(request, pk)
    wanted = Manifest(request.body)
    if wanted.error:
        return JsonResponse({"error": wanted.error}, status=400)
    try:
        job = _batch(request, memory, wanted.batch) or uploads.begin(memory, request.user)
        needed = uploads.compare(job, wanted.files)
    except Refused as reason:
        return JsonResponse({"error": str(reason)}, status=422)
    except NotReceiving:
        return JsonResponse({"error": OVER}, status=409)
    missing = uploads.gone(job)
    return JsonResponse(
        {"batch": job.pk, "needed": needed, "gone": missing[:SHOWN_GONE], "gone_count": len(missing),
         "job": reverse("job", args=[job.pk]), "cancel": reverse("job-cancel", args=[job.pk])}
    )  # fmt: skip


@takes_files
@login_required
@require_POST
def import_file(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A whole memory file, into a memory that has none yet."""
    memory = memory_write(request, pk)
    whole = request.FILES.get("file")
    if whole is None:
        return _error(request, "no file arrived: choose it again", 400, memory)
    if memory.state != Memory.State.EMPTY or memory.jobs.filter(state__in=services.OPEN).exists():
        return _error(request, "this memory holds something already: import into a new one", 409, memory)
    try:
        job = uploads.begin_import(memory, request.user, whole)
    except Refused as reason:
        return _error(request, str(reason), 422, memory)
    if not _by_script(request):
        return redirect("job", job.pk)
    return JsonResponse({"batch": job.pk, "job": reverse("job", args=[job.pk])})


def _batch(request: HttpRequest, memory: Memory, key: UUID | None) -> Job | None:
    if key is None:
        return None
    return get_object_or_404(memory.jobs.filter(kind=Job.Kind.UPLOAD, created_by=request.user), pk=key)


def _by_script(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _error(request: HttpRequest, reason: str, status: int, memory: Memory | None = None) -> HttpResponse:
    if _by_script(request):
        return JsonResponse({"error": reason}, status=status)
    messages.error(request, f"Nothing was stored: {reason}.")
    return redirect("memory", memory.pk) if memory else redirect("memories")
