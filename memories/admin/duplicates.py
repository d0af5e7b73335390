"""The page of near-duplicates: a search that a job does, its groups side by side, and removing what is chosen."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from .. import curation
from ..curation import CannotCurate, Seen
from ..models import Chunk, Job, Memory
from .base import MOST_CHOSEN, PanelAdmin, complain, tell_jobs

GROUPS_A_PAGE = 10
MEMBERS = 12  # of a group that are shown


class SearchForm(forms.Form):
    by = forms.ChoiceField(choices=curation.COMPARE, label="Compare", widget=UnfoldAdminSelectWidget())
    percent = forms.IntegerField(
        min_value=50, max_value=100, label="Alike by at least (%)", widget=UnfoldAdminIntegerFieldWidget()
    )


class ChosenForm(forms.Form):
    chunk = forms.TypedMultipleChoiceField(coerce=int, error_messages={"required": "Choose a chunk first."})

    def __init__(self, data: Any, chunks: list[Chunk]):
        super().__init__(data)
        self.fields["chunk"].choices = [(chunk.pk, chunk.pk) for chunk in chunks]


@dataclass(frozen=True)
class Group:
    """`members`: chunks with their likeness to the one of the group that is most like them."""

    members: list[tuple[Chunk, int]]
    more: int


def page(admin: PanelAdmin, request: HttpRequest, memory: Memory) -> HttpResponse:
    search = SearchForm(request.POST if request.POST.get("act") == "search" else None, initial=_initial(memory))
    if search.is_bound and search.is_valid():
        try:
            data = search.cleaned_data
            tell_jobs(request, [curation.find_duplicates(memory, data["by"], data["percent"], request.user)])
        except CannotCurate as error:
            complain(request, error)
        return redirect(request.get_full_path())
    jobs = memory.jobs.filter(kind=Job.Kind.DUPLICATES).order_by("-created_at")
    done = jobs.filter(state=Job.State.DONE).first()
    listed = Paginator(done.result["groups"] if done else [], GROUPS_A_PAGE).get_page(request.GET.get("page"))
    groups = _groups(memory, listed)
    if request.POST.get("act") == "remove" and _remove(request, memory, groups):
        return redirect(request.get_full_path())
    context = {
        **admin.admin_site.each_context(request), "opts": admin.model._meta, "title": f"Near-duplicates in {memory}",
        "memory": memory, "search": search, "job": done, "latest": jobs.first(), "listed": listed, "groups": groups,
        "seen": Seen.of(memory), "is_old": bool(done) and done.result["head_hash"] != memory.head_hash,
    }  # fmt: skip
    return TemplateResponse(request, "admin/curation/duplicates.html", context)


def _initial(memory: Memory) -> dict[str, Any]:
    last = memory.jobs.filter(kind=Job.Kind.DUPLICATES).order_by("-created_at").values_list("params", flat=True).first()
    return last or {"by": curation.TEXT, "percent": 80}


def _groups(memory: Memory, listed: Page) -> list[Group]:
    """The chunks as they are now; of a group of which one is left nothing is shown."""
    named = [member for group in listed for member in group[:MEMBERS]]
    rows = Chunk.objects.present().filter(
        memory=memory,
        document__number__in={number for number, _, _ in named},
        order__in={order for _, order, _ in named},
    )
    rows = rows.select_related("document__memory__workspace", "memory__workspace")
    here = {(chunk.document.number, chunk.order): chunk for chunk in rows}
    groups = []
    for group in listed:
        members = [(here[n, order], alike) for n, order, alike in group[:MEMBERS] if (n, order) in here]
        if len(members) > 1:
            groups.append(Group(members, max(0, len(group) - MEMBERS)))
    return groups


def _remove(request: HttpRequest, memory: Memory, groups: list[Group]) -> bool:
    shown = [chunk for group in groups for chunk, _ in group.members]
    form = ChosenForm(request.POST, shown)
    if not form.is_valid():
        messages.error(request, "Nothing was removed: choose chunks that are still on the page.")
        return False
    chosen = [chunk for chunk in shown if chunk.pk in set(form.cleaned_data["chunk"][:MOST_CHOSEN])]
    try:
        tell_jobs(
            request, curation.remove_chunks(memory, chosen, request.user, Seen.parse(request.POST.get("seen", "")))
        )
    except CannotCurate as error:
        complain(request, error)
        return False
    return True
