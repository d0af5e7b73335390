from typing import Any

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView, OAuth2View
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from requests import RequestException

from .provider import Flow


class Callback(OAuth2CallbackView):
    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[dict[str, Any] | None, HttpResponse | None]:
        state, response = super()._get_state(request, provider)
        self.adapter.nonce = (state or {}).get("nonce")
        return state, response


def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Leaves by a page, as Chromium applies the policy for forms to redirects too, and where a provider's log-in
    leads through is not known beforehand."""
    answer = _answer(request, provider_id, OAuth2LoginView)
    if answer.status_code != 302:
        return answer
    flow = Flow(request, provider_id)
    return render(request, "socialaccount/leaving.html", {"provider": flow.get_provider(), "there": answer.url})


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _answer(request, provider_id, Callback)


def _answer(request: HttpRequest, provider_id: str, view: type[OAuth2View]) -> HttpResponse:
    flow = Flow(request, provider_id)
    try:
        return view.adapter_view(flow)(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except (OAuth2Error, RequestException) as error:  # before allauth looks after them itself
        return render_authentication_error(request, flow.get_provider(), exception=error)
