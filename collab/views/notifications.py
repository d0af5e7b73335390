"""The bell, the page behind it, and how often mail comes."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from .. import notifications
from ..forms import DigestForm

IN_BELL, PER_PAGE = 8, 30


def _worded(rows: list) -> list[tuple]:
    return [(row, notifications.sentence(row)) for row in rows]


@login_required
@require_GET
def bell(request: HttpRequest) -> HttpResponse:
    """The count, for the button."""
    return render(request, "notifications/_count.html", {"unread": notifications.unread_count(request.user)})


@login_required
@require_GET
def latest(request: HttpRequest) -> HttpResponse:
    rows = list(notifications.listed(request.user)[:IN_BELL])
    return render(request, "notifications/_latest.html", {"rows": _worded(rows)})


@login_required
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    page = Paginator(notifications.listed(request.user), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": _worded(page.object_list), "unread": notifications.unread_count(request.user)}
    return render(request, "notifications/page.html", context)


@login_required
@require_POST
def follow(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Marks it read and leads to what it is about."""
    row = get_object_or_404(notifications.listed(request.user), pk=pk)
    notifications.mark_read(request.user, notifications.visible_to(request.user).filter(pk=row.pk))
    return redirect(notifications.address(row))


@login_required
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    notifications.mark_read(request.user, notifications.visible_to(request.user))
    return redirect("notifications")


@login_required
@require_POST
def digest(request: HttpRequest) -> HttpResponse:
    form = DigestForm(request.POST, instance=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, "Your choice of mail is saved.")
    else:
        request.user.refresh_from_db(fields=("digest",))
        messages.error(request, "Nothing was changed: choose one from the list.")
    return redirect("profile")
