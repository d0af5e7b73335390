"""Files of an upload become documents, each with an outcome; nothing of the place they waited in is kept."""

from unittest.mock import Mock

import pytest

from memories import services, staging
from memories.engine import Memory as MemoryFile
from memories.jobs import staged
from memories.jobs import upload as upload_job
from memories.models import Document, Job, Memory
from memories.working import Hold
from tests.memories.working import is_whole, outcomes, requests, texts, upload, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def memory(workspace, alice) -> Memory:
    return Memory.objects.create(workspace=workspace, created_by=alice, name="Books", index_mode="none")


def test_files_become_documents_with_the_job_as_the_request(memory):
    job = work(upload(memory, {"books/a.txt": "call me ishmael", "books/sub/b.md": "# Best\n\nof times\n"}))
    memory.refresh_from_db()
    assert (job.state, job.reason, job.percent) == ("done", "", 100)
    assert outcomes(job) == {"books/a.txt": "stored", "books/sub/b.md": "stored"}
    assert texts(memory) == {"books/a.txt": "call me ishmael", "books/sub/b.md": "# Best\n\nof times\n"}
    assert requests(memory) == [str(job.pk)] and memory.commits.get().author == "Alice"
    assert {file.document for file in job.files.all()} == {1, 2}
    assert not staging.folder_of(job.pk).exists()


def test_what_cannot_be_read_fails_alone_and_says_nothing_of_where_it_lay(memory, settings):
    files = {"a.txt": "kept", "x.pdf": b"%PDF-1.4 nonsense", "noise.bin": bytes(range(256)) * 9, "d/.hidden": "h"}
    files |= {"d/node_modules/x.js": "1", "d/w.docx": b"PK\x03\x04junk"}
    job = work(upload(memory, files))
    assert outcomes(job) == {
        "a.txt": "stored", "x.pdf": "failed", "noise.bin": "failed", "d/.hidden": "skipped",
        "d/node_modules/x.js": "skipped", "d/w.docx": "failed",
    }  # fmt: skip
    reasons = dict(job.files.exclude(reason="").values_list("path", "reason"))
    assert set(reasons) == set(files) - {"a.txt"}
    assert not any(str(settings.MEMVID_DATA_DIR) in reason or ".tree" in reason for reason in reasons.values())
    stored = memory.path.read_bytes()
    assert str(settings.MEMVID_DATA_DIR).encode() not in stored
    assert not staging.folder_of(job.pk).exists(), "the same bytes would fail again"


def test_an_upload_of_which_nothing_was_stored_has_failed_and_says_why(memory):
    job = work(upload(memory, {"x.pdf": b"%PDF-1.4 nonsense", "d/w.docx": b"PK\x03\x04junk", "d/.hidden": "h"}))
    assert job.state == "failed" and outcomes(job)["x.pdf"] == "failed"
    reason = job.files.get(path="x.pdf").reason
    assert reason.startswith("x.pdf is damaged")
    assert job.reason.startswith(f"Nothing was stored. {reason}. 1 other failed too.")
    assert "would not help" in job.reason and not staging.folder_of(job.pk).exists()
    assert not job.files.exclude(staged="").exists() and not memory.path.exists()
    with pytest.raises(services.CannotRetry, match="would fail again"):
        services.retry_job(job)


def test_a_retry_takes_up_only_what_may_go_well(memory, monkeypatch):
    real = staged.read_source

    def away(path, name, *args, **kwargs):
        if name == "b.txt":
            raise PermissionError(13, "Permission denied")
        return real(path, name, *args, **kwargs)

    monkeypatch.setattr(staged, "read_source", away)
    job = work(upload(memory, {"a.txt": "kept", "b.txt": "later", "x.pdf": b"%PDF-1.4 nonsense"}))
    assert (job.state, list(job.files.exclude(staged="").values_list("path", flat=True))) == ("done", ["b.txt"])
    monkeypatch.undo()
    services.retry_job(job)
    assert work(job).state == "done"
    assert outcomes(job) == {"a.txt": "stored", "b.txt": "stored", "x.pdf": "failed"} and "b.txt" in texts(memory)


