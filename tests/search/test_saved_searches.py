"""Saved searches: whose they are, what is new in them, and that opening one gives nobody more rights."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from django.test import Client
from django.urls import reverse

from collab.models import Membership, Workspace
from memories.models import Chunk, Commit
from search import queries, saved
from search.models import SavedSearch
from tests.search.test_search_views import WHALE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("away")]


@pytest.fixture
def search(workspace, alice) -> SavedSearch:
    return SavedSearch.objects.create(
        user=alice, workspace=workspace, name="Whales", params="q=whale&tag=sea",
        last_seen_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    )  # fmt: skip


def client_of(user) -> Client:
    client = Client()
    client.force_login(user, backend="collab.accounts.Backend")
    return client


def test_one_is_saved_with_what_the_address_means(alice, workspace):
    answer = client_of(alice).post(
        "/search/saved/", {"name": " My  whales ", "params": "q=whale&author=&evil=1&offset=20&like=7", "shared": "on"}
    )
    assert answer["Location"] == "/search/?q=whale"
    row = SavedSearch.objects.get()
    assert (row.name, row.params, row.shared, row.user) == ("My whales", "q=whale", True, alice)
    page = client_of(alice).get("/search/").content.decode()
    assert "My whales" in page and f'hx-get="{reverse("saved-news", args=[row.pk])}"' in page


@pytest.mark.parametrize(
    "form",
    [{"name": "", "params": "q=a"}, {"name": "x", "params": ""}, {"name": "x", "params": "tag=sea"}, {},
     {"name": "x" * 200, "params": "q=a"}, {"name": "x", "params": "q=" + "a" * 9000},
     {"name": "a\x07", "params": "q=a"}, {"name": "x", "params": b"\xff\xfe=%00&q=%00"}],
)  # fmt: skip
def test_what_cannot_be_saved_is_said(alice, workspace, form):
    client = client_of(alice)
    page = client.post("/search/saved/", form, follow=True)
    assert page.status_code == 200 and "alert-danger" in page.content.decode()
    assert not SavedSearch.objects.exists()


def test_there_is_an_end_to_saving(alice, workspace, search, monkeypatch):
    monkeypatch.setattr(saved, "MOST", 1)
    page = client_of(alice).post("/search/saved/", {"name": "x", "params": "q=a"}, follow=True)
    assert "delete one first" in page.content.decode() and SavedSearch.objects.count() == 1


def test_only_what_is_shared_is_seen_and_only_in_its_workspace(alice, bob, charlie, search):
    link = reverse("saved", args=[search.pk])
    assert "Whales" not in client_of(bob).get("/search/").content.decode()
    assert client_of(bob).get(link).status_code == 404
    SavedSearch.objects.update(shared=True)
    assert "shared by Alice" in client_of(bob).get("/search/").content.decode()
    assert client_of(bob).get(link)["Location"] == "/search/?q=whale&tag=sea"
    other = Workspace.objects.create(name="Elsewhere")
    Membership.objects.create(workspace=other, user=charlie)
    assert client_of(charlie).get(link).status_code == 404
    assert "Whales" not in client_of(charlie).get("/search/").content.decode()
    assert "login" in Client().get(link)["Location"]
    Membership.objects.filter(user=alice).delete()  # who has left sees it no more, though it is theirs
    assert client_of(alice).get(link).status_code == 404


def test_whoever_opens_it_finds_what_they_may_see(alice, bob, rows, workspace):
    rows(WHALE, name="Hers", visibility="private")
    row = SavedSearch.objects.create(user=alice, workspace=workspace, name="W", params="q=whale", shared=True)
    link = reverse("saved", args=[row.pk])
    assert "Hers" in client_of(alice).get(link, follow=True).content.decode()
    assert "Hers" not in client_of(bob).get(link, follow=True).content.decode()


@pytest.mark.parametrize("name", ["saved-change", "saved-delete", "saved-news"])
def test_only_its_owner_changes_it(alice, bob, search, name):
    SavedSearch.objects.update(shared=True)
    url = reverse(name, args=[search.pk])

    def send(client: Client):
        return client.get(url) if name == "saved-news" else client.post(url, {"name": "x"})

    assert send(client_of(bob)).status_code == 404
    assert "login" in send(Client())["Location"]
    assert send(client_of(alice)).status_code < 400


def test_rename_and_share(alice, search):
    client_of(alice).post(reverse("saved-change", args=[search.pk]), {"name": "Fish", "shared": "on"})
    search.refresh_from_db()
    assert (search.name, search.shared, search.params) == ("Fish", True, "q=whale&tag=sea")


def test_delete_can_be_undone_by_its_owner_alone(alice, bob, search):
    before = SavedSearch.objects.values().get()
    token = saved.delete(search)
    assert saved.undelete(bob, token) is None and saved.undelete(alice, token + "x") is None
    page = client_of(alice).post("/search/saved/undelete/", {"token": token}, follow=True)
    assert "“Whales” is back." in page.content.decode()
    after = SavedSearch.objects.values().get()
    assert before == after


def test_an_undo_that_is_sent_again_makes_no_second_one(alice, search):
    client, token = client_of(alice), saved.delete(search)
    for _ in range(3):
        page = client.post("/search/saved/undelete/", {"token": token}, follow=True)
        assert "“Whales” is back." in page.content.decode()
    assert SavedSearch.objects.count() == 1


def test_an_undo_makes_no_more_than_one_may_have(alice, workspace, search, monkeypatch):
    monkeypatch.setattr(saved, "MOST", 1)
    token = saved.delete(search)
    other = SavedSearch.objects.create(user=alice, workspace=workspace, name="Other", params="q=a")
    page = client_of(alice).post("/search/saved/undelete/", {"token": token}, follow=True)
    assert "delete one first" in page.content.decode() and SavedSearch.objects.get() == other


def test_the_message_of_a_delete_has_the_way_back(alice, search):
    page = client_of(alice).post(reverse("saved-delete", args=[search.pk]), follow=True).content.decode()
    assert "“Whales” is deleted." in page and "Undo" in page and not SavedSearch.objects.exists()


# -- what is new


def later(row, text: str, time: datetime) -> None:
    number = row.head + 1
    Commit.objects.create(
        memory=row, number=number, time=time, hash="01", first_frame=9, frames=1, put=1, deleted=0, author="Bob"
    )
    first = Chunk.objects.filter(memory=row).first()
    Chunk.objects.create(
        memory=row, document=first.document, order=99, added=number, frame=9, size=1, lines=0, text=text
    )
    type(row).objects.filter(pk=row.pk).update(head=number)


@pytest.fixture
def whales(workspace, alice) -> SavedSearch:
    seen = datetime(2026, 2, 1, 12, tzinfo=UTC)
    return SavedSearch.objects.create(user=alice, workspace=workspace, name="W", params="q=whale", last_seen_at=seen)


def test_new_is_what_later_commits_added_and_matches(rows, whales, index_words):
    row = rows(WHALE)
    assert saved.news(whales) == (0, False)
    later(row, "another whale", whales.last_seen_at + timedelta(minutes=1))
    index_words(row)
    assert saved.news(whales) == (1, False)
    SavedSearch.objects.update(params="q=giraffe")
    assert saved.news(SavedSearch.objects.get()) == (0, False)


def test_new_in_a_memory_that_the_owner_may_not_see_is_not_counted(rows, whales, bob, index_words):
    row = rows(WHALE, visibility="private", created_by=bob)
    later(row, "another whale", whales.last_seen_at + timedelta(minutes=1))
    index_words(row)
    assert saved.news(whales) == (0, False)


def test_where_nothing_was_committed_nothing_is_searched(rows, whales):
    rows(WHALE)
    with patch.object(queries, "search", side_effect=AssertionError):
        assert saved.news(whales) == (0, False)


def test_opening_marks_it_seen_and_shows_what_was_new(alice, rows, whales, index_words):
    row = rows(WHALE)
    later(row, "another whale", whales.last_seen_at + timedelta(minutes=1))
    index_words(row)
    client, link = client_of(alice), reverse("saved", args=[whales.pk])
    assert "1 new since your last look" in client.get(reverse("saved-news", args=[whales.pk])).content.decode()
    page = client.get(link, follow=True).content.decode()
    assert page.count(">new</span>") == 1
    assert "new since" not in client.get(reverse("saved-news", args=[whales.pk])).content.decode()


def test_a_look_of_a_colleague_is_not_the_owners(bob, whales):
    SavedSearch.objects.update(shared=True)
    client_of(bob).get(reverse("saved", args=[whales.pk]))
    assert SavedSearch.objects.get().last_seen_at == whales.last_seen_at
