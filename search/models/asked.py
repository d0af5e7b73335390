"""What people asked, and what they were answered."""

import uuid
from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.db import models

from collab.models import User, Workspace, memberships_of
from memories.models import Memory


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
