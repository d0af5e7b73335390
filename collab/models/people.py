"""Who works here: people, workspaces, their members and invitations."""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone

from ..events import rights_changed


class UserManager(BaseUserManager):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class Digest(models.TextChoices):
    """How often what is unread comes by mail."""

    OFF = "off", "Never"
    DAILY = "daily", "Once a day, if there is something"
    HOURLY = "hourly", "Once an hour, if there is something"


class User(AbstractUser):
    """A person; the email is the login."""

    username = None
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    log_searches = models.BooleanField("Remember my searches", default=True)
    digest = models.CharField("Mail about what is new for me", max_length=10, choices=Digest, default=Digest.DAILY)
    digested_at = models.DateTimeField(null=True, blank=True, help_text="when the last mail of that kind was sent")
    last_workspace = models.ForeignKey("Workspace", models.SET_NULL, null=True, blank=True, related_name="+")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ()
    objects = UserManager()

    class Meta:
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_lower_unique"),)

    def __str__(self) -> str:
        return self.name or self.email

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """With another password, or deactivated, they are nobody to the pages that they left open."""
        super().save(*args, update_fields=update_fields, **options)
        if update_fields is None or {"password", "is_active"} & set(update_fields):
            transaction.on_commit(lambda: rights_changed(self.pk))

    @property
    def short_name(self) -> str:
        return self.name or self.email.split("@")[0]

    @property
    def initials(self) -> str:
        words = self.short_name.replace(".", " ").split()
        return "".join(word[0] for word in words[:2]).upper()


class Role(models.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


WRITERS = (Role.OWNER, Role.ADMIN, Role.EDITOR)
MANAGERS = (Role.OWNER, Role.ADMIN)


class WorkspaceQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "WorkspaceQuerySet":
        return self.filter(pk__in=memberships_of(user).values("workspace"))

    def managed_by(self, user: Any) -> "WorkspaceQuerySet":
        return self.filter(pk__in=memberships_of(user, MANAGERS).values("workspace"))


class Workspace(models.Model):
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    objects = WorkspaceQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    joined_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="when they last looked at the home page")
    news_since = models.DateTimeField(null=True, blank=True, help_text="the end of their visit before this one")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("workspace", "user"), name="membership_unique"),)

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace} ({self.role})"


def memberships_of(user: Any, roles: tuple[Role, ...] = tuple(Role)) -> models.QuerySet[Membership]:
    """Nobody's for an anonymous or deactivated user."""
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return Membership.objects.none()
    return Membership.objects.filter(user=user, role__in=roles)


def token_digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def a_week_from_now() -> Any:
    return timezone.now() + timedelta(days=7)


class InvitationQuerySet(models.QuerySet):
    def open(self) -> "InvitationQuerySet":
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


class Invitation(models.Model):
    """A link that makes its visitor a member; only the digest of its token is stored."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Role, default=Role.EDITOR)
    token_digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=a_week_from_now)
    revoked_at = models.DateTimeField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0)
    objects = InvitationQuerySet.as_manager()

    def __str__(self) -> str:
        return f"invitation to {self.workspace} as {self.role}"

    @staticmethod
    def new_token() -> str:
        return secrets.token_urlsafe(24)
