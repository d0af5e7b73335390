"""Around the text, in a real browser: comments that reach others, lists that fill by themselves, what changed."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from collab.models import Membership, Role, Thread
from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.models import Memory
from tests.memories.engine.making import make, source

FIRST = "Call me Ishmael.\n\nSome years ago, never mind how long, I went to sea.\n\nThe end.\n"
SECOND = "Call me Ahab.\n\nSome years ago, never mind how long, I went to sea.\n\nThe very end.\n"


@pytest.fixture
def memory(workspace, alice, bob) -> Memory:
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    row = Memory.objects.create(workspace=workspace, created_by=alice, name="Whales")
    row.path.parent.mkdir(parents=True, exist_ok=True)
    make(row.path, {"moby.md": FIRST}).close()
    with MemoryFile.open(row.path) as file:
        file.commit([source("moby.md", SECOND)], message="another name", author="Alice")
    mirror.follow(row)
    row.refresh_from_db()
    yield row
    row.path.unlink(missing_ok=True)


@pytest.fixture
def both(log_in, browser: Browser, browser_context_args, page, alice, bob):
    """Two people, each with a browser of their own."""
    from django.conf import settings
    from django.test import Client

    first = log_in(alice)
    context = browser.new_context(**browser_context_args)
    client = Client()
    client.force_login(bob)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value

    def open_(base: str) -> Page:
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": base}])
        return context.new_page()

    yield first, open_
    context.close()


def test_a_comment_reaches_the_other_and_a_list_fills_by_itself(site, both, memory):
    alices, open_ = both
    bobs = open_(site)
    address = f"{site}/memories/{memory.pk}/documents/1/"
    alices.goto(address)
    bobs.goto(address)
    expect(bobs.locator("#comments")).to_contain_text("Nobody has said anything")
    passage = alices.locator(".chunk-words").first
    passage.evaluate("element => getSelection().setBaseAndExtent(element.firstChild, 8, element.firstChild, 12)")
    expect(alices.locator("[data-comment-shown]")).to_have_text("Ahab")
    field = alices.get_by_label("Comment", exact=True)
    field.fill("Is that right, ")
    field.press_sequentially("@b")
    alices.get_by_role("option", name=re.compile("Bob")).click()
    expect(field).to_have_value("Is that right, @Bob ")
    alices.get_by_role("button", name="Comment", exact=True).click()
    thread = bobs.locator(".thread")
    expect(thread).to_contain_text("Is that right, @Bob")
    expect(bobs.locator("#bell_count")).to_contain_text("1")
    thread.get_by_label("Reply").fill("It is")
    thread.get_by_role("button", name="Reply").click()
    expect(alices.locator(".thread")).to_contain_text("It is")
    alices.locator(".thread").get_by_role("button", name="Resolve").click()
    expect(bobs.locator(".thread summary")).to_contain_text("Resolved by Alice")
    assert Thread.objects.get().quote == "Ahab"

    bobs.get_by_role("button", name="Notifications").click()
    bobs.get_by_role("button", name=re.compile("Alice mentioned you")).click()
    bobs.wait_for_url(re.compile(r"#thread-\d+$"))

    bobs.goto(f"{site}/memories/")
    expect(bobs.get_by_role("link", name="Whales")).to_be_visible()
    alices.goto(f"{site}/memories/new/")
    alices.get_by_role("textbox", name="Name").fill("Lighthouses")
    alices.get_by_role("button", name="Make the memory").click()
    expect(bobs.get_by_role("link", name="Lighthouses")).to_be_visible()


def test_what_changed_and_the_comparison(site, log_in, memory, alice):
    page = log_in(alice)
    page.goto(f"{site}/memories/{memory.pk}/documents/1/history/")
    change = page.locator(".difference-change").first
    expect(change.locator(".difference-old del")).to_have_text("Ishmael")
    expect(change.locator(".difference-new ins")).to_have_text("Ahab")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(change.locator(".difference-inline")).to_have_text(re.compile("Call me IshmaelAhab"))
    expect(change.locator(".difference-old")).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{site}/memories/{memory.pk}/history/")
    page.get_by_role("link", name="What changed").first.click()
    expect(page.locator("#comparison")).to_contain_text("reworded")
    expect(page.locator("#comparison del").first).to_have_text("Ishmael")
    page.goto(f"{site}/activity/")
    expect(page.locator("#activity")).to_contain_text("another name")
