"""Asking in a real browser: by keyboard alone, on a phone's width, without scripts, and stopping an answer."""

import re
from collections.abc import Iterator
from threading import Event

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from search.models import Conversation, Turn
from tests.running import web
from tests.search.speaking import Handler, Server, speaking
from tests.stores import FOLDER

BOOKS = {
    "moby.md": "# The white whale\n\nThe white whale was first seen near Japan in 1819. Nobody believed it.\n\n"
    "Captain Ahab lost his leg to the white whale. He swore revenge.\n",
    "tea.md": "# Tea\n\nGreen tea should steep for two minutes. Black tea needs four minutes.\n",
}
QUESTION = "Where was the white whale first seen?"


@pytest.fixture
def books(new_memory):
    return new_memory(BOOKS)


def test_asked_and_opened_by_keyboard_alone(site, log_in, alice, books):
    page = log_in(alice)
    page.goto(f"{site}/ask/")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("Where was the white whale")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("first seen?")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/ask/[0-9a-f-]{36}/"))
    turn = page.locator(".turn[id]")
    expect(turn.locator(".turn-answer")).to_contain_text("first seen near Japan in 1819.")
    expect(turn).to_contain_text("No language model is set up here")
    expect(page.get_by_label("Your question")).to_be_focused()
    assert Turn.objects.get().question == "Where was the white whale\nfirst seen?"

    page.keyboard.type("and why?")
    page.keyboard.press("Enter")
    expect(page.locator(".turn[id]")).to_have_count(2)
    expect(page.locator(".turn[id]").nth(1)).to_contain_text("Searched together with the question before")

    cite = turn.first.locator("a.cite").first
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        if cite.evaluate("chip => chip === document.activeElement"):
            break
    expect(cite).to_be_focused()
    card = page.locator(".cite-card")
    expect(card).to_contain_text("Nobody believed it")
    expect(card).to_contain_text("Books")
    expect(card.get_by_role("link", name=re.compile("Frame"))).to_have_attribute("href", re.compile(r"watch/\?frame="))
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator(".chunk-marked")).to_contain_text("first seen near Japan")
    page.go_back()
    expect(page.locator(".turn[id]")).to_have_count(2)


def test_a_refused_question_says_why_and_can_be_written_anew(site, log_in, alice, books, problems):
    page = log_in(alice)
    page.goto(f"{site}/ask/")
    page.keyboard.type("???")
    page.keyboard.press("Enter")
    expect(page.locator(".turn-how")).to_have_text("There is no word in this question.")
    expect(page.get_by_label("Your question")).to_have_value("???")
    assert len(problems) == 1 and "422" in problems.pop()


def test_a_conversation_is_kept_renamed_exported_and_deleted(site, log_in, alice, books):
    page = log_in(alice)
    page.goto(f"{site}/ask/")
    page.get_by_role("button", name="What is said about").first.click()
    expect(page.locator(".turn[id]")).to_have_count(1)
    page.get_by_text("Rename", exact=True).click()
    page.get_by_label("Name of this conversation").fill("About whales")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("About whales")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Markdown").click()
    assert waiting.value.suggested_filename == "about-whales.md"
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#messages")).to_contain_text("is deleted")
    assert Conversation.objects.count() == 0


@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_is_wider_than_the_page(site, log_in, alice, books, width):
    page = log_in(alice)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{site}/ask/")
    assert _fits(page)
    page.get_by_label("Your question").fill(f"{'long' * 60} {QUESTION}")
    page.keyboard.press("Enter")
    expect(page.locator(".turn[id]")).to_have_count(1)
    assert _fits(page)
    page.get_by_text("Rename", exact=True).click()
    assert _fits(page)


def _fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts(site, browser: Browser, alice, books):
    client = Client()
    client.force_login(alice)
    with browser.new_context(java_script_enabled=False) as context:
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": site}])
        page = context.new_page()
        page.goto(f"{site}/ask/")
        page.get_by_label("Your question").fill(QUESTION)
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.locator(".turn-answer")).to_contain_text("Japan in 1819")
        page.locator("a.cite").first.click()
        expect(page.locator(".chunk-marked")).to_contain_text("Japan in 1819")


@pytest.fixture
def slow(site) -> Iterator[tuple[str, Server]]:
    """A second web process, which has a language model that begins an answer and goes on thinking."""

    def stalls(handler: Handler) -> None:
        handler.begin()
        handler.say("Near Japan [1]. And <b>then</b>")
        handler.hold()

    from django.db import connection
    from psycopg.conninfo import make_conninfo

    facts = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    with speaking() as server:
        server.script = stalls
        environment = {
            "DATABASE_URL": make_conninfo(**{name: facts[key] for name, key in names.items() if facts[key]}),
            "MEMVID_DATA_DIR": str(settings.MEMVID_DATA_DIR),
            "SECRET_KEY": settings.SECRET_KEY,
            "MEMVID_LLM_BASE_URL": server.address,
            "MEMVID_LLM_MODEL": "tiny",
        }
        with web(environment, FOLDER / "slow.log") as (base, _):
            yield base, server


def test_while_the_model_writes_nothing_the_page_waits_for_it(slow, log_in, alice, books):
    def speaks_when_asked(handler: Handler) -> None:
        handler.begin()
        while not go_on.wait(0.02):
            handler.raw(b": not yet\n\n")
        handler.say("Near Japan [1]. Born [99]. And then")
        handler.hold()

    base, server = slow
    server.script, go_on = speaks_when_asked, Event()
    page = log_in(alice)
    page.goto(f"{base}/ask/")
    page.get_by_label("Your question").fill(QUESTION)
    page.keyboard.press("Enter")
    how = page.locator(".turn-how")
    expect(how).to_have_text("Waiting for the language model…")
    go_on.set()
    expect(how).to_have_text("Written by a language model from the numbered passages.")
    expect(page.locator(".claim")).to_have_text(["Near Japan.1", "Born.", "And then"])
    expect(page.locator(".claim.is-unsourced")).to_have_text("Born.")


@pytest.mark.parametrize("how", ["Escape", "Stop", "leave"])
def test_stopping_ends_the_model_and_keeps_what_was_said(slow, log_in, alice, books, how):
    base, server = slow
    page = log_in(alice)
    page.goto(f"{base}/ask/")
    page.get_by_label("Your question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".turn-answer")).to_contain_text("And <b>then</b>")
    if how == "leave":
        page.goto(f"{base}/")
    elif how == "Stop":
        page.get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press("Escape")
    if how != "leave":
        expect(page.locator(".turn-how")).to_contain_text("Stopped. What was written so far is kept.")
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
        expect(page.locator("h1")).to_have_text(QUESTION)
        expect(page.get_by_role("button", name="Delete")).to_be_visible()
        expect(page.locator("[data-chat=list] [aria-current=page]")).to_contain_text(QUESTION)
    assert server.left.wait(20), "the connection to the language model is closed"
    for _ in range(200):  # it is written down after that
        if Turn.objects.get().state != Turn.State.OPEN:
            break
        page.wait_for_timeout(50)
    page.goto(f"{base}/ask/{Conversation.objects.get().pk}/")
    expect(page.locator(".turn")).to_contain_text("Stopped here")
    assert Turn.objects.get().pieces[0] == {"text": "Near Japan.", "cites": [1]}
