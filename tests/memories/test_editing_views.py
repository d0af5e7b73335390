"""The editor's page: who may open it and what it offers them."""

import pytest
from django.urls import reverse

from memories import mirror
from memories.engine import Memory as MemoryFile

pytestmark = pytest.mark.django_db


def edit(row, number=1) -> str:
    return reverse("document-edit", args=[row.pk, number])


@pytest.mark.parametrize(("person", "writes"), [("alice", "true"), ("bob", "false")])
def test_a_member_opens_it_and_only_a_writer_may_commit(request, client, new_memory, person, writes):
    row = new_memory({"notes/a.md": "call me ishmael"})
    client.force_login(request.getfixturevalue(person))
    html = client.get(edit(row)).content.decode()
    assert f'data-may-write="{writes}"' in html and 'data-format="markdown"' in html
    assert (reverse("memory-commit", args=[row.pk]) in html) == (writes == "true")


def test_nobody_else_learns_that_it_exists(client, charlie, new_memory):
    row = new_memory()
    assert reverse("account_login") in client.get(edit(row)).url
    client.force_login(charlie)
    assert client.get(edit(row)).status_code == 404
    assert client.post(reverse("memory-commit", args=[row.pk])).status_code == 404


def test_a_reader_may_not_commit(client, bob, new_memory):
    client.force_login(bob)
    assert client.post(reverse("memory-commit", args=[new_memory().pk])).status_code == 404


def test_a_removed_document_is_read_where_it_is_told_so(client, alice, new_memory):
    row = new_memory()
    with MemoryFile.open(row.path) as file:
        file.remove(["a.txt"])
    mirror.follow(row)
    client.force_login(alice)
    assert client.get(edit(row)).url == reverse("document", args=[row.pk, 1])


@pytest.mark.parametrize(("name", "format"), [("a.md", "markdown"), ("a.txt", "text"), ("a.MARKDOWN", "markdown")])
def test_how_it_is_set_goes_by_the_kind_of_document(client, alice, new_memory, name, format):
    client.force_login(alice)
    html = client.get(edit(new_memory({name: "x"}))).content.decode()
    assert f'data-format="{format}"' in html
    assert ('data-part="preview"' in html) == (format == "markdown")


def test_its_script_has_the_nonce_that_its_styles_need(client, alice, new_memory):
    client.force_login(alice)
    response = client.get(edit(new_memory()))
    nonce = response.content.decode().partition('editor.js" nonce="')[2].partition('"')[0]
    assert nonce and f"'nonce-{nonce}'" in response.headers["Content-Security-Policy"]


def test_the_page_of_a_document_leads_to_it(client, alice, bob, new_memory):
    row = new_memory()
    for person, word in ((alice, " Edit</a>"), (bob, " Read live</a>")):
        client.force_login(person)
        html = client.get(reverse("document", args=[row.pk, 1])).content.decode()
        assert edit(row) in html and word in html
