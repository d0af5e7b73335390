"""Memories that were put away: thirty days in which they can come back."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_GET, require_http_methods

from collab.access import here

from .. import queries, services
from ..forms import Confirmation
from ..models import TRASH_DAYS, Memory
from .common import page_of, say_errors


@login_required
@require_GET
def trash(request: HttpRequest) -> HttpResponse:
    page = page_of(request, queries.trashed_memories(here(request), request.user))
    return render(request, "memories/trash.html", {"page": page, "days": TRASH_DAYS})


@login_required
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    memory = get_object_or_404(Memory.objects.manageable_by(request.user).trashed(), pk=pk)
    form = Confirmation(request.POST or None, expected=memory.name.strip())
    if request.method == "POST":
        if form.is_valid():
            if services.delete_for_good(memory):
                messages.success(request, f"“{memory.name}” is gone for good.")
            else:
                messages.error(request, f"A job is at work on “{memory.name}”: wait for its end, then delete it again.")
            return redirect("trash")
        say_errors(request, form)
    return render(request, "memories/delete.html", {"memory": memory})


def undo(request: HttpRequest, memories: list[Memory]) -> None:
    """The message that they are in the trash, with the way back in it."""
    what = f"“{memories[0].name}” is" if len(memories) == 1 else f"{len(memories)} memories are"
    keys = format_html_join("", "<input type='hidden' name='memory' value='{}'>", ((m.pk,) for m in memories))
    messages.success(
        request,
        format_html(
            "<form method='post' action='{}' class='d-inline'>{} in the trash for {} days. "
            "<input type='hidden' name='csrfmiddlewaretoken' value='{}'>{}"
            "<input type='hidden' name='action' value='restore'>"
            "<button class='btn btn-sm ms-2'>Undo</button></form>",
            reverse("memories-bulk"), what, TRASH_DAYS, get_token(request), keys,
        ),
    )  # fmt: skip
