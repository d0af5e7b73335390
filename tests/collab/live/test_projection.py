"""From the log to the video and back: edits become commits, and what else changes the file comes into the log."""

import signal
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone

from collab.live import compaction, due, log, projection, reconciling, seeding, texts
from collab.models import LiveDocument, LiveUpdate, LiveVersion, User
from memories import jobs, mirror, services
from memories.engine import Memory as MemoryFile
from memories.models import Chunk, Document, Job, Memory
from tests.memories.test_kill import script
from tests.memories.working import is_whole, queue, upload, work

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = "# Whales\r\n\r\nCall me Ishmael.\r\nSome years ago.\r\n"


@pytest.fixture
def memory(workspace, alice) -> Memory:
    row = Memory.objects.create(workspace=workspace, created_by=alice, name="Books")
    work(upload(row, {"d/a.md": b"\xef\xbb\xbf" + TEXT.encode(), "d/b.txt": "the best of times\n"}))
    row.refresh_from_db()
    return row


@pytest.fixture
def live(memory) -> LiveDocument:
    return seeding.opened(memory, number(memory, "d/a.md"))


def number(memory: Memory, path: str) -> int:
    return Document.objects.present().get(memory=memory, path=path).number


def write(live: LiveDocument, old: str, new: str, by: User | None = None) -> None:
    state = log.state_now(live.pk).update
    text = texts.text_of(state)
    assert old in text
    texts.replace(live, state, text.replace(old, new), by)


def now(live: LiveDocument) -> str:
    return texts.text_of(log.state_now(live.pk).update)


def in_file(memory: Memory, path: str = "d/a.md", at: int | None = None) -> bytes:
    with MemoryFile.open(memory.path, at=at) as file:
        return file.content(path)


def project(memory: Memory, **params) -> Job:
    job = work(queue(memory, Job.Kind.LIVE, **params))
    assert (job.state, job.reason) == ("done", "")
    memory.refresh_from_db()
    return job


def agree(memory: Memory, live: LiveDocument) -> str:
    """The text of log, file and rows, which must be one."""
    live.refresh_from_db()
    text = now(live)
    assert seeding.plain(in_file(memory).decode()) == text
    rows = Chunk.objects.present().filter(document__memory=memory, document__number=live.document_number)
    assert seeding.plain("".join(rows.order_by("order").values_list("text", flat=True))) == text
    assert live.projected_seq == live.head_seq and texts.text_of(live.projected_state) == text
    assert is_whole(memory)
    return text


def test_edits_become_one_commit_with_its_authors_and_the_file_keeps_its_form(memory, live, alice, bob):
    other = seeding.opened(memory, number(memory, "d/b.txt"))
    write(other, "best", "worst", alice)
    write(live, "Ishmael", "Ahab", bob)
    write(live, "Some", "Many 😀", alice)
    before = memory.head
    job = project(memory)
    assert memory.head == before + 1 and job.result["commit"] == memory.head
    commit = memory.commits.get(number=memory.head)
    assert (commit.author, commit.message) == ("Alice, Bob", "Edits of 2 documents")
    assert in_file(memory) == b"\xef\xbb\xbf" + TEXT.replace("Ishmael", "Ahab").replace("Some", "Many 😀").encode()
    assert in_file(memory, "d/b.txt") == b"the worst of times\n"
    assert "Ahab" in agree(memory, live)
    project(memory)
    assert memory.head == before + 1, "nothing had changed"


def test_commit_now_has_a_message_and_takes_the_job_that_waits(memory, live, alice):
    write(live, "Ishmael", "Ahab", alice)
    first = projection.commit_now(memory, alice, "")
    job = projection.commit_now(memory, alice, "A better name")
    assert job.pk == first.pk and work(job).state == "done"
    memory.refresh_from_db()
    assert memory.commits.get(number=memory.head).message == "A better name"


def test_borders_that_somebody_set_stay(memory, alice):
    found = Chunk.objects.present().get(document__path="d/b.txt")
    changes = [{"order": found.order, "text": "the best "}, {"order": found.order + 5, "text": "of times\n"}]
    work(queue(memory, Job.Kind.EDIT, document=found.document.number, changes=changes))
    live = seeding.opened(memory, found.document.number)
    write(live, "best of times", "worst of days", alice)
    project(memory)
    chunks = Chunk.objects.present().filter(document__memory=memory, document__path="d/b.txt").order_by("order")
    assert list(chunks.values_list("text", flat=True)) == ["the worst ", "of days\n"]


