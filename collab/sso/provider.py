"""allauth finds this module by its name, and the addresses in the package."""

from typing import Any

from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string

from . import claims


class Flow(OpenIDConnectOAuth2Adapter):
    """The talk with the provider during one request."""

    nonce: str | None = None
    _config: dict[str, Any] | None = None

    @property
    def openid_config(self) -> dict[str, Any]:
        if self._config is None:
            self._config = claims.configuration(self.get_provider().server_url)
        return self._config

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        """Nothing is done at the provider later on: the token is not kept, nor when it ends."""
        return SocialToken(token=data["access_token"])

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        proven = claims.proven(kwargs["response"].get("id_token"), self.openid_config, app.client_id, self.nonce)
        url = self.openid_config.get("userinfo_endpoint")
        userinfo = claims.fetched(url, token.token) if url else None
        return self.get_provider().sociallogin_from_response(request, {"userinfo": claims.person(proven, userinfo)})


class Provider(OpenIDConnectProvider):
    oauth2_adapter_class = Flow

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponse:
        nonce = get_random_string(32)
        asked = {**self.get_auth_params(), "nonce": nonce}
        return super().redirect(request, process, next_url, data, **{**kwargs, "auth_params": asked, "nonce": nonce})


provider_classes = [Provider]
