"""Who may change what: the ladder of rights for every form of the memory pages."""

import pytest
from django.test import Client
from django.urls import reverse

from collab.models import Membership, Role, User
from memories import queries
from memories.models import Job, Memory, MemoryPerson

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_delivered(monkeypatch):
    """Jobs stay queued: what they do has its own tests."""
    monkeypatch.setattr("memories.tasks.deliver", lambda pk: True)


def as_(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


POSTS = [
    ("memory-settings", {"name": "New", "visibility": "team", "index_mode": "none"}),
    ("memory-people", {"email": "charlie@example.org"}),
    ("memory-upkeep", {"action": "verify"}),
    ("memory-upkeep", {"action": "vacuum"}),
    ("memory-upkeep", {"action": "trash"}),
    ("memory-remove", {"document": "1", "confirmed": "1"}),
    ("memory-upload", {"text": "words"}),
]


@pytest.mark.parametrize(("name", "data"), POSTS)
def test_only_who_may_write_changes_a_memory(name, data, new_memory, alice, bob, charlie):
    row = new_memory()
    url = reverse(name, args=[row.pk])
    for user, expected in ((bob, 404), (charlie, 404)):
        assert as_(user).post(url, data).status_code == expected
    anonymous = as_(None).post(url, data)
    assert anonymous.status_code == 302 and "/accounts/login/" in anonymous.url
    before = Memory.objects.get(pk=row.pk)
    assert (before.name, before.deleted_at, row.people.count(), row.jobs.count()) == (row.name, None, 0, 0)
    assert as_(alice).post(url, data).status_code in (200, 302)
    after = Memory.objects.get(pk=row.pk)
    assert after.name == "New" or after.deleted_at or row.people.exists() or row.jobs.exists()


@pytest.mark.parametrize("name", ["memory-upload", "memory-manifest", "memory-import", "memory-remove", "memory-people",
                                  "memory-upkeep", "memory-merge", "memory-prepare"])  # fmt: skip
def test_forms_answer_no_get(name, new_memory, alice):
    assert as_(alice).get(reverse(name, args=[new_memory().pk])).status_code == 405


def test_an_editor_writes_and_does_not_erase(new_memory, bob):
    row = new_memory()
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    assert (
        as_(bob).post(reverse("memory-remove", args=[row.pk]), {"document": "1", "confirmed": "1"}).status_code == 302
    )
    assert as_(bob).post(reverse("memory-settings", args=[row.pk]), {"name": "x"}).status_code == 404
    assert as_(bob).post(reverse("document-erase", args=[row.pk, 1]), {"typed": "a.txt"}).status_code == 404


def test_a_named_writer_from_outside_writes(new_memory, charlie):
    row = new_memory(visibility="private")
    MemoryPerson.objects.create(memory=row, user=charlie, writes=True)
    assert as_(charlie).post(reverse("memory-upload", args=[row.pk]), {"text": "words"}).status_code == 302
    assert row.jobs.get().created_by == charlie


def test_settings_are_stored(new_memory, alice):
    row = new_memory()
    data = {
        "name": " A  name ",
        "description": "why",
        "tags": "law, 2026,law",
        "visibility": "private",
        "index_mode": "none",
    }
    as_(alice).post(reverse("memory-settings", args=[row.pk]), data)
    row.refresh_from_db()
    assert (row.name, row.tags, row.visibility, row.index_mode) == ("A name", ["law", "2026"], "private", "none")


def test_wrong_settings_are_said_and_change_nothing(new_memory, alice):
    row = new_memory()
    page = as_(alice).post(
        reverse("memory-settings", args=[row.pk]), {"name": "", "visibility": "odd", "tags": "x" * 60}
    )
    assert page.status_code == 422 and "50 characters" in page.content.decode()
    assert Memory.objects.get(pk=row.pk).visibility == "team"


def test_people_are_named_and_taken_off(new_memory, alice, charlie):
    row = new_memory(visibility="private")
    client = as_(alice)
    client.post(reverse("memory-people", args=[row.pk]), {"email": "CHARLIE@example.org", "writes": "on"})
    person = row.people.get()
    assert (person.user, person.writes) == (charlie, True)
    page = client.post(reverse("memory-people", args=[row.pk]), {"email": "nobody@example.org"}, follow=True)
    assert "Nobody here has this address" in page.content.decode()
    client.post(reverse("memory-person-remove", args=[row.pk, person.pk]))
    assert not row.people.exists()


def test_removing_asks_first_and_says_that_history_keeps_the_text(new_memory, alice):
    row = new_memory()
    url = reverse("memory-remove", args=[row.pk])
    page = as_(alice).post(url, {"document": ["1", "2"]})
    assert "stays in the history" in page.content.decode() and not row.jobs.exists()
    as_(alice).post(url, {"document": ["1", "2"], "confirmed": "1"})
    job = row.jobs.get()
    assert (job.kind, sorted(job.params["documents"])) == ("remove", [1, 2])


def test_indexing_that_the_trash_cut_off_goes_on_after_undo(new_memory, alice):
    row, other = new_memory(name="One"), new_memory(name="Other")
    Job.objects.create(workspace=row.workspace, memory=row, kind="index", created_by=alice)
    for action in ("trash", "restore"):
        as_(alice).post(reverse("memories-bulk"), {"action": action, "memory": [row.pk, other.pk]})
    states = row.jobs.filter(kind="index").order_by("created_at").values_list("state", flat=True)
    assert list(states) == ["cancelled", "queued"] and not other.jobs.exists()


def test_erasing_wants_the_name_typed(new_memory, alice):
    row = new_memory({"deep/secret.txt": "x"})
    url = reverse("document-erase", args=[row.pk, 1])
    assert "cannot be undone" in as_(alice).get(url).content.decode()
    as_(alice).post(url, {"typed": "secret"})
    assert not row.jobs.exists()
    as_(alice).post(url, {"typed": "secret.txt"})
    assert (row.jobs.get().kind, row.jobs.get().params) == ("erase", {"documents": [1]})


def test_trash_undo_and_restore(new_memory, alice, bob):
    row = new_memory()
    page = as_(alice).post(reverse("memory-upkeep", args=[row.pk]), {"action": "trash"}, follow=True).content.decode()
    assert "Undo" in page and str(row.pk) in page
    assert row.name in as_(alice).get("/trash/").content.decode()
    assert row.name not in as_(bob).get("/trash/").content.decode()
    restore = {"action": "restore", "memory": str(row.pk)}
    as_(bob).post("/memories/bulk/", restore)
    assert Memory.objects.get(pk=row.pk).deleted_at
    as_(alice).post("/memories/bulk/", restore)
    assert Memory.objects.get(pk=row.pk).deleted_at is None


def test_trash_stops_open_jobs(new_memory, alice):
    row = new_memory()
    job = Job.objects.create(workspace=row.workspace, memory=row, kind="verify", created_by=alice)
    as_(alice).post(reverse("memory-upkeep", args=[row.pk]), {"action": "trash"})
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED


def test_deleting_for_good_wants_the_name_and_the_trash(new_memory, alice, bob, charlie):
    row = new_memory()
    url = reverse("memory-delete", args=[row.pk])
    assert as_(alice).post(url, {"typed": row.name}).status_code == 404  # not in the trash
    as_(alice).post(reverse("memory-upkeep", args=[row.pk]), {"action": "trash"})
    assert [as_(user).post(url, {"typed": row.name}).status_code for user in (bob, charlie)] == [404, 404]
    assert as_(alice).post(url, {"typed": "other"}).status_code == 200
    assert Memory.objects.filter(pk=row.pk).exists() and row.path.exists()
    assert as_(alice).post(url, {"typed": row.name}).status_code == 302
    assert not Memory.objects.filter(pk=row.pk).exists() and not row.path.exists()


BULK = ["trash", "tag", "vacuum", "verify"]


@pytest.mark.parametrize("action", BULK)
def test_bulk_touches_only_what_one_may_manage(action, new_memory, alice, bob, charlie):
    row = new_memory()
    data = {"action": action, "memory": [str(row.pk)], "tags": "new"}
    as_(bob).post("/memories/bulk/", data)
    as_(charlie).post("/memories/bulk/", data)
    as_(None).post("/memories/bulk/", data)
    row.refresh_from_db()
    assert (row.deleted_at, row.tags, row.jobs.count()) == (None, [], 0)
    as_(alice).post("/memories/bulk/", data)
    row.refresh_from_db()
    assert row.deleted_at or row.tags == ["new"] or row.jobs.get().kind == action


def test_merging_makes_a_new_memory(new_memory, alice, bob):
    first, second = new_memory(name="One"), new_memory(name="Two")
    data = {"action": "merge", "memory": [str(first.pk), str(second.pk)], "name": "Both"}
    as_(bob).post("/memories/bulk/", data)
    assert not Job.objects.exists()
    as_(alice).post("/memories/bulk/", data)
    job = Job.objects.get()
    assert (job.kind, job.memory.name) == ("merge", "Both")
    assert set(job.params["sources"]) == {str(first.pk), str(second.pk)}
    as_(alice).post(reverse("memory-merge", args=[first.pk]), {"memory": [str(second.pk)], "name": "Again"})
    assert Memory.objects.filter(name="Again").exists()


def test_what_one_cannot_see_is_not_merged(new_memory, alice, bob):
    mine, hidden = new_memory(name="Mine"), new_memory(visibility="private")
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    as_(bob).post("/memories/bulk/", {"action": "merge", "memory": [str(mine.pk), str(hidden.pk)]})
    as_(bob).post(reverse("memory-merge", args=[mine.pk]), {"memory": [str(hidden.pk)], "name": "x"})
    assert (
        as_(bob).post(reverse("memory-merge", args=[hidden.pk]), {"memory": [str(mine.pk)], "name": "x"}).status_code
        == 404
    )
    assert not Job.objects.exists()


def test_a_download_is_prepared_once(new_memory, alice, bob, charlie):
    row = new_memory()
    url = reverse("memory-prepare", args=[row.pk])
    assert as_(charlie).post(url).status_code == 404
    as_(bob).post(url)
    as_(alice).post(url)
    job = row.jobs.get()
    assert (job.kind, job.params["history"]) == ("export", False)
    as_(alice).post(url, {"history": "on"})
    assert row.jobs.filter(params__history=True).count() == 1


@pytest.mark.parametrize("looks", ["open_exports", "ended_exports"])
def test_a_download_that_is_ready_while_the_page_is_drawn_is_not_offered_anew(looks, new_memory, alice, monkeypatch):
    """Else the page shows nothing that it would follow, and waits for ever."""
    row = new_memory()
    as_(alice).post(reverse("memory-prepare", args=[row.pk]))
    look = getattr(queries, looks)

    def slowly(memory):
        found = look(memory)
        Job.objects.filter(memory=memory).update(state="done")
        return found

    monkeypatch.setattr(queries, looks, slowly)
    page = as_(alice).get(reverse("memory-download", args=[row.pk])).text
    assert "data-job-progress" in page or reverse("job-file", args=[row.jobs.get().pk]) in page


def test_why_a_download_failed_is_said_where_it_was_asked_for(new_memory, alice):
    row = new_memory()
    as_(alice).post(reverse("memory-prepare", args=[row.pk]))
    Job.objects.update(state="failed", reason="the disk is full")
    address = reverse("memory-download", args=[row.pk])
    page = as_(alice).get(address).text
    assert "It could not be prepared: the disk is full." in page and page.count("Prepare</button>") == 2
    as_(alice).post(reverse("memory-prepare", args=[row.pk]))
    Job.objects.filter(state="queued").update(state="done")
    assert "could not be prepared" not in as_(alice).get(address).text


def test_a_prepared_download_is_sent(new_memory, settings, alice, bob, charlie):
    row = new_memory(name="A/B")
    job = Job.objects.create(
        workspace=row.workspace,
        memory=row,
        kind="export",
        state="done",
        params={"history": False, "head": row.head_hash},
    )
    folder = settings.MEMVID_DATA_DIR / "exports"
    folder.mkdir(exist_ok=True)
    (folder / f"{job.pk}.mp4").write_bytes(b"video")
    url = reverse("job-file", args=[job.pk])
    answer = as_(bob).get(url)
    assert b"".join(answer) == b"video" and 'filename="A-B.mp4"' in answer["Content-Disposition"]
    assert as_(charlie).get(url).status_code == 404
    assert url in as_(bob).get(reverse("memory-download", args=[row.pk])).content.decode()
    row.visibility = "private"
    row.save()
    assert as_(bob).get(url).status_code == 404
    (folder / f"{job.pk}.mp4").unlink()
    assert as_(alice).get(url).status_code == 302


def test_an_older_file_is_accepted_in_the_settings_by_who_may_manage(new_memory, alice, bob):
    row = new_memory()
    Memory.objects.filter(pk=row.pk).update(state=Memory.State.BEHIND, alarm="the file ends at commit 1")
    upkeep = reverse("memory-upkeep", args=[row.pk])
    assert "The file ends at commit 1" in as_(alice).get(reverse("memory-settings", args=[row.pk])).text
    assert as_(bob).post(upkeep, {"action": "accept"}).status_code == 404
    as_(alice).post(upkeep, {"action": "accept"})
    assert list(row.jobs.values_list("kind", "params")) == [("mirror", {"accept": True})]