def test_a_correction_and_edits_meanwhile_are_both_there(memory, live, alice):
    write(live, "Ishmael", "Ahab", alice)
    chunk = Chunk.objects.present().get(document__path="d/a.md")
    changes = [{"order": chunk.order, "text": chunk.text.replace("Some years", "Ten years")}]
    assert work(queue(memory, Job.Kind.EDIT, document=live.document_number, changes=changes)).state == "done"
    assert "Ahab" in now(live) and "Ten years" in now(live)
    kept = LiveVersion.objects.get()
    assert kept.kind == "merge" and "Ahab" in kept.text and "Some years" in kept.text and "Alice" in kept.label
    assert kept.label.endswith("which changed 1 place")
    project(memory)
    assert "Ten years" in agree(memory, live)


def test_a_folder_that_comes_again_merges_with_what_was_edited(memory, live, alice):
    write(live, "Ishmael", "Ahab", alice)
    project(memory)
    new = TEXT.replace("Some years ago", "Three years ago")
    assert work(upload(memory, {"d/a.md": new})).state == "done"
    memory.refresh_from_db()
    text = agree(memory, live)
    assert "Ahab" in text and "Three years" in text
    assert LiveVersion.objects.filter(kind="merge").exists()


def test_the_same_file_again_changes_nothing(memory, live, alice):
    write(live, "Ishmael", "Ahab", alice)
    project(memory)
    head = memory.head
    job = work(upload(memory, {"d/a.md": b"\xef\xbb\xbf" + TEXT.encode()}))
    memory.refresh_from_db()
    assert memory.head == head and job.files.get().state == "unchanged" and "Ahab" in agree(memory, live)


def test_a_correction_of_a_document_that_nobody_opened_survives_the_folder(memory):
    chunk = Chunk.objects.present().get(document__path="d/b.txt")
    changes = [{"order": chunk.order, "text": "the worst of times\n"}]
    work(queue(memory, Job.Kind.EDIT, document=chunk.document.number, changes=changes))
    work(upload(memory, {"d/b.txt": "the best of times\nit was\n"}))
    assert in_file(memory, "d/b.txt") == b"the worst of times\nit was\n"


def test_a_commit_by_another_program_comes_into_the_log(memory, live, alice, append):
    write(live, "Ishmael", "Ahab", alice)
    append(memory, {"d/a.md": TEXT.replace("Some", "Nine").replace("\r\n", "\n")})
    jobs.follow_files()
    project(memory)
    text = agree(memory, live)
    assert "Ahab" in text and "Nine" in text


def test_rewriting_the_file_and_its_rows_keeps_live_documents(memory, live, alice):
    write(live, "Ishmael", "Ahab", alice)
    project(memory)
    write(live, "Some", "Many", alice)
    work(queue(memory, Job.Kind.VACUUM))
    mirror.rebuild(memory)
    reconciling.reconcile(memory)
    project(memory)
    text = agree(memory, live)
    assert "Ahab" in text and text.count("Many") == 1 and not LiveVersion.objects.exists()


def test_before_a_document_is_removed_its_last_edits_are_written(memory, live, alice):
    write(live, "Ishmael", "Ahab", alice)
    work(queue(memory, Job.Kind.REMOVE, documents=[live.document_number]))
    memory.refresh_from_db()
    assert b"Ahab" in in_file(memory, at=memory.head - 1)
    write(live, "Ahab", "nobody", alice)
    project(memory)
    live.refresh_from_db()
    assert live.projected_seq == live.head_seq, "it is not due for ever"


def test_a_document_may_lose_all_its_text_and_get_some_again(memory, live, alice):
    state = log.state_now(live.pk).update
    texts.replace(live, state, "", alice)
    project(memory)
    assert agree(memory, live) == ""
    texts.replace(live, log.state_now(live.pk).update, "new\n", alice)
    project(memory)
    assert agree(memory, live) == "new\n"


