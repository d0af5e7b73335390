"""The pages of memories and documents: who may see them, what they show, and what they cost."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from collab.models import Membership, Role, User, Workspace
from memories import mirror, queries
from memories.models import Job, Memory, MemoryPerson

pytestmark = pytest.mark.django_db

PAGES = ["memory", "memory-documents", "memory-history", "memory-download"]
MANAGING = ["memory-settings"]
DOCUMENT_PAGES = ["document", "document-original", "document-text"]


def as_(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def status(user: User | None, name: str, *args, **query) -> int:
    return as_(user).get(reverse(name, args=args), query).status_code


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_a_team_memory(name, new_memory, alice, bob, charlie):
    row = new_memory()
    assert [status(user, name, row.pk) for user in (alice, bob, charlie, None)] == [200, 200, 404, 302]


@pytest.mark.parametrize("name", DOCUMENT_PAGES)
def test_pages_of_a_document(name, new_memory, alice, bob, charlie):
    row = new_memory()
    assert [status(user, name, row.pk, 1) for user in (alice, bob, charlie, None)] == [200, 200, 404, 302]
    assert status(alice, name, row.pk, 99) == 404


def test_settings_are_for_those_who_manage(new_memory, alice, bob, charlie):
    row = new_memory()
    assert [status(user, "memory-settings", row.pk) for user in (alice, bob, charlie, None)] == [200, 404, 404, 302]


def test_erasing_is_for_an_owner(new_memory, workspace, alice, bob, charlie):
    row = new_memory()
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    assert [status(user, "document-erase", row.pk, 1) for user in (alice, bob, charlie, None)] == [200, 404, 404, 302]


def test_a_private_memory_is_seen_by_its_maker_and_the_named(new_memory, alice, bob, charlie):
    row = new_memory(visibility="private")
    assert [status(user, "memory", row.pk) for user in (alice, bob, charlie)] == [200, 404, 404]
    MemoryPerson.objects.create(memory=row, user=charlie)
    assert status(charlie, "memory", row.pk) == 200
    assert status(charlie, "memory-settings", row.pk) == 404


def test_a_public_memory_is_open_to_all(new_memory, charlie):
    row = new_memory(visibility="public")
    for name in PAGES:
        assert [status(user, name, row.pk) for user in (charlie, None)] == [200, 200]
    assert [status(user, "document", row.pk, 1) for user in (charlie, None)] == [200, 200]


def test_what_is_in_the_trash_has_no_pages(new_memory, alice):
    row = new_memory()
    as_(alice).post(reverse("memory-upkeep", args=[row.pk]), {"action": "trash"})
    assert {status(alice, name, row.pk) for name in PAGES + MANAGING} == {404}
    assert status(alice, "document", row.pk, 1) == 404


def test_the_list_shows_what_one_may_see(new_memory, alice, bob, charlie):
    new_memory(name="For the team")
    hidden = new_memory(name="My own", visibility="private")
    assert "My own" in as_(alice).get("/memories/").content.decode()
    page = as_(bob).get("/memories/").content.decode()
    assert "For the team" in page and "My own" not in page
    assert as_(charlie).get("/memories/").status_code == 404
    other = Workspace.objects.create(name="Elsewhere")
    Membership.objects.create(workspace=other, user=charlie, role=Role.OWNER)
    MemoryPerson.objects.create(memory=hidden, user=charlie)
    page = as_(charlie).get("/memories/").content.decode()
    assert "My own" in page and "For the team" not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=red", {"Red"}), ("q=LAW", {"Red"}), ("tag=law", {"Red"}), ("state=empty", {"Blue"}),
        ("visibility=private", {"Blue"}), ("mine=on", {"Red", "Blue"}), ("q=nothing", set()),
        ("state=odd", {"Red", "Blue"}),
    ],
)  # fmt: skip
def test_filters_of_the_list(query, found, workspace, alice):
    shared = {"workspace": workspace, "created_by": alice}
    Memory.objects.create(name="Red", tags=["law"], state="ready", **shared)
    Memory.objects.create(name="Blue", visibility="private", **shared)
    page = as_(alice).get(f"/memories/?{query}")
    assert {memory.name for memory in page.context["page"].object_list} == found
    assert ("Nothing matches" in page.content.decode()) == (not found)


@pytest.mark.parametrize("sort", ["name", "size", "chunks", "made", "changed"])
@pytest.mark.parametrize("view", ["grid", "list"])
def test_sorts_and_views(sort, view, workspace, alice):
    for name, size in (("a", 1), ("b", 2)):
        Memory.objects.create(
            workspace=workspace, created_by=alice, name=name, file_bytes=size, chunks_count=size, state="ready"
        )
    page = as_(alice).get("/memories/", {"sort": sort, "view": view})
    names = [memory.name for memory in page.context["page"].object_list]
    assert names == (["a", "b"] if sort == "name" else ["b", "a"])


def test_an_empty_list_says_what_to_do(workspace, alice, bob):
    assert "Make the first memory" in as_(alice).get("/memories/").content.decode()
    assert "Make the first memory" not in as_(bob).get("/memories/").content.decode()


@pytest.mark.parametrize("path", ["/memories/", "/memories/?view=list", "/trash/", "/jobs/"])
def test_lists_cost_the_same_with_more_rows(path, workspace, alice):
    client, counts = as_(alice), []
    for _ in range(2):
        for n in range(10):
            add_rows(workspace, alice, n)
        with CaptureQueriesContext(connection) as seen:
            client.get(path)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def add_rows(workspace: Workspace, by: User, number: int) -> None:
    facts = {"workspace": workspace, "created_by": by, "tags": [f"tag {number}"], "state": "ready"}
    row = Memory.objects.create(name=f"Memory {number}", **facts)
    gone = Memory.objects.create(name=f"Gone {number}", **facts, deleted_at=row.created_at)
    for memory in (row, gone):
        job = Job.objects.create(workspace=workspace, memory=memory, kind="upload", created_by=by, state="running")
        job.files.create(path="a.txt")


def test_documents_cost_the_same_with_more_rows(new_memory, append, alice):
    row, client, counts = new_memory({"x.txt": "x"}), as_(alice), []
    for start in (0, 10):
        append(row, {f"{start + n}.txt": f"text {start + n}" for n in range(10)})
        mirror.follow(row)
        for name in ("memory", "memory-documents", "memory-history"):
            with CaptureQueriesContext(connection) as seen:
                client.get(reverse(name, args=[row.pk]))
            counts.append(len(seen))
    assert counts[:3] == counts[3:]


def test_types_are_counted_once_a_commit(new_memory, append):
    def asked() -> int:
        with CaptureQueriesContext(connection) as seen:
            queries.document_facets(row)
        return len(seen)

    row = new_memory({"a.txt": "one"})
    assert (asked(), asked()) == (2, 0)
    append(row, {"b.txt": "two"})
    mirror.follow(row)
    assert (asked(), asked()) == (2, 0)
