"""Where allauth asks for a decision of ours."""

import logging
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.http import HttpRequest
from django.shortcuts import render
from requests import RequestException

from ..models import User

log = logging.getLogger("memvid.sso")


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user = super().populate_user(request, sociallogin, data)
        given = " ".join(data[part] for part in ("first_name", "last_name") if data.get(part))
        user.name = (data.get("name") or given)[: User._meta.get_field("name").max_length]
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """An address that somebody has here is not handed to whoever says at the provider that it is theirs."""
        email = sociallogin.user.email
        if sociallogin.is_existing or sociallogin.state.get("process") == AuthProcess.CONNECT or not email:
            return
        if User.objects.filter(email__iexact=email).exists():
            context = {"email": email, "provider": sociallogin.provider}
            raise ImmediateHttpResponse(render(request, "socialaccount/known_address.html", context, status=409))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """The person reads what to do, the operator what was wrong."""
        if error == AuthError.CANCELLED:
            return
        extra_context["reason"] = _reason(exception, extra_context)
        log.warning("a log-in by %s failed: %s", provider.name, exception or request.GET.get("error") or "no state")


def _reason(exception: Exception | None, context: dict[str, Any]) -> str:
    if isinstance(exception, RequestException):
        return "away"
    if exception is not None:
        return "unproven"
    return "refused" if context.get("state") else "stale"
