"""Each correction of a chunk is a commit of the real file; what was changed meanwhile is a conflict."""

from itertools import product

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from collab.models import User
from memories import curation, jobs, mirror
from memories.engine import Memory as MemoryFile
from memories.models import Chunk, Document, Job, Memory
from tests.memories.engine.making import source

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def curator(alice: User) -> User:
    alice.is_staff = True
    alice.save()
    return alice


@pytest.fixture
def client(curator: User) -> Client:
    client = Client()
    client.force_login(curator)
    return client


def texts(row: Memory, path: str = "a.txt") -> list[str]:
    """What the MP4 itself holds now."""
    with MemoryFile.open(row.path) as file:
        number = next(document.number for document in file.documents() if document.path == path)
        return list(file.chunk_texts(number))


def post(client: Client, chunk: Chunk, act: str, **data) -> HttpResponse:
    data.setdefault("seen", str(curation.Seen.of(Memory.objects.get(pk=chunk.memory_id))))
    return client.post(reverse("admin:memories_chunk_change", args=[chunk.pk]), {"act": act, **data})


def run_all() -> list[Job]:
    queued = list(Job.objects.filter(state=Job.State.QUEUED).exclude(kind=Job.Kind.INDEX))
    for job in queued:
        jobs.run(job.pk)
    return [Job.objects.get(pk=job.pk) for job in queued]


def first(path: str = "a.txt") -> Chunk:
    return Chunk.objects.present().filter(document__path=path).order_by("order").first()


