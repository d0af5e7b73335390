"""Which workspace is a person in now, and may they manage it."""

from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from memories.sql import Written, fetch, instance, names

from .models import MANAGERS, WRITERS, Invitation, Membership, Role, User, Workspace, memberships_of

SESSION_KEY = "workspace"
MEMBERSHIPS = Written(
    lambda pk: memberships_of(User(pk=pk, is_active=True)).select_related("workspace").order_by("joined_at", "pk")
)


def workspaces_of(user) -> list[Workspace]:
    return list(Workspace.objects.visible_to(user).order_by("name", "pk"))


def current_membership(request: HttpRequest) -> Membership | None:
    """The membership that the session names, else that of the workspace used last, else the oldest one."""
    by_workspace = {membership.workspace_id: membership for membership in _memberships(request.user)}
    for wanted in (request.session.get(SESSION_KEY), getattr(request.user, "last_workspace_id", None)):
        if wanted in by_workspace:
            return by_workspace[wanted]
    return next(iter(by_workspace.values()), None)


def _memberships(user: User | AnonymousUser) -> list[Membership]:
    """With their workspaces, the oldest first. Asked with every request."""
    if not user.is_authenticated or not user.is_active:
        return []
    found, own = [], len(names(Membership))
    for row in fetch(*MEMBERSHIPS.sql(user.pk)):
        membership = instance(Membership, row[:own])
        membership.workspace = instance(Workspace, row[own:])
        found.append(membership)
    return found


def workspace_read(request: HttpRequest, pk: int) -> Workspace:
    return get_object_or_404(Workspace.objects.visible_to(request.user), pk=pk)


def workspace_manage(request: HttpRequest, pk: int) -> Workspace:
    """404 for a stranger and for a member who may not manage alike."""
    return get_object_or_404(Workspace.objects.managed_by(request.user), pk=pk)


def here(request: HttpRequest) -> Workspace:
    """The workspace that the page is about; 404 for somebody who is in none."""
    if request.membership is None:
        raise Http404("you are in no workspace yet")
    return request.membership.workspace


def manage_here(request: HttpRequest) -> Workspace:
    """404 for a member who may not manage, as for a stranger."""
    if not may_manage_here(request):
        raise Http404("only owners and admins of the workspace may do this")
    return request.membership.workspace


def member_manage(request: HttpRequest, pk: int) -> Membership:
    """Somebody in the workspace; an owner only for another owner."""
    member = get_object_or_404(manage_here(request).memberships.select_related("user"), pk=pk)
    if member.role == Role.OWNER and not is_owner_here(request):
        raise Http404("only an owner may change what an owner may do")
    return member


def invitation_manage(request: HttpRequest, pk: int) -> Invitation:
    return get_object_or_404(manage_here(request).invitations.open(), pk=pk)


def may_write_here(request: HttpRequest) -> bool:
    return request.membership is not None and request.membership.role in WRITERS


def may_manage_here(request: HttpRequest) -> bool:
    return request.membership is not None and request.membership.role in MANAGERS


def is_owner_here(request: HttpRequest) -> bool:
    return request.membership is not None and request.membership.role == Role.OWNER
