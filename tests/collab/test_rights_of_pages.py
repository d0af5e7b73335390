"""Each address around a document, asked by everybody who has no business there: it does not exist for them."""

import json
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from collab import comments, notifications
from collab.live import texts
from collab.models import Comment, LiveUpdate, LiveVersion, Notification, Role, Thread
from memories import services, versioning
from memories.models import Document, Job, Memory, MemoryPerson, Visibility

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "zqxsecret"


@pytest.fixture(autouse=True)
def closed(no_connection_left) -> None:
    """The live document's address answers from a thread."""


@pytest.fixture
def memory(new_memory, alice) -> Memory:
    row = new_memory({"a.md": f"{SECRET} stands here\n"}, name=f"Of {SECRET}", visibility=Visibility.PRIVATE)
    document = Document.objects.select_related("memory").get(memory=row)
    present = texts.read(document)
    texts.replace(present.live, present.state, f"{SECRET} was here\n", alice)
    versioning.name_version(document, alice, SECRET)
    comments.begin(document, alice, f"a {SECRET}?", SECRET, "", "")
    return row


def pages(memory: Memory) -> list[str]:
    document = [memory.pk, 1]
    names = ("document", "document-edit", "document-history", "document-text", "document-original", "comments",
             "document-live")  # fmt: skip
    plain = [reverse(name, args=document) for name in names]
    whole = ("memory", "memory-documents", "memory-history", "memory-activity", "watch", "video", "memory-download")
    plain += [reverse(name, args=[memory.pk]) for name in whole]
    version = LiveVersion.objects.get()
    history = reverse("document-history", args=document)
    return [
        *plain, f"{plain[0]}?at=1", f"{history}?at=1", f"{history}?from=v{version.pk}&to=now",
        f"{reverse('memory-documents', args=[memory.pk])}?at=1",
        f"{reverse('memory-history', args=[memory.pk])}?on=2100-01-01",
        f"{reverse('memories-compare')}?a={memory.pk}&b={memory.pk}&a_at=1", f"{plain[6]}?since=0&wait=0",
        reverse("comment-edit-form", args=[Comment.objects.first().pk]),
    ]  # fmt: skip


def writes(memory: Memory) -> list[tuple[str, dict]]:
    thread, comment, version = Thread.objects.first(), Comment.objects.first(), LiveVersion.objects.get()
    return [
        (reverse("comments", args=[memory.pk, 1]), {"text": "x"}),
        (reverse("comment-reply", args=[thread.pk]), {"text": "x"}),
        (reverse("comment-resolve", args=[thread.pk]), {"resolved": "1"}),
        (reverse("comment-edit", args=[comment.pk]), {"text": "x"}), (reverse("comment-delete", args=[comment.pk]), {}),
        *changes(memory, version),
    ]  # fmt: skip


def changes(memory: Memory, version: LiveVersion) -> list[tuple[str, dict]]:
    return [
        (reverse("document-version", args=[memory.pk, 1]), {"label": "x"}),
        (reverse("document-restore", args=[memory.pk, 1]), {"version": f"v{version.pk}"}),
        (reverse("memory-commit", args=[memory.pk]), {"message": "x"}),
        (reverse("memory-remove", args=[memory.pk]), {"document": 1, "confirmed": 1}),
    ]


def state() -> tuple[int, ...]:
    return tuple(rows.objects.count() for rows in (Comment, Thread, LiveVersion, LiveUpdate, Job, Notification))


def expect_nothing(client: Client, memory: Memory, status: tuple[int, ...]) -> None:
    before = state()
    for url in pages(memory):
        response = client.get(url)
        body = b"".join(response.streaming_content) if response.streaming else response.content
        assert response.status_code in status and SECRET not in body.decode(), url
    for url, data in writes(memory):
        assert client.post(url, data).status_code in status, url
    body = json.dumps({"updates": [{"id": str(uuid4()), "update": "AAA="}]})
    live = reverse("document-live", args=[memory.pk, 1])
    assert client.post(live, body, content_type="application/json").status_code in status
    for name in ("activity", "notifications", "notifications-latest", "memories", "home", "trash", "jobs"):
        assert SECRET not in client.get(reverse(name)).content.decode(), name
    assert state() == before


def test_a_stranger_and_a_member_without_the_right(as_, memory, bob, charlie, own_place, bobs):
    bobs.role = Role.ADMIN
    bobs.save()
    for person in (bob, charlie):
        expect_nothing(as_(person), memory, (404,))


def test_nobody_in_particular(memory):
    expect_nothing(Client(), memory, (302, 401, 404))


def test_who_was_let_in_and_put_out_again_keeps_nothing(as_, memory, alice, charlie, own_place):
    person = MemoryPerson.objects.create(memory=memory, user=charlie, writes=True)
    comments.begin(Document.objects.get(memory=memory), alice, f"@Charlie see {SECRET}", SECRET, "", "")
    notice = Notification.objects.get(user=charlie)
    client = as_(charlie)
    assert client.get(reverse("document", args=[memory.pk, 1])).status_code == 200
    person.delete()
    expect_nothing(client, memory, (404,))
    assert client.post(reverse("notification", args=[notice.pk])).status_code == 404
    assert notifications.unread_count(charlie) == 0


def test_a_deactivated_account_and_an_ended_session(as_, memory, alice):
    client, other = as_(alice), as_(alice)
    client.post(reverse("account_logout"))
    expect_nothing(client, memory, (302, 401, 404))
    alice.is_active = False
    alice.save()
    expect_nothing(other, memory, (302, 401, 404))


def test_in_the_trash_it_is_there_for_nobody(as_, memory, alice, bob):
    """But that it went there, which those hear who knew it."""
    memory.name, memory.visibility = "Shelf", Visibility.PUBLIC
    memory.save()
    services.trash([memory])
    expect_nothing(as_(bob), memory, (404,))
    for url in pages(memory):
        assert as_(alice).get(url).status_code == 404, url


def test_a_reader_reads_and_changes_nothing(as_, memory, bob):
    Memory.objects.filter(pk=memory.pk).update(visibility=Visibility.TEAM)
    client, version = as_(bob), LiveVersion.objects.get()
    before = state()
    own = reverse("comment-edit-form", args=[Comment.objects.first().pk])
    for url in pages(memory):
        if "/live" in url:
            continue  # with the right it opens connections, on an event loop that lasts: live/test_fallback.py
        wanted = 404 if url == own else 302 if url.endswith("?on=2100-01-01") else 200
        assert client.get(url).status_code == wanted, url
    for url, data in changes(memory, version):
        assert client.post(url, data).status_code == 404, url
    assert state() == before
