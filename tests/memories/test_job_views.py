"""The pages of jobs: who sees them, cancel, retry, clear."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from collab.models import Membership, Role, User
from memories import staging
from memories.models import Job, Memory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def delivered(monkeypatch) -> list:
    keys: list = []
    monkeypatch.setattr("memories.tasks.deliver", keys.append)
    return keys


@pytest.fixture
def job(workspace, alice) -> Job:
    row = Memory.objects.create(workspace=workspace, created_by=alice, name="Books")
    job = Job.objects.create(workspace=workspace, memory=row, kind="upload", created_by=alice)
    job.files.create(path="d/a.txt", state="stored")
    failed = job.files.create(path="d/b.pdf", state="failed", reason="it is no PDF", staged="b")
    staging.folder_of(job.pk).mkdir(parents=True)
    (staging.folder_of(job.pk) / failed.staged).write_text("x")
    return job


def as_(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def end(job: Job, state: str) -> None:
    Job.objects.filter(pk=job.pk).update(state=state, reason="why it ended")


def state(job: Job) -> str:
    return Job.objects.get(pk=job.pk).state


def test_who_sees_a_job(job, alice, bob, charlie):
    url = reverse("job", args=[job.pk])
    assert [as_(user).get(url).status_code for user in (alice, bob, charlie, None)] == [200, 200, 404, 302]
    Memory.objects.update(visibility="private")
    assert [as_(user).get(url).status_code for user in (alice, bob)] == [200, 404]


def test_the_jobs_of_a_public_memory_are_its_peoples(job, alice, bob, charlie):
    """They name people, and files that could not be stored."""
    Memory.objects.update(visibility="public")
    url = reverse("job", args=[job.pk])
    assert [as_(user).get(url).status_code for user in (alice, bob, charlie, None)] == [200, 200, 404, 302]
    assert str(job.pk) not in as_(None).get(reverse("memory", args=[job.memory_id])).text


def test_the_jobs_of_the_trash_are_known_to_who_may_restore_it(job, alice, bob):
    Memory.objects.update(deleted_at=timezone.now())
    url = reverse("job", args=[job.pk])
    assert [as_(user).get(url).status_code for user in (alice, bob)] == [200, 404]
    assert "Books" in as_(alice).get("/jobs/").text and "Books" not in as_(bob).get("/jobs/").text


def test_who_lost_sight_of_a_memory_lost_its_jobs(job, bob):
    Job.objects.update(created_by=bob)
    Memory.objects.update(visibility="private", name="Renamed")
    assert as_(bob).get(reverse("job", args=[job.pk])).status_code == 404
    assert as_(bob).post(reverse("job-cancel", args=[job.pk])).status_code == 404
    assert "Renamed" not in as_(bob).get("/jobs/").text
    as_(bob).post("/jobs/bulk/", {"action": "clear", "all": "1"})
    bob.is_staff = True
    bob.save()
    assert "Renamed" not in as_(bob).get(reverse("admin:memories_job_changelist")).text


@pytest.mark.parametrize("kind", ["erase", "vacuum"])
def test_the_panel_starts_again_only_what_the_person_may_start(kind, job, bob):
    Job.objects.update(kind=kind, state="failed", created_by=bob)
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    bob.is_staff = True
    bob.save()
    data = {"action": "retry", "_selected_action": [job.pk]}
    page = as_(bob).post(reverse("admin:memories_job_changelist"), data, follow=True).text
    assert "you may not do what it does" in page and state(job) == "failed"


def test_its_page_tells_each_outcome(job, alice):
    page = as_(alice).get(reverse("job", args=[job.pk])).content.decode()
    assert "a.txt" in page and "it is no PDF" in page
    failed = as_(alice).get(reverse("job", args=[job.pk]), {"state": "failed"})
    assert [file.path for file in failed.context["page"].object_list] == ["d/b.pdf"]
    part = as_(alice).get(reverse("job", args=[job.pk]), headers={"HX-Request": "true"}).content.decode()
    assert 'id="job"' in part and "<html" not in part


@pytest.mark.parametrize("name", ["job-cancel", "job-retry"])
def test_who_may_cancel_and_retry(name, job, bob, charlie):
    if name == "job-retry":
        end(job, "failed")
    before = state(job)
    for user in (bob, charlie, None):
        assert as_(user).post(reverse(name, args=[job.pk])).status_code == (404 if user else 302)
    assert state(job) == before
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    as_(bob).post(reverse(name, args=[job.pk]))
    assert state(job) != before


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked(job, alice):
    end(job, "running")
    as_(alice).post(reverse("job-cancel", args=[job.pk]))
    assert state(job) == "running" and Job.objects.get().cancel_requested
    end(job, "queued")
    as_(alice).post(reverse("job-cancel", args=[job.pk]))
    assert state(job) == "cancelled"


def test_a_failed_job_starts_again_with_what_the_server_still_has(
    job, alice, delivered, django_capture_on_commit_callbacks
):
    end(job, "failed")
    with django_capture_on_commit_callbacks(execute=True):
        as_(alice).post(reverse("job-retry", args=[job.pk]))
    assert state(job) == "queued" and delivered == [job.pk]
    assert dict(job.files.values_list("path", "state")) == {"d/a.txt": "stored", "d/b.pdf": "waiting"}


def test_one_file_is_tried_again(job, alice):
    end(job, "done")
    other = job.files.create(path="c.pdf", state="failed", staged="b")
    failed = job.files.get(path="d/b.pdf")
    as_(alice).post(reverse("job-retry", args=[job.pk]), {"file": failed.pk})
    failed.refresh_from_db(), other.refresh_from_db()
    assert (failed.state, other.state, state(job)) == ("waiting", "failed", "queued")


def test_files_that_are_gone_cannot_be_tried_again(job, alice):
    end(job, "failed")
    staging.drop_all(job.pk)
    page = as_(alice).post(reverse("job-retry", args=[job.pk]), follow=True).content.decode()
    assert "no longer on the server" in page and state(job) == "failed"


def test_an_open_job_is_not_started_twice(job, alice):
    end(job, "running")
    as_(alice).post(reverse("job-retry", args=[job.pk]))
    assert state(job) == "running"


def test_who_lost_the_right_cannot_retry_their_own_job(job, alice):
    end(job, "failed")
    Membership.objects.filter(user=alice).update(role=Role.VIEWER)
    Memory.objects.update(created_by=None)
    assert as_(alice).post(reverse("job-retry", args=[job.pk])).status_code == 404


@pytest.mark.parametrize("kind", ["erase", "vacuum"])
def test_an_editor_cannot_retry_what_they_may_not_start(kind, job, bob):
    Job.objects.update(kind=kind, state="failed")
    Membership.objects.filter(user=bob).update(role=Role.EDITOR)
    assert as_(bob).post(reverse("job-retry", args=[job.pk])).status_code == 404


@pytest.mark.parametrize(
    ("query", "found"), [("state=open", 1), ("state=failed", 0), ("kind=merge", 0), ("mine=on", 1)]
)
def test_filters(query, found, job, alice):
    page = as_(alice).get(f"/jobs/?{query}")
    assert len(page.context["page"].object_list) == found
    assert ("No such job" in page.content.decode()) == (not found)


def test_bulk_retries_and_clears(job, alice, bob):
    end(job, "failed")
    as_(bob).post("/jobs/bulk/", {"action": "retry", "job": str(job.pk)})
    assert state(job) == "failed"
    as_(alice).post("/jobs/bulk/", {"action": "retry", "job": str(job.pk)})
    assert state(job) == "queued"
    as_(alice).post("/jobs/bulk/", {"action": "clear", "all": "1"})
    assert Job.objects.filter(pk=job.pk).exists()  # at work
    end(job, "done")
    as_(bob).post("/jobs/bulk/", {"action": "clear", "all": "1"})
    assert Job.objects.filter(pk=job.pk).exists()
    as_(alice).post("/jobs/bulk/", {"action": "clear", "all": "1"})
    assert not Job.objects.filter(pk=job.pk).exists() and not staging.folder_of(job.pk).exists()


@pytest.mark.parametrize("name", ["job-cancel", "job-retry"])
def test_no_get(name, job, alice):
    assert as_(alice).get(reverse(name, args=[job.pk])).status_code == 405
