"""What the views share: pages of a list, forms that were not understood, and the way to the login."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from ..models import Memory, MemoryQuerySet

PER_PAGE = 24
LONGEST_ADDRESS = 2000


def readers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Public memories open without a login; for anything else an anonymous visitor is asked who they are,
    whether it exists or not."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Http404:
            if request.user.is_authenticated:
                raise
            return redirect_to_login(request.get_full_path())

    return wrapped


def page_of(request: HttpRequest, rows: QuerySet, per_page: int = PER_PAGE) -> Page:
    """The page that the address asks for; the nearest one there is."""
    return Paginator(rows, per_page).get_page(request.GET.get("page"))


def say_errors(request: HttpRequest, form: Form) -> None:
    for name, errors in form.errors.items():
        label = (
            "" if name == "__all__" or form.fields[name].widget.is_hidden else f"{form.fields[name].label or name}: "
        )
        for error in errors:
            messages.error(request, f"{label}{error}")


def chosen_memories(memories: MemoryQuerySet, keys: list[UUID]) -> list[Memory]:
    """Those of the chosen ones that are among `memories`, which says what the person may."""
    return list(memories.filter(pk__in=keys).select_related("workspace").order_by("name", "pk"))


def back(request: HttpRequest, otherwise: str, *args: Any) -> HttpResponse:
    """To the page that the form was on, with its filters."""
    there = request.POST.get("next", "")
    here_only = url_has_allowed_host_and_scheme(there, {request.get_host()}, require_https=request.is_secure())
    if here_only and there.startswith("/") and len(there) < LONGEST_ADDRESS:
        return HttpResponseRedirect(there)
    return redirect(otherwise, *args)
