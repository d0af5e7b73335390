"""From two people in one text to the video, and back: the whole way of an edit, with the worker at work."""

import json

import pytest
from playwright.sync_api import Page, expect

from collab.models import Membership, Role
from memories.cli.main import main as memvid
from memories.models import Memory

from .editing import Line, Problems, expect_lines, expect_state, opened, write

JOB_TIME = 60_000
TEXT = "# Whales\n\nThe white whale swims.\n\nNobody has caught him.\n"


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

    memvid(["history", str(memory.path), "--json"])
    commits = json.loads(capsys.readouterr().out)
    commits = commits["commits"] if isinstance(commits, dict) else commits
    found = {commit["message"]: commit["author"] for commit in commits}
    assert found["What we know"] == "Alice, Charlie"
    assert found["Not sure of that"] == "Charlie"
    assert found["Back again"] == "Bob"
