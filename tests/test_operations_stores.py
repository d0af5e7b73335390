"""What visitors see while the database or the broker is away, and after it came back."""

import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from memvid_site.stores import Postgres, Valkey
from tests.running import ROOT, answer, await_status, web


@pytest.fixture(scope="module")
def own() -> Iterator[SimpleNamespace]:
    """A web server with stores that these tests may stop."""
    with tempfile.TemporaryDirectory(prefix="memvid-own-") as folder:
        data = Path(folder)
        data.chmod(0o755)  # as root, PostgreSQL runs as another user
        database, broker = Postgres(data), Valkey(data)
        try:
            environment = {"DATABASE_URL": database.start(), "REDIS_URL": broker.start(), "MEMVID_DATA_DIR": folder}
            migrate = [sys.executable, "manage.py", "migrate", "-v0"]
            subprocess.run(migrate, cwd=ROOT, env={**os.environ, **environment}, check=True)
            with web(environment, data / "web.log") as (base, process):
                yield SimpleNamespace(base=base, process=process, database=database, broker=broker)
        finally:
            broker.stop()
            database.stop()


@pytest.mark.parametrize(
    ("store", "fact", "place"),
    [("database", "database", "/invite/any-token/"), ("broker", "redis", "/accounts/password/reset/")],
)
def test_a_store_that_is_away_is_a_503_that_passes(own, store, fact, place):
    """The login form needs no store; the others would be a 500 each."""
    address = own.base + place
    before = visit(own, store, address)[0]
    assert before < 500
    getattr(own, store).stop()
    try:
        status, text, headers = visit(own, store, address)
        assert status == 503
        assert int(headers["Retry-After"]) > 0
        assert "Nothing is lost" in text
        status, text, _ = answer(f"{own.base}/readyz")
        assert status == 503 and f'"{fact}": false' in text
        assert answer(f"{own.base}/livez")[0] == 200
    finally:
        getattr(own, store).start()
    await_status(f"{own.base}/readyz", 200, own.process)
    assert visit(own, store, address)[0] == before


def visit(own, store: str, address: str) -> tuple:
    """A page that reads the database; for the broker, which also counts attempts, a form is sent."""
    if store == "database":
        return answer(address)
    return post(address, {"email": "nobody@example.org"})


def post(address: str, fields: dict[str, str]) -> tuple:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = browser.open(address).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    form = urlencode({**fields, "csrfmiddlewaretoken": token}).encode()
    try:
        with browser.open(urllib.request.Request(address, form, {"Referer": address})) as response:
            return response.status, response.read().decode(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers
