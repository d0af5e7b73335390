"""What is answered to requests that cannot be right, and to what no view expects."""

import errno

import psycopg
import pytest
from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.db import DataError, InterfaceError, OperationalError
from django.test import Client, RequestFactory, override_settings
from kombu.exceptions import OperationalError as BrokerError
from psycopg import errors as postgres
from redis.exceptions import ConnectionError as RedisAway

from memvid_site import errors

REQUEST = RequestFactory().get("/somewhere/")


def answered(error: BaseException, cause: BaseException | None = None):
    """By the handler of exceptions that nothing else caught."""
    try:
        raise error from cause
    except type(error):
        return errors.server_error(REQUEST)


@pytest.mark.parametrize(
    ("error", "cause", "status"),
    [
        (OperationalError("gone"), None, 503),
        (psycopg.OperationalError("gone while a cursor was closed"), None, 503),
        (OperationalError("pool"), postgres.ConnectionFailure(), 503),
        (OperationalError("stopping"), postgres.AdminShutdown(), 503),
        (OperationalError("deadlock"), postgres.DeadlockDetected(), 503),
        (InterfaceError("closed"), None, 503),
        (RedisAway("refused"), None, 503),
        (BrokerError("refused"), None, 503),
        (OperationalError("full"), postgres.DiskFull(), 507),
        (OSError(errno.ENOSPC, "No space left on device"), None, 507),
        (DataError("cannot contain NUL"), None, 400),
        (OSError(errno.ENOENT, "No such file"), None, 500),
        (ValueError("a bug"), None, 500),
        (OperationalError("syntax"), postgres.OutOfMemory(), 500),
    ],
)
def test_what_will_pass_is_told_apart_from_a_bug(error, cause, status):
    response = answered(error, cause)
    assert response.status_code == status
    assert ("Retry-After" in response) is (status == 503)


@pytest.mark.parametrize("error", [RequestDataTooBig("x"), TooManyFilesSent("x")])
def test_too_much_is_explained(error):
    response = errors.bad_request(REQUEST, error)
    assert response.status_code == 400
    assert "too" in response.content.decode()


@pytest.mark.parametrize("address", ["/search/?q=%00", "/a%00b/", "/memories/?page=1&q=x%00"])
def test_nul_in_an_address_is_refused(db, address):
    response = Client().get(address)
    assert response.status_code == 400
    assert "could not be understood" in response.content.decode()


def test_a_form_from_a_stranger_is_refused_in_plain_words(db):
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a", "password": "b"})
    assert response.status_code == 403
    assert "reload the page" in response.content.decode()


def test_a_form_that_is_too_large_is_refused(db):
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100):
        response = Client().post("/accounts/login/", {"login": "a" * 200})
    assert response.status_code == 400


@override_settings(ALLOWED_HOSTS=["example.org"], SECURE_SSL_REDIRECT=True)
def test_probes_answer_whoever_asks(db):
    assert Client().get("/livez").content == b"ok"
    assert set(Client().get("/readyz").json()) == {"database", "redis", "embedder", "room"}
    assert Client().get("/livez/more").status_code == 400
