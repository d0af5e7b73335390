"""What the tests of the editor do with its page."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, WebSocketRoute, expect

BLOCKED = re.compile(r"WebSocket connection|ERR_FAILED|ERR_INTERNET_DISCONNECTED|status of 409")


class Problems(list[str]):
    def append(self, problem: str) -> None:
        if not BLOCKED.search(problem):
            super().append(problem)


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
    expect(page.locator("[data-part=state]")).to_have_text(state)


def write(page: Page, words: str, line: int = 2, delay: float = 0) -> None:
    page.locator(".cm-line").nth(line).click()
    page.keyboard.press("End")
    page.keyboard.type(words, delay=delay)


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
