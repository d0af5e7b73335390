"""Writing together in real browsers: at once, without network, without rights, without websockets, on a phone."""

import re
from itertools import zip_longest
from pathlib import Path

import pytest
from django.db.models import F
from playwright.sync_api import expect

from collab.models import LiveDocument, Membership, Role
from memories.models import Commit, Memory

from .editing import Line, Problems, expect_lines, expect_state, lines_of, opened, write

TEXT = "# Whales\n\nThe white whale swims.\n"


@pytest.fixture
def problems() -> list[str]:
    """But for the browser's own words about a network that a test takes away."""
    return Problems()


@pytest.fixture
def memory(new_memory, workspace, charlie) -> Memory:
    Membership.objects.create(workspace=workspace, user=charlie, role=Role.EDITOR)
    return new_memory({"whales.md": TEXT})


@pytest.fixture
def address(site, memory) -> str:
    return f"{site}/memories/{memory.pk}/documents/{memory.documents.get().number}/edit/"


def test_two_people_write_at_once(log_in, another, alice, charlie, address):
    here = opened(log_in(alice), address)
    there = opened(another(charlie), address)
    expect(here.get_by_role("button", name="Charlie is here")).to_be_visible()
    expect(there.get_by_role("button", name="Alice is here")).to_be_visible()
    here.locator(".cm-line").nth(2).click()
    here.keyboard.press("End")
    there.locator(".cm-line").nth(0).click()
    there.keyboard.press("End")
    for mine, theirs in zip_longest(" He is old 🐳.", " and other fish", fillvalue=""):
        here.keyboard.type(mine)
        there.keyboard.type(theirs)
    expect(there.locator(".caret-name")).to_have_text("Alice")
    for page in (here, there):
        expect_lines(page, lambda lines: lines[2] == "The white whale swims. He is old 🐳.")
        expect_lines(page, lambda lines: lines[0] == "# Whales and other fish")
        expect_state(page, "Saved")
    expect(here.locator("[data-part=preview] p")).to_have_text("The white whale swims. He is old 🐳.")

    for _ in range(12):  # words typed slowly are taken back one by one
        here.keyboard.press("Control+z")
    expect_lines(there, lambda lines: lines[2] == "The white whale swims.")
    expect_lines(here, lambda lines: lines[0] == "# Whales and other fish")


def test_what_is_typed_without_network_survives_a_reload_and_merges(log_in, another, alice, charlie, address):
    here = log_in(alice)
    line = Line(here)
    here.on("dialog", lambda dialog: dialog.accept())  # "leave the page?"
    opened(here, address)
    there = opened(another(charlie), address)
    line.lose()
    for word in (" one", " two", " three"):
        write(here, word)
        expect_state(here, "Saved on this device")
    write(there, " Meanwhile.", line=0)
    expect_state(there, "Saved")

    opened(here, address, "Saved on this device")
    expect_lines(here, lambda lines: lines[2] == "The white whale swims. one two three")
    assert lines_of(here)[0] == "# Whales"
    write(here, " four")
    expect_state(here, "Saved on this device")
    opened(here, address, "Saved on this device")

    line.cut = False
    for page in (here, there):
        expect_lines(page, lambda lines: lines[0] == "# Whales Meanwhile.")
        expect_lines(page, lambda lines: lines[2] == "The white whale swims. one two three four")
        expect_state(page, "Saved")
    opened(here, address)
    assert lines_of(here) == ["# Whales Meanwhile.", "", "The white whale swims. one two three four", ""]


def test_who_is_offline_hears_of_it_and_comes_back_by_themselves(log_in, alice, address):
    page = opened(log_in(alice), address)
    page.context.set_offline(True)
    write(page, " Gone.")
    expect_state(page, "Saved on this device")
    expect(page.locator("[data-part=detail]")).to_contain_text("as soon as that can be reached")
    page.context.set_offline(False)
    expect_state(page, "Saved")
    expect(page.locator("[data-part=detail]")).to_be_hidden()