@pytest.mark.parametrize("worked_on", [False, True])
def test_a_pasted_text_can_be_tried_again(memory, monkeypatch, worked_on):
    job = upload(memory, {}, text="pasted words")
    if worked_on:
        monkeypatch.setattr(upload_job, "commit", Mock(side_effect=OSError(28, "No space left on device")))
        assert work(job).state == "failed"
        monkeypatch.undo()
    else:
        services.cancel_job(job)
    services.retry_job(job)
    assert work(job).state == "done" and list(texts(memory).values()) == ["pasted words"]


def test_unchanged_files_commit_nothing_and_changed_ones_only_their_chunks(memory):
    long = "".join(f"Sentence number {n} of the book. " for n in range(400))
    work(upload(memory, {"b/long.txt": long, "b/same.txt": "same"}))
    again = work(upload(memory, {"b/long.txt": long, "b/same.txt": "same"}))
    assert outcomes(again) == {"b/long.txt": "unchanged", "b/same.txt": "unchanged"} and len(requests(memory)) == 1
    changed = work(
        upload(memory, {"b/long.txt": long.replace("number 200 ", "number two hundred "), "b/same.txt": "same"})
    )
    assert outcomes(changed) == {"b/long.txt": "stored", "b/same.txt": "unchanged"}
    assert memory.commits.get(number=2).put <= 3 < memory.commits.get(number=1).put


def test_a_sync_removes_what_is_gone_from_its_folders_alone(memory):
    work(upload(memory, {"b/keep.txt": "k", "b/gone.txt": "g", "other/o.txt": "o", "bb/x.txt": "x"}))
    job = work(upload(memory, {"b/keep.txt": "k", "b/bad.pdf": b"no"}, sync_roots=["b"]))
    assert outcomes(job) == {"b/keep.txt": "unchanged", "b/bad.pdf": "failed", "b/gone.txt": "removed"}
    assert set(texts(memory)) == {"b/keep.txt", "other/o.txt", "bb/x.txt"}


def test_a_text_with_nul_survives_byte_by_byte(memory):
    work(upload(memory, {"n.txt": b"before\0after \xc3\xa9"}))
    with MemoryFile.open(memory.path) as file:
        assert file.content("n.txt") == b"before\0after \xc3\xa9"
    assert texts(memory) == {"n.txt": "before\N{REPLACEMENT CHARACTER}after é"}
    memory.refresh_from_db()
    assert memory.state == "ready"


def test_pasted_text_is_a_document_and_leaves_the_parameters(memory):
    job = work(upload(memory, {}, text="pasted words"))
    assert job.params["text"] is None and list(texts(memory).values()) == ["pasted words"]
    assert list(outcomes(job).values()) == ["stored"]


def test_failed_files_can_be_tried_again_in_the_same_job(memory):
    job = work(upload(memory, {"a.txt": "a", "b.txt": "b"}))
    job.files.filter(path="b.txt").update(state="waiting")
    Document.objects.filter(memory=memory)
    folder = staging.folder_of(job.pk)
    folder.mkdir(parents=True)
    (folder / "again").write_text("b changed")
    job.files.filter(path="b.txt").update(staged="again")
    Job.objects.filter(pk=job.pk).update(state="queued", attempts=0)
    assert work(job).state == "done"
    assert requests(memory) == [str(job.pk), f"{job.pk}.2"] and texts(memory)["b.txt"] == "b changed"


def test_cancelled_in_the_middle_commits_nothing(memory, monkeypatch):
    job = upload(memory, {f"{n}.txt": f"text {n}" for n in range(5)})
    real = Hold.progress

    def progress(hold, done, total, stage):
        if stage.startswith("reading file 3"):
            hold._lost.set()
        real(hold, done, total, stage)

    monkeypatch.setattr(Hold, "progress", progress)
    assert work(job).state == "cancelled"
    assert set(outcomes(job).values()) == {"failed"} and not memory.path.exists()


def test_a_full_disk_is_one_reason_and_nothing_is_stored(memory):
    import resource

    work(upload(memory, {"a.txt": "before"}))
    before = memory.path.read_bytes()
    import random

    words = random.Random(1)
    job = upload(memory, {"big.txt": "".join(chr(words.randint(0x4E00, 0x9FFF)) for _ in range(400_000))})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    try:
        work(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert set(outcomes(job).values()) == {"failed"}
    assert "too large" in (job.reason + job.files.get().reason).lower() or "full" in job.files.get().reason
    assert memory.path.read_bytes() == before and is_whole(memory)
