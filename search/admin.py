"""Embedding models: which one answers, and how much each covers."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display

from memories.admin.base import Question, SuperuserAdmin, confirmed
from memories.engine.errors import UsageError
from memories.models import Chunk

from . import services
from .models import Embedding, EmbeddingModel, LoggedQuery

ACTIVATE = Question(
    "Answer with this model from now on?",
    "Searches are compared with its vectors. The embedder must serve the same model, else searches are by words only; "
    "chunks that it has no vector of are not found by meaning until they are re-indexed.",
    "Activate",
    danger=False,
)
DROP = Question(
    "Drop the vectors of these models?",
    "Their vectors and their index are deleted. This can be undone only by embedding every chunk again.",
    "Drop",
)


@admin.register(EmbeddingModel)
class EmbeddingModelAdmin(SuperuserAdmin):
    list_display = ("name", "dimensions", "active", "covers", "created_at")
    ordering = ("-active", "name")
    search_fields = ("name",)
    fields = readonly_fields = ("name", "dimensions", "active", "covers", "created_at")
    actions = ("activate", "drop")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = Embedding.objects.filter(model=OuterRef("pk"), chunk__removed=None).order_by().values("model")
        return EmbeddingModel.objects.annotate(
            have=Coalesce(Subquery(rows.annotate(n=Count("*")).values("n")), 0),
            all_chunks=Value(Chunk.objects.present().count()),
        )

    @display(description="Present chunks with a vector", ordering="have")
    def covers(self, model: EmbeddingModel) -> str:
        return f"{model.have} of {model.all_chunks}"

    @action(description="Activate...")
    def activate(self, request: HttpRequest, models: Any) -> HttpResponse | None:
        if models.count() != 1:
            messages.error(request, "Choose one model: only one can be active.")
            return None
        asked, _ = confirmed(self, request, models, ACTIVATE)
        if asked is None:
            services.activate_model(models.get())
            messages.success(request, "Searches use it from now on.")
        return asked

    @action(description="Drop its vectors...")
    def drop(self, request: HttpRequest, models: Any) -> HttpResponse | None:
        asked, _ = confirmed(self, request, models, DROP)
        if asked is None:
            for model in models:
                try:
                    services.drop_model(model)
                except UsageError as error:
                    messages.error(request, f"{error}.")
                else:
                    messages.success(request, f"{model.name} was dropped.")
        return asked


@admin.register(LoggedQuery)
class LoggedQueryAdmin(SuperuserAdmin):
    """What is searched for, and what is not found; not by whom."""

    list_display = ("query", "mode", "count", "clicked", "milliseconds", "workspace", "time")
    list_filter = ("mode", "workspace")
    list_select_related = ("workspace",)
    ordering = ("-time",)
    search_fields = ("query",)
    fields = readonly_fields = ("query", "mode", "filters", "count", "clicked", "milliseconds", "workspace", "time")