def test_where_websockets_are_blocked_the_same_text_goes_by_requests(log_in, another, alice, charlie, address):
    here = log_in(alice)
    line = Line(here, sockets=False)
    opened(here, address)
    there = opened(another(charlie), address)
    expect(here.locator("[data-part=detail]")).to_contain_text("Live connections are blocked here")
    write(here, " By request.")
    expect_lines(there, lambda lines: lines[2] == "The white whale swims. By request.")
    expect_state(here, "Saved")
    write(there, " By socket.", line=0)
    expect_lines(here, lambda lines: lines[0] == "# Whales By socket.")

    line.cut = True
    write(here, " Later.")
    expect_state(here, "Saved on this device")
    line.cut = False
    expect_state(here, "Saved")
    expect_lines(there, lambda lines: lines[2] == "The white whale swims. By request. Later.")


def test_commit_now_brings_the_text_into_the_video_with_a_message(log_in, another, alice, charlie, address, memory):
    here = opened(log_in(alice), address)
    there = opened(another(charlie), address)
    line = here.locator("[data-part=projected]")
    expect(line).to_contain_text("All of it is in the video (commit 1")
    expect(here.get_by_role("button", name="Commit now")).to_be_disabled()
    write(here, " Old.")
    write(there, " Big.", line=0)
    expect(line).to_contain_text("In the video up to commit 1")
    expect_lines(here, lambda lines: lines[0] == "# Whales Big.")
    here.get_by_role("button", name="Commit now").click()
    here.get_by_label("What was done").fill("Two facts")
    with here.expect_response(re.compile("/commit/$")):
        here.get_by_role("button", name="Commit", exact=True).click()
    for page in (here, there):
        expect(page.locator("[data-part=projected]")).to_contain_text("All of it is in the video (commit 2")
    expect(here.locator("[data-part=commit-note]")).to_be_empty()
    commit = Commit.objects.get(memory=memory, number=2)
    assert (commit.message, commit.author) == ("Two facts", "Alice, Charlie")


def test_a_reader_sees_and_cannot_write(log_in, another, alice, bob, address):
    writer = opened(log_in(alice), address)
    reader = opened(another(bob), address, "View only")
    write(writer, " Look!")
    expect_lines(reader, lambda lines: lines[2] == "The white whale swims. Look!")
    reader.locator(".cm-line").nth(2).click()
    reader.keyboard.type("no")
    reader.keyboard.press("Control+z")
    reader.keyboard.press("Delete")
    expect(reader.get_by_role("button", name="Commit now")).to_have_count(0)
    expect(writer.get_by_role("button", name="Bob is here")).to_be_visible()
    write(writer, " Again.")
    for page in (writer, reader):
        expect_lines(page, lambda lines: lines[2] == "The white whale swims. Look! Again.")


def test_following_scrolls_with_a_person_until_one_moves(log_in, another, alice, charlie, new_memory, workspace, site):
    Membership.objects.create(workspace=workspace, user=charlie, role=Role.EDITOR)
    long = new_memory({"long.md": "\n".join(f"line {number}" for number in range(400))})
    address = f"{site}/memories/{long.pk}/documents/{long.documents.get().number}/edit/"
    here = opened(log_in(alice), address)
    there = opened(another(charlie), address)
    there.locator(".cm-line").nth(0).click()
    here.get_by_role("button", name="Charlie is here").click()
    expect(here.locator("[data-part=following]")).to_contain_text("Following Charlie")
    there.keyboard.press("Control+End")
    there.keyboard.type(" here")
    expect(here.locator(".cm-line", has_text="line 399 here")).to_be_in_viewport()
    here.get_by_role("button", name="Stop").click()
    there.keyboard.press("Control+Home")
    there.keyboard.type("top ")
    expect(there.locator(".cm-line", has_text="top line 0")).to_be_in_viewport()
    expect(here.locator("[data-part=following]")).to_be_hidden()
    expect(here.locator(".cm-line", has_text="line 399 here")).to_be_in_viewport()


