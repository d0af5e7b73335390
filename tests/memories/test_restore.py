"""Going back: a whole version or one passage of it, as new edits that leave what others typed where it is."""

from threading import Thread

import pytest
from django.db import connection
from django.urls import reverse

from collab.live import texts
from collab.live.projection import commit_now
from collab.models import LiveVersion, Membership, Role
from memories import mirror, versioning, versions
from memories.models import Document
from memories.versions import NoSuchVersion, mark
from tests.memories.working import work

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = "Call me Ishmael.\nSome years ago.\nNever mind how long.\n"
SECOND = "Call me Ahab.\nSome years ago.\nNever mind how long precisely.\n"


@pytest.fixture
def document(new_memory, append) -> Document:
    row = new_memory({"a.txt": FIRST})
    append(row, {"a.txt": SECOND})
    mirror.follow(row)
    return Document.objects.select_related("memory").get(memory=row)


@pytest.fixture
def bob_edits(bob) -> None:
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)


def now(document: Document) -> str:
    return versions.present_text(document)


def typed(document: Document, old: str, new: str, by) -> None:
    present = texts.read(document)
    texts.replace(present.live, present.state, present.text.replace(old, new), by)


def test_a_passage_is_put_back_and_the_rest_stays(client, document, workspace, bob, bob_edits):
    typed(document, "Some years ago", "Some years ago, it was", bob)
    client.force_login(bob)
    url = reverse("document-restore", args=[document.memory_id, 1])
    passage = mark("Call me Ishmael.\n", "Call me Ahab.\n")
    answer = client.post(url, {"version": "c1", "passage": passage}, follow=True)
    assert now(document) == "Call me Ishmael.\nSome years ago, it was.\nNever mind how long precisely.\n"
    assert "back as it was" in answer.text and "Edits that are not in the video yet" in answer.text
    again = client.post(url, {"version": "c1", "passage": passage}, follow=True)
    assert "has changed since the page was opened" in again.text, "the passage is back already"


def test_a_whole_version_is_restored_and_the_text_before_is_kept(document, alice):
    versioning.restore(document, alice, "c1")
    assert now(document) == FIRST
    kept = LiveVersion.objects.get()
    assert (kept.kind, kept.text, list(kept.authors.all())) == ("restore", SECOND, [alice])
    versioning.restore(document, alice, f"v{kept.pk}")
    assert now(document) == SECOND
    versioning.restore(document, alice, "c2")
    assert LiveVersion.objects.count() == 2, "nothing changes, so nothing is kept"


def test_what_is_typed_meanwhile_stays(document, alice, bob, monkeypatch):
    present = texts.read(document)
    typed(document, "Never mind", "Do never mind", bob)
    monkeypatch.setattr(texts, "read", lambda _: present)  # as of before the other typed
    versioning.restore(document, alice, "c1")
    assert now(document) == "Call me Ishmael.\nSome years ago.\nDo never mind how long.\n"


def at_once(monkeypatch, document, one, other) -> list:
    """Both begin before either writes; the second in a thread with a connection of its own. What went wrong in it."""
    problems, real, threads = [], texts.replace, []
    texts.read(document)  # open already: who opens it first keeps the other waiting anyway

    def run_other():
        try:
            other()
        except NoSuchVersion as error:
            problems.append(str(error))
        finally:
            connection.close()

    def write(*args):
        if not threads:
            threads.append(Thread(target=run_other))
            threads[0].start()
            threads[0].join(1)  # as far as it gets
        return real(*args)

    monkeypatch.setattr(texts, "replace", write)
    one()
    threads[0].join()
    return problems


def test_two_who_restore_at_once_put_the_text_there_once(document, alice, bob, monkeypatch):
    restore = versioning.restore
    both = [lambda by=by: restore(document, by, "c1") for by in (alice, bob)]
    assert at_once(monkeypatch, document, *both) == []
    assert now(document) == FIRST and LiveVersion.objects.count() == 1


def test_two_who_put_back_one_passage_at_once_put_it_there_once(document, alice, bob, monkeypatch):
    passage = mark("Call me Ishmael.\n", "Call me Ahab.\n")
    both = [lambda by=by: versioning.restore_passage(document, by, "c1", passage) for by in (alice, bob)]
    assert at_once(monkeypatch, document, *both) == [versioning.MOVED_ON]
    assert now(document) == SECOND.replace("Ahab", "Ishmael")


def test_a_text_that_postgresql_cannot_hold_is_kept_and_restored(document, alice, bob):
    typed(document, "Ahab", "A\0hab", bob)
    kept = versioning.name_version(document, alice, "with a zero")
    assert "A\N{REPLACEMENT CHARACTER}hab" in kept.text
    versioning.restore(document, alice, "c1")
    assert now(document) == FIRST


def test_a_restored_text_becomes_a_commit_with_its_author(document, alice, bob):
    versioning.restore(document, bob, "c1")
    assert versions.timeline(document)[0].authors == "Bob"
    job = work(commit_now(document.memory, alice, "as at first"))
    assert (job.state, job.reason) == ("done", "")
    document = Document.objects.select_related("memory").get(pk=document.pk)
    newest = versions.timeline(document)[0]
    assert (newest.key, newest.title, newest.authors) == ("c3", "as at first", "Bob")
    assert versions.text_of(document, "c3") == FIRST


def test_naming_keeps_the_text_as_it_is_now(client, document, alice, bob):
    typed(document, "Ahab", "Queequeg", bob)
    client.force_login(alice)
    url = reverse("document-version", args=[document.memory_id, 1])
    answer = client.post(url, {"label": "Before the storm"}, follow=True)
    kept = LiveVersion.objects.get()
    assert "Queequeg" in kept.text and kept.kind == "named" and "Before the storm" in answer.text
    typed(document, "Queequeg", "Starbuck", bob)
    html = client.get(reverse("document-history", args=[document.memory_id, 1]) + f"?from=v{kept.pk}&to=now").text
    assert "<del>Queequeg</del>" in html and "<ins>Starbuck</ins>" in html
    assert "Write a name" in client.post(url, {"label": " "}, follow=True).text


@pytest.mark.parametrize("version", ["", "now", "c9", "v9", "c1x", "DROP"])
def test_what_is_no_version_restores_nothing(client, document, alice, version):
    client.force_login(alice)
    url = reverse("document-restore", args=[document.memory_id, 1])
    assert client.post(url, {"version": version}).status_code == 302
    assert now(document) == SECOND


def test_a_version_of_another_document_is_none_of_this_one(document, alice, new_memory):
    other = Document.objects.select_related("memory").get(
        memory=new_memory({"x.txt": "of others"}, visibility="private")
    )
    foreign = versioning.name_version(other, alice, "x")
    with pytest.raises(NoSuchVersion):
        versioning.restore(document, alice, f"v{foreign.pk}")
    assert now(document) == SECOND
