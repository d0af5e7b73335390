"""What people say about a document: threads at a passage of it, and what somebody is told of."""

import uuid

from django.db import models

from .people import User


class Thread(models.Model):
    """`start` and `end` are Yjs relative positions in the document's text (base64), empty where only the words are
    known. `quote` is the passage as it was, so that the thread can be read when it has gone."""

    memory = models.ForeignKey("memories.Memory", models.CASCADE, related_name="threads")
    document_number = models.PositiveIntegerField(help_text="the rows of documents may be made anew, this row not")
    start = models.CharField(max_length=400, blank=True)
    end = models.CharField(max_length=400, blank=True)
    quote = models.TextField(blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    resolved_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("memory", "document_number"), name="thread_document"),)

    def __str__(self) -> str:
        return f"thread {self.pk} on document {self.document_number} of {self.memory_id}"


class Comment(models.Model):
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    text = models.TextField()
    mentions = models.ManyToManyField(User, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("-created_at",), name="comment_time"),)

    def __str__(self) -> str:
        return f"comment {self.pk} in {self.thread_id}"


class Notification(models.Model):
    """One thing that concerns one person. It holds no words: what it says is read from the rows it names, as far as
    the person may still see them."""

    class Kind(models.TextChoices):
        MENTION = "mention", "mentioned you"
        REPLY = "reply", "replied"
        JOB = "job", "job failed"
        INVITED = "invited", "shared a memory with you"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=10, choices=Kind)
    actor = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    memory = models.ForeignKey("memories.Memory", models.CASCADE, null=True, related_name="+")
    comment = models.ForeignKey(Comment, models.CASCADE, null=True, related_name="notifications")
    job = models.ForeignKey("memories.Job", models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("user", "-created_at"), name="notification_listing"),
            models.Index(fields=("user",), name="notification_unread", condition=models.Q(read_at=None)),
        )
        constraints = (
            models.UniqueConstraint(fields=("user", "comment"), name="notification_comment_once"),
            models.UniqueConstraint(fields=("user", "job"), name="notification_job_once"),
        )

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id}"