def test_a_text_that_was_begun_anew_leaves_the_old_one_as_a_draft(log_in, alice, address):
    page = log_in(alice)
    line = Line(page)
    opened(page, address)
    line.lose()
    write(page, " Mine.")
    expect_state(page, "Saved on this device")
    LiveDocument.objects.update(generation=F("generation") + 1)
    line.cut = False
    expect_state(page, "Reload needed")
    draft = page.locator(".draft")
    expect(draft).to_contain_text("A text of yours could not be merged.")

    page.get_by_role("button", name="Reload").click()
    expect_state(page, "Saved")
    assert lines_of(page)[2] == "The white whale swims."
    draft.get_by_text("Show it").click()
    expect(draft.locator("pre")).to_contain_text("The white whale swims. Mine.")
    with page.expect_download() as waiting:
        draft.get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename == "whales.md"
    assert Path(waiting.value.path()).read_text() == "# Whales\n\nThe white whale swims. Mine.\n"
    draft.get_by_role("button", name="Discard").click()
    draft.get_by_role("button", name="Discard it for good").click()
    expect(draft).to_have_count(0)
    opened(page, address)
    expect(draft).to_have_count(0)


def test_losing_the_right_closes_the_editor(log_in, another, alice, charlie, workspace, address, site):
    owner = log_in(alice)
    page = opened(another(charlie), address)
    write(page, " Mine.")
    expect_state(page, "Saved")
    member = Membership.objects.get(workspace=workspace, user=charlie)

    owner.goto(f"{site}/settings/")
    row = owner.locator(f"form[action$='/members/{member.pk}/role/']")
    with owner.expect_navigation():
        row.locator("select").select_option("viewer")
    expect_state(page, "View only")
    page.keyboard.type("too late")
    assert "too late" not in "".join(lines_of(page))

    owner.goto(f"{site}/settings/")
    owner.locator(f"form[action$='/members/{member.pk}/remove/'] button").click()
    owner.get_by_role("dialog").get_by_role("button").last.click()
    expect_state(page, "Reload needed")
    expect(page.locator("[data-part=detail]")).to_contain_text("you may not open", ignore_case=True)
    expect(page.locator(".cm-content")).to_be_hidden()


def test_on_a_phone(log_in, alice, address):
    page = log_in(alice)
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, address)
    expect(page.locator("[data-part=chip]")).to_be_in_viewport()
    expect(page.locator("[data-part=preview]")).to_be_hidden()
    write(page, " On *the* way.")
    expect_state(page, "Saved")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("[data-part=preview] em")).to_have_text("the")
    expect(page.locator(".cm-content")).to_be_hidden()
    expect(page.locator("[data-part=chip]")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_written_is_not_run(log_in, alice, new_memory, site):
    text = (
        "<img src=x onerror=alert(1)> <b>bold</b>\n\n![pixel](https://example.org/track.png)\n\n"
        "[click](javascript:alert(1)) [there](https://example.org/)\n\n|a|\n|--:|\n|1|\n"
    )
    evil = new_memory({"evil.md": text})
    page = opened(log_in(alice), f"{site}/memories/{evil.pk}/documents/{evil.documents.get().number}/edit/")
    preview = page.locator("[data-part=preview]")
    expect(preview).to_contain_text("<img src=x onerror=alert(1)> <b>bold</b>")
    expect(preview.locator("img, b, script, [style]")).to_have_count(0)
    links = preview.locator("a").evaluate_all("links => links.map(link => [link.href, link.rel])")
    away = "noopener noreferrer nofollow"
    assert links == [["https://example.org/track.png", away], ["https://example.org/", away]]


def test_logging_out_asks_about_unsaved_text_and_leaves_nothing_behind(log_in, alice, address):
    page = log_in(alice)
    line = Line(page)
    opened(page, address)
    line.lose()
    write(page, " Secret.")
    expect_state(page, "Saved on this device")
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("button", name="Log out").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("What you wrote in a document is on this device only.")
    question.get_by_role("button", name="Cancel").click()
    expect_state(page, "Saved on this device")

    page.get_by_role("button", name="Your account").click()
    page.get_by_role("button", name="Log out").click()
    question.get_by_role("button", name="Delete it and log out").click()
    expect(page.get_by_label("Email")).to_be_visible()
    kept = page.evaluate(
        """() => new Promise((done) => {
            indexedDB.open("memvid-live").onsuccess = ({ target: { result: database } }) => {
                const names = [...database.objectStoreNames];
                const transaction = database.transaction(names);
                const counts = names.map((name) => transaction.objectStore(name).count());
                transaction.oncomplete = () => done(counts.map((count) => count.result));
            };
        })"""
    )
    assert kept == [0, 0, 0]
