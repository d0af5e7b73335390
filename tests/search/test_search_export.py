"""Results as files: what is in them, what a spreadsheet may not run, and whose rights they have."""

import csv
import io
import json

import pytest
from django.test import Client
from django.urls import reverse

from memories.models import Chunk
from search import export
from tests.search.test_search_views import WHALE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("away")]


@pytest.fixture
def taken(client, alice):
    client.force_login(alice, backend="collab.accounts.Backend")

    def get(kind: str, **query):
        response = client.get(f"/search/export/{kind}/", query)
        assert response.status_code == 200
        return b"".join(response).decode(), response

    return get


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_csv(taken, rows):
    row = rows(WHALE)
    text, response = taken("csv", q="white whale!")
    assert response["Content-Disposition"] == 'attachment; filename="search-white-whale.csv"'
    (found,) = read_csv(text)
    assert found["text"] == WHALE["moby.txt"][1] and found["memory"] == "Books" and found["frame"] == "1"
    assert found["link"] == f"http://testserver{reverse('document', args=[row.pk, 1])}?chunk={1 << 24}"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "＝"])
def test_a_spreadsheet_runs_nothing(taken, rows, start):
    rows({f"{start}whale.txt": [f'{start}HYPERLINK("http://x","whale")']}, name=f"{start}M")
    (found,) = read_csv(taken("csv", q="whale")[0])
    for column in ("text", "document", "memory"):
        assert found[column].startswith("'")


def test_json(taken, rows):
    rows({"a.txt": ['a "whale"\n\u2028\U0001f433']})
    found = json.loads(taken("json", q="whale", tag="", author="")[0])
    assert found["query"] == "whale" and found["count"] == 1 and found["cut"] is False
    assert found["passages"][0]["text"] == 'a "whale"\n\u2028\U0001f433'
    assert json.loads(taken("json", q="giraffe")[0])["passages"] == []


def test_markdown_stays_text(taken, rows):
    rows({"[a](javascript:x).md": ["<script>x</script> # whale\n\n---\n![x](http://x)"]})
    text, _ = taken("md", q="whale")
    assert "<script>" not in text and "](javascript" not in text and "![" not in text
    assert text.startswith("# Search: whale\n") and text.endswith("\n1 passage.\n")


def test_no_more_than_the_limit(taken, rows, monkeypatch):
    monkeypatch.setattr(export, "LIMIT", 5)
    monkeypatch.setattr(export, "BATCH", 2)
    rows({f"{place}.txt": [f"whale {place}"] for place in range(9)})
    found = json.loads(taken("json", q="whale")[0])
    assert [one["document"] for one in found["passages"]] == [f"{place}.txt" for place in range(5)] and found["cut"]
    assert "Only the first 5" in taken("csv", q="whale")[0] and "Only the first 5" in taken("md", q="whale")[0]


def test_the_rights_are_those_of_the_page(taken, rows, bob):
    rows(WHALE, name="Hidden", visibility="private", created_by=bob)
    hidden = str(Chunk.objects.get(frame=1).memory_id)
    for kind in export.TYPES:
        for query in ({"q": "whale"}, {"q": "whale", "memory": hidden}):
            assert "Hidden" not in taken(kind, **query)[0] and WHALE["moby.txt"][1] not in taken(kind, **query)[0]


def test_strangers_and_nonsense(client, alice):
    assert "login" in Client().get("/search/export/csv/", {"q": "whale"})["Location"]
    client.force_login(alice, backend="collab.accounts.Backend")
    assert client.get("/search/export/exe/", {"q": "whale"}).status_code == 404
    assert client.get("/search/export/csv/", {"q": "whale", "offset": "x"}).status_code == 404
    assert client.post("/search/export/csv/").status_code == 405
