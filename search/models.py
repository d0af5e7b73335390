"""Vectors of chunks, keyed by the model that made them, so that a new model can be built beside the old one; saved
searches and the query log."""

from typing import Any

from django.db import models
from django.utils import timezone
from pgvector.django import HalfVectorField

from collab.models import User, Workspace, memberships_of
from memories.models import Chunk


class EmbeddingModel(models.Model):
    """`active` is the one that queries are embedded with."""

    name = models.CharField(max_length=200, unique=True)
    dimensions = models.PositiveSmallIntegerField()
    active = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("active",), condition=models.Q(active=True), name="one_active_model"),
        )

    def __str__(self) -> str:
        return self.name


class Embedding(models.Model):
    """(dimensions,) half precision, normalised; its HNSW index is partial, one for each model.

    `digest` names the text that this site embedded, so that the same text is not embedded twice. It is null where
    the vector came with a file: such a vector counts for that file alone, as nobody knows who made it.
    """

    model = models.ForeignKey(EmbeddingModel, models.CASCADE, related_name="+")
    chunk = models.ForeignKey(Chunk, models.CASCADE, related_name="embeddings")
    digest = models.UUIDField(null=True)
    vector = HalfVectorField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("chunk", "model"), name="embedding_unique"),)
        indexes = (
            models.Index(fields=("digest", "model"), name="embedding_digest", condition=models.Q(digest__isnull=False)),
        )

    def __str__(self) -> str:
        return f"vector of chunk {self.chunk_id}"


class SavedSearchQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "SavedSearchQuerySet":
        """Their own, and those that others share in a workspace that they are in. What one finds with them is
        another matter: always what the reader may see."""
        own = models.Q(user=user) if getattr(user, "is_authenticated", False) else models.Q(pk__in=())
        return self.filter(own | models.Q(shared=True), workspace__in=memberships_of(user).values("workspace"))


class SavedSearch(models.Model):
    """`params` is the query string of the search page, as search.address writes it."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    params = models.TextField()
    shared = models.BooleanField(default=False, help_text="members of the workspace may open it")
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(default=timezone.now, help_text="when its owner last looked at the results")
    objects = SavedSearchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "saved searches"
        indexes = (models.Index(fields=("workspace", "user"), name="saved_search_listing"),)

    def __str__(self) -> str:
        return self.name


class LoggedQuery(models.Model):
    """One search that somebody settled on. The key is made of who asked what in which hour, so that looking again
    is not counted again. `user` is null for a visitor without an account."""

    id = models.UUIDField(primary_key=True, editable=False)
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    workspace = models.ForeignKey(Workspace, models.CASCADE, null=True, related_name="+")
    query = models.TextField()
    mode = models.CharField(max_length=10)
    filters = models.JSONField(default=dict)
    count = models.PositiveIntegerField(help_text="passages that were found")
    milliseconds = models.PositiveIntegerField()
    clicked = models.PositiveIntegerField(null=True, help_text="place in the list of the hit that was opened")
    time = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "logged queries"
        indexes = (
            models.Index(fields=("user", "-time"), name="logged_query_person"),
            models.Index(fields=("workspace", "-time"), name="logged_query_place"),
        )

    def __str__(self) -> str:
        return self.query[:80]
