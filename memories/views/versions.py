"""The history of one document: its versions, what changed between any two, and the way back to one of them."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from collab.live.seeding import CannotEdit

from .. import versioning, versions
from ..access import document_read, document_write
from ..engine.errors import MemvidError
from ..engine.textdiff import TextDiff
from ..forms import RestoreForm, VersionNameForm, VersionPlace
from ..models import Document
from ..versions import NOW, NoSuchVersion, Version
from .common import readers, say_errors
from .pages import around

PER_PAGE = 20
CHANGES_A_PAGE = 50
MOST_CHOICES = 200
MOST_READ = 200_000  # characters of a kept version that are shown as they are


@readers
@require_GET
def history(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    document = document_read(request, pk, number)
    place = VersionPlace(request.GET).chosen()
    found = versions.timeline(document)
    page = Paginator(_with_older(found), PER_PAGE).get_page(place["page"])
    old, new = _chosen(found, place)
    context = around(request, document.memory, "documents") | {
        "document": document,
        "page": page,
        "newest": found[0] if found else None,
        "choices": found[:MOST_CHOICES],
        "old": old,
        "new": new,
        **_difference(document, old, new, place["first"] or 0),
    }
    return render(request, "memories/document_history.html", context)


def _with_older(found: list[Version]) -> list[tuple[Version, Version | None]]:
    """Each with the one before it, for what it changed."""
    return list(zip(found, [*found[1:], None], strict=True))


def _chosen(found: list[Version], place: dict[str, Any]) -> tuple[Version | None, Version | None]:
    """As of a commit what changed since, without a choice what changed last; a kept version that nobody knows any more
    is no choice."""
    keys = {version.key: index for index, version in enumerate(found)}
    new = keys.get(place["to"], 0)
    then = (index for index, version in enumerate(found) if version.commit and version.commit <= (place["at"] or 0))
    old = keys.get(place["from"], next(then, min(new + 1, len(found) - 1)))
    return (found[old], found[new]) if found else (None, None)


def _difference(document: Document, old: Version | None, new: Version | None, first: int) -> dict[str, Any]:
    if old is None or new is None:
        return {}
    try:
        if old.key == new.key:
            return {"text": versions.text_of(document, new.key), "most": MOST_READ}
        found = versions.compared(document, old.key, new.key)
    except (NoSuchVersion, MemvidError) as error:
        return {"problem": str(error)}
    return _page_of_changes(found, first)


def _page_of_changes(found: TextDiff, first: int) -> dict[str, Any]:
    count = len(found.changes)
    first = min(first, max(0, count - 1)) // CHANGES_A_PAGE * CHANGES_A_PAGE
    passages = [
        (passage, versions.mark(passage.old_text, passage.new_text) if passage.changed else "")
        for passage in found.passages(first=first, most=CHANGES_A_PAGE)
    ]
    return {
        "difference": found,
        "passages": passages,
        "count": count,
        "first": first,
        "before": first - CHANGES_A_PAGE if first else None,
        "after": first + CHANGES_A_PAGE if first + CHANGES_A_PAGE < count else None,
    }


@login_required
@require_POST
def name(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    document = document_write(request, pk, number)
    form = VersionNameForm(request.POST)
    if not form.is_valid():
        say_errors(request, form)
        return redirect("document-history", pk, number)
    try:
        versioning.name_version(document, request.user, form.cleaned_data["label"])
    except CannotEdit as error:
        messages.error(request, f"No version was kept: {error}.")
    else:
        messages.success(request, f"The text as it is now is kept as “{form.cleaned_data['label']}”.")
    return redirect("document-history", pk, number)


@login_required
@require_POST
def restore(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """The whole version, or one changed passage of it. What stands now is kept as a version first."""
    document = document_write(request, pk, number)
    form = RestoreForm(request.POST)
    if not form.is_valid():
        say_errors(request, form)
        return redirect("document-history", pk, number)
    key, mark = form.cleaned_data["version"], form.cleaned_data["passage"]
    try:
        if mark:
            versioning.restore_passage(document, request.user, key, mark)
            messages.success(request, "The passage is back as it was. It is a new edit: the history keeps both.")
            return redirect(f"{reverse('document-history', args=[pk, number])}?{urlencode({'from': key, 'to': NOW})}")
        versioning.restore(document, request.user, key)
        messages.success(request, "The version is restored as new edits. The text before it is kept as a version.")
    except CannotEdit as error:
        messages.error(request, f"Nothing was restored: {error}.")
    except (NoSuchVersion, MemvidError) as error:
        messages.error(request, str(error))
    return redirect("document-history", pk, number)
