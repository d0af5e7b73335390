"""The search page, its parts, and the field on every page."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.forms import SearchForm
from search.models import SavedSearch
from tests.collab.test_hostile import VALUES as NOISE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("away")]
URL = "/search/"
WHALE = {"moby.txt": ["Call me Ishmael.", "The white whale swam before him."]}


@pytest.mark.parametrize("name", ["search", "search-quick", "search-state"])
def test_a_stranger_has_to_log_in(client, name):
    response = client.get(reverse(name), {"q": "whale"})
    assert response.status_code == 302 and "login" in response["Location"]


def test_a_hit_leads_to_its_document_and_frame(page, rows):
    row = rows(WHALE)
    html = page(q="white whale")
    assert "The <mark>white</mark> <mark>whale</mark> swam before him." in html
    assert f'href="{reverse("document", args=[row.pk, 1])}?chunk={1 << 24}"' in html
    assert f'href="{reverse("watch", args=[row.pk])}?frame=1"' in html
    assert f'src="{reverse("frame", args=[row.pk, 1])}?size=256"' in html
    assert "Books" in html and "Alice" in html and ">words<" in html


def test_htmx_gets_the_results_alone_and_back_gets_the_page(client, page, alice, rows):
    rows(WHALE)
    assert page(q="whale", htmx=True).lstrip().startswith('<section id="results"')
    response = client.get(URL, {"q": "whale"}, headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<!doctype html>" in response.content.decode() and "HX-Request" in response["Vary"]


def test_the_empty_states(page, rows):
    assert "There is nothing to search yet" in page()
    rows(WHALE)
    assert "Ask as you would ask a colleague" in page()
    assert "Nothing matches" in page(q="giraffe")


def test_it_says_that_meaning_is_not_searched_and_asks_again(page, rows, away):
    rows(WHALE)
    html = page(q="whale")
    assert "Searched by words only" in html and 'hx-trigger="every 5s"' in html
    away.update(state="ready", model="small")
    assert "By words and meaning" in page("/search/state/") and "every 5s" not in page("/search/state/")


def test_more_results_follow_where_the_first_ended(page, rows):
    rows({f"{place}.txt": [f"whale {place}"] for place in range(25)})
    first, more = page(q="whale"), page(q="whale", offset=20, htmx=True)
    assert first.count('<li class="hit">') == 10 and "offset=10" in first and "That is all" not in first
    assert more.count('<li class="hit">') == 5 and 'start="21"' in more
    assert "More results" not in more and "That is all" in more


def test_a_search_in_one_memory(page, client, rows, workspace, bob):
    one, _ = rows(WHALE), rows(WHALE, name="Other")
    hidden = rows(WHALE, name="Hidden", visibility="private", created_by=bob)
    html = page(q="whale", memory=str(one.pk))
    assert html.count('<li class="hit">') == 1 and "1 passage in Books" in html
    assert str(hidden.pk) not in page(q="whale") and "Hidden" not in page(q="whale")


@pytest.mark.parametrize("other", ["hidden", "unknown", "nonsense"])
def test_a_chosen_memory_that_one_may_not_see_is_as_one_that_is_not_there(page, rows, bob, other):
    hidden = rows(WHALE, name="Hidden", visibility="private", created_by=bob)
    key = {"hidden": str(hidden.pk), "unknown": str(uuid4()), "nonsense": "x"}[other]
    rows(WHALE)
    html = page(q="whale", memory=key)
    assert '<li class="hit">' not in html and "are not there, or you may not see them" in html
    assert "Hidden" not in html


def test_the_first_hits_for_the_field_on_every_page(page, rows):
    rows({"a.txt": [f"whale {place}" for place in range(9)]})
    html = page("/search/quick/", q="whale & co")
    assert html.count('role="option"') == 7 and "/search/?q=whale+%26+co" in html
    assert "Nothing matches “giraffe”" in page("/search/quick/", q="giraffe")
    assert page("/search/quick/").strip() == ""


@pytest.mark.parametrize(
    "query",
    [{"offset": "-1"}, {"offset": "9" * 400}, {"offset": "1.5"}],
)
def test_an_address_that_makes_no_sense_is_not_found(client, alice, query):
    client.force_login(alice)
    assert client.get(URL, {"q": "x"} | query).status_code == 404


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.dictionaries(st.sampled_from(["q", "memory", "offset"]), st.text(max_size=30) | st.integers(0, 99)))
def test_no_query_is_too_odd(client, alice, rows_once, query):
    client.force_login(alice)
    for path in (URL, "/search/quick/"):
        assert client.get(path, query).status_code in (200, 400, 404)  # 400: U+0000, which no address can hold


@pytest.mark.parametrize("url", ["/search/", "/search/quick/", "/search/export/csv/", "/search/passages/1/around/"])
def test_noise_in_every_part_of_the_address(client, alice, rows_once, url):
    client.force_login(alice)
    for place, name in enumerate((*SearchForm.base_fields, "q", "before", "after")):
        for value in NOISE[place % 3 :: 3]:
            assert client.get(url, {"q": "whale", name: value}).status_code in (200, 400, 404), (name, value)


@pytest.mark.parametrize(
    "url",
    ["/search/saved/", "/search/saved/1/change/", "/search/saved/1/delete/", "/search/saved/undelete/",
     "/search/settled/", "/account/searches/", "/account/searches/forget/"],
)  # fmt: skip
def test_noise_in_every_form(client, alice, workspace, url):
    SavedSearch.objects.create(pk=1, user=alice, workspace=workspace, name="x", params="q=x")
    client.force_login(alice, backend="collab.accounts.Backend")
    for value in NOISE:
        form = dict.fromkeys(("name", "params", "shared", "token", "ticket", "clicked", "log_searches"), value)
        assert client.post(url, form).status_code in (204, 302, 400, 404), value
    assert client.get(url).status_code == 405


@pytest.fixture
def rows_once(rows):
    return rows(WHALE)


@pytest.mark.parametrize("raw", ["q=%ff%fe", "q=%ED%A0%80", "q=a&q=b", "q=%F0%9F"])
def test_bytes_that_are_no_text(client, alice, rows_once, raw):
    client.force_login(alice)
    assert client.get(f"{URL}?{raw}").status_code == 200


def test_only_get(client, alice):
    client.force_login(alice)
    assert client.post(URL).status_code == 405


def test_the_page_costs_the_same_however_many_hits(page, rows):
    rows(WHALE)
    page(q="whale")
    with CaptureQueriesContext(connection) as few:
        page(q="whale")
    for place in range(3):
        rows({f"{name}.txt": [f"a whale {place} {name}"] for name in "abcde"}, name=f"Other {place}")
    page(q="whale")  # what never changes is kept from the first search on
    with CaptureQueriesContext(connection) as many:
        assert page(q="whale").count('<li class="hit">') == 10
    assert len(many) == len(few)
