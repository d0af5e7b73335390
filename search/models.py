"""What is searched in: vectors of chunks and postings of their words, all of it made from the chunks; and what people
asked."""

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from pgvector.django import HalfVectorField

from collab.models import User, Workspace, memberships_of
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


class ConversationQuerySet(models.QuerySet):
    def of(self, user: Any) -> "ConversationQuerySet":
        """A person's own, in the workspaces that they are still in: nobody else sees them, whatever their role."""
        return self.filter(user=user, workspace__in=memberships_of(user).values("workspace"))


class Conversation(models.Model):
    """Questions of one person, about one memory or all of a workspace. What it is about goes, and so does it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    memory = models.ForeignKey(Memory, models.CASCADE, null=True, blank=True, related_name="+")
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    objects = ConversationQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=("user", "workspace", "-updated_at"), name="conversation_listing"),)

    def __str__(self) -> str:
        return self.title


class Turn(models.Model):
    """A question and its answer.

    `pieces`: [{"text", "cites": [number]}]. `passages`: what was found, [{"number", "memory", "document", "order",
    "digest"}] without its text, which is read anew by the rights of whoever looks: see conversations.py.
    """

    class Mode(models.TextChoices):
        EXTRACTIVE = "extractive"
        MODEL = "model"

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        STOPPED = "stopped"

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="turns")
    question = models.TextField()
    pieces = models.JSONField(default=list)
    passages = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.EXTRACTIVE)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)
        indexes = (GinIndex(fields=("passages",), opclasses=("jsonb_path_ops",), name="turn_passages"),)

    def __str__(self) -> str:
        return f"turn {self.pk}"
