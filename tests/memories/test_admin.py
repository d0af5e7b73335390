"""The panel: who may open it, what its lists cost, and the acts on memories, documents and jobs."""

import pytest
from django.contrib.admin.models import LogEntry as PanelLog
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from collab.models import Membership, User, Workspace
from memories import jobs, mirror
from memories.models import Chunk, Document, Job, Memory

pytestmark = pytest.mark.django_db
LISTS = ["memories_memory", "memories_document", "memories_chunk", "memories_job"]
PEOPLE = ["collab_user", "collab_workspace", "collab_invitation", "auditlog_logentry", "search_embeddingmodel"]


@pytest.fixture
def curator(alice: User) -> User:
    """Alice owns the workspace and is staff, no more."""
    alice.is_staff = True
    alice.save()
    return alice


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root@example.org", "correct horse battery")


def as_(user: User | None) -> Client:
    client = Client(raise_request_exception=True)
    if user is not None:
        client.force_login(user)
    return client


def listing(name: str) -> str:
    return reverse(f"admin:{name}_changelist")


def act(user: User, name: str, action: str, rows: list, **more) -> str:
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return as_(user).post(listing(name), data, follow=True).content.decode()


@pytest.mark.parametrize("name", [*LISTS, *PEOPLE])
def test_who_is_no_staff_gets_nowhere(name, new_memory, bob):
    new_memory()
    assert as_(None).get(listing(name)).status_code == 302
    assert as_(bob).get(listing(name), follow=True).status_code == 403


def test_the_login_is_the_one_that_asks_for_the_second_factor(db):
    assert as_(None).get("/admin/login/?next=/admin/").url.startswith("/accounts/login/")


@pytest.mark.parametrize("name", LISTS)
def test_staff_see_what_they_manage_and_nothing_else(name, new_memory, curator, charlie):
    new_memory(name="Near")
    charlie.is_staff = True
    charlie.save()
    assert as_(curator).get(listing(name)).context["cl"].result_count >= (0 if name.endswith("job") else 1)
    assert as_(charlie).get(listing(name)).context["cl"].result_count == 0


@pytest.mark.parametrize("name", PEOPLE)
def test_people_and_the_installation_are_for_superusers(name, curator, root):
    assert as_(curator).get(listing(name)).status_code == 403
    assert as_(root).get(listing(name)).status_code == 200


def test_a_superuser_sees_private_memories_and_is_told_so(new_memory, root):
    row = new_memory(name="Secret", visibility="private")
    page = as_(root).get(listing("memories_memory")).content.decode()
    assert "Secret" in page and "private memories too" in page
    assert as_(root).get(reverse("admin:memories_memory_picture", args=[row.pk]))["Content-Type"] == "image/png"


def test_a_row_out_of_reach_is_not_there(new_memory, charlie):
    row = new_memory()
    charlie.is_staff = True
    charlie.save()
    chunk = Chunk.objects.filter(memory=row).first()
    assert as_(charlie).get(reverse("admin:memories_memory_change", args=[row.pk])).status_code == 302
    assert as_(charlie).get(reverse("admin:memories_chunk_change", args=[chunk.pk])).status_code == 302
    for name in ("picture", "duplicates"):
        assert as_(charlie).get(reverse(f"admin:memories_memory_{name}", args=[row.pk])).status_code == 404


@pytest.mark.parametrize("name", [*LISTS, *PEOPLE])
def test_the_number_of_queries_does_not_grow_with_the_rows(name, new_memory, root):
    def cost() -> int:
        client = as_(root)
        client.get(listing(name))
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(listing(name)).status_code == 200
        return len(captured)

    add_rows(new_memory, 2, root)
    before = cost()
    add_rows(new_memory, 5, root)
    assert cost() == before


def add_rows(new_memory, count: int, user: User) -> None:
    for at in range(count):
        row = new_memory({f"{at}-{name}.txt": f"{at} {name}" for name in "abc"})
        Job.objects.create(workspace=row.workspace, memory=row, kind=Job.Kind.VERIFY, created_by=user, percent=at)
        person = User.objects.create_user(f"{row.pk}@example.org")
        workspace = Workspace.objects.create(name=f"Team {at}")
        Membership.objects.create(workspace=workspace, user=person)
        workspace.invitations.create(token_digest=row.pk.hex, created_by=person)


@pytest.mark.parametrize(
    "action, kind",
    [
        ("reindex", Job.Kind.INDEX),
        ("verify", Job.Kind.VERIFY),
        ("follow", Job.Kind.MIRROR),
        ("vacuum", Job.Kind.VACUUM),
    ],
)
def test_upkeep_queues_a_job_and_links_to_it(action, kind, new_memory, curator):
    row = new_memory()
    page = act(curator, "memories_memory", action, [row], confirmed="1")
    job = Job.objects.get(kind=kind, memory=row, created_by=curator)
    assert reverse("admin:memories_job_change", args=[job.pk]) in page


