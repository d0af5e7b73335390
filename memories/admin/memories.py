"""Memories, and the search for near-duplicates among the chunks of one."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display

from .. import curation, services
from ..models import Job, Memory
from ..watch import thumbnail_of
from . import duplicates
from .base import STATE_COLOURS, PanelAdmin, Question, confirmed, each, link, short_size, too_many

VACUUM = Question(
    "Vacuum these memories?",
    "A vacuum writes the present state anew: what was removed or replaced leaves the file, and its history with it. "
    "This cannot be undone; keep a copy of the MP4 first if the history matters.",
    "Vacuum",
)


class TrashFilter(DropdownFilter):
    title, parameter_name = "place", "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("present", "Not in the trash"), ("trash", "In the trash")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return {"present": queryset.present, "trash": queryset.trashed}.get(self.value(), lambda: queryset)()


@admin.register(Memory)
class MemoryAdmin(PanelAdmin):
    in_trail = True
    list_display = ("picture", "title", "workspace", "shown_state", "head", "size", "chunks", "near_duplicates")
    list_display_links = ("title",)
    list_filter = (
        TrashFilter, ("state", ChoicesDropdownFilter), ("visibility", ChoicesDropdownFilter),
        ("workspace", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("workspace",)
    search_fields = ("name", "description")
    ordering = ("-updated_at", "pk")
    actions = ("reindex", "verify", "vacuum", "follow", "trash", "restore")
    fields = (
        "large_picture", "name", "description", "tags", "workspace", "visibility", "index_mode", "shown_state", "alarm",
        "head", "size", "text_size", "frames", "documents", "chunks", "codec", "profile", "created_by", "created_at",
        "updated_at", "deleted_at",
    )  # fmt: skip
    readonly_fields = ("large_picture", "shown_state", "size", "text_size", "documents", "chunks")

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Only a superuser may look workspaces up."""
        return self.list_filter if request.user.is_superuser else self.list_filter[:-1]

    def get_queryset(self, request: HttpRequest) -> Any:
        return curation.reach(request.user).order_by(*self.ordering)  # the list to choose one from has pages too

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/picture.png", view(self.picture_view), name="memories_memory_picture"),
            path("<uuid:pk>/duplicates/", view(self.duplicates_view), name="memories_memory_duplicates"),
            *super().get_urls(),
        ]

    def picture_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return thumbnail_of(request, self._row(request, pk))

    def duplicates_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return duplicates.page(self, request, self._row(request, pk))

    def _row(self, request: HttpRequest, pk: UUID) -> Memory:
        row = self.get_queryset(request).select_related("workspace").filter(pk=pk).first()
        if row is None:
            raise Http404("there is no such memory")
        return row

    # -- columns

    @display(description="")
    def picture(self, memory: Memory) -> str:
        return _picture(memory, "curation-picture")

    @display(description="First frame")
    def large_picture(self, memory: Memory) -> str:
        return _picture(memory, "curation-large-picture")

    @display(description="Name", ordering="name")
    def title(self, memory: Memory) -> str:
        if memory.deleted_at is None:
            return memory.name
        return format_html('{} <span class="curation-quiet">in the trash</span>', memory.name)

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def shown_state(self, memory: Memory) -> str:
        return memory.state

    @display(description="File", ordering="file_bytes")
    def size(self, memory: Memory) -> str:
        return short_size(memory.file_bytes)

    @display(description="Text", ordering="text_bytes")
    def text_size(self, memory: Memory) -> str:
        return short_size(memory.text_bytes)

    @display(description="Chunks", ordering="chunks_count")
    def chunks(self, memory: Memory) -> str:
        return link("memories_chunk_changelist", memory.chunks_count, query=f"?memory__id__exact={memory.pk}")

    @display(description="Documents")
    def documents(self, memory: Memory) -> str:
        return link("memories_document_changelist", memory.documents_count, query=f"?memory__id__exact={memory.pk}")

    @display(description="Near-duplicates")
    def near_duplicates(self, memory: Memory) -> str:
        return link("memories_memory_duplicates", "Look for them", memory.pk) if memory.chunks_count else "-"

    # -- acts

    def _queue(self, request: HttpRequest, memories: Any, kind: str) -> None:
        if not too_many(request, memories):
            each(request, memories.select_related("workspace"), lambda row: curation.keep_up(kind, row, request.user))

    @action(description="Re-index meaning")
    def reindex(self, request: HttpRequest, memories: Any) -> None:
        self._queue(request, memories, Job.Kind.INDEX)

    @action(description="Verify the file")
    def verify(self, request: HttpRequest, memories: Any) -> None:
        self._queue(request, memories, Job.Kind.VERIFY)

    @action(description="Follow the file")
    def follow(self, request: HttpRequest, memories: Any) -> None:
        self._queue(request, memories, Job.Kind.MIRROR)

    @action(description="Vacuum...")
    def vacuum(self, request: HttpRequest, memories: Any) -> HttpResponse | None:
        asked, _ = confirmed(self, request, memories, VACUUM)
        if asked is None:
            self._queue(request, memories, Job.Kind.VACUUM)
        return asked

    @action(description="Move to the trash")
    def trash(self, request: HttpRequest, memories: Any) -> None:
        if not too_many(request, memories):
            rows = list(memories.present())
            services.trash(rows)
            messages.success(
                request, f"{len(rows)} moved to the trash. The action Restore takes them out again, for 30 days."
            )

    @action(description="Restore from the trash")
    def restore(self, request: HttpRequest, memories: Any) -> None:
        if not too_many(request, memories):
            rows = list(memories.trashed())
            services.restore(rows)
            messages.success(request, f"{len(rows)} restored.")


def _picture(memory: Memory, css: str) -> str:
    address = reverse("admin:memories_memory_picture", args=[memory.pk])
    return format_html('<img class="{}" src="{}?v={}" alt="" loading="lazy">', css, address, memory.head_hash[:12])
