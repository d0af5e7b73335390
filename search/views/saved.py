"""Saving a search, opening it, and what is new in it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST, require_safe

from collab.access import here
from memories.views.common import say_errors

from .. import saved
from ..forms import SaveForm
from ..models import SavedSearch


@require_POST
@login_required
def new(request: HttpRequest) -> HttpResponse:
    workspace, form = here(request), SaveForm(request.POST)
    params = saved.kept(request.POST.get("params", ""))
    if params is None:
        messages.error(request, "Nothing was saved: search for something first, then save it.")
        return redirect("search")
    if not form.is_valid():
        say_errors(request, form)
    elif not saved.has_room(request.user, workspace):
        messages.error(request, f"Nothing was saved: you have {saved.MOST} saved searches here, delete one first.")
    else:
        form.instance.user, form.instance.workspace, form.instance.params = request.user, workspace, params
        row = form.save()
        messages.success(request, f"“{row.name}” is saved. It is listed here, with what is new in it.")
    return redirect(f"{reverse('search')}?{params}")


@require_safe
@login_required
def look(request: HttpRequest, pk: int) -> HttpResponse:
    """Its results; for its owner they count as seen from now on."""
    search = get_object_or_404(SavedSearch.objects.visible_to(request.user), pk=pk)
    own = search.user_id == request.user.pk
    params = saved.look(search) if own and request.method == "GET" else search.params
    return redirect(f"{reverse('search')}?{params}")


@require_safe
@login_required
def news(request: HttpRequest, pk: int) -> HttpResponse:
    """How many passages are new in their own search: a part of the list, which asks for it once it is seen."""
    search = get_object_or_404(SavedSearch.objects.visible_to(request.user), pk=pk, user=request.user)
    count, more = saved.news(search)
    return render(request, "search/_news.html", {"count": count, "more": more})


@require_POST
@login_required
def change(request: HttpRequest, pk: int) -> HttpResponse:
    form = SaveForm(request.POST, instance=_own(request, pk))
    if form.is_valid():
        messages.success(request, f"“{form.save().name}” is saved.")
    else:
        say_errors(request, form)
    return redirect("search")


@require_POST
@login_required
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    search = _own(request, pk)
    messages.success(
        request,
        format_html(
            "<form method='post' action='{}' class='d-inline'>“{}” is deleted. "
            "<input type='hidden' name='csrfmiddlewaretoken' value='{}'><input type='hidden' name='token' value='{}'>"
            "<button class='btn btn-sm ms-2'>Undo</button></form>",
            reverse("saved-undelete"), search.name, get_token(request), saved.delete(search),
        ),
    )  # fmt: skip
    return redirect("search")


@require_POST
@login_required
def undelete(request: HttpRequest) -> HttpResponse:
    try:
        row = saved.undelete(request.user, request.POST.get("token", ""))
    except saved.Full:
        messages.error(request, f"Not brought back: you have {saved.MOST} saved searches there, delete one first.")
        return redirect("search")
    if row:
        messages.success(request, f"“{row.name}” is back.")
    else:
        messages.error(request, "It could not be brought back: that is possible for an hour. Save the search again.")
    return redirect("search")


def _own(request: HttpRequest, pk: int) -> SavedSearch:
    return get_object_or_404(SavedSearch.objects.visible_to(request.user), pk=pk, user=request.user)
