"""What the page makes of hits: groups, repeats, what stands around one, citations, and passages like one."""

import re
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import numpy as np
import pytest
from django.urls import reverse

from memories.models import Chunk, Commit
from search import queries, vectors
from search.queries import Found
from tests.search.test_search_views import WHALE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("away")]
LETTER = [f"Passage {place} of the letter about the whale." for place in range(6)]


def parts(response: str) -> int:
    return response.count("data-passage ")


def test_a_document_is_listed_once_with_its_best_passage(page, rows, client):
    """However many pages its passages would take."""
    row = rows(
        {"letter.md": [f"Passage {place} of the letter about the whale." for place in range(30)], "b.md": ["the whale"]}
    )
    html = page(q="whale")
    assert html.count('<li class="hit">') == parts(html) == 2 and "29 more passages in this document" in html
    assert "That is all." in html and "31 passages" in html
    flat = page(q="whale", group="no")
    assert flat.count('<li class="hit">') == 10 and "more passages in this" not in flat

    address = reverse("passages-beside", args=[row.documents.get(path="letter.md").pk])
    pages = [client.get(address, {"q": "whale", "offset": offset}) for offset in (0, 10, 20)]
    seen = [chunk for one in pages for chunk in chunks_of(one)]
    assert len(seen) == len(set(seen)) == 29 and not set(seen) & set(chunks_of(html))
    assert [b"More of this document" in one.content for one in pages] == [True, True, False]


def test_other_passages_of_a_hidden_document_are_none(page, rows, client, bob):
    row = rows({"secret.md": LETTER}, name="Hidden", visibility="private", created_by=bob)
    answer = client.get(reverse("passages-beside", args=[row.documents.get().pk]), {"q": "whale"})
    assert answer.status_code == 404 and b"secret" not in answer.content


def test_a_document_with_more_stays_though_its_best_passage_is_elsewhere_too(page, rows):
    rows(
        {
            "a.md": [LOG],
            "b.md": [LOG, "the white whale again"],
            "c.md": [LOG.replace("seven", "eight"), "a whale, white"],
        }
    )
    html = page(q="white whale " + LOG)
    assert {"b.md", "c.md"} <= set(re.findall(r">([abc].md)<", html)) and parts(html) == 3


def chunks_of(response) -> list[str]:
    html = response if isinstance(response, str) else response.content.decode()
    return re.findall(r'id="context-(\d+)"', html)


def test_the_same_passage_is_shown_once_with_the_other_places(page, rows, bob):
    rows(WHALE)
    other = rows({"copy.txt": ["The  white WHALE swam\nbefore him."]}, name="Copies")
    rows({"secret.txt": WHALE["moby.txt"]}, name="Hidden", visibility="private", created_by=bob)
    html = page(q="white whale")
    assert parts(html) == 1 and "The same passage is also in" in html
    assert f"{reverse('document', args=[other.pk, 1])}?chunk=0" in html
    assert "secret" not in html and "Hidden" not in html


LOG = "The white whale swam before him all that day, and at night the crew counted seven boats, two of them broken"


def test_nearly_the_same_passage_is_shown_once_with_the_other_places(page, rows, bob):
    first = rows({"log.txt": [LOG + "."]})
    other = rows({"copy.txt": [LOG.replace("seven", "eight") + "!"], "own.txt": ["a whale of its own"]}, name="Copies")
    third = rows({"again.txt": [LOG.upper() + "."]}, name="Third")
    rows({"secret.txt": [LOG + " twice."]}, name="Hidden", visibility="private", created_by=bob)
    html = page(q="white whale")
    assert parts(html) == 2 and "Hidden" not in html and "secret" not in html
    assert "Nearly the same passage is also in" in html
    for memory in (first, other, third):  # which of them is the best one does not matter
        assert f"{reverse('document', args=[memory.pk, 1])}?chunk=0" in html


def test_a_file_of_results_keeps_what_differs_in_a_few_words(page, client, rows):
    rows({"log.txt": [LOG + "."], "copy.txt": [LOG.replace("seven", "eight") + "."]})
    assert parts(page(q="white whale")) == 1
    text = b"".join(client.get(reverse("search-export", args=["csv"]), {"q": "white whale"})).decode()
    assert "seven boats" in text and "eight boats" in text


def test_hits_of_the_past_lead_to_the_past(page, rows):
    row = rows(WHALE, head=2)
    Commit.objects.create(
        memory=row,
        number=2,
        time=datetime(2026, 3, 1, tzinfo=UTC),
        hash="01",
        first_frame=9,
        frames=1,
        put=0,
        deleted=0,
    )
    link = f"{reverse('document', args=[row.pk, 1])}?chunk={1 << 24}&amp;at="
    assert f"{link}1" in page(q="white whale", as_of="2026-02-01")
    assert f"{link}2" in page(q="white whale", as_of="2026-04-01")
    assert f"{link}2" in page(q="white whale", memory=str(row.pk), commit=2)
    beyond = page(q="white whale", memory=str(row.pk), commit=3)
    assert "no commit 3 in this memory yet" in beyond and "&amp;at=" not in beyond


def test_filters_stay_in_the_form_and_the_chips(page, rows):
    row = rows(WHALE)
    html = page(q="whale", memory=str(row.pk), tag="sea & ice", author="Alice", since="2026-01-01", type="text")
    assert f'value="{row.pk}" checked' in html and 'value="sea &amp; ice" checked' in html
    assert 'name="author" value="Alice"' in html and 'name="since" value="2026-01-01"' in html
    for label in ("Books", "tag sea &amp; ice", "by Alice", "from 1 Jan 2026", "Text and books"):
        assert f'aria-label="Remove the filter {label}"' in html


