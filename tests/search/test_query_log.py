"""The query log: what is remembered, of whom, and how a person gets rid of it."""

import logging
import re

import pytest
from django.db import DatabaseError
from django.test import Client

from search import querylog
from search.models import LoggedQuery
from tests.search.test_search_views import WHALE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("away")]
TYPED = {"HX-Request": "true", "X-Search-Typed": "1"}


@pytest.fixture
def logged_in(client, alice, rows) -> Client:
    rows(WHALE)
    client.force_login(alice, backend="collab.accounts.Backend")
    return client


def ticket_of(response) -> str:
    return re.search(r'data-ticket="([^"]*)"', response.content.decode())[1]


def test_a_page_that_was_loaded_is_logged_once(logged_in, alice, workspace):
    for _ in range(3):
        logged_in.get("/search/", {"q": "white  whale", "mode": "fuzzy", "tag": "sea"})
    row = LoggedQuery.objects.get()
    assert (row.user, row.workspace, row.query, row.mode) == (alice, workspace, "white whale", "fuzzy")
    assert row.filters == {"tag": ["sea"], "mode": ["fuzzy"]} and row.clicked is None
    logged_in.get("/search/", {"q": "white whale"})
    assert LoggedQuery.objects.count() == 2


def test_keys_are_not_logged_but_what_stands_or_is_opened_is(logged_in):
    for query in ("w", "wh", "whale"):
        ticket = ticket_of(logged_in.get("/search/", {"q": query}, headers=TYPED))
    assert not LoggedQuery.objects.exists()
    assert logged_in.post("/search/settled/", {"ticket": ticket}).status_code == 204
    assert LoggedQuery.objects.get().query == "whale"
    logged_in.post("/search/settled/", {"ticket": ticket, "clicked": "3"})
    assert (LoggedQuery.objects.get().clicked, LoggedQuery.objects.get().count) == (3, 1)


def test_further_results_and_signs_alone_are_not_logged(logged_in):
    logged_in.get("/search/", {"q": "whale", "offset": 20}, headers={"HX-Request": "true"})
    logged_in.get("/search/", {"q": "!!!"})
    logged_in.get("/search/", {"tag": "sea"})
    assert not LoggedQuery.objects.exists()


@pytest.mark.parametrize("form", [{}, {"ticket": "x"}, {"ticket": "x" * 30_000}, {"ticket": b"\xff"}, {"clicked": "y"}])
def test_a_forged_ticket_is_no_search(logged_in, form):
    assert logged_in.post("/search/settled/", form).status_code == 204
    assert not LoggedQuery.objects.exists()


def test_a_ticket_of_somebody_else_is_no_search(logged_in, bob):
    ticket = ticket_of(logged_in.get("/search/", {"q": "whale"}, headers=TYPED))
    logged_in.force_login(bob, backend="collab.accounts.Backend")
    logged_in.post("/search/settled/", {"ticket": ticket})
    assert not LoggedQuery.objects.exists()


def test_strangers_log_nothing(client):
    assert "login" in client.post("/search/settled/", {"ticket": "x"})["Location"]
    assert client.get("/search/settled/").status_code == 405


def test_what_goes_wrong_with_the_log_does_not_harm_the_search(logged_in, monkeypatch, caplog):
    def fail(*_):
        raise DatabaseError("no room")

    monkeypatch.setattr(querylog, "_insert", fail)
    logging.getLogger("memvid.search").propagate = True
    page = logged_in.get("/search/", {"q": "whale"})
    assert page.status_code == 200 and "<mark>whale</mark>" in page.content.decode()
    assert "a search was not logged: no room" in caplog.text


def test_a_person_can_switch_it_off_and_delete_what_was(logged_in, alice, bob):
    logged_in.get("/search/", {"q": "whale"})
    before = LoggedQuery.objects.get()
    LoggedQuery.objects.create(id="0" * 32, user=bob, query="his", count=0, milliseconds=0, mode="hybrid")
    page = logged_in.post("/account/searches/", {}, follow=True).content.decode()
    alice.refresh_from_db()
    assert "no longer remembered" in page and not alice.log_searches
    assert ticket_of(logged_in.get("/search/", {"q": "ship"})) == ""
    assert set(LoggedQuery.objects.values_list("query", flat=True)) == {"his", before.query}
    page = logged_in.post("/account/searches/forget/", follow=True).content.decode()
    assert "1 remembered search deleted" in page and LoggedQuery.objects.get().query == "his"
    logged_in.post("/account/searches/", {"log_searches": "on"})
    alice.refresh_from_db()
    assert alice.log_searches


def test_the_field_offers_ones_own_last_searches(logged_in, bob, alice):
    for query in ("first & last", "second", "second"):
        logged_in.get("/search/", {"q": query})
    LoggedQuery.objects.create(id="0" * 32, user=bob, query="his secret", count=0, milliseconds=0, mode="hybrid")
    html = logged_in.get("/search/quick/").content.decode()
    assert html.count('role="option"') == 2 and html.index("second") < html.index("first &amp; last")
    assert "/search/?q=first%20%26%20last" in html and "secret" not in html
    assert "Searched lately" in logged_in.get("/search/").content.decode()
    logged_in.post("/account/searches/", {})
    assert logged_in.get("/search/quick/").content.strip() == b""


def test_the_panel_lists_what_is_searched_for_but_not_by_whom(logged_in, bob, alice):
    logged_in.get("/search/", {"q": "white whale", "tag": "sea"})
    bob.is_staff = bob.is_superuser = True
    bob.save()
    row = LoggedQuery.objects.get()
    assert logged_in.get("/admin/search/loggedquery/").status_code == 302
    logged_in.force_login(bob, backend="collab.accounts.Backend")
    for url in ("/admin/search/loggedquery/", f"/admin/search/loggedquery/{row.pk}/change/"):
        html = logged_in.get(url).content.decode()
        assert "white whale" in html and "alice" not in html.lower()
