"""The search page in a real browser, used by its keys alone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, expect

from memories.models import Memory

TEXTS = {
    "moby.txt": "Call me Ishmael.\n\n" + "\n\n".join(
        f"Chapter {n}. " + "The white whale rose beside the ship and all hands stood by. " * 12 for n in range(1, 9)
    ),
    "notes.md": "Sailors speak of the white whale as of a ghost.",
    **{f"logs/{n:02}.txt": f"Day {n}: a whale was seen." for n in range(30)},
}  # fmt: skip

BEGINS_IN_SIGHT = """hit => {
    const [box, own] = [".context-text", ".context-own"].map((part) => hit.querySelector(part).getBoundingClientRect());
    return box.top <= own.top && own.top < box.bottom - 24;
}"""


@pytest.fixture
def ocean(new_memory: Callable[..., Memory]) -> Memory:
    new_memory({"other.txt": "The whale in another memory."}, name="Second")
    return new_memory(TEXTS, name="Ocean", tags=["sea"])


@pytest.fixture
def searching(site: str, ocean: Memory, log_in: Callable, alice) -> Page:
    page = log_in(alice)
    page.goto(f"{site}/search/")
    expect(page.get_by_label("Search for")).to_be_focused()
    return page


def search(page: Page, words: str) -> None:
    page.keyboard.type(words)
    expect(page).to_have_url(re.compile(re.escape(words.replace(" ", "+"))))
    expect(page.locator("#results .hit").first).to_be_visible()


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.closest('[data-passage]')?.dataset.place ?? document.activeElement.id")


def test_the_other_passages_of_a_document_unfold(searching):
    page = searching
    search(page, "ship hands whale")
    expect(page.locator("#results .hit").first).to_contain_text("moby.txt")
    page.keyboard.press("ArrowDown")
    first = focused(page)
    page.set_viewport_size({"width": 1280, "height": 600})
    page.evaluate("document.activeElement.closest('li').scrollIntoView({ block: 'end' })")
    page.keyboard.press("d")
    inner = page.locator(".hit-inner [data-passage]")
    expect(inner.first).to_be_visible()
    expect(inner.first).to_be_in_viewport()
    assert focused(page) == first
    page.keyboard.press("d")
    expect(inner.first).to_be_hidden()
    page.keyboard.press("d")
    shown = inner.count()
    page.keyboard.press("ArrowDown")
    places = [focused(page)]
    for _ in range(shown):
        page.keyboard.press("ArrowDown")
        places.append(focused(page))
    assert len(set(places)) == shown + 1 and first not in places
    page.keyboard.press("e")
    page.keyboard.press("/")
    assert focused(page) == "search-q"


def test_the_keys_work_where_nothing_has_the_focus(site, searching):
    page = searching
    page.goto(f"{site}/search/?q=whale")
    page.keyboard.press("ArrowDown")
    assert focused(page) == "1"
    page.locator("#results [data-hit]").nth(3).focus()
    left = focused(page)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/documents/"))
    page.go_back()
    expect(page.locator("#results .hit").first).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowDown")
    assert focused(page) == left
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    assert focused(page) == "search-q"


def test_from_the_first_key_to_the_frame(site, searching):
    page = searching
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    search(page, "white whale")
    expect(page.locator("#search-said")).to_have_text(re.compile(r"^\d+ passages"))
    first = page.locator("[data-passage]").first

    page.keyboard.press("ArrowDown")
    assert focused(page) == "1"
    page.keyboard.press("ArrowUp")
    assert focused(page) == "search-q"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("e")
    expect(first.locator(".context-own")).to_be_visible()
    expect(page.locator("#search-said")).to_have_text("The passages around it are shown.")
    assert first.evaluate(BEGINS_IN_SIGHT)
    expect(first.locator("[data-context]")).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#search-said")).to_have_text("The passages around it are shown.")
    page.keyboard.press("e")
    expect(first.locator(".context")).to_have_count(0)
    page.keyboard.press("c")
    expect(page.locator("#messages")).to_contain_text("Copied with its citation")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "white whale" in copied and "in the memory Ocean, frame" in copied and f"{site}/memories/" in copied

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys of this page")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys of this page")).to_be_hidden()
    page.keyboard.press("/")
    assert focused(page) == "search-q"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("m")
    page.wait_for_url(re.compile(r"/search/\?like=\d+"))
    expect(page.locator(".search-like")).to_contain_text("Passages like this one from")
    page.go_back()
    expect(page.get_by_label("Search for")).to_have_value("white whale")

    page.get_by_label("Search for").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("o")
    page.wait_for_url(re.compile(r"/watch/\?frame=\d+"))
    page.go_back()
    page.get_by_label("Search for").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".chunk-marked")).to_contain_text("white whale")
    page.goto(f"{site}/search/")
    expect(page.get_by_role("region", name="Searched lately")).to_contain_text("white whale")


def test_filters_live_in_the_address(searching, ocean):
    page = searching
    search(page, "whale")
    page.get_by_role("checkbox", name=re.compile("^Ocean")).focus()
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile(f"memory={ocean.pk}"))
    chip = page.get_by_role("link", name="Remove the filter Ocean")
    expect(chip).to_be_visible()
    expect(page.locator("#results")).not_to_contain_text("Second")
    expect(page.get_by_label("at commit")).to_be_visible()

    page.reload()
    expect(page.get_by_role("checkbox", name=re.compile("^Ocean"))).to_be_checked()
    expect(page.get_by_label("Search for")).to_have_value("whale")
    page.go_back()
    expect(page.get_by_role("checkbox", name=re.compile("^Ocean"))).not_to_be_checked()
    page.go_forward()
    chip.focus()
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile("memory="))
    expect(page.get_by_label("Search for")).to_be_focused()
    expect(page.get_by_role("checkbox", name=re.compile("^Ocean"))).not_to_be_checked()


def test_typing_on_keeps_the_search_that_stood(site, searching):
    page = searching
    page.goto(f"{site}/search/?q=whale")
    field = page.get_by_label("Search for")
    field.press("End")
    page.keyboard.type(" ship")
    expect(page).to_have_url(re.compile(r"q=whale\+ship"))
    page.go_back()
    expect(page).to_have_url(re.compile("q=whale$"))
    expect(field).to_have_value("whale")
    page.go_forward()
    expect(field).to_have_value("whale ship")


def test_a_long_query_is_cut_at_what_an_address_bears_and_says_so(searching):
    page = searching
    field = page.get_by_label("Search for")
    field.fill("whale " + "鯨" * 2_000)
    note = page.locator(
        "[data-cut]", has_text="Only the first 449 characters were searched for."
    )  # 6 and 443 times 9 bytes
    expect(note).to_be_visible()
    page.reload()
    expect(field).to_have_value("whale " + "鯨" * 443)
    expect(note).to_have_count(0)
    page.get_by_role("link", name="Over time").click()  # three headers name the address
    expect(page.locator("#over-time")).to_be_visible()
    field.fill("whale " * 600)
    expect(page).to_have_url(re.compile(r"(whale\+){599}whale"))
    expect(note).to_have_count(0)


def test_the_list_grows_as_one_walks_and_ends(searching):
    page = searching
    search(page, "whale")
    for _ in range(200):
        before = focused(page)
        page.keyboard.press("ArrowDown")
        page.wait_for_function("() => !document.querySelector('#next.htmx-request, #next .htmx-request')")
        if focused(page) == before and page.locator(".search-end").count():
            break
    expect(page.locator(".search-end")).to_have_text("That is all.")
    expect(page.locator("ol.hits")).to_have_count(4)
    assert page.locator("[data-passage]").count() > 20


def test_an_older_answer_never_overwrites_a_newer_one(searching):
    """The first answer is held back until the second one is on the page."""
    page = searching
    held: list = []

    def hold(route, request: Request) -> None:
        if "q=ghost" in request.url:
            held.append(route)
        else:
            route.continue_()

    page.route(re.compile(r"/search/\?"), hold)
    with page.expect_request(re.compile("q=ghost")):
        page.keyboard.type("ghost")
    page.keyboard.press("Control+a")
    page.keyboard.type("Ishmael")
    expect(page.locator("#results")).to_contain_text("Ishmael")
    for route in held:
        route.continue_()
    page.unroute_all(behavior="ignoreErrors")
    expect(page).to_have_url(re.compile("q=Ishmael"))
    expect(page.locator("#results")).to_contain_text("Ishmael")
    expect(page.locator("#results")).not_to_contain_text("ghost")


def test_a_search_is_saved_renamed_deleted_and_brought_back(searching):
    page = searching
    search(page, "white whale")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("The whale")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("“The whale” is saved")

    page.goto(re.sub(r"\?.*", "", page.url))
    button = page.get_by_role("button", name="Rename, share or delete The whale")
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("A ghost")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="A ghost").first).to_be_visible()
    page.get_by_role("button", name="Rename, share or delete A ghost").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(page.locator("#messages")).to_contain_text("is deleted")
    expect(page.get_by_role("link", name="A ghost")).to_have_count(0)
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_role("link", name="A ghost").first).to_be_visible()


def test_without_a_clipboard_the_citation_can_be_selected(site, searching):
    page = searching
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    search(page, "Ishmael")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Copy the citation")
    expect(dialog.get_by_label("Citation")).to_have_value(re.compile("Call me Ishmael"))
    expect(dialog.get_by_label("Citation")).to_be_focused()
    assert "Ishmael" in page.evaluate("getSelection().toString()")


@pytest.mark.parametrize("width", [360, 390])
def test_a_narrow_page_is_no_wider_than_the_screen(site, searching, width):
    page = searching
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{site}/search/?q=white+whale&tag=sea&author=x{'y' * 150}&until=2999-01-01")
    page.get_by_role("button", name="Filters").press("Enter")
    expect(page.get_by_label("Author of the change")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
