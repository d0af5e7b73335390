"""The history of a document: its versions, the difference of any two, and a memory as it was on a day."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from collab.models import LiveDocument, LiveUpdate, LiveVersion, Membership, Role
from memories import mirror, versions
from memories.engine import Memory as MemoryFile
from memories.models import Document
from tests.memories.engine.making import source

pytestmark = pytest.mark.django_db

FIRST = "Call me Ishmael.\nSome years ago.\nNever mind how long.\n"
SECOND = "Call me Ahab.\nSome years ago.\nNever mind how long precisely.\n"


@pytest.fixture
def memory(new_memory, append):
    row = new_memory({"a.txt": FIRST, "b.txt": "other"})
    append(row, {"b.txt": "another"})
    append(row, {"a.txt": SECOND})
    mirror.follow(row)
    row.refresh_from_db()
    return row


@pytest.fixture
def read(client, alice):
    client.force_login(alice)

    def get(row, name="document-history", *, number=1, **query):
        args = [row.pk, number] if name.startswith("document") else [row.pk]
        return client.get(reverse(name, args=args), query)

    return get


def live(row, **fields) -> LiveDocument:
    facts = {"snapshot": b"", "projected_state": b"", **fields}
    return LiveDocument.objects.create(memory=row, document_number=1, **facts)


def changed(response) -> list[tuple[str, str]]:
    passages = [passage for passage, _ in response.context["passages"]]
    return [(passage.old_text, passage.new_text) for passage in passages if passage.changed]


def test_it_lists_the_commits_that_changed_the_document_and_shows_the_last_change(read, memory):
    response = read(memory)
    keys = [version.key for version, _ in response.context["page"].object_list]
    assert keys == ["c3", "c1"]
    assert changed(response) == [
        ("Call me Ishmael.\n", "Call me Ahab.\n"),
        ("Never mind how long.\n", "Never mind how long precisely.\n"),
    ]
    html = response.content.decode()
    assert "<del>Ishmael</del>" in html and "<ins>Ahab</ins>" in html and "<ins> precisely</ins>" in html
    assert f"{reverse('document', args=[memory.pk, 1])}?at=1" in html
    assert f"{reverse('memory-documents', args=[memory.pk])}?at=1" in html


def test_any_two_versions_are_compared(read, memory):
    row = live(memory, head_seq=4, projected_seq=4)
    kept = LiveVersion.objects.create(live=row, seq=2, kind="named", label="Draft", text=FIRST + "Added.\n")
    response = read(memory, **{"from": "c1", "to": f"v{kept.pk}"})
    assert changed(response) == [("", "Added.\n")]
    assert "Draft" in response.content.decode()
    assert read(memory, **{"from": "c1", "to": "c1"}).context["text"] == FIRST


def test_edits_that_no_commit_holds_are_the_newest_version_with_their_authors(memory, bob):
    row = live(memory, head_seq=1, projected_seq=0)
    LiveUpdate.objects.create(live=row, seq=1, message_id=memory.pk, payload=b"", author=bob)
    newest = versions.timeline(Document.objects.get(memory=memory, number=1))[0]
    assert (newest.key, newest.authors) == ("now", "Bob")


def test_a_version_of_another_document_is_not_shown(read, memory, new_memory):
    other = live(new_memory({"x.txt": "x"}))
    secret = LiveVersion.objects.create(live=other, seq=1, kind="named", label="Secret", text="of others")
    response = read(memory, **{"from": f"v{secret.pk}", "to": "c3"})
    assert response.status_code == 200 and "of others" not in response.content.decode()
    with pytest.raises(versions.NoSuchVersion):
        versions.text_of(Document.objects.get(memory=memory, number=1), f"v{secret.pk}")


@pytest.mark.parametrize("key", ["c0", "c99", "v1", "x", "", "c" + "9" * 30, "v" + "9" * 19])
def test_what_names_no_version_shows_the_last_change(read, memory, key):
    response = read(memory, **{"from": key, "to": key})
    assert response.status_code == 200
    with pytest.raises(versions.NoSuchVersion):
        versions.text_of(Document.objects.get(memory=memory, number=1), key)


def test_a_removed_document_keeps_its_history(read, memory):
    with MemoryFile.open(memory.path) as file:
        file.commit([source("c.txt", "new")], remove=["a.txt"], message="out with it")
    mirror.follow(memory)
    response = read(memory)
    assert [version.key for version, _ in response.context["page"].object_list] == ["c4", "c3", "c1"]
    assert changed(response) == [(SECOND, "")]
    assert "Restore" not in response.content.decode()


def test_line_ends_are_no_change(read, new_memory, append):
    row = new_memory({"a.txt": "one\r\ntwo\r\n"})
    append(row, {"a.txt": "one\ntwo\n"})
    mirror.follow(row)
    assert "No difference" in read(row).content.decode()


def test_a_viewer_reads_it_and_is_offered_no_way_back(client, memory, bob, charlie):
    url = reverse("document-history", args=[memory.pk, 1])
    client.force_login(bob)
    html = client.get(url).content.decode()
    assert "What changed" in html and "Put back" not in html and "Restore" not in html
    assert client.post(reverse("document-restore", args=[memory.pk, 1]), {"version": "c1"}).status_code == 404
    assert client.post(reverse("document-version", args=[memory.pk, 1]), {"label": "x"}).status_code == 404
    client.force_login(charlie)
    assert client.get(url).status_code == 404


def test_markup_in_a_text_is_text(read, new_memory, append):
    row = new_memory({"a.txt": "<script>alert(1)</script> a"})
    append(row, {"a.txt": "<script>alert(1)</script> b"})
    mirror.follow(row)
    assert "<script>alert" not in read(row).content.decode()


# -- the memory as it was on a day


def test_a_date_leads_to_the_documents_as_they_were(read, memory):
    for number, days in ((1, 10), (2, 5), (3, 0)):
        memory.commits.filter(number=number).update(time=timezone.now() - timedelta(days=days))
    day = timezone.localdate() - timedelta(days=4)
    response = read(memory, "memory-history", on=str(day))
    assert response.url == f"{reverse('memory-documents', args=[memory.pk])}?at=2"
    earlier = timezone.localtime() - timedelta(days=5, hours=1)
    assert read(memory, "memory-history", on=earlier.strftime("%Y-%m-%dT%H:%M")).url.endswith("?at=1")
    before = read(memory, "memory-history", on="2001-01-01")
    assert before.url == reverse("memory-history", args=[memory.pk])
    assert "Write a day" in read(memory, "memory-history", on="soon").content.decode()


def test_a_time_is_the_readers_own_and_an_hour_ago_a_link(read, memory):
    now = timezone.now()
    for number, hours in ((1, 30), (2, 3), (3, 0)):
        memory.commits.filter(number=number).update(time=now - timedelta(hours=hours))
    documents = f"{reverse('memory-documents', args=[memory.pk])}?at="
    in_kolkata = (now - timedelta(hours=4) + timedelta(minutes=330)).strftime("%Y-%m-%dT%H:%M")
    assert read(memory, "memory-history", on=in_kolkata, offset=330).url == f"{documents}1"
    assert read(memory, "memory-history", on=in_kolkata, offset=90).url == f"{documents}2", "read as four hours later"
    assert [read(memory, "memory-history", ago=ago).url for ago in ("hour", "day")] == [
        f"{documents}2",
        f"{documents}1",
    ]
    assert read(memory, "memory-history", ago="week").url == reverse("memory-history", args=[memory.pk])
    html = read(memory, "memory-history").content.decode()
    assert "?ago=hour" in html and "(UTC)" in html
    for query in ({"ago": "x"}, {"on": "x", "offset": "x"}, {"on": "2026-01-01", "offset": 5000}):
        assert read(memory, "memory-history", **query).status_code == 200
    for on in ("0001-01-01", "9999-12-31T23:59", "0001-01-01T00:00+23:00", "9999-12-31T23:59-23:00"):
        for offset in (1080, -1080):
            assert read(memory, "memory-history", on=on, offset=offset).status_code in (200, 302)


def test_a_document_as_it_was_leads_to_what_changed_since(read, memory):
    html = read(memory, "document", at=2).content.decode()
    assert f"{reverse('document-history', args=[memory.pk, 1])}?at=2#difference" in html
    response = read(memory, "document-history", at=2)
    assert (response.context["old"].commit, response.context["new"].commit) == (1, 3)
    assert read(memory, "document-history", at=1).context["old"].commit == 1
    assert read(memory, "document-history", at=99).context["old"].commit == 3


def test_the_documents_as_of_a_commit(read, memory, append):
    append(memory, {"c.txt": "new"})
    mirror.follow(memory)
    response = read(memory, "memory-documents", at=3)
    assert [document.path for document, _ in response.context["documents"]] == ["a.txt", "b.txt"]
    html = response.content.decode()
    assert "as of commit 3" in html and f"{reverse('document', args=[memory.pk, 1])}?at=3" in html
    assert 'name="document"' not in html, "what is past cannot be removed"
    assert len(read(memory, "memory-documents").context["documents"]) == 3
    assert len(read(memory, "memory-documents", at=999).context["documents"]) == 3


def test_an_editor_is_offered_both_ways_back(client, memory, bob):
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    client.force_login(bob)
    html = client.get(reverse("document-history", args=[memory.pk, 1]) + "?from=c1&to=c3").content.decode()
    assert "Restore Commit 1" in html and html.count("Put back as it was") == 2
