"""From two people in one text to the video, and back: the whole way of an edit, with the worker at work."""

import json
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from collab.models import Membership, Role
from memories import mirror
from memories.cli.main import main as memvid
from memories.models import Memory

from .editing import Line, Problems, expect_lines, expect_state, opened, write

JOB_TIME = 60_000
SWIMS = "The white whale swims."
TEXT = f"# Whales\n\n{SWIMS}\n\nNobody has caught him.\n"


@pytest.fixture
def problems() -> list[str]:
    return Problems()


@pytest.fixture
def memory(new_memory, workspace, bob, charlie) -> Memory:
    Membership.objects.create(workspace=workspace, user=charlie, role=Role.EDITOR)
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    return new_memory({"whales.md": TEXT})


def commit_now(page: Page, message: str, number: int) -> None:
    page.get_by_role("button", name="Commit now").click()
    page.get_by_label("What was done").fill(message)
    page.get_by_role("button", name="Commit", exact=True).click()
    line = page.locator("[data-part=projected]")
    expect(line).to_contain_text(f"All of it is in the video (commit {number}", timeout=JOB_TIME)


def test_written_by_two_one_of_them_offline_committed_and_a_paragraph_restored(
    site, log_in, another, alice, bob, charlie, memory, capsys
):
    document = f"{site}/memories/{memory.pk}/documents/1/"
    here, there = log_in(alice), another(charlie)
    line = Line(there)
    for page in (here, there):
        opened(page, f"{document}edit/")
    write(here, " He is old.", line=2)
    expect_lines(there, lambda lines: lines[2] == "The white whale swims. He is old.")
    line.lose()
    write(there, " Yet.", line=4)
    expect_state(there, "Saved on this device")
    write(here, " Fast, too.", line=2)
    expect_state(here, "Saved")
    line.cut = False
    for page in (here, there):
        expect_lines(page, lambda lines: lines[2] == "The white whale swims. He is old. Fast, too.")
        expect_lines(page, lambda lines: lines[4] == "Nobody has caught him. Yet.")
    commit_now(here, "What we know", 2)

    there.locator(".cm-line").nth(4).click()
    there.keyboard.press("Home")
    there.keyboard.press("Shift+End")
    there.keyboard.press("Delete")
    expect_lines(here, lambda lines: lines[4] == "")
    commit_now(there, "Not sure of that", 3)

    third = another(bob)
    third.goto(f"{document}?at=2")
    expect(third.locator(".document-text")).to_contain_text("Nobody has caught him. Yet.")
    third.goto(f"{document}history/?from=2&to=3")
    third.get_by_role("link", name="Compare with now").first.click()
    passage = third.locator(".difference-change", has_text="Nobody has caught him. Yet.")
    passage.get_by_role("button").click()
    for page in (here, there):
        expect_lines(page, lambda lines: "Nobody has caught him. Yet." in lines)
    commit_now(here, "Back again", 4)

    found = history(memory, capsys)
    assert found["What we know"] == "Alice, Charlie"
    assert found["Not sure of that"] == "Charlie"
    assert found["Back again"] == "Bob"


def history(memory: Memory, capsys) -> dict[str, str]:
    """The authors by message, as the command knows them."""
    memvid(["history", str(memory.path), "--json"])
    commits = json.loads(capsys.readouterr().out)["commits"]
    return {commit["message"]: commit["author"] for commit in commits}


@pytest.fixture
def hours_ago(new_memory, workspace, bob, charlie, monkeypatch) -> Memory:
    """A memory whose first commit is three hours old."""
    Membership.objects.create(workspace=workspace, user=charlie, role=Role.EDITOR)
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    then = time.time() - 3 * 3600
    with monkeypatch.context() as patch:
        patch.setattr("memories.engine.writer.time.time", lambda: then)
        return new_memory({"whales.md": TEXT})


def test_a_third_opens_the_memory_as_it_was_an_hour_before_and_puts_a_paragraph_back(
    site, log_in, another, alice, bob, charlie, hours_ago, capsys
):
    memory = hours_ago
    edit = f"{site}/memories/{memory.pk}/documents/1/edit/"
    here, there = log_in(alice), another(charlie)
    line = Line(there)
    for page in (here, there):
        opened(page, edit)
    line.lose()
    there.locator(".cm-line").nth(4).click()
    for key in ("Home", "Shift+End", "Delete"):
        there.keyboard.press(key)
    there.keyboard.type("Somebody has caught him.")
    expect_state(there, "Saved on this device")
    write(here, " He is old.", line=2)
    line.cut = False
    for page in (here, there):
        expect_lines(
            page, lambda lines: lines[2:5:2] == ["The white whale swims. He is old.", "Somebody has caught him."]
        )
    commit_now(here, "What became of him", 2)

    third = another(bob)
    third.goto(f"{site}/memories/{memory.pk}/")
    third.get_by_role("navigation", name="Parts of this memory").get_by_role("link", name="History").click()
    third.get_by_role("link", name="an hour ago").click()
    expect(third.get_by_role("status").filter(has_text="as of commit 1")).to_be_visible()
    third.get_by_role("link", name="whales.md").click()
    words = third.locator(".document-text")
    expect(words).to_contain_text("Nobody has caught him.")
    expect(words).not_to_contain_text("Somebody")
    third.get_by_role("link", name="What changed since, restore").click()
    passage = third.locator(".difference-change", has_text="Nobody")
    passage.get_by_role("button", name="Put back as it was").click()
    for page in (here, there):
        expect_lines(
            page, lambda lines: lines[2:5:2] == ["The white whale swims. He is old.", "Nobody has caught him."]
        )
    commit_now(here, "He is free", 3)
    assert history(memory, capsys) == {
        "first": "", "What became of him": "Alice, Charlie", "He is free": "Bob",
    }  # fmt: skip


def test_a_date_is_read_in_the_time_of_the_readers_place(site, another, bob, hours_ago, append):
    append(hours_ago, {"whales.md": "All is new."})
    mirror.follow(hours_ago)
    third = another(bob, timezone_id="Asia/Kolkata")
    third.goto(f"{site}/memories/{hours_ago.pk}/history/")
    an_hour_ago = datetime.now(ZoneInfo("Asia/Kolkata")) - timedelta(hours=1)
    third.get_by_label("As it was on (your time)").fill(an_hour_ago.strftime("%Y-%m-%dT%H:%M"))
    third.get_by_role("button", name="Open").click()
    expect(third.get_by_role("status").filter(has_text="as of commit 1")).to_be_visible()
