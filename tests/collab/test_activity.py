"""The feed: it tells what happened to those who may know, page by page."""

from datetime import timedelta

import pytest
from auditlog.context import set_actor
from django.urls import reverse
from django.utils import timezone

from collab import activity, comments
from collab.models import LiveDocument, LiveVersion
from collab.services import leave, set_role
from memories import services
from memories.models import Commit, Job, Memory
from tests.memories.working import queue

pytestmark = pytest.mark.django_db


def told(user, workspace, kind="") -> list[str]:
    events, _ = activity.listed(activity.of_workspace(user, workspace, None), kind)
    return [f"{event.who} {event.what}" for event in events]


@pytest.fixture
def lively(new_memory, workspace, alice, bob, bobs, charlie) -> Memory:
    with set_actor(alice):
        row = new_memory(visibility="team")
        comments.begin(row.documents.get(number=1), bob, "what a beginning", "", "", "")
        services.update_memory(row, name="Novels", visibility="public")
        services.set_person(row, charlie, writes=False, by=alice)
        set_role(bobs, "editor")
        Job.objects.filter(pk=queue(row, Job.Kind.VERIFY).pk).update(
            state="failed", reason="the disk is full", finished_at=timezone.now()
        )
        live = LiveDocument.objects.create(memory=row, document_number=1, snapshot=b"", projected_state=b"")
        LiveVersion.objects.create(live=live, seq=1, kind="named", label="Draft", text="x").authors.add(bob)
    return row


def test_it_tells_what_happened(lively, workspace, alice):
    assert sorted(told(alice, workspace)) == sorted(
        [
            "Alice made the memory",
            "Alice verifying failed",
            "Alice renamed it from “Books” and made it public",
            "Alice shared it with Charlie",
            "Alice made Bob editor",
            "Alice joined Reading room",
            "Bob joined Reading room",
            "Bob commented",
            "Bob named a version",
            "Somebody stored commit 1: first",
        ]
    )
    assert told(alice, workspace, "comments") == ["Bob commented"]
    assert told(alice, workspace, "jobs") == ["Alice verifying failed"]


def test_who_left_is_told(workspace, alice, bob, bobs):
    with set_actor(alice):
        leave(bobs)
    assert "Alice removed Bob" in told(alice, workspace)


def test_of_a_private_memory_others_hear_nothing(lively, workspace, bob, charlie):
    Memory.objects.update(visibility="private")
    assert set(told(bob, workspace)) == {
        "Alice joined Reading room",
        "Bob joined Reading room",
        "Alice made Bob editor",
    }
    assert len(told(charlie, workspace, "documents")) == 3, "whom it is shared with by name"


def test_who_sees_it_by_its_address_alone_reads_commits_only(lively, as_, charlie):
    lively.people.all().delete()
    html = as_(charlie).get(reverse("memory-activity", args=[lively.pk])).text
    assert "commit 1: first" in html
    for secret in ("what a beginning", "Draft", "disk is full", "renamed", "shared it"):
        assert secret not in html


def test_pages_of_memories_and_workspaces(lively, as_, alice, charlie, own_place):
    for url in (reverse("activity"), reverse("memory-activity", args=[lively.pk])):
        html = as_(alice).get(url).text
        assert "what a beginning" in html and "the disk is full" in html
    assert "Alice made Bob" not in as_(alice).get(reverse("memory-activity", args=[lively.pk])).text
    Memory.objects.update(visibility="team")
    lively.people.all().delete()
    assert as_(charlie).get(reverse("memory-activity", args=[lively.pk])).status_code == 404
    assert "what a beginning" not in as_(charlie).get(reverse("activity")).text


def test_a_trashed_memory_says_only_that(lively, workspace, alice):
    with set_actor(alice):
        services.trash([lively])
    assert told(alice, workspace, "documents") == []
    assert told(alice, workspace, "people")[0] == "Alice put it into the trash"


def test_pages_lose_nothing_even_within_one_moment(new_memory, workspace, alice, as_):
    row = new_memory()
    now = timezone.now()
    for number in range(2, 100):
        time = now - timedelta(seconds=number // 10)  # ten in each moment
        Commit.objects.create(
            memory=row, number=number, time=time, hash=f"{number}", first_frame=0, frames=1, put=0, deleted=0
        )
    seen, before = [], None
    while True:
        events, older = activity.listed(activity.of_memory(alice, row, before), "documents")
        seen += [event.what for event in events]
        if older is None:
            break
        before = older
    assert len(seen) == len(set(seen)) == 100


@pytest.mark.parametrize("query", ["?kind=x&before=soon", "?before=9999-99-99", "?kind="])
def test_an_address_that_makes_no_sense(as_, workspace, alice, query):
    assert as_(alice).get(reverse("activity") + query).status_code == 200


def test_an_empty_workspace(as_, own_place, charlie):
    assert "Charlie" in as_(charlie).get(reverse("activity")).text
