"""What runs, how far it is, what failed and why; and to try it again."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from collab.access import here

from .. import queries, services
from ..access import job_read, job_write, jobs_writable_by, may_run, memory_read
from ..forms import JobFileFilter, JobFilesForm, JobFilter, JobsForm
from ..models import Job, JobFile
from ..services import CannotRetry
from .common import back, page_of, readers, say_errors
from .documents import attachment

PER_PAGE = 50


@login_required
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    form = JobFilter(request.GET)
    chosen = form.chosen()
    page = page_of(request, queries.listed_jobs(here(request), request.user, chosen))
    counts = queries.file_counts(page.object_list)
    context = {
        "form": form,
        "chosen": chosen,
        "page": page,
        "jobs": [(job, files := counts.get(job.pk, {}), _retry(job, files)) for job in page.object_list],
        "live": any(job.is_open for job in page.object_list),
    }
    return render(request, "memories/_jobs.html" if request.htmx else "memories/jobs.html", context)


@readers
@require_GET
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    job = job_read(request, pk)
    chosen = JobFileFilter(request.GET).chosen()
    files = job.files.order_by("path", "pk")
    page = page_of(request, files.filter(state=chosen["state"]) if chosen["state"] else files, PER_PAGE)
    writable = request.user.is_authenticated and jobs_writable_by(request.user).filter(pk=job.pk).exists()
    counts = queries.file_counts([job]).get(job.pk, {})
    context = {
        "job": job,
        "chosen": chosen,
        "page": page,
        "counts": counts,
        "retry": _retry(job, counts),
        "writable": writable,
        "rows": _rows(job, page.object_list),
    }
    return render(request, "memories/_job.html" if request.htmx else "memories/job.html", context)


def _retry(job: Job, counts: dict[str, int]) -> bool:
    return services.can_retry(job, counts.get("again", 0))


def _rows(job: Job, files: Iterable[JobFile]) -> list[tuple[JobFile, bool]]:
    """Each file, and whether it can be tried again."""
    ended = job.state in services.ENDED
    return [(file, ended and file.state == JobFile.State.FAILED and bool(file.staged)) for file in files]


@login_required
@require_POST
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    job = job_write(request, pk)
    services.cancel_job(job)
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"state": job.state})
    return back(request, "job", job.pk)


@login_required
@require_POST
def retry(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The whole job, or the files that are named."""
    job = job_write(request, pk)
    if not may_run(request.user, job):
        raise Http404("no right to what the job does")
    try:
        if "file" in request.POST:
            services.retry_files(job, _named_files(request, job))
        else:
            services.retry_job(job)
    except CannotRetry as reason:
        messages.error(request, f"Not started: {reason}.")
    return back(request, "job", job.pk)


def _named_files(request: HttpRequest, job: Job) -> list[JobFile]:
    form = JobFilesForm({"file": request.POST.getlist("file")})
    if not form.is_valid() or job.state not in services.ENDED:
        raise CannotRetry("choose files of a job that has ended")
    return list(job.files.filter(pk__in=form.cleaned_data["file"], state=JobFile.State.FAILED))


@login_required
@require_POST
def bulk(request: HttpRequest) -> HttpResponse:
    """Tries failed jobs again or forgets ended ones: those chosen, or all of the workspace."""
    mine = jobs_writable_by(request.user).filter(workspace=here(request))
    data: dict[str, Any] = {"action": request.POST.get("action", ""), "job": request.POST.getlist("job")}
    form = JobsForm(data)
    if "all" in request.POST:
        form.fields["job"].required = False
        del form.fields["job"]
    if not form.is_valid():
        say_errors(request, form)
        return back(request, "jobs")
    if "job" in form.cleaned_data:
        mine = mine.filter(pk__in=form.cleaned_data["job"])
    if form.cleaned_data["action"] == "retry":
        _retry_many(request, mine.filter(state=Job.State.FAILED).select_related("memory").distinct()[:500])
    else:
        gone = services.clear_jobs(mine.filter(state__in=services.ENDED).exclude(state=Job.State.FAILED).distinct())
        messages.success(request, f"{gone} finished jobs cleared." if gone else "There was no finished job to clear.")
    return back(request, "jobs")


def _retry_many(request: HttpRequest, failed: Iterable[Job]) -> None:
    started, reasons = 0, set()
    for job in failed:
        try:
            if not may_run(request.user, job):
                raise CannotRetry("you may no longer do what it does")
            services.retry_job(job)
            started += 1
        except CannotRetry as reason:
            reasons.add(str(reason))
    if started:
        messages.success(request, f"{started} jobs started again.")
    for reason in sorted(reasons):
        messages.warning(request, f"Some could not be started: {reason}.")
    if not started and not reasons:
        messages.info(request, "No failed job to try again.")


@readers
@require_GET
def file(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A prepared download: for everybody who may see the memory, whoever asked for it."""
    job = get_object_or_404(Job, pk=pk, kind=Job.Kind.EXPORT, state=Job.State.DONE)
    memory = memory_read(request, job.memory_id)
    try:
        opened = (settings.MEMVID_DATA_DIR / "exports" / f"{job.pk}.mp4").open("rb")
    except FileNotFoundError:
        messages.info(request, "That download was cleared away: prepare it again.")
        return redirect("memory-download", memory.pk)
    size = opened.seek(0, 2)
    opened.seek(0)
    return attachment(opened, size, f"{memory.name.replace('/', '-')}.mp4", "video/mp4")
