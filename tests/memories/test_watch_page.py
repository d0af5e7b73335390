"""The watch page: what it shows of a memory at its head and as of an earlier commit, and to whom."""

import json
import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.media.files import OPEN_FILES
from memories.models import Memory

HOSTILE = [
    "\0",
    "-1",
    "0",
    "99999999999999999999",
    "1e9",
    "x" * 5000,
    "\N{GREEK SMALL LETTER ALPHA}",
    "1;drop",
    "",
    "NaN",
    "\udcff",
]


@pytest.fixture(autouse=True)
def closed_files():
    yield
    OPEN_FILES.close()


@pytest.fixture
def watched(new_memory, append):
    """Three commits: two documents, then one more, then one removed."""
    row = new_memory({"a.txt": "call me ishmael", "b.txt": "it was the best of times"})
    append(row, {"c.txt": "new words"})
    with MemoryFile.open(row.path) as file:
        file.remove(["a.txt"], message="A was <wrong>")
    mirror.follow(row)
    return row


@pytest.fixture
def get(client, alice):
    client.force_login(alice)

    def run(row, name="watch", *args, htmx=False, **query):
        headers = {"HX-Request": "true"} if htmx else {}
        return client.get(reverse(name, args=[row.pk, *args]), query, headers=headers)

    return run


def facts(html: str) -> dict[str, str]:
    return dict(re.findall(r'data-(last|at|frame|rate|media-type)="([^"]*)"', html.split('<div class="watch"')[1]))


def test_the_page_knows_its_player(get, watched):
    html = get(watched).content.decode()
    shown = facts(html)
    assert shown["at"] == "3" and float(shown["rate"]) == 30 and "av01" in shown["media-type"]
    assert reverse("video", args=[watched.pk]) in html and "b.txt" in html and "c.txt" in html
    starts = json.loads(re.search(r'id="watch_commits"[^>]*>(.*?)</script>', html)[1])
    assert [number for number, _ in starts] == [1, 2, 3]


def test_as_of_a_commit(get, watched):
    html = get(watched, at=1).content.decode()
    first = watched.commits.get(number=1)
    assert "a.txt" in html and "c.txt" not in html and "As it was" in html
    assert facts(html)["at"] == "1"
    assert f'data-last="{first.frames - 1}"' in html
    assert "As it was" not in get(watched, at=3).content.decode()


def test_the_slider_brings_the_state_alone(get, watched):
    html = get(watched, htmx=True, at=2).content.decode()
    assert html.strip().startswith('<section class="watch-state"') and "<html" not in html
    assert all(name in html for name in ("a.txt", "b.txt", "c.txt"))
    last = get(watched, htmx=True, at=3).content.decode()
    assert "A was &lt;wrong&gt;" in last and "a.txt" not in last


def test_the_player_ends_with_the_commit(get, watched):
    html = get(watched, at=1, frame=999).content.decode()
    shown = facts(html)
    assert shown["frame"] == str(watched.commits.get(number=1).frames - 1)


def test_the_chunks_of_a_document(get, watched):
    number = watched.documents.get(path="a.txt").number
    html = get(watched, "watch-document", number, at=1).content.decode()
    frame = watched.chunks.get(document__path="a.txt").frame
    assert "call me ishmael" in html and f'data-seek="{frame}"' in html
    assert "held no text then" in get(watched, "watch-document", number, at=3).content.decode()
    assert get(watched, "watch-document", 999).status_code == 404
    assert get(watched, "watch-document", 10**30).status_code == 404


def test_an_empty_memory(get, workspace, alice):
    row = Memory.objects.create(workspace=workspace, created_by=alice, name="New")
    assert "Nothing to watch yet" in get(row).content.decode()


def test_a_file_that_cannot_be_read(get, watched):
    watched.path.write_bytes(b"nonsense")
    page = get(watched)
    assert page.status_code == 200 and 'role="alert"' in page.content.decode()
    assert str(watched.path.parent) not in page.content.decode()


@pytest.mark.parametrize("value", HOSTILE)
def test_senseless_addresses(get, watched, value):
    query = dict.fromkeys(("frame", "at", "page", "size"), value.encode("utf-8", "replace"))
    number = watched.documents.first().number
    for name, args in (("watch", []), ("watch-document", [number]), ("frame", [0]), ("frame-text", [0])):
        assert get(watched, name, *args, **query).status_code in (200, 400)


def test_who_may_look(client, new_memory, alice, bob, charlie):
    private, team, public = (new_memory(visibility=kind) for kind in ("private", "team", "public"))
    seen = lambda row: client.get(reverse("watch", args=[row.pk])).status_code  # noqa: E731
    assert [seen(row) for row in (private, team, public)] == [302, 302, 200]  # to the login
    for person, expected in ((alice, [200, 200, 200]), (bob, [404, 200, 200]), (charlie, [404, 404, 200])):
        client.force_login(person)
        assert [seen(row) for row in (private, team, public)] == expected
    assert client.get(reverse("watch", args=[uuid4()])).status_code == 404
    assert client.post(reverse("watch", args=[public.pk])).status_code == 405
    client.force_login(charlie)
    number = team.documents.first().number
    assert client.get(reverse("watch-document", args=[team.pk, number])).status_code == 404


def test_more_rows_take_no_more_queries(get, new_memory, append):
    row = new_memory({"a.txt": "one", "b.txt": "two"})

    def count() -> int:
        pages = [("watch", []), ("watch-document", [row.documents.first().number]), ("frame-text", [1])]
        with CaptureQueriesContext(
            connection,
        ) as found:
            for name, args in pages:
                assert get(row, name, *args, at=row.head).status_code == 200
        return len(found)

    count()
    before = count()
    append(row, {f"{n}.txt": f"text of {n} " * 300 for n in range(10)})
    append(row, {f"{n}.md": f"note {n}" for n in range(5)})
    mirror.follow(row)
    row.refresh_from_db()
    assert count() == before
