"""Files from a browser: names that could do harm, limits, batches, a folder again, and the form without scripts."""

import errno
import json
import shutil
from collections import namedtuple
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.urls import reverse

from memories import staging
from memories.models import Job, JobFile, Memory

pytestmark = pytest.mark.django_db
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture(autouse=True)
def delivered(monkeypatch) -> list:
    keys: list = []
    monkeypatch.setattr("memories.tasks.deliver", keys.append)
    return keys


@pytest.fixture
def row(workspace, alice) -> Memory:
    return Memory.objects.create(workspace=workspace, created_by=alice, name="Books")


@pytest.fixture
def send(client, alice, row):
    client.force_login(alice)

    def post(files: dict[str, bytes], memory=row, name="memory-upload", **data):
        parts = [SimpleUploadedFile("file", content) for content in files.values()]
        data = {"path": list(files), "file": parts, **data}
        return client.post(reverse(name, args=[memory.pk]), data, **JSON)

    return post


def staged(file: JobFile) -> bytes:
    return (staging.folder_of(file.job_id) / file.staged).read_bytes()


BAD = [
    "../x.txt",
    "a/../../x",
    "/etc/passwd",
    "a//b",
    "./a",
    "a/.",
    "a\0b",
    "a\nb",
    "a\\b",
    "C:/x",
    "x" * 1025,
    "a/",
    "\x7f",
]


@pytest.mark.parametrize("path", BAD)
def test_a_bad_path_is_refused_with_its_reason(path, send):
    answer = send({path: b"x", "good.txt": b"y"}).json()
    assert [file["ok"] for file in answer["files"]] == [False, True]
    assert len(answer["files"][0]["reason"]) > 20
    files = JobFile.objects.filter(job=answer["batch"])
    assert {(file.state, bool(file.staged)) for file in files} == {("failed", False), ("waiting", True)}
    inside = staging.folder_of(answer["batch"])
    assert len(list(inside.iterdir())) == 1


@pytest.mark.parametrize("path", ["", "a/\ud800.txt"])
def test_paths_that_no_form_can_send_are_refused_too(path):
    with pytest.raises(staging.Refused):
        staging.clean_path(path)


def test_long_and_foreign_names_are_taken(send):
    path = "ordner/" + "ü" * 400 + " 中文.txt"
    assert send({path: b"x"}).json()["files"][0]["ok"]
    assert staged(JobFile.objects.get(path=path)) == b"x"


def test_batches_make_one_job_that_starts_at_the_end(send, delivered, django_capture_on_commit_callbacks):
    first = send({"d/a.txt": b"a"}).json()
    send({"d/b.txt": b"b"}, batch=first["batch"])
    job = Job.objects.get()
    assert (job.state, job.files.count()) == ("receiving", 2) and not delivered
    with django_capture_on_commit_callbacks(execute=True):
        answer = send({}, batch=first["batch"], finish="1", message="two letters").json()
    job.refresh_from_db()
    assert (job.state, job.params["message"], job.params["sync_roots"]) == ("queued", "two letters", [])
    assert delivered == [job.pk] and answer["job"] == reverse("job", args=[job.pk])
    assert send({"c.txt": b"c"}, batch=first["batch"]).status_code == 409


def test_a_file_that_is_sent_again_replaces_the_first(send):
    batch = send({"a.txt": b"old"}).json()["batch"]
    send({"a.txt": b"new"}, batch=batch)
    file = JobFile.objects.get()
    assert staged(file) == b"new" and len(list(staging.folder_of(batch).iterdir())) == 1


def test_another_persons_batch_is_not_there(send, client, workspace, bob, row):
    batch = send({"a.txt": b"a"}).json()["batch"]
    workspace.memberships.filter(user=bob).update(role="editor")
    client.force_login(bob)
    assert send({"b.txt": b"b"}, batch=batch).status_code == 404
    assert send({}, batch=batch, finish="1").status_code == 404


def test_large_files_and_too_many_are_refused(send, settings):
    settings.MEMVID_MAX_UPLOAD, settings.MEMVID_MAX_FILES = 10, 2
    answer = send({"big.txt": b"x" * 11, "a": b"1", "b": b"2", "c": b"3"}).json()
    assert [file["ok"] for file in answer["files"]] == [False, True, False, False]
    assert "limit" in answer["files"][0]["reason"] and "2 files at most" in answer["files"][2]["reason"]


