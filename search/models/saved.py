"""Saved searches, and the log of what was searched for."""

from typing import Any

from django.db import models
from django.utils import timezone

from collab.models import User, Workspace, memberships_of


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