def test_a_vacuum_says_first_that_it_cannot_be_undone(new_memory, curator):
    assert "cannot be undone" in act(curator, "memories_memory", "vacuum", [new_memory()])
    assert not Job.objects.exists()


def test_a_memory_goes_to_the_trash_and_comes_back(new_memory, curator):
    row = new_memory()
    act(curator, "memories_memory", "trash", [row])
    assert Memory.objects.trashed().get() == row
    assert "in the trash: restore it first" in act(curator, "memories_memory", "verify", [row])
    act(curator, "memories_memory", "restore", [row])
    assert Memory.objects.present().get() == row


def test_removing_documents_asks_first_and_is_one_commit(new_memory, curator):
    row = new_memory({"a.txt": "one", "b.txt": "two", "c.txt": "three"})
    some = list(Document.objects.filter(path__in=("a.txt", "b.txt")))
    assert "history keeps their text" in act(curator, "memories_document", "remove", some)
    act(curator, "memories_document", "remove", some, confirmed="1")
    jobs.run(Job.objects.get(kind=Job.Kind.REMOVE).pk)
    row.refresh_from_db()
    assert row.head == 2
    assert list(Document.objects.present().values_list("path", flat=True)) == ["c.txt"]


def test_jobs_are_cancelled_and_tried_again(new_memory, curator):
    row = new_memory()
    job = Job.objects.create(workspace=row.workspace, memory=row, kind=Job.Kind.VERIFY, created_by=curator)
    job.files.create(path="notes.txt", state="failed", reason="it is not text")
    act(curator, "memories_job", "cancel", [job])
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    act(curator, "memories_job", "retry", [job])
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED
    Job.objects.update(state=Job.State.DONE)
    assert "nothing to try again" in act(curator, "memories_job", "retry", [job])
    page = as_(curator).get(reverse("admin:memories_job_change", args=[job.pk])).content.decode()
    assert "notes.txt" in page and "it is not text" in page


def test_rows_that_mirror_a_file_are_neither_added_nor_deleted(new_memory, root):
    new_memory()
    for model in (Memory, Document, Chunk, Job):
        name = f"memories_{model._meta.model_name}"
        row = model.objects.first() or Job.objects.create(workspace=Workspace.objects.first(), kind=Job.Kind.VERIFY)
        assert as_(root).get(reverse(f"admin:{name}_add")).status_code == 403
        assert as_(root).post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        assert "Nothing" not in act(root, name, "delete_selected", [row]) and model.objects.filter(pk=row.pk).exists()


def test_the_panels_own_log_copies_no_names(new_memory, curator):
    new_memory()
    act(curator, "memories_document", "remove", list(Document.objects.all()), confirmed="1")
    act(curator, "memories_chunk", "put_flag", list(Chunk.objects.all()), confirmed="1", note="look")
    assert not PanelLog.objects.exists()


HOSTILE = [
    "abc",
    "9" * 40,
    "-1",
    "\N{REPLACEMENT CHARACTER}",
    "0.5",
    "' OR 1=1",
    "00000000-0000-0000-0000-00000000000g",
]


@pytest.mark.parametrize("name", [*LISTS, *PEOPLE])
def test_hostile_addresses_and_forms(name, new_memory, root):
    new_memory()
    client = as_(root)
    keys = "q o p e all memory__id__exact document__id__exact workspace__id__exact presence flagged state__exact object"
    actions = "remove vacuum put_flag retry revoke activate".split()
    for value in HOSTILE:
        assert client.get(listing(name), dict.fromkeys(keys.split(), value), follow=True).status_code in (200, 400)
        for key in keys.split():
            assert client.get(listing(name), {key: value}).status_code in (200, 302, 400)
        assert client.get(f"{listing(name)}{value}/change/", follow=True).status_code in (200, 404)
        for action in (*actions, value):
            data = {"action": action, "_selected_action": [value], "index": value, "select_across": value}
            assert client.post(listing(name), {**data, "confirmed": "1"}).status_code in (200, 302, 400, 403)


def test_the_mirror_is_where_the_file_is_after_acts(new_memory, curator):
    """The rows that the panel shows are those that a rebuild makes of the file."""
    row = new_memory()
    act(curator, "memories_document", "remove", [Document.objects.first()], confirmed="1")
    jobs.run(Job.objects.get().pk)
    shown = list(Chunk.objects.order_by("document__number", "order", "added").values_list("text", "added", "removed"))
    mirror.rebuild(row)
    assert shown == list(
        Chunk.objects.order_by("document__number", "order", "added").values_list("text", "added", "removed")
    )
