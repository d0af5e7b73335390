"""Writing together in real browsers: at once, without network, without rights, without websockets, on a phone."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocketRoute, expect
from psycopg.conninfo import make_conninfo

from collab.models import Membership, Role, User
from memories.models import Memory
from tests.running import web
from tests.stores import FOLDER

TEXT = "# Whales\n\nThe white whale swims.\n"
BLOCKED = re.compile(r"WebSocket connection|ERR_FAILED|ERR_INTERNET_DISCONNECTED")


@pytest.fixture(scope="module")
def site(django_db_setup, django_db_blocker) -> Iterator[str]:
    """The web process alone: nothing here waits for a worker."""
    facts = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    environment = {
        "DATABASE_URL": make_conninfo(**{name: facts[key] for name, key in names.items() if facts[key]}),
        "MEMVID_DATA_DIR": str(settings.MEMVID_DATA_DIR),
        "SECRET_KEY": settings.SECRET_KEY,
    }
    with web(environment, FOLDER / "editor.log") as (base, _):
        yield base
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [facts["NAME"]],
        )


@pytest.fixture
def memory(new_memory, workspace, charlie) -> Memory:
    Membership.objects.create(workspace=workspace, user=charlie, role=Role.EDITOR)
    return new_memory({"whales.md": TEXT})


@pytest.fixture
def address(site, memory) -> str:
    return f"{site}/memories/{memory.pk}/documents/{memory.documents.get().number}/edit/"


@pytest.fixture
def another(browser: Browser, site) -> Iterator[Callable[[User], Page]]:
    """A page of somebody else, with a browser of their own."""
    contexts: list[BrowserContext] = []

    def run(user: User) -> Page:
        client = Client()
        client.force_login(user)
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}))
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        contexts[-1].add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": site}])
        return contexts[-1].new_page()

    yield run
    for context in contexts:
        context.close()


class Line:
    """A page's way to the live document, which can be cut while pages still load. To be made before the page opens."""

    def __init__(self, page: Page, sockets: bool = True):
        self.cut, self.sockets, self.open = False, sockets, []
        page.route_web_socket(re.compile("/ws/memories/"), self._socket)
        page.route(re.compile("/live/"), self._request)

    def _socket(self, socket: WebSocketRoute) -> None:
        if self.cut or not self.sockets:
            return socket.close(code=1011)
        socket.connect_to_server()
        self.open.append(socket)

    def _request(self, route: Route) -> None:
        route.abort() if self.cut else route.continue_()

    def lose(self) -> None:
        self.cut = True
        for socket in self.open:
            socket.close(code=1011)
        self.open.clear()


def opened(page: Page, address: str, state: str = "Saved") -> Page:
    page.goto(address)
    expect_state(page, state)
    return page


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("[data-part=state]")).to_have_text(state, timeout=15_000)


def write(page: Page, words: str, line: int = 2, delay: float = 0) -> None:
    page.locator(".cm-line").nth(line).click()
    page.keyboard.press("End")
    page.keyboard.type(words, delay=delay)


def text_of(page: Page) -> str:
    return "\n".join(page.locator(".cm-line").all_inner_texts()).replace("\u2060", "")


def lines_of(page: Page) -> list[str]:
    """As the reader sees them, without carets of others."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".cm-line")].map((line) => {
            const copy = line.cloneNode(true);
            copy.querySelectorAll(".caret").forEach((caret) => caret.remove());
            return copy.textContent;
        })"""
    )


def expect_lines(page: Page, holds: Callable[[list[str]], bool]) -> None:
    for _ in range(200):
        if holds(lines_of(page)):
            return
        page.wait_for_timeout(50)
    raise AssertionError(lines_of(page))


def test_two_people_write_at_once(log_in, another, alice, charlie, address):
    here = opened(log_in(alice), address)
    there = opened(another(charlie), address)
    expect(here.get_by_role("button", name="Charlie is here")).to_be_visible()
    expect(there.get_by_role("button", name="Alice is here")).to_be_visible()
    here.locator(".cm-line").nth(2).click()
    here.keyboard.press("End")
    there.locator(".cm-line").nth(0).click()
    there.keyboard.press("End")
    for mine, theirs in zip(" He is old 🐳.", " and other fish", strict=False):
        here.keyboard.type(mine)
        there.keyboard.type(theirs)
    there.keyboard.type("h")
    expect(there.locator(".caret-name")).to_have_text("Alice")
    for page in (here, there):
        expect_lines(page, lambda lines: lines[2] == "The white whale swims. He is old 🐳.")
        expect_lines(page, lambda lines: lines[0].startswith("# Whales and other fis"))
        expect_state(page, "Saved")
    expect(here.locator("[data-part=preview] p")).to_have_text("The white whale swims. He is old 🐳.")

    here.keyboard.press("Control+z")
    expect_lines(there, lambda lines: lines[2] == "The white whale swims.")
    expect_lines(here, lambda lines: lines[0].startswith("# Whales and other fis"))
