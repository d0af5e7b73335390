"""Writes to people and workspaces."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from .events import rights_changed
from .models import Invitation, Membership, Role, User, Workspace, token_digest

NEW_VISIT_AFTER = timedelta(minutes=30)  # looking again within it does not use up what is new


class LastOwner(Exception):
    """A workspace keeps at least one owner."""


@transaction.atomic
def make_workspace(owner: User, name: str) -> Workspace:
    workspace = Workspace.objects.create(name=name[:120])
    Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER)
    return workspace


def rename_workspace(workspace: Workspace, name: str) -> None:
    workspace.name = name
    workspace.save(update_fields=("name",))


def remember_workspace(user: User, workspace: Workspace) -> None:
    """Where their next session begins."""
    user.last_workspace = workspace
    user.save(update_fields=("last_workspace",))


def visit(membership: Membership) -> datetime | None:
    """Notes that they look at the home page; since when they have not: the end of the visit before this one."""
    now = timezone.now()
    if membership.seen_at and now - membership.seen_at > NEW_VISIT_AFTER:
        membership.news_since = membership.seen_at
    membership.seen_at = now
    membership.save(update_fields=("seen_at", "news_since"))
    return membership.news_since


def invite(workspace: Workspace, role: str, by: User, days: int = 7) -> tuple[Invitation, str]:
    """(invitation, token); the token is shown once and only its digest is kept."""
    token = Invitation.new_token()
    invitation = Invitation.objects.create(
        workspace=workspace,
        role=role,
        created_by=by,
        token_digest=token_digest(token),
        expires_at=timezone.now() + timedelta(days=days),
    )
    return invitation, token


def find_invitation(token: str) -> Invitation | None:
    found = Invitation.objects.open().filter(token_digest=token_digest(token))
    return found.select_related("workspace", "created_by").first()


@transaction.atomic
def accept_invitation(user: User, token: str) -> Membership | None:
    """The membership, or None when the link has expired; who is in already keeps their role."""
    invitation = find_invitation(token)
    if invitation is None:
        return None
    membership, made = Membership.objects.get_or_create(
        workspace=invitation.workspace, user=user, defaults={"role": invitation.role}
    )
    if made:
        Invitation.objects.filter(pk=invitation.pk).update(uses=F("uses") + 1)
    return membership


def revoke_invitation(invitation: Invitation) -> None:
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=("revoked_at",))


def revoke_invitations(workspace: Workspace) -> int:
    return workspace.invitations.open().update(revoked_at=timezone.now())


@transaction.atomic
def set_role(membership: Membership, role: str) -> None:
    """Raises LastOwner."""
    if role != Role.OWNER:
        _keep_an_owner(membership)
    membership.role = role
    membership.save(update_fields=("role",))
    transaction.on_commit(lambda: rights_changed(membership.user_id))


@transaction.atomic
def leave(membership: Membership) -> None:
    """Raises LastOwner."""
    _keep_an_owner(membership)
    user = membership.user_id
    membership.delete()
    transaction.on_commit(lambda: rights_changed(user))


def _keep_an_owner(membership: Membership) -> None:
    Workspace.objects.select_for_update().get(pk=membership.workspace_id)
    owners = Membership.objects.filter(workspace=membership.workspace_id, role=Role.OWNER).exclude(pk=membership.pk)
    if membership.role == Role.OWNER and not owners.exists():
        raise LastOwner("a workspace needs an owner: make somebody else one first")
