"""Vectors of chunks, keyed by the model that made them, so that a new model can be built beside the old one."""

from django.db import models
from pgvector.django import HalfVectorField

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
