"""The page of a document: its text as it is and as it was, and its downloads."""

import pytest
from django.urls import reverse

from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.models import Chunk
from memories.queries import CHUNKS_A_PAGE
from tests.memories.engine.making import prose

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(client, alice):
    client.force_login(alice)

    def get(row, number=1, name="document", **query):
        return client.get(reverse(name, args=[row.pk, number]), query)

    return get


def words(response) -> str:
    return "".join(chunk.text for chunk in response.context["page"].object_list)


def test_it_shows_the_text_with_lines_and_frames(read, new_memory):
    row = new_memory({"a.txt": "one\ntwo\n" + "x" * 1200})
    response = read(row)
    assert words(response) == "one\ntwo\n" + "x" * 1200
    html = response.content.decode()
    first = Chunk.objects.filter(memory=row).order_by("order").first()
    assert f'id="chunk-{first.order}"' in html and f"?frame={first.frame}" in html and "lines 1–3" in html


def test_markup_in_a_text_is_text(read, new_memory):
    html = read(new_memory({"<b>.txt": "<script>alert(1)</script>"})).content.decode()
    assert "<script>alert" not in html and "<b>.txt" not in html


def test_a_large_document_is_paged_and_a_chunk_is_found(read, new_memory):
    row = new_memory({"long.txt": prose(1000 * (CHUNKS_A_PAGE + 7))})
    assert len(read(row).context["page"].object_list) == CHUNKS_A_PAGE
    last = Chunk.objects.filter(memory=row).order_by("-order").first()
    response = read(row, chunk=last.order)
    assert response.context["page"].number == 2 and "data-marked" in response.content.decode()


def test_the_past_is_shown_as_it_was(read, new_memory, append):
    row = new_memory({"a.txt": "before"})
    append(row, {"a.txt": "after", "b.txt": "new"})
    mirror.follow(row)
    assert (words(read(row)), words(read(row, at=1))) == ("after", "before")
    assert "as of commit 1" in read(row, at=1).content.decode()
    assert read(row, number=2, at=1).status_code == 404
    assert b"".join(read(row, name="document-text", at=1)) == b"before"


def test_a_removed_document_is_readable_as_it_was_last(read, new_memory):
    row = new_memory({"a.txt": "gone soon", "b.txt": "stays"})
    with MemoryFile.open(row.path) as file:
        file.remove(["a.txt"])
    mirror.follow(row)
    response = read(row)
    assert words(response) == "gone soon" and "removed in commit 2" in response.content.decode()
    assert read(row, name="document-text").status_code == 404


def test_downloads_are_exact(read, new_memory):
    text = "with\0zero, ümläut\r\n"
    row = new_memory({"dir/a.txt": text})
    original = read(row, name="document-original")
    assert b"".join(original) == text.encode() and 'filename="a.txt"' in original["Content-Disposition"]
    assert b"".join(read(row, name="document-text")) == text.encode()


@pytest.mark.parametrize(
    "query", [{"chunk": "9" * 30}, {"chunk": "-1"}, {"at": "x"}, {"at": "9" * 30}, {"page": "9" * 5000}]
)
def test_odd_places_show_the_document(query, read, new_memory):
    assert read(new_memory(), **query).status_code == 200
