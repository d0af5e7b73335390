"""Nonsense in every form: a page that says no, never a 500."""

import random

import pytest
from django.test import Client

NOISE = random.Random(7)
VALUES = [
    "", "\0", "a\0b", "\ud800".encode("utf-8", "surrogatepass"), b"\xff\xfe\xfd", "x" * 70_000, "9" * 400, "-1",
    "1e999", "NaN", "<script>alert(1)</script>", "' OR 1=1 --", "{{ 7|add:7 }}", "../../etc/passwd", "\u202egpj.exe",
    "☃" * 300, NOISE.randbytes(200), NOISE.randbytes(2000),
]  # fmt: skip
FIELDS = ("name", "role", "days", "email", "login", "password", "password1", "password2", "oldpassword", "code", "next")
FIELDS += ("action_add", "remember", "account", "signup", "page", "q")
OPEN = ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/2fa/authenticate/")
OPEN += ("/accounts/password/reset/key/a-b/", "/accounts/confirm-email/a/", "/accounts/reauthenticate/", "/invite/a/")
OWN = ("/settings/", "/settings/members/{bob}/role/", "/settings/invitations/", "/settings/invitations/revoke/")
OWN += ("/workspaces/new/", "/account/", "/accounts/email/", "/accounts/password/change/", "/accounts/3rdparty/")
OWN += ("/accounts/2fa/totp/activate/", "/accounts/2fa/recovery-codes/generate/", "/settings/leave/", "/")


@pytest.fixture(autouse=True)
def no_rate_limits(settings):
    settings.ACCOUNT_RATE_LIMITS = False


def _send(client: Client, url: str) -> None:
    for value in VALUES:
        for answer in (client.post(url, dict.fromkeys(FIELDS, value)), client.get(url, dict.fromkeys(FIELDS, value))):
            assert answer.status_code < 500, (url, value, answer.status_code)
    raw = client.post(url, NOISE.randbytes(500), content_type="application/x-www-form-urlencoded")
    assert raw.status_code < 500, (url, raw.status_code)
    broken = client.post(
        url, b"--x\r\nContent-Disposition: form-data\r\n\r\n\xff", content_type="multipart/form-data; boundary=x"
    )
    assert broken.status_code < 500, (url, broken.status_code)


@pytest.mark.parametrize("url", OPEN)
def test_forms_before_the_log_in(db, url):
    _send(Client(raise_request_exception=False), url)


@pytest.mark.parametrize("url", OWN)
def test_forms_of_members(db, alice, workspace, bobs, url):
    client = Client(raise_request_exception=False)
    client.force_login(alice, backend="collab.accounts.Backend")
    _send(client, url.format(bob=bobs.pk))


@pytest.mark.parametrize("cookie", ["x", "a" * 4000, "../../x", "%00"])
def test_a_forged_session(db, cookie):
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = cookie
    assert client.get("/").status_code == 200