def test_htmx_hears_which_address_the_results_have(client, alice, rows):
    rows(WHALE)
    client.force_login(alice)
    ask = {"HX-Request": "true"}
    chosen = client.get("/search/", {"q": "whale", "author": "", "mode": "hybrid"}, headers=ask)
    assert chosen["HX-Push-Url"] == "/search/?q=whale" and "HX-Replace-Url" not in chosen
    typed = client.get("/search/", {"q": "whale"}, headers=ask | {"X-Search-Typed": "1"})
    assert typed["HX-Replace-Url"] == "/search/?q=whale" and "HX-Push-Url" not in typed


def test_counts_and_a_correction_are_shown(page, rows):
    row = rows(WHALE)
    real = queries.search

    def search(*args, **kwargs) -> Found:
        found = real(*args[:1], "whale", *args[2:], **kwargs)
        return Found(found.hits, mode="hybrid", total=1, counts={row.pk: 7}, correction="<whale>")

    with patch.object(queries, "search", search):
        html = page(q="whal & co")
    assert f'data-counts="{row.pk}:7"' in html and "Searched for <strong>&lt;whale&gt;</strong>" in html
    assert "?q=whal+%26+co&amp;mode=phrase" in html


@pytest.mark.parametrize("query", ["...", "!? -- \u2026", "-whale"])
def test_signs_alone_are_explained(page, rows, query):
    rows(WHALE)
    assert "There is no word in this" in page(q=query)


@pytest.mark.parametrize("query", ["whale " * 1700, "whale" * 2001, "鯨" * 10_001])
def test_ten_thousand_characters_are_answered(page, rows, query):
    rows(WHALE)
    assert "Only the first 10,000 characters were searched for." in page(q=query)


def test_the_end_of_what_can_be_listed(page, client, rows):
    rows(WHALE)
    assert "That is all." in page(q="whale", offset=10_000, htmx=True)


# -- one passage


@pytest.fixture
def chunk(rows) -> Chunk:
    return Chunk.objects.get(memory=rows({"letter.md": LETTER}), order=2 << 24)


def around(pk: int) -> str:
    return reverse("passage-around", args=[pk])


def test_what_stands_around_a_passage(page, chunk):
    html = page(around(chunk.pk), htmx=True)
    assert [f"Passage {place} " in html for place in range(6)] == [False, True, True, True, False, False]
    assert f'<mark class="context-own">{LETTER[2]}</mark>' in html and "before=4&amp;after=1" in html
    wide = page(around(chunk.pk), htmx=True, before=2, after=3)
    assert "The document begins here." in wide and "The document ends here." in wide
    assert "<!doctype html>" in page(around(chunk.pk)) and "<!doctype" not in wide
    assert LETTER[1] not in page(around(chunk.pk), htmx=True, before=0)


def test_around_a_passage_of_the_past_stands_the_past(page, chunk):
    Chunk.objects.filter(pk=chunk.pk).update(removed=3)
    Chunk.objects.filter(memory=chunk.memory, order=1 << 24).update(removed=2)
    Chunk.objects.filter(memory=chunk.memory, order=3 << 24).update(removed=5)
    html = page(around(chunk.pk), htmx=True)
    assert LETTER[0] in html and LETTER[1] not in html and LETTER[3] in html


def test_a_citation_says_where_the_words_stand(page, chunk):
    text = page(reverse("passage-citation", args=[chunk.pk]), htmx=True)
    link = f"http://testserver{reverse('document', args=[chunk.memory_id, 1])}?chunk={2 << 24}"
    where = "letter.md, in the memory Books, frame 2, commit 1 by Alice on 2026-01-02"
    assert text == f"“{LETTER[2]}”\n{where}\n{link}\n"
    assert "<textarea" in page(reverse("passage-citation", args=[chunk.pk]))


@pytest.mark.parametrize("name", ["passage-around", "passage-citation"])
def test_a_passage_that_one_may_not_see_is_as_one_that_is_not_there(client, alice, charlie, chunk, name):
    url = reverse(name, args=[chunk.pk])
    assert "login" in client.get(url)["Location"]
    client.force_login(charlie)
    assert client.get(url).status_code == 404
    client.force_login(alice)
    for key in (0, 2**31, 2**63, 10**30):
        assert client.get(reverse(name, args=[key])).status_code == 404
    for size in ("x", "-1", "9" * 50):
        assert client.get(url, {"before": size, "after": size}).status_code == 200


def test_more_like_a_passage_is_not_that_passage(page, chunk):
    html = page(like=chunk.pk)
    assert "Passages like this one from" in html and parts(html) == 1
    assert "4 more passages in this document" in html
    assert f'chunk={2 << 24}" data-hit' not in html


def test_more_like_a_passage_goes_by_its_vector(page, chunk):
    model = vectors.model_row("fake", 2)
    rows = [vectors.Row(pk, None, np.array([1, 0], np.float32)) for pk in Chunk.objects.values_list("pk", flat=True)]
    vectors.store(model, rows)
    html = page(like=chunk.pk)
    assert "has not been indexed by meaning" not in html and parts(html) >= 1


def test_more_like_a_passage_of_others(page, rows, bob, chunk):
    hidden = rows({"secret.txt": ["a secret whale"]}, visibility="private", created_by=bob)
    for key in (Chunk.objects.get(memory=hidden).pk, 2**62):
        html = page(like=key)
        assert "is no longer there, or you may not see it" in html and "secret" not in html and parts(html) == 0


def test_what_is_new_is_marked(page, rows):
    rows(WHALE)
    before = int((datetime(2026, 1, 2, tzinfo=UTC) - timedelta(hours=1)).timestamp())
    assert ">new</span>" in page(q="whale", news=before) and ">new</span>" not in page(q="whale", news=before + 7200)
