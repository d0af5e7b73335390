"""What a new person does first, in a real browser, from the login to the file in their hands."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from memories.cli.main import main as memvid
from tests.conftest import PASSWORD

JOB_TIME = 60_000  # milliseconds, with other work on the machine
BOOKS = {
    "moby.txt": "Call me Ishmael. Some years ago I thought I would sail about a little.\n\n"
    "All hands stood by to see the white whale rise beside the ship.\n",
    "tale.txt": "It was the best of times, it was the worst of times.\n",
    "sub/ça.md": "# Notes\n\nA café by the sea, where nobody speaks of ships.\n",
}


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    for name, text in BOOKS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def log_in_by_form(page: Page, site: str, email: str) -> None:
    page.goto(f"{site}/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site}/")


def await_job(page: Page) -> None:
    """On the page of a job, without a reload."""
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/"))
    expect(page.locator("#job [role=status] .badge").first).to_have_text(
        re.compile("done", re.IGNORECASE), timeout=JOB_TIME
    )


def is_drawn(image: Locator) -> bool:
    return image.evaluate("image => image.decode().then(() => image.naturalWidth > 1)")


def test_from_a_folder_to_a_verified_file(site, page, workspace, alice, books, tmp_path):
    log_in_by_form(page, site, alice.email)

    page.goto(f"{site}/memories/new/")
    page.locator("[data-folder]").set_input_files(books)
    expect(page.locator("[data-upload-status]")).to_contain_text("3 files chosen")
    page.get_by_role("textbox", name="Name").fill("Whales")
    page.get_by_role("button", name="Make the memory").click()
    await_job(page)
    for name in ("moby.txt", "tale.txt", "ça.md"):
        expect(page.locator(".file-row", has_text=name)).to_contain_text(re.compile("stored", re.IGNORECASE))
    page.get_by_role("link", name="Whales").first.click()
    memory = page.url
    expect(page.locator("#memory")).to_contain_text("books/sub/")
    assert is_drawn(page.locator("#memory img.card-frame"))

    page.keyboard.press("Control+k")
    expect(page.get_by_label("Search your memories")).to_be_focused()
    page.keyboard.type("the white whale")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/search/\?q=the"))
    first = page.locator("#results .hit").first
    expect(first).to_contain_text("white whale")
    first.locator("[data-hit]").click()
    passage = page.locator(".chunk-marked")
    expect(passage).to_contain_text("the white whale rise beside the ship")

    passage.get_by_title("The frame of the video that holds this passage").click()
    expect(page.locator("#watch_frame")).to_contain_text("the white whale rise beside the ship")
    assert is_drawn(page.locator("img[data-part=picture]"))

    (tmp_path / "more.txt").write_text("The harpooneer sharpened his iron.\n")
    page.goto(memory)
    page.locator("input[name=file]").set_input_files(tmp_path / "more.txt")
    await_job(page)
    page.goto(memory)
    expect(page.locator("#memory")).to_contain_text("more.txt")

    page.goto(f"{memory}download/")
    now = page.locator(".row-line", has_text="As it is now")
    now.get_by_role("button").click()
    with page.expect_download(timeout=JOB_TIME) as waiting:
        now.get_by_role("link", name=re.compile("Download")).click(timeout=JOB_TIME)
    waiting.value.save_as(tmp_path / "whales.mp4")
    assert memvid(["verify", str(tmp_path / "whales.mp4")]) == 0
    assert memvid(["export", str(tmp_path / "whales.mp4"), str(tmp_path / "restored")]) == 0
    assert (tmp_path / "restored/books/sub/ça.md").read_text() == BOOKS["sub/ça.md"]
    assert (tmp_path / "restored/more.txt").exists()
