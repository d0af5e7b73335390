"""Documents of every memory in reach."""

from itertools import groupby
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.decorators import action, display

from .. import curation
from ..models import Chunk, Document
from .base import PanelAdmin, Question, complain, confirmed, link, short_size, tell_jobs, too_many

REMOVE = Question(
    "Remove these documents?",
    "They leave the memory as it is now. Its history keeps their text: an owner of the workspace can erase a document "
    "from every commit, and a vacuum drops the history as a whole.",
    "Remove",
)


class PresentFilter(DropdownFilter):
    """What is in the memories now, unless asked for more."""

    title, parameter_name = "presence", "presence"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "Present"), ("removed", "Removed or replaced"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "all":
            return queryset
        return queryset.exclude(removed=None) if self.value() == "removed" else queryset.present()


@admin.register(Document)
class DocumentAdmin(PanelAdmin):
    list_display = ("path", "in_memory", "chunks_now", "shown_size", "media_type", "presence")
    list_filter = (PresentFilter, ("memory", AutocompleteSelectFilter))
    list_select_related = ("memory",)
    search_fields = ("path",)
    ordering = ("path", "pk")
    actions = ("remove",)
    fields = (
        "path", "in_memory", "number", "media_type", "encoding", "shown_size", "tags", "has_original", "added",
        "changed", "removed_by", "chunks_now",
    )  # fmt: skip
    readonly_fields = ("in_memory", "shown_size", "removed_by", "chunks_now")

    def get_queryset(self, request: HttpRequest) -> Any:
        present = Chunk.objects.present().filter(document=OuterRef("pk")).order_by().values("document")
        counted = Coalesce(Subquery(present.annotate(n=Count("*")).values("n")), 0)
        return Document.objects.filter(memory__in=curation.reach(request.user)).annotate(present_chunks=counted)

    @display(description="Memory", ordering="memory__name")
    def in_memory(self, document: Document) -> str:
        return link("memories_memory_change", document.memory, document.memory_id)

    @display(description="Chunks", ordering="present_chunks")
    def chunks_now(self, document: Document) -> str:
        return link("memories_chunk_changelist", document.present_chunks, query=f"?document__id__exact={document.pk}")

    @display(description="Size", ordering="size")
    def shown_size(self, document: Document) -> str:
        return short_size(document.size)

    @display(description="Presence", ordering="removed", label={"present": "success", "removed": "warning"})
    def presence(self, document: Document) -> tuple[str, str]:
        if document.removed is None:
            return "present", "present"
        return "removed", f"removed by commit {document.removed}"

    @display(description="Removed")
    def removed_by(self, document: Document) -> str:
        return "present" if document.removed is None else f"by commit {document.removed}"

    @action(description="Remove from the memory...")
    def remove(self, request: HttpRequest, documents: Any) -> HttpResponse | None:
        documents = documents.present()
        if too_many(request, documents):
            return None
        if not documents.exists():
            messages.error(request, "None of them is in its memory any more.")
            return None
        asked, _ = confirmed(self, request, documents, REMOVE)
        if asked is None:
            rows = documents.select_related("memory__workspace").order_by("memory", "number")
            for memory, some in groupby(rows, key=lambda document: document.memory):
                try:
                    tell_jobs(request, [curation.remove_documents(memory, some, request.user)])
                except curation.CannotCurate as error:
                    complain(request, error)
        return asked