def test_a_full_disk_is_said_before_anything_travels(send, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1 << 20))
    answer = send({"a.txt": b"a"}, size=str(1 << 30))
    assert answer.status_code == 422 and "disk" in answer.json()["error"]
    assert not Job.objects.exists()


def test_a_disk_that_fills_up_fails_the_file_alone(send, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(staging, "_place", full)
    answer = send({"a.txt": b"a"}).json()
    assert "disk of the server is full" in answer["files"][0]["reason"]
    assert not list(staging.folder_of(answer["batch"]).iterdir())


def test_a_disk_that_fills_up_while_a_request_is_read(send, monkeypatch):
    from django.http.multipartparser import MultiPartParser

    def full(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(MultiPartParser, "parse", full)
    assert send({"a.txt": b"a"}).status_code == 507


def test_a_large_upload_is_moved_and_not_copied(row, alice):
    from memories import uploads

    upload = TemporaryUploadedFile("big", "text/plain", 3, None)
    upload.write(b"big")
    upload.seek(0)
    job = uploads.begin(row, alice)
    uploads.take(job, [("big.txt", upload)])
    assert staged(job.files.get()) == b"big"
    assert not Path(upload.temporary_file_path()).exists()


def test_without_scripts_one_form_does_it_all(client, alice, row):
    client.force_login(alice)
    files = [SimpleUploadedFile("a.txt", b"a"), SimpleUploadedFile("../b.txt", b"b")]
    data = {"file": files, "text": "some words", "title": "A/note"}
    answer = client.post(reverse("memory-upload", args=[row.pk]), data)
    job = Job.objects.get()
    assert answer.status_code == 302 and answer.url == reverse("job", args=[job.pk])
    assert job.state == "queued"
    assert {file.path: staged(file) for file in job.files.all()} == {
        "a.txt": b"a", "b.txt": b"b", "A-note.txt": b"some words",
    }  # fmt: skip


def test_a_forged_request_is_refused(alice, row):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(reverse("memory-upload", args=[row.pk]), {"text": "x"}).status_code == 403
    assert client.post(reverse("memory-new"), {"name": "x"}).status_code == 403


# -- a new memory


def new(client, **data):
    return client.post(reverse("memory-new"), {"visibility": "team", "index_mode": "background", **data})


def test_a_new_memory_without_scripts(client, alice, workspace):
    client.force_login(alice)
    answer = new(client, tags="law, old", file=[SimpleUploadedFile("war and peace.txt", b"x")], codec="h264")
    memory = Memory.objects.get()
    assert (memory.name, memory.tags, memory.codec, memory.profile) == (
        "war and peace",
        ["law", "old"],
        "h264",
        "compact",
    )
    assert answer.url == reverse("job", args=[memory.jobs.get().pk])


def test_a_new_memory_from_a_text_and_an_empty_one(client, alice, workspace):
    client.force_login(alice)
    new(client, text="call me ishmael", title="Moby")
    assert Memory.objects.get(name="Moby").jobs.get().files.get().path == "Moby.txt"
    answer = new(client, name="Nothing yet")
    assert answer.url == reverse("memory", args=[Memory.objects.get(name="Nothing yet").pk])


def test_a_new_memory_for_the_script_is_the_row_alone(client, alice, workspace):
    client.force_login(alice)
    data = {"visibility": "private", "index_mode": "none", "first": "folder/a.txt"}
    answer = client.post(reverse("memory-new"), data, **JSON)
    memory = Memory.objects.get()
    assert answer.status_code == 201 and answer.json()["upload"] == reverse("memory-upload", args=[memory.pk])
    assert (memory.name, memory.visibility, memory.jobs.count()) == ("folder", "private", 0)
    assert client.post(reverse("memory-new"), {"visibility": "odd"}, **JSON).status_code == 422


def test_only_writers_make_memories(client, workspace, bob, charlie):
    for user in (bob, charlie):
        client.force_login(user)
        assert client.get(reverse("memory-new")).status_code == 404
        assert new(client, name="x").status_code == 404
    client.logout()
    assert new(client, name="x").status_code == 302
    assert not Memory.objects.exists()


def test_a_memory_file_is_staged_for_import(client, alice, workspace, settings):
    client.force_login(alice)
    answer = new(client, memory_file=SimpleUploadedFile("old.mp4", b"video"))
    job = Job.objects.get()
    assert answer.url == reverse("job", args=[job.pk])
    assert (job.kind, job.state, job.memory.name) == ("import", "queued", "old")
    assert (staging.folder_of(job.pk) / job.params["staged"]).read_bytes() == b"video"
    settings.MEMVID_MAX_IMPORT = 3
    page = new(client, memory_file=SimpleUploadedFile("large.mp4", b"video"))
    assert page.status_code == 422 and "limit" in page.content.decode()
    assert Memory.objects.count() == 1  # nothing of the refused one stays


def test_nothing_is_imported_over_what_is_there(send, new_memory):
    assert send({"x": b"video"}, memory=new_memory(), name="memory-import").status_code == 409


# -- a folder again


@pytest.fixture
def compare(client, alice):
    client.force_login(alice)

    def post(memory, files, batch=None):
        entries = [
            {"path": path, "size": len(data), "sha256": sha256(data).hexdigest()} for path, data in files.items()
        ]
        body = json.dumps({"batch": batch, "files": entries})
        return client.post(reverse("memory-manifest", args=[memory.pk]), body, content_type="application/json")

    return post


def test_only_what_changed_must_be_sent_and_what_is_gone_is_told(compare, send, new_memory):
    row = new_memory({"d/same.txt": "same", "d/old.txt": "old", "d/gone.txt": "gone", "elsewhere/x.txt": "x"})
    files = {"d/same.txt": b"same", "d/old.txt": b"new", "d/fresh.txt": b"fresh"}
    answer = compare(row, files).json()
    assert sorted(answer["needed"]) == ["d/fresh.txt", "d/old.txt"] and answer["gone"] == ["d/gone.txt"]
    send({path: files[path] for path in answer["needed"]}, memory=row, batch=answer["batch"])
    send({}, memory=row, batch=answer["batch"], finish="1", sync="1")
    job = Job.objects.get()
    assert (job.state, job.params["sync_roots"]) == ("queued", ["d"])
    assert dict(job.files.values_list("path", "state")) == {
        "d/same.txt": "unchanged", "d/old.txt": "waiting", "d/fresh.txt": "waiting",
    }  # fmt: skip


def test_a_folder_as_it_was_needs_no_worker(compare, send, new_memory):
    row = new_memory({"d/a.txt": "a"})
    answer = compare(row, {"d/a.txt": b"a"}).json()
    assert (answer["needed"], answer["gone"]) == ([], [])
    send({}, memory=row, batch=answer["batch"], finish="1", sync="1")
    assert Job.objects.get().state == "done"


def test_what_never_arrived_is_said(compare, send, new_memory):
    row = new_memory({"d/a.txt": "a"})
    batch = compare(row, {"d/b.txt": b"b"}).json()["batch"]
    send({}, memory=row, batch=batch, finish="1")
    job = Job.objects.get()
    assert job.state == "failed" and "did not arrive" in job.files.get().reason


def test_checksums_of_other_memories_say_nothing(compare, new_memory):
    new_memory({"d/secret.txt": "secret"})
    assert compare(new_memory({"x.txt": "x"}), {"d/secret.txt": b"secret"}).json()["needed"] == ["d/secret.txt"]


@pytest.mark.parametrize("body", [
    b"", b"\xff\x00", b"[]", b"null", b"{}", b'{"files": 3}', b'{"files": [3]}', b'{"files": [{"path": 1, "size": 1}]}',
    b'{"files": [{"path": "a", "size": -1}]}', b'{"files": [{"path": "a", "size": 1, "sha256": "zz"}]}',
    b'{"batch": "x", "files": []}', b"[" * 100_000, b'{"files": [{"path": "a", "size": 1e999}]}',
])  # fmt: skip
def test_a_manifest_that_is_none(body, client, alice, row):
    client.force_login(alice)
    answer = client.post(reverse("memory-manifest", args=[row.pk]), body, content_type="application/json")
    assert answer.status_code == 400 and not Job.objects.exists()


def test_bad_paths_in_a_manifest_are_refused_one_by_one(client, alice, row):
    client.force_login(alice)
    body = (
        '{"files": [{"path": "d/\\ud800", "size": 1}, {"path": "d/\\u0000", "size": 1}, {"path": "d/ok", "size": 1}]}'
    )
    answer = client.post(reverse("memory-manifest", args=[row.pk]), body, content_type="application/json").json()
    assert answer["needed"] == ["d/ok"]
    assert JobFile.objects.filter(job=answer["batch"], state="failed").count() >= 1


def test_a_manifest_is_for_writers(compare, client, new_memory, bob, charlie):
    row = new_memory()
    for user in (bob, charlie):
        client.force_login(user)
        assert compare(row, {"a": b"a"}).status_code == 404
