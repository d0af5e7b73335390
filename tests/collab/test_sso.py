"""Log-in at a real OpenID Connect provider on loopback, through allauth's real flow."""

import html
import json
import re
from collections.abc import Iterator

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from collab.models import User
from tests.collab.oidc import ADA, CLIENT, SECRET, OpenIdProvider
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/oidc/oidc/login/"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIdProvider]:
    provider = OpenIdProvider()
    yield provider
    provider.stop()


@pytest.fixture
def provider(running, settings) -> OpenIdProvider:
    running.person, running.claims, running.answers = dict(ADA), {}, {}
    running.signing_key, running.algorithm = running.key, "RS256"
    app = {"provider_id": "oidc", "name": "Acme sign-on", "client_id": CLIENT, "secret": SECRET}
    app["settings"] = {"server_url": running.issuer}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    settings.ACCOUNT_RATE_LIMITS = False
    return running


@pytest.fixture
def trusted(provider, settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["email_authentication"] = True


def _leave(client: Client, query: str = "") -> str:
    """Presses the button; the address at the provider."""
    page = client.post(LOGIN + query)
    assert page.status_code == 200, page.content
    return html.unescape(re.search(r'content="0; url=([^"]+)"', page.content.decode())[1])


def _come_back(there: str) -> str:
    return requests.get(there, allow_redirects=False, timeout=10).headers["Location"]


def _log_in(client: Client, query: str = ""):
    return client.get(_come_back(_leave(client, query)), follow=True)


def _nobody_came(client: Client) -> bool:
    return not User.objects.filter(email=ADA["email"]).exists() and "_auth_user_id" not in client.session


def _refused(answer, words: str) -> None:
    assert answer.status_code == 401
    text = " ".join(html.unescape(answer.content.decode()).split())
    assert words in text and "Nothing was changed" in text


def test_a_new_person_gets_an_account_and_comes_back_to_it(provider, client):
    answer = _log_in(client)
    assert answer.status_code == 200 and answer.wsgi_request.user.email == ADA["email"]
    person = User.objects.get(email=ADA["email"])
    assert (person.name, person.has_usable_password()) == ("Ada Lovelace", False)
    assert person.memberships.count() == 1, "a workspace of her own"
    assert EmailAddress.objects.get(user=person).verified
    provider.person = {**ADA, "email": "ada.king@example.org"}
    assert _log_in(Client()).wsgi_request.user == person, "known by the provider's name for her, not by the address"


def test_who_came_for_a_page_gets_to_it(provider, client):
    assert _log_in(client, "?next=/settings/").redirect_chain[-1][0] == "/settings/"


def test_an_invited_person_lands_in_the_workspace_although_sign_up_is_closed(
    provider, client, settings, as_, alice, workspace
):
    settings.MEMVID_OPEN_SIGNUP = False
    assert "by invitation" in _log_in(client).content.decode()
    assert _nobody_came(client)
    page = as_(alice).post("/settings/invitations/", {"role": "viewer", "days": 7}, follow=True).content.decode()
    client.post(re.search(r"/invite/[\w-]+/", page)[0], {"signup": "1"})
    _log_in(client)
    assert User.objects.get(email=ADA["email"]).memberships.get().workspace == workspace


@pytest.mark.parametrize("verified", [True, False])
def test_a_known_address_is_not_handed_over(provider, client, alice, verified):
    provider.person = {**ADA, "email": "Alice@Example.org", "email_verified": verified}
    answer = _log_in(client)
    assert answer.status_code == 409 and "There is an account with this address" in answer.content.decode()
    assert "_auth_user_id" not in client.session and not SocialAccount.objects.exists()


def test_somebody_with_a_password_connects_the_provider(provider, client, alice, workspace):
    provider.person = {**ADA, "email": alice.email}
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert "Acme sign-on" in _log_in(client, "?process=connect").content.decode()
    assert _log_in(Client()).wsgi_request.user == alice


def test_where_the_provider_is_trusted_a_known_address_is_let_in(provider, trusted, client, alice, workspace):
    provider.person = {**ADA, "email": alice.email, "email_verified": "true"}
    assert _log_in(client).wsgi_request.user == alice
    assert SocialAccount.objects.get().user == alice
    alice.refresh_from_db()
    assert not alice.has_usable_password(), "who had made the account had never shown that the address is theirs"


@pytest.mark.parametrize("verified", [False, "false", None])
def test_but_not_an_address_that_the_provider_has_not_confirmed(provider, trusted, client, alice, verified):
    provider.person = {**ADA, "email": alice.email, "email_verified": verified}
    assert _log_in(client).status_code == 409
    assert "_auth_user_id" not in client.session


def test_without_an_address_it_is_asked_for(provider, client):
    provider.person = {"sub": "7"}
    assert "Almost there" in _log_in(client).content.decode()
    client.post("/accounts/3rdparty/signup/", {"email": "seven@example.org"})
    assert User.objects.get().email == "seven@example.org"


def test_who_was_deactivated_stays_outside(provider, client):
    _log_in(Client())
    User.objects.update(is_active=False)
    assert "_auth_user_id" not in _log_in(client).client.session


STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FORGED = {
    "another key": {"signing_key": STRANGER},
    "a shared secret": {"signing_key": "x" * 40, "algorithm": "HS256"},
    "no signature": {"signing_key": None, "algorithm": "none"},
    "another nonce": {"claims": {"nonce": "of another log-in"}},
    "no nonce": {"claims": {"nonce": None}},
    "expired": {"claims": {"iat": 1_000_000_000, "exp": 1_000_000_060}},
    "not yet": {"claims": {"iat": 9_000_000_000, "exp": 9_000_000_060}},
    "another site": {"claims": {"aud": "somebody else"}},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "another person": {"claims": {"sub": "43"}},
    "an endless name": {"person": {**ADA, "sub": "x" * 300}},
    "no name": {"person": {**ADA, "sub": ""}},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_token_that_proves_nothing(what, provider, client):
    for name, value in FORGED[what].items():
        setattr(provider, name, value)
    _refused(_log_in(client), "What Acme sign-on sent does not prove who you are")
    assert _nobody_came(client)


def test_a_state_that_this_browser_never_had(provider, client):
    back = _come_back(_leave(Client()))
    _refused(client.get(back), "Begin again")
    _refused(client.get(re.sub("state=[^&]+", "state=x", _come_back(_leave(client)))), "Begin again")
    _refused(client.get(LOGIN + "callback/"), "Begin again")
    assert _nobody_came(client)


def test_an_answer_is_taken_once(provider, client):
    back = _come_back(_leave(client))
    client.get(back)
    again = Client()
    again.cookies = client.cookies
    _refused(again.get(back), "Begin again")


@pytest.mark.parametrize("error, words", [("access_denied", "was cancelled"), ("server_error", "did not confirm")])
def test_a_no_of_the_provider(provider, client, error, words):
    state = re.search("state=([^&]+)", _leave(client))[1]
    answer = client.get(f"{LOGIN}callback/?error={error}&state={state}", follow=True)
    assert words in answer.content.decode() and _nobody_came(client)


DISCOVERY = "/.well-known/openid-configuration"
JUNK = [(500, b"oops"), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (200, b"null"), (200, b"\xff\xfe"), (404, b"")]


@pytest.mark.parametrize("path", [DISCOVERY, "/token", "/jwks", "/userinfo"])
@pytest.mark.parametrize("answer", JUNK, ids=repr)
def test_a_provider_that_is_broken(provider, client, path, answer):
    """Broken when the button is pressed, and when somebody comes back."""
    back = _come_back(_leave(client))
    provider.answers[path] = answer
    assert client.get(back).status_code == 401
    if path == DISCOVERY:
        assert client.post(LOGIN).status_code == 401
    assert _nobody_came(client)


def test_keys_and_claims_of_strange_kinds(provider, client):
    strange = [{"keys": [{"kty": "RSA", "kid": "one"}]}, {"keys": "x"}, {"keys": [None]}, {"keys": []}]
    for keys in strange:
        provider.answers["/jwks"] = 200, json.dumps(keys).encode()
        assert _log_in(client).status_code == 401, keys
    provider.answers.clear()
    provider.person = {**ADA, "email": 7, "name": ["a"], "given_name": {}, "email_verified": []}
    assert "Almost there" in _log_in(client).content.decode()
    provider.person = {**ADA, "name": "A\0da" + "x" * 500}
    _log_in(Client())
    assert len(User.objects.get(email=ADA["email"]).name) == 120


def test_a_provider_that_is_away(settings, provider, client):
    gone = OpenIdProvider()
    gone.stop()
    app = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]
    back = _come_back(_leave(client))
    app["settings"] = {"server_url": gone.issuer}
    _refused(client.post(LOGIN), "Acme sign-on cannot be reached just now")
    _refused(client.get(back), "Acme sign-on cannot be reached just now")
    assert _nobody_came(client)


def test_nobody_leaves_without_pressing_the_button(provider, client):
    assert "Continue" in client.get(LOGIN).content.decode()
    assert client.post("/accounts/oidc/nothing/login/").status_code == 404
    assert client.get("/accounts/oidc/nothing/login/callback/").status_code == 404
