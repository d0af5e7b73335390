"""What is searched in: vectors of chunks and postings of their words, all of it made from the chunks."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from pgvector.django import HalfVectorField

from memories.models import Chunk, Memory


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

    Keyed by model, so that a new model can be built beside the old one. `memory` repeats the chunk's, so that the
    right to see it is checked on the row that the index leads to. `digest` names the text that this site embedded, so
    that the same text is not embedded twice. It is null where the vector came with a file: such a vector counts for
    that file alone, as nobody knows who made it.
    """

    model = models.ForeignKey(EmbeddingModel, models.CASCADE, related_name="+", db_index=False)
    memory = models.ForeignKey(Memory, models.CASCADE, related_name="+", db_index=False)
    chunk = models.ForeignKey(Chunk, models.CASCADE, related_name="embeddings", db_index=False)
    digest = models.UUIDField(null=True)
    vector = HalfVectorField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("chunk", "model"), name="embedding_unique"),)
        indexes = (
            models.Index(fields=("memory", "model"), name="embedding_memory"),
            models.Index(fields=("digest", "model"), name="embedding_digest", condition=models.Q(digest__isnull=False)),
        )

    def __str__(self) -> str:
        return f"vector of chunk {self.chunk_id}"


class Segment(models.Model):
    """The words of a run of chunks of one memory, all versions among them. Never changed, only merged into a larger.

    `chunks` and `documents` (primary keys, int64), `added` (commit, uint32) and `lengths` (terms, uint16, at most
    65,535) are columns of `size` rows, little-endian, by ascending primary key of the chunk.
    """

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="segments")
    size = models.PositiveIntegerField()
    last = models.BigIntegerField(help_text="primary key of its last chunk")
    terms = models.PositiveBigIntegerField(help_text="the sum of the lengths")
    languages = ArrayField(models.CharField(max_length=20), help_text="whose stems its words were cut to")
    chunks = models.BinaryField()
    documents = models.BinaryField()
    added = models.BinaryField()
    lengths = models.BinaryField()

    def __str__(self) -> str:
        return f"words of {self.size} chunks of {self.memory_id}"


class Posting(models.Model):
    """Where a term stands in a segment: `count` rows (uint16, ascending), then how often in each (uint8)."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="postings", db_index=False)
    term = models.CharField(max_length=64, db_collation="C")
    count = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("segment", "term"), name="posting_unique"),)

    def __str__(self) -> str:
        return f"{self.term} in segment {self.segment_id}"