@pytest.mark.parametrize(
    "patch",
    [
        "projection.commit = die",
        "projection.settle = die",
        "projection.mirror.follow = die",
        "projection.groups.look_again = die",
    ],
)
def test_killed_between_any_two_steps_nothing_is_lost_or_doubled(memory, live, alice, patch):
    write(live, "Ishmael", "Ahab", alice)
    job = queue(memory, Job.Kind.LIVE)
    assert script(job, f"from collab.live import projection\n{patch}") == -signal.SIGKILL
    write(live, "Some", "Many", alice)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now())
    chunk = Chunk.objects.present().get(document__path="d/b.txt")
    change = [{"order": chunk.order, "text": "another job comes first\n"}]
    work(queue(memory, Job.Kind.EDIT, document=chunk.document.number, changes=change))
    assert work(job).state == "done"
    project(memory)
    text = agree(memory, live)
    assert text.count("Ahab") == 1 and text.count("Many") == 1


def test_somebody_elses_commit_between_plan_and_commit_is_planned_again(memory, live, alice, append, monkeypatch):
    write(live, "Ishmael", "Ahab", alice)
    real, calls = projection.commit, []

    def meanwhile(*args, **more):
        calls.append(1)
        if len(calls) == 1:
            append(memory, {"d/a.md": TEXT.replace("Some", "Nine")})
        return real(*args, **more)

    monkeypatch.setattr(projection, "commit", meanwhile)
    project(memory)
    text = agree(memory, live)
    assert len(calls) == 2 and "Ahab" in text and "Nine" in text


def test_a_text_that_begins_anew_while_it_is_written_loses_and_doubles_nothing(
    memory, live, alice, append, monkeypatch
):
    write(live, "Ishmael", "Ahab", alice)
    real = projection.commit

    def meanwhile(*args, **more):
        made = real(*args, **more)
        seeding.begin_anew(live.pk)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(projection, "commit", meanwhile)
        project(memory)
    live.refresh_from_db()
    append(memory, {"d/a.md": TEXT.replace("Ishmael", "Ahab").replace("Some", "Nine")})
    project(memory)
    live.refresh_from_db()
    write(live, "years", "days", alice)
    project(memory)
    text = agree(memory, live)
    assert text.count("Ahab") == 1 and text.count("Nine days") == 1 and "Some" not in text


@pytest.mark.parametrize("more", ["", "And so on.\r\n"])
def test_a_file_that_comes_again_with_the_edits_in_it_doubles_none(memory, live, alice, more):
    write(live, "Call", "Please call", alice)
    project(memory)
    work(upload(memory, {"d/a.md": in_file(memory) + more.encode()}))
    project(memory)
    live.refresh_from_db()
    assert agree(memory, live) == f"# Whales\n\nPlease call me Ishmael.\nSome years ago.\n{more}".replace("\r", "")


@pytest.mark.parametrize(
    ("mine", "theirs", "both"),
    [
        ("one a b c", "one a b c two", "one a b c two"),
        ("a b", "a b", "a b"),
        ("a x c", "a b c d", "a x c d"),
        ("a x c", "a x c d", "a x c d"),
        ("a é c", "a é c 😀", "a é c 😀"),
        ("a b c", "b c", "b c"),
    ],
)
def test_of_two_changes_what_both_did_counts_once(mine, theirs, both):
    assert texts.merge("a b c", mine, theirs) == both


# -- when


def age(live: LiveDocument, seconds: int) -> None:
    then = timezone.now() - timezone.timedelta(seconds=seconds)
    LiveDocument.objects.filter(pk=live.pk).update(updated_at=then)
    LiveUpdate.objects.filter(live=live).update(created_at=then)


def test_edits_are_due_when_they_rest_and_after_a_while_anyway(memory, live, alice, settings):
    assert due.start_jobs() == 0
    write(live, "Ishmael", "Ahab", alice)
    assert due.start_jobs() == 0
    age(live, settings.LIVE_QUIET_SECONDS + 1)
    assert due.start_jobs() == 1
    assert due.start_jobs() == 0, "a job is on its way"
    job = Job.objects.get(kind="live")
    Job.objects.filter(pk=job.pk).update(state="failed", finished_at=timezone.now())
    assert due.start_jobs() == 0, "not at once after a failure"
    job.delete()
    age(live, settings.LIVE_LONGEST_SECONDS + 1)
    LiveDocument.objects.filter(pk=live.pk).update(updated_at=timezone.now())
    assert due.start_jobs() == 1


