from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from .services import accept_invitation, make_workspace

INVITATION_KEY = "invitation"


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up may be closed to all but the invited; a new person lands in a workspace at once."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.MEMVID_OPEN_SIGNUP or INVITATION_KEY in request.session

    def post_login(self, request: HttpRequest, user, **kwargs):
        token = request.session.pop(INVITATION_KEY, None)
        if token:
            accept_invitation(user, token)
        if not user.memberships.exists():
            make_workspace(user, f"{user}'s workspace")
        return super().post_login(request, user, **kwargs)