def said(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


LONG = "".join(f"sentence {at} of a text. " for at in range(100))  # three chunks


def test_a_corrected_text_is_a_commit(new_memory, client, curator):
    row = new_memory()
    response = post(client, first(), "text", text="Call me Ishmael.")
    assert "Storing a correction" in said(response)
    assert first().text == "call me ishmael"  # the row is a mirror: it waits for the commit
    (job,) = run_all()
    assert job.state == Job.State.DONE and job.created_by == curator
    assert texts(row) == ["Call me Ishmael."] == [first().text]
    old = client.get(reverse("admin:memories_chunk_change", args=[Chunk.objects.get(removed=2).pk])).content.decode()
    assert reverse("admin:memories_chunk_change", args=[first().pk]) in old
    with MemoryFile.open(row.path) as file:
        assert file.head.number == 2 and file.head.request_id == str(job.pk) and file.head.author == str(curator)
        assert file.verify().ok


def test_a_text_keeps_the_line_ends_that_a_browser_changes(new_memory, client):
    row = new_memory({"a.txt": "\nfirst\r\nsecond\r\nthird\rfourth\n"})
    post(client, first(), "text", text="\r\nfirst\r\nSECOND\r\nthird\r\nfourth\r\n")
    run_all()
    assert texts(row) == ["\nfirst\r\nSECOND\r\nthird\rfourth\n"]


def test_the_page_gives_back_what_it_shows(new_memory, client):
    new_memory({"a.txt": "\n\nafter two empty lines <b>&amp;</b>\n"})
    page = client.get(reverse("admin:memories_chunk_change", args=[first().pk])).content.decode()
    shown = page[page.index('id="id_text"') :].partition(">\n")[2].partition("</textarea>")[0]
    assert shown == "\n\nafter two empty lines &lt;b&gt;&amp;amp;&lt;/b&gt;\n"


def test_nothing_changed_is_no_job(new_memory, client):
    new_memory()
    assert "nothing to store" in said(post(client, first(), "text", text="call me ishmael"))
    assert not Job.objects.exists()


def test_split_at_a_character(new_memory, client):
    row = new_memory({"a.txt": LONG})
    before = texts(row)
    post(client, first(), "split", offset="9")
    run_all()
    assert texts(row) == [before[0][:9], before[0][9:], *before[1:]]
    assert "".join(texts(row)) == LONG


def test_split_at_marks_and_edited_at_once(new_memory, client):
    row = new_memory({"a.txt": "one\ntwo\nthree\n"})
    post(client, first(), "text", text=f"one\r\n{curation.MARK}\r\nTWO\r\n{curation.MARK}\r\nthree\r\n")
    run_all()
    assert texts(row) == ["one\n", "TWO\n", "three\n"]


def test_a_chunk_is_split_again_and_again_at_the_same_place(new_memory, client):
    row = new_memory({"a.txt": LONG})
    for _ in range(4):
        post(client, first(), "split", offset="200")
        assert all(job.state == Job.State.DONE for job in run_all())
        post(client, first(), "merge")
        assert all(job.state == Job.State.DONE for job in run_all())
    assert "".join(texts(row)) == LONG


@pytest.mark.parametrize("offset", ["0", "-1", "15", "9" * 30, "x", "1.5"])
def test_a_split_needs_two_parts(offset, new_memory, client):
    new_memory()
    assert "Nothing was changed" in said(post(client, first(), "split", offset=offset))
    assert not Job.objects.exists()


def test_merge_with_the_next(new_memory, client):
    row = new_memory({"a.txt": LONG})
    before = texts(row)
    post(client, first(), "merge")
    run_all()
    assert texts(row) == [before[0] + before[1], *before[2:]]


def test_the_last_chunk_has_no_next(new_memory, client):
    new_memory()
    assert "last chunk" in said(post(client, first(), "merge"))


def test_a_removed_chunk_leaves_the_others(new_memory, client):
    row = new_memory({"a.txt": LONG})
    before = texts(row)
    post(client, first(), "remove")
    run_all()
    assert texts(row) == before[1:]
    assert Chunk.objects.get(text=before[0]).removed == 2


def test_the_only_chunk_takes_its_document_along(new_memory, client):
    new_memory()
    post(client, first(), "remove")
    assert [job.kind for job in run_all()] == [Job.Kind.REMOVE]
    assert list(Document.objects.present().values_list("path", flat=True)) == ["b.txt"]


def test_a_flag_is_stored_at_once_and_is_no_commit(new_memory, client):
    row = new_memory()
    post(client, first(), "flag", note="is this true?")
    assert first().flag == "is this true?" and not Job.objects.exists()
    page = client.get(reverse("admin:memories_chunk_changelist"), {"flagged": "yes"}).content.decode()
    assert "is this true?" in page and "best of times" not in page
    post(client, first(), "flag", note="")
    row.refresh_from_db()
    assert first().flag == "" and row.head == 1


def test_chunks_are_removed_by_the_list(new_memory, client):
    row = new_memory({"a.txt": LONG, "b.txt": "alone"})
    some = [first().pk, first("b.txt").pk]
    data = {"action": "remove", "_selected_action": some, "seen": str(curation.Seen.of(row)), "confirmed": "1"}
    client.post(reverse("admin:memories_chunk_changelist"), data)
    assert {job.kind: job.state for job in run_all()} == {Job.Kind.EDIT: "done", Job.Kind.REMOVE: "done"}
    assert len(texts(row)) == 2 and not Document.objects.present().filter(path="b.txt").exists()


# -- conflicts


def test_a_row_that_moved_on_is_said_and_what_was_typed_is_kept(new_memory, client):
    row = new_memory()
    seen, chunk = str(curation.Seen.of(row)), first()
    post(client, chunk, "text", text="the first to come")
    run_all()
    response = post(client, chunk, "text", text="the second to come", seen=seen)
    assert "has changed since you opened this page" in said(response)
    assert texts(row) == ["the first to come"]


def test_a_typed_text_stays_on_the_page_of_a_refusal(new_memory, client):
    row = new_memory()
    seen = str(curation.Seen.of(row))
    Document.objects.filter(path="a.txt").update(changed=7)
    response = post(client, first(), "text", text="typed with care", seen=seen)
    assert b"typed with care" in response.content and seen.encode() in response.content


def test_a_file_that_moved_on_before_the_rows_did_fails_the_job(new_memory, client, append):
    row = new_memory()
    post(client, first(), "text", text="mine")
    append(row, {"a.txt": "theirs"})
    (job,) = run_all()
    assert job.state == Job.State.FAILED and "changed the document meanwhile" in job.reason
    assert texts(row) == ["theirs"]


def test_another_document_that_changed_is_no_conflict(new_memory, client, append):
    row = new_memory()
    post(client, first(), "text", text="mine")
    append(row, {"b.txt": "theirs"})
    (job,) = run_all()
    assert job.state == Job.State.DONE and texts(row) == ["mine"]


def test_a_rewritten_file_fails_the_job(new_memory, client):
    row = new_memory()
    with MemoryFile.open(row.path) as file:  # else a vacuum within the same second writes the same commit again
        file.commit([source("c.txt", "later")])
    mirror.follow(row)
    post(client, first(), "text", text="mine")
    (job,) = Job.objects.all()
    vacuum = Job.objects.create(workspace=row.workspace, memory=row, kind=Job.Kind.VACUUM)
    jobs.run(vacuum.pk)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED and texts(row) == ["call me ishmael"]


def test_a_text_with_u0000_is_not_given_back_by_a_page(new_memory, client):
    row = new_memory({"a.txt": "nul \0 here", "b.txt": "next"})
    assert "U+0000" in said(post(client, first(), "text", text="nul here"))
    assert "U+0000" in said(post(client, first(), "split", offset="2"))
    assert not Job.objects.exists() and texts(row) == ["nul \0 here"]


# -- hostile input


SEEN = ["", "1.abc", f"999999999.{'0' * 64}", "\0", "\N{FACE WITH TEARS OF JOY}" * 999]


@pytest.mark.parametrize("act", ["text", "split", "merge", "remove", "flag", "", "nonsense", "\0"])
def test_hostile_forms_change_nothing(act, new_memory, client):
    row = new_memory()
    for seen, value in product(SEEN, ("", "\0", "a\0b", "\N{PILE OF POO}" * 3000, "-1", "9" * 50)):
        response = post(client, first(), act, seen=seen, text=value, offset=value, note=value)
        assert response.status_code in (200, 302)
    row.refresh_from_db()
    assert not Job.objects.exists() and row.head == 1


def test_raw_bytes_in_a_form(new_memory, client):
    new_memory()
    address = reverse("admin:memories_chunk_change", args=[first().pk])
    body = b"act=text&seen=%ff%fe&text=%ff%00%80"
    assert client.post(address, body, content_type="application/x-www-form-urlencoded").status_code in (200, 302, 400)
    assert not Job.objects.exists()
