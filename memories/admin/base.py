"""What every page of the panel has in common: who may look, acts that are confirmed, jobs that are linked to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from ..curation import CannotCurate
from ..models import Job

MOST_CHOSEN = 500
SHOWN = 20
STATE_COLOURS = {
    "ready": "success", "done": "success", "running": "info", "receiving": "info", "behind": "warning",
    "damaged": "danger", "failed": "danger",
}  # fmt: skip


class PanelAdmin(ModelAdmin):
    """Rows are looked at, not added, changed or deleted here, unless a class says otherwise.

    The audit trail says who did what. Django's own log would copy the names of documents to where an erase does not
    look, so nothing is written to it.
    """

    show_full_result_count = False
    list_per_page = 50
    list_before_template = "admin/curation/_reach.html"
    list_filter_submit = True
    actions_on_bottom = False
    in_trail = False  # whether the audit trail tells of its rows; the others' history is that of their memory

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """See the class."""

    log_change = log_addition

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """See the class."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The trail is a superuser's."""
        extra = {"show_history": self.in_trail and request.user.is_superuser, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return redirect(
            f"{reverse('admin:auditlog_logentry_changelist')}?object={self.model._meta.label_lower}:{object_id}"
        )

    def response_action(self, request: HttpRequest, queryset: models.QuerySet) -> HttpResponse | None:
        """Django takes what was chosen as it comes; what is no key of a row is left out here."""
        data = request.POST.copy()
        key = self.model._meta.pk
        data.setlist(ACTION_CHECKBOX_NAME, [one for one in data.getlist(ACTION_CHECKBOX_NAME) if is_key(key, one)])
        if not (data.get("index") or "0").isdecimal():
            data["index"] = "0"
        request.POST = data
        return super().response_action(request, queryset)


def is_key(field: models.Field, text: str) -> bool:
    try:
        value = field.to_python(text)
        field.run_validators(value)
    except (ValidationError, ValueError, OverflowError):
        return False
    return True


class SuperuserAdmin(PanelAdmin):
    """About people and the installation: staff who curate do not see it."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_superuser


# -- telling


def short_size(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def link(name: str, text: Any, *args: Any, query: str = "") -> str:
    return format_html('<a class="curation-link" href="{}{}">{}</a>', reverse(f"admin:{name}", args=args), query, text)


def tell_jobs(request: HttpRequest, jobs: Iterable[Job]) -> None:
    """A message with a link to each job, of many to the first ones."""
    jobs = list(jobs)
    if not jobs:
        return
    links = format_html_join(
        ", ",
        "{}",
        ((link("memories_job_change", f"{job.get_kind_display()} ({job.memory})", job.pk),) for job in jobs[:10]),
    )
    more = f" and {len(jobs) - 10} more" if len(jobs) > 10 else ""
    messages.success(request, format_html("Queued: {}{}. It becomes a commit when its job is done.", links, more)
                     if any(job.kind in (Job.Kind.EDIT, Job.Kind.REMOVE) for job in jobs)
                     else format_html("Queued: {}{}.", links, more))  # fmt: skip


def each(request: HttpRequest, rows: Iterable[Any], act: Callable[[Any], Job]) -> None:
    """Does it to every row; what could not be done is said beside what was."""
    jobs = []
    for row in rows:
        try:
            jobs.append(act(row))
        except CannotCurate as error:
            messages.error(request, f"{error}"[:1].upper() + f"{error}"[1:] + ".")
    tell_jobs(request, jobs)


def complain(request: HttpRequest, error: Exception) -> None:
    messages.error(request, f"Nothing was changed: {error}.")


# -- asking first


class NoteForm(forms.Form):
    note = forms.CharField(
        max_length=200, label="Note", help_text="What should be looked at, for other curators.",
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
    )  # fmt: skip


@dataclass(frozen=True)
class Question:
    """`hidden`: facts that the page showed and the act needs."""

    title: str
    text: str
    button: str
    form: type[forms.Form] | None = None
    danger: bool = True
    hidden: tuple[tuple[str, str], ...] = ()


def confirmed(
    admin: ModelAdmin, request: HttpRequest, rows: models.QuerySet, question: Question
) -> tuple[HttpResponse | None, dict[str, Any]]:
    """(None, what the form holds) once it was confirmed, else (the page that asks, {})."""
    answered = "confirmed" in request.POST
    form = question.form(request.POST if answered else None) if question.form else None
    if answered and (form is None or form.is_valid()):
        return None, form.cleaned_data if form else {}
    context = {
        **admin.admin_site.each_context(request), "opts": admin.model._meta, "title": question.title,
        "question": question, "form": form, "rows": list(rows[:SHOWN]), "count": rows.count(),
        "action": request.POST.get("action"), "across": request.POST.get("select_across", "0"),
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME)[:MOST_CHOSEN], "back": request.get_full_path(),
    }  # fmt: skip
    return TemplateResponse(request, "admin/curation/confirm.html", context), {}


def too_many(request: HttpRequest, rows: models.QuerySet) -> bool:
    """Says so."""
    if rows[: MOST_CHOSEN + 1].count() <= MOST_CHOSEN:
        return False
    messages.error(request, f"{MOST_CHOSEN} at once are the most: choose fewer.")
    return True
