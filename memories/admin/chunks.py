"""Chunks: found, read, flagged, and corrected by commits."""

from typing import Any

from django.contrib import admin, messages
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.decorators import action, display

from .. import curation
from ..models import Chunk
from . import editing
from .base import NoteForm, PanelAdmin, Question, complain, confirmed, link, tell_jobs, too_many
from .documents import PresentFilter

SHORT, LONG = 100, 4000  # bytes
PREVIEW = 200  # characters

FLAG = Question(
    "Flag these chunks?",
    "The note is for other curators. It is kept beside the memory, not in its file, and goes when the chunk changes.",
    "Flag",
    form=NoteForm,
    danger=False,
)
REMOVE = (
    "Each document becomes a commit; a document that would have no chunk left is removed as a whole. The history keeps "
    "the text: an owner of the workspace can erase a document from every commit."
)


class FlagFilter(DropdownFilter):
    title, parameter_name = "flag", "flagged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Flagged"), ("no", "Not flagged")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = self.value()
        return (
            queryset.exclude(flag="") if wanted == "yes" else queryset.filter(flag="") if wanted == "no" else queryset
        )


class LengthFilter(DropdownFilter):
    title, parameter_name = "length", "length"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("short", f"Short: below {SHORT} bytes"), ("long", f"Long: above {LONG} bytes")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "short":
            return queryset.filter(size__lt=SHORT)
        return queryset.filter(size__gt=LONG) if self.value() == "long" else queryset


@admin.register(Chunk)
class ChunkAdmin(PanelAdmin):
    list_display = ("preview", "in_document", "in_memory", "size", "frame", "presence", "flag")
    list_display_links = ("preview",)
    list_filter = (PresentFilter, FlagFilter, LengthFilter, ("memory", AutocompleteSelectFilter))
    list_select_related = ("document", "memory")
    search_fields = ("text",)
    search_help_text = 'Words of the text; "in quotes" for words in a row, -word for those without it.'
    ordering = ("pk",)
    actions = ("put_flag", "take_flag", "remove")

    def get_queryset(self, request: HttpRequest) -> Any:
        chunks = Chunk.objects.filter(memory__in=curation.reach(request.user)).defer("text", "metadata")
        return chunks.annotate(beginning=Left("text", PREVIEW))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By the words' postings, the best ones; a search in the middle of words would read every text."""
        from search import words

        asked = words.Asked.of(search_term)
        if asked is None:
            return queryset, False
        return queryset.filter(pk__in=words.best_chunks(curation.reach(request.user), asked)), False

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        chunk = self.get_object(request, object_id)
        if chunk is None:
            messages.warning(
                request, "This chunk is no longer there: a vacuum or an erase has replaced the memory's rows."
            )
            return redirect("admin:memories_chunk_changelist")
        return editing.page(self, request, chunk)

    # -- columns

    @display(description="Text")
    def preview(self, chunk: Chunk) -> str:
        shown = " ".join(chunk.beginning.split()) or "(only spaces)"
        return format_html('<span class="curation-preview">{}</span>', shown)

    @display(description="Document", ordering="document__path")
    def in_document(self, chunk: Chunk) -> str:
        return link("memories_document_change", chunk.document, chunk.document_id)

    @display(description="Memory", ordering="memory__name")
    def in_memory(self, chunk: Chunk) -> str:
        return link("memories_memory_change", chunk.memory, chunk.memory_id)

    @display(description="Presence", ordering="removed", label={"present": "success", "removed": "warning"})
    def presence(self, chunk: Chunk) -> tuple[str, str]:
        return ("present", "present") if chunk.removed is None else ("removed", f"until commit {chunk.removed}")

    # -- acts

    @action(description="Flag...")
    def put_flag(self, request: HttpRequest, chunks: Any) -> HttpResponse | None:
        if too_many(request, chunks):
            return None
        asked, answers = confirmed(self, request, chunks, FLAG)
        if asked is None:
            messages.success(request, f"{curation.flag(chunks, answers['note'])} flagged.")
        return asked

    @action(description="Take the flag away")
    def take_flag(self, request: HttpRequest, chunks: Any) -> None:
        if not too_many(request, chunks):
            messages.success(request, f"{curation.flag(chunks.exclude(flag=''), '')} flags taken away.")

    @action(description="Remove from the memory...")
    def remove(self, request: HttpRequest, chunks: Any) -> HttpResponse | None:
        chunks = chunks.present()
        if too_many(request, chunks):
            return None
        rows = list(chunks.select_related("document__memory__workspace", "memory__workspace"))
        if len({chunk.memory_id for chunk in rows}) != 1:
            messages.error(request, "Choose present chunks of one memory: filter the list by it first.")
            return None
        memory = rows[0].memory
        seen = request.POST.get("seen") or str(curation.Seen.of(memory))
        question = Question("Remove these chunks?", REMOVE, "Remove", hidden=(("seen", seen),))
        asked, _ = confirmed(self, request, chunks, question)
        if asked is None:
            try:
                tell_jobs(request, curation.remove_chunks(memory, rows, request.user, curation.Seen.parse(seen)))
            except curation.CannotCurate as error:
                complain(request, error)
        return asked