# -- compaction


def test_compaction_keeps_the_text_and_the_authors_that_no_commit_names_yet(memory, live, alice, bob, monkeypatch):
    monkeypatch.setattr(compaction, "KEPT", 0)
    write(live, "Ishmael", "Ahab", bob)
    before = now(live)
    assert compaction.compact(live.pk) and not compaction.compact(live.pk)
    assert LiveUpdate.objects.count() == 1 and now(live) == before
    project(memory)
    assert memory.commits.get(number=memory.head).author == "Bob"
    write(live, "Ahab", "Pip", alice)
    project(memory)
    compaction.compact(live.pk)
    assert not LiveUpdate.objects.exists() and "Pip" in agree(memory, live)


def test_compaction_never_drops_what_waits(memory, live, alice):
    document = texts.loaded(log.state_now(live.pk).update)
    states, updates = [document.get_state()], []
    for word in ("one ", "two ", "three "):
        document["content"].insert(0, word)
        updates.append(document.get_update(states[-1]))
        states.append(document.get_state())
    del document["content"][0:6]
    updates.append(document.get_update(states[-1]))
    for update in updates[1:]:  # the first one is late
        log.append_now(live.pk, live.generation, [log.Entry(uuid4(), update, alice.pk)])
    assert compaction.compact(live.pk)
    log.append_now(live.pk, live.generation, [log.Entry(uuid4(), updates[0], alice.pk)])
    assert now(live) == str(document["content"]) and now(live).startswith("two one ")


def test_a_deletion_that_waits_is_not_dropped_either(memory, live, alice):
    document = texts.loaded(log.state_now(live.pk).update)
    before = document.get_state()
    document["content"].insert(0, "mine ")
    typed = document.get_update(before)
    before = document.get_state()
    del document["content"][0:5]
    removed = document.get_update(before)
    log.append_now(live.pk, live.generation, [log.Entry(uuid4(), removed, alice.pk)])
    compaction.compact(live.pk)
    log.append_now(live.pk, live.generation, [log.Entry(uuid4(), typed, alice.pk)])
    assert "mine" not in now(live)


def test_who_compacts_second_changes_nothing(memory, live, alice, monkeypatch):
    write(live, "Ishmael", "Ahab", alice)
    real = compaction.shortest

    def slowly(*args):
        monkeypatch.setattr(compaction, "shortest", real)
        assert compaction.compact(live.pk)
        write(live, "Ahab", "Pip", alice)
        return real(*args)

    monkeypatch.setattr(compaction, "shortest", slowly)
    assert not compaction.compact(live.pk)
    assert "Pip" in now(live)


def test_an_older_copy_of_the_file_takes_nothing_back(memory, live, alice):
    older = memory.path.read_bytes()
    write(live, "Ishmael", "Ahab", alice)
    project(memory)
    memory.path.write_bytes(older)
    mirror.follow(memory)
    job = work(queue(memory, Job.Kind.LIVE, thorough=True))
    assert job.state == "done" and "Ahab" in now(live) and not LiveVersion.objects.exists()
    write(live, "Ahab", "Pip", alice)
    job = work(queue(memory, Job.Kind.LIVE))
    assert job.state == "failed" and "put back the newer file" in job.reason and "Pip" in now(live)


def test_a_memory_that_is_deleted_for_good_takes_its_logs_along(memory, live, alice):
    write(live, "Ishmael", "Ahab", alice)
    assert services.delete_for_good(memory)
    assert not LiveDocument.objects.exists() and not LiveUpdate.objects.exists()


# -- beginning anew


def test_after_a_restore_documents_begin_anew_with_their_text(memory, live, alice):
    write(live, "Ishmael", "Ahab", alice)
    project(memory)
    write(live, "Some", "Many", alice)
    call_command("restart_live", verbosity=0, stdout=StringIO())
    old = live.generation
    live.refresh_from_db()
    assert live.generation > old and "Ahab" in now(live) and "Many" in now(live)
    with pytest.raises(log.Gone):
        log.append_now(live.pk, old, [log.Entry(uuid4(), b"\0\0", None)])
    write(live, "years", "days", alice)
    project(memory)
    assert agree(memory, live).count("Many days") == 1
