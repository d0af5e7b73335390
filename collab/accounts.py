from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from memories.sql import Written, fetch, instance

from .access import SESSION_KEY
from .models import User, Workspace
from .services import accept_invitation, find_invitation, make_workspace, remember_workspace

INVITATION_KEY = "invitation"
ONE_USER = Written(lambda pk: User.objects.filter(pk=pk))


def enter_workspace(request: HttpRequest, user: User, workspace: Workspace) -> None:
    request.session[SESSION_KEY] = workspace.pk
    remember_workspace(user, workspace)


class Backend(ModelBackend):
    def get_user(self, user_id: int) -> User | None:
        """Asked with every request."""
        rows = fetch(*ONE_USER.sql(user_id))
        user = instance(User, rows[0]) if rows else None
        return user if user and self.user_can_authenticate(user) else None


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up may be closed to all but the invited; a new person lands in a workspace at once."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.MEMVID_OPEN_SIGNUP or find_invitation(request.session.get(INVITATION_KEY, "")) is not None

    def post_login(self, request: HttpRequest, user, **kwargs):
        if token := request.session.pop(INVITATION_KEY, None):
            membership = accept_invitation(user, token)
            if membership:
                enter_workspace(request, user, membership.workspace)
            else:
                messages.error(request, "The invitation is no longer valid. Ask for a new link.")
        if not user.memberships.exists():
            enter_workspace(request, user, make_workspace(user, f"{user.short_name}'s workspace"))
        return super().post_login(request, user, **kwargs)
