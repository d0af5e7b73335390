"""Jobs: how far, why they failed, and what became of each file."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display

from .. import access, curation, services
from ..models import Job, JobFile
from .base import STATE_COLOURS, PanelAdmin, link, tell_jobs, too_many


class JobFileInline(TabularInline):
    model = JobFile
    fields = readonly_fields = ("path", "size", "state", "reason")
    ordering = ("pk",)
    per_page = 50
    extra = 0
    tab = False
    can_delete = False
    verbose_name_plural = "files"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Job)
class JobAdmin(PanelAdmin):
    list_display = ("shown_kind", "in_memory", "shown_state", "progress", "why", "created_by", "created_at")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("memory", AutocompleteSelectFilter),
    )
    list_select_related = ("memory", "created_by")
    search_fields = ("reason", "memory__name", "created_by__email")
    ordering = ("-created_at", "pk")
    actions = ("cancel", "retry")
    fields = (
        "shown_kind", "in_memory", "workspace", "shown_state", "progress", "reason", "created_by", "created_at",
        "started_at", "finished_at", "attempts", "worker", "cancel_requested",
    )  # fmt: skip
    readonly_fields = ("shown_kind", "in_memory", "shown_state", "progress")
    inlines = (JobFileInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        """A superuser sees those whose memory is gone too."""
        jobs = Job.objects.defer("params", "result")
        if request.user.is_superuser:
            return jobs
        own = access.jobs_visible_to(request.user).filter(created_by=request.user)
        return jobs.filter(Q(memory__in=curation.reach(request.user)) | Q(pk__in=own.values("pk")))

    @display(description="Job", ordering="kind")
    def shown_kind(self, job: Job) -> str:
        return job.get_kind_display()

    @display(description="Memory", ordering="memory__name")
    def in_memory(self, job: Job) -> str:
        return link("memories_memory_change", job.memory, job.memory_id) if job.memory_id else "-"

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def shown_state(self, job: Job) -> str:
        return job.state

    @display(description="Progress", ordering="percent")
    def progress(self, job: Job) -> str:
        if job.percent is None:
            return job.stage or "-"
        bar = (
            '<progress class="curation-progress" max="100" value="{0}" aria-label="progress">{0} %</progress> {0} % {1}'
        )
        return format_html(bar, job.percent, job.stage)

    @display(description="Reason")
    def why(self, job: Job) -> str:
        return format_html('<span class="curation-preview">{}</span>', job.reason) if job.reason else "-"

    @action(description="Cancel")
    def cancel(self, request: HttpRequest, jobs: Any) -> None:
        if too_many(request, jobs):
            return
        rows = list(jobs.filter(state__in=services.OPEN))
        for job in rows:
            services.cancel_job(job)
        messages.success(request, f"{len(rows)} asked to stop. One at work stops at its next step.")

    @action(description="Try again")
    def retry(self, request: HttpRequest, jobs: Any) -> None:
        if too_many(request, jobs):
            return
        again = []
        for job in jobs.select_related("workspace", "memory"):
            try:
                if not (request.user.is_superuser or access.may_run(request.user, job)):
                    raise services.CannotRetry("you may not do what it does")
                services.retry_job(job)
                again.append(job)
            except services.CannotRetry as error:
                messages.error(request, f"{job.get_kind_display()}: {error}.")
        tell_jobs(request, again)
