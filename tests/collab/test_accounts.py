"""Every page of the account, in the site's own frame, and what keeps an account safe."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client

from tests.conftest import PASSWORD

ENTRANCE = ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/password/reset/done/"]
ENTRANCE += ["/accounts/password/reset/key/x-y/", "/accounts/password/reset/key/done/", "/accounts/confirm-email/x/"]
ENTRANCE += ["/accounts/confirm-email/", "/accounts/inactive/", "/accounts/3rdparty/login/cancelled/"]
OWN = ["/accounts/email/", "/accounts/password/change/", "/accounts/2fa/", "/accounts/3rdparty/", "/account/"]


@pytest.fixture(autouse=True)
def no_rate_limits(settings):
    settings.ACCOUNT_RATE_LIMITS = False


@pytest.fixture
def verified(alice) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)


@pytest.fixture
def fresh(alice, workspace, verified) -> Client:
    """Alice, who has just shown once more that it is her."""
    client = Client()
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def _clean(answer, status: int = 200) -> str:
    text = answer.content.decode()
    assert answer.status_code == status
    assert "Memvid Workspace" in text and 'href="/static/app.css"' in text
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", text), "the policy forbids it"
    assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", text))
    return text


@pytest.mark.parametrize("url", ENTRANCE)
def test_pages_before_the_log_in(db, url):
    _clean(Client().get(url))


def test_a_log_in_that_failed_elsewhere(db):
    _clean(Client().get("/accounts/3rdparty/login/error/"), 401)


@pytest.mark.parametrize("url", OWN)
def test_pages_of_the_account(fresh, url):
    _clean(fresh.get(url))


def test_the_log_out_is_asked_for(fresh):
    _clean(fresh.get("/accounts/logout/"))
    fresh.post("/accounts/logout/")
    assert 'name="password"' in fresh.get("/").content.decode()


def test_sensitive_changes_ask_for_the_password_again(as_, alice, workspace, verified):
    answer = as_(alice).get("/accounts/2fa/totp/activate/", follow=True)
    assert "Is it you?" in _clean(answer)


def _code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def test_two_step_login_from_turning_on_to_turning_off(fresh, alice):
    page = _clean(fresh.get("/accounts/2fa/totp/activate/"))
    secret = re.search(r'id="authenticator_secret"[^>]*value="(\w+)"', page)[1]
    assert "Incorrect code" in _clean(fresh.post("/accounts/2fa/totp/activate/", {"code": "nonsense"}))
    fresh.post("/accounts/2fa/totp/activate/", {"code": _code(secret)})
    assert "Turn off" in _clean(fresh.get("/accounts/2fa/"))
    codes = re.search(r"<textarea[^>]*>([^<]+)<", _clean(fresh.get("/accounts/2fa/recovery-codes/")))[1].split()
    assert len(codes) == 10
    _clean(fresh.get("/accounts/2fa/recovery-codes/generate/"))

    other = Client()
    step = other.post("/accounts/login/", {"login": alice.email, "password": PASSWORD}, follow=True)
    assert "Second step" in _clean(step)
    assert "password" in other.get("/").content.decode(), "not in yet"
    other.post("/accounts/2fa/authenticate/", {"code": codes[0]})
    assert other.get("/settings/").status_code == 200

    _clean(fresh.get("/accounts/2fa/totp/deactivate/"))
    fresh.post("/accounts/2fa/totp/deactivate/")
    assert "Turn on" in _clean(fresh.get("/accounts/2fa/"))


def test_a_forgotten_password_is_reset_by_mail(alice, workspace, verified):
    client = Client()
    client.post("/accounts/password/reset/", {"email": alice.email})
    link = re.search(r"http://\S+", mail.outbox[0].body)[0]
    step = client.get(link, follow=True)
    assert "Choose a new password" in _clean(step)
    done = client.post(step.redirect_chain[-1][0], {"password1": "quite another one", "password2": "quite another one"})
    assert done.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password("quite another one")
    assert "does not work" in _clean(Client().get(link, follow=True)), "used twice"


def test_addresses_are_added_and_removed(fresh, alice):
    fresh.post("/accounts/email/", {"action_add": "1", "email": "second@example.org"})
    assert "not verified" in _clean(fresh.get("/accounts/email/"))
    fresh.post("/accounts/email/", {"action_remove": "1", "email": "second@example.org"})
    assert "second@example.org" not in re.sub(r'role="status".*?</div>', "", _clean(fresh.get("/accounts/email/")))


@pytest.fixture
def single_sign_on(settings):
    app = {"provider_id": "oidc", "name": "Acme sign-on", "client_id": "a", "secret": "b"}
    app["settings"] = {"server_url": "https://login.example.org"}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}


def test_single_sign_on_has_a_button_where_it_is_set_up(db, single_sign_on):
    for url in ("/", "/accounts/login/", "/accounts/signup/"):
        assert "Acme sign-on" in _clean(Client().get(url))
    assert "Continue" in _clean(Client().get("/accounts/oidc/oidc/login/"))


def test_a_connected_account_is_listed(fresh, alice, single_sign_on):
    SocialAccount.objects.create(user=alice, provider="oidc", uid="42", extra_data={"userinfo": {"name": "A. Liddell"}})
    assert "Disconnect" in _clean(fresh.get("/accounts/3rdparty/"))


def test_without_single_sign_on_no_button(db):
    assert "sign-on" not in _clean(Client().get("/accounts/login/"))
