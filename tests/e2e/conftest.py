"""A real browser on a real site: web, worker and embedder run as processes on the test database."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from psycopg.conninfo import make_conninfo

from collab.models import User
from tests.running import whole_site
from tests.stores import FOLDER

expect.set_options(timeout=30_000)  # milliseconds; the other parts of the suite keep both cores busy

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (e) =>
    console.error(`content security policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
"""


def chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in CHROMIUM if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here sees committed rows, as the site's processes must see them too."""
    for item in items:
        if item.path.parent.name == "e2e":
            item.add_marker(pytest.mark.django_db(transaction=True))
            if chromium() is None:
                item.add_marker(pytest.mark.skip("no Chromium was found: install it, or name it with CHROMIUM=PATH"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]  # a container has neither
    return {**browser_type_launch_args, "executable_path": chromium(), "args": arguments}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict) -> dict:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="package")
def site(django_db_setup, django_db_blocker) -> Iterator[str]:
    """The address of the running site; its worker must not take the jobs of other tests."""
    facts = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    database = make_conninfo(**{name: facts[key] for name, key in names.items() if facts[key]})
    environment = {
        "DATABASE_URL": database,
        "MEMVID_DATA_DIR": str(settings.MEMVID_DATA_DIR),
        "SECRET_KEY": settings.SECRET_KEY,
        "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend",
    }
    with whole_site(environment, FOLDER / "site.log", settings.EMBEDDER_SOCKET) as base:
        yield base
    with django_db_blocker.unblock(), connection.cursor() as cursor:  # else the test database cannot be dropped
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [facts["NAME"]],
        )
    with django_db_blocker.unblock():
        connection.close()  # opened beside Playwright's loop, it is not the one that is closed at the end


@pytest.fixture
def problems() -> list[str]:
    """What the browser complained of; a test that provokes a complaint takes it out again."""
    return []


@pytest.fixture
def page(page: Page, problems: list[str]) -> Iterator[Page]:
    """A page whose console must stay free of errors, those of the content security policy included."""

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(f"{page.url}: {message.text} ({message.location.get('url', '')})")

    page.add_init_script(REPORT_VIOLATIONS)
    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    yield page
    assert problems == []


@pytest.fixture
def log_in(site: str, page: Page) -> Callable[[User], Page]:
    """Without the form, which limits how often one may try."""

    def run(user: User) -> Page:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": site}])
        return page

    return run


@pytest.fixture
def another(browser: Browser, site) -> Iterator[Callable[..., Page]]:
    """A page of somebody else, with a browser of their own."""
    contexts: list[BrowserContext] = []

    def run(user: User, **facts: Any) -> Page:
        client = Client()
        client.force_login(user)
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}, **facts))
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        contexts[-1].add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": site}])
        return contexts[-1].new_page()

    yield run
    for context in contexts:
        context.close()
