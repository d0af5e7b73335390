"""Live documents: a snapshot and an append-only log of Yjs updates for each, and the versions that people named."""

import uuid

from django.db import models

from .people import User


class LiveDocument(models.Model):
    """A document that is edited together. Its text is the Y.Text "content" of snapshot + updates after it.

    A row is made from the document's text when somebody first opens it. `projected_*` say what of it stands in the
    file: the text at update `projected_seq` is the document's as of commit `projected_commit`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    memory = models.ForeignKey("memories.Memory", models.CASCADE, related_name="live")
    document_number = models.PositiveIntegerField(help_text="the rows of documents may be made anew, this row not")
    generation = models.PositiveIntegerField(default=1, help_text="raised when the text begins anew: old copies differ")
    head_seq = models.PositiveBigIntegerField(default=0, help_text="number of the newest update")
    snapshot = models.BinaryField(help_text="one Yjs update: everything up to snapshot_seq")
    snapshot_seq = models.PositiveBigIntegerField(default=0)
    projected_seq = models.PositiveBigIntegerField(default=0)
    projected_commit = models.PositiveIntegerField(default=0)
    projected_state = models.BinaryField(help_text="one Yjs update: everything up to projected_seq")
    projected_at = models.DateTimeField(null=True)
    writing_request = models.CharField(max_length=60, blank=True, help_text="of a commit that is being written")
    writing_seq = models.PositiveBigIntegerField(default=0)
    writing_state = models.BinaryField(null=True, help_text="what that commit will hold")
    writing_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True, help_text="when the newest update came")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("memory", "document_number"), name="live_document_unique"),)
        indexes = (models.Index(fields=("updated_at",), name="live_updated"),)

    def __str__(self) -> str:
        return f"document {self.document_number} of {self.memory_id} at update {self.head_seq}"


class LiveUpdate(models.Model):
    """One acknowledged Yjs update (v1 encoding). `message_id` is the sender's, so that sending again adds nothing."""

    pk = models.CompositePrimaryKey("live_id", "seq")
    live = models.ForeignKey(LiveDocument, models.CASCADE, related_name="updates")
    seq = models.PositiveBigIntegerField()
    message_id = models.UUIDField()
    payload = models.BinaryField()
    author = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("live", "message_id"), name="live_update_once"),)

    def __str__(self) -> str:
        return f"update {self.seq} of {self.live_id}"


class LiveClient(models.Model):
    """Whose a Yjs client id is in a document: nobody else may write with it, or show themselves by it."""

    pk = models.CompositePrimaryKey("live_id", "client")
    live = models.ForeignKey(LiveDocument, models.CASCADE, related_name="clients")
    client = models.BigIntegerField()
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="+", help_text="null: the server's")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"client {self.client} of {self.user_id} in {self.live_id}"


class LiveVersion(models.Model):
    """The text as somebody named it, or as it was before a restore."""

    class Kind(models.TextChoices):
        NAMED = "named", "Named by a person"
        RESTORE = "restore", "Before a restore"
        MERGE = "merge", "Before a merge with a changed file"

    live = models.ForeignKey(LiveDocument, models.CASCADE, related_name="versions")
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    label = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    commit = models.PositiveIntegerField(null=True, help_text="the commit that holds it, if one does")
    authors = models.ManyToManyField(User, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = (models.Index(fields=("live", "-seq"), name="live_version_listing"),)

    def __str__(self) -> str:
        return self.label or f"version at {self.seq}"
