"""The page of one chunk: its text, what stands around it, and the acts of which each becomes a commit."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from .. import curation
from ..curation import MARK, CannotCurate, Seen
from ..jobs.editing import LONGEST_CHUNK
from ..models import Chunk, Job
from .base import PanelAdmin, tell_jobs

AROUND = 400  # characters of the chunks before and after


class TextForm(forms.Form):
    """A textarea swallows a line feed at its very beginning, so the page writes one more."""

    text = forms.CharField(
        max_length=2 * LONGEST_CHUNK, strip=False, widget=UnfoldAdminTextareaWidget(),
        help_text=f"A line that is nothing but {MARK} splits the chunk there.",
    )  # fmt: skip


class SplitForm(forms.Form):
    offset = forms.IntegerField(
        min_value=1, max_value=LONGEST_CHUNK, label="Split after character", widget=UnfoldAdminIntegerFieldWidget(),
    )  # fmt: skip


class FlagForm(forms.Form):
    note = forms.CharField(
        required=False, max_length=200, widget=UnfoldAdminTextInputWidget(),
        help_text="For other curators; an empty note takes the flag away. It is no part of the file.",
    )  # fmt: skip


FORMS = {"text": TextForm, "split": SplitForm, "flag": FlagForm}


def page(admin: PanelAdmin, request: HttpRequest, chunk: Chunk) -> HttpResponse:
    act = request.POST.get("act", "") if request.method == "POST" else ""
    bound = FORMS[act](request.POST) if act in FORMS else None
    if request.method == "POST":
        if bound is None or bound.is_valid():
            done = _do(request, chunk, act, bound.cleaned_data if bound else {})
            if done is not None:
                return done
        else:
            messages.error(request, "Nothing was changed: see what the form says.")
    return TemplateResponse(request, "admin/curation/chunk.html", _context(admin, request, chunk, act, bound))


def _do(request: HttpRequest, chunk: Chunk, act: str, data: dict[str, Any]) -> HttpResponse | None:
    """None when it could not be done: the page is shown again, with what was typed."""
    try:
        if act == "flag":
            curation.flag([chunk], data["note"])
            messages.success(request, "The flag was stored." if data["note"] else "The flag was taken away.")
        else:
            tell(request, _change(request, chunk, act, data))
    except CannotCurate as error:
        messages.error(request, f"Nothing was changed: {error}.")
        return None
    return redirect("admin:memories_chunk_change", chunk.pk)


def _change(request: HttpRequest, chunk: Chunk, act: str, data: dict[str, Any]) -> list[Job]:
    seen = Seen.parse(request.POST.get("seen", ""))
    acts: dict[str, Callable[[], Any]] = {
        "text": lambda: curation.correct(chunk, data["text"], request.user, seen),
        "split": lambda: curation.split(chunk, data["offset"], request.user, seen),
        "merge": lambda: curation.merge_with_next(chunk, request.user, seen),
        "remove": lambda: curation.remove_chunks(chunk.memory, [chunk], request.user, seen),
    }
    if act not in acts:
        raise CannotCurate("the form does not say what to do: reload the page")
    done = acts[act]()
    return done if isinstance(done, list) else [done] if done else []


def tell(request: HttpRequest, jobs: list[Job]) -> None:
    if jobs:
        tell_jobs(request, jobs)
    else:
        messages.info(request, "The text is as it was: nothing to store.")


def _context(
    admin: PanelAdmin, request: HttpRequest, chunk: Chunk, act: str, bound: forms.Form | None
) -> dict[str, Any]:
    first = {"text": {"text": curation.plain(chunk.text)}, "split": {}, "flag": {"note": chunk.flag}}
    shown = {name: bound if name == act and bound else form(initial=first[name]) for name, form in FORMS.items()}
    memory = chunk.memory
    before, after = curation.previous_chunk(chunk), curation.next_chunk(chunk)
    return {
        **admin.admin_site.each_context(request), "opts": admin.model._meta, "title": "Chunk", "chunk": chunk,
        "memory": memory, "document": chunk.document, "forms": shown, "mark": MARK,
        "before": before, "before_text": before.text[-AROUND:] if before else "",
        "after": after, "after_text": after.text[:AROUND] if after else "",
        # what was typed stays tied to what was seen when it was typed
        "seen": request.POST.get("seen") or Seen.of(memory),
        "current": chunk.removed is None,
        "now": None if chunk.removed is None else curation.present_version(chunk),
        "trashed": memory.deleted_at is not None,
        "exact": curation.is_exact(chunk), "open_changes": curation.open_changes(memory),
    }  # fmt: skip
