"""Comments: who reads and writes them, who is meant, and how threads begin, end and go."""

import pytest
from django.urls import reverse

from collab import comments
from collab.models import Comment, Membership, Notification, Role, Thread, User
from memories.models import Document, Job, Memory, MemoryPerson
from memories.queries import people_of
from tests.memories.working import queue, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def memory(new_memory) -> Memory:
    return new_memory({"a.txt": "call me ishmael", "b.txt": "other"})


@pytest.fixture
def document(memory) -> Document:
    return memory.documents.get(number=1)


@pytest.fixture
def thread(document, alice) -> Thread:
    return comments.begin(document, alice, "who is this?", "ishmael", "AA==", "AQ==")


def urls(document: Document) -> str:
    return reverse("comments", args=[document.memory_id, document.number])


def test_a_thread_is_begun_answered_closed_and_opened(as_, document, alice, bob):
    said = as_(alice).post(urls(document), {"text": "who?", "quote": "ishmael", "start": "AA==", "end": "AQ=="})
    assert said.url.endswith("/documents/1/#comments")
    thread = Thread.objects.get()
    html = as_(bob).get(reverse("document", args=[document.memory_id, 1])).content.decode()
    assert "who?" in html and 'data-start="AA=="' in html and 'data-quote="ishmael"' in html
    as_(bob).post(reverse("comment-reply", args=[thread.pk]), {"text": "the teller"})
    as_(alice).post(reverse("comment-resolve", args=[thread.pk]), {"resolved": "1"})
    assert Thread.objects.get().resolved_by == alice
    as_(bob).post(reverse("comment-reply", args=[thread.pk]), {"text": "still open"})
    assert Thread.objects.get().resolved_at is None
    assert [c.text for c in Comment.objects.order_by("pk")] == ["who?", "the teller", "still open"]


def test_htmx_gets_the_panel(as_, document, alice):
    answer = as_(alice).post(urls(document), {"text": "hm"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200 and 'id="comments"' in answer.content.decode() and "<html" not in answer.text
    empty = as_(alice).post(urls(document), {"text": "  "}, headers={"HX-Request": "true"})
    assert empty.status_code == 422 and "Write something first" in empty.text


def test_only_those_inside_read_and_write(as_, document, thread, alice, bob, charlie):
    urls_of = [urls(document), reverse("comment-reply", args=[thread.pk]), reverse("comment-resolve", args=[thread.pk])]
    for visibility, statuses in (("team", [200, 404]), ("public", [200, 404]), ("private", [404, 404])):
        Memory.objects.filter(pk=document.memory_id).update(visibility=visibility)
        assert [as_(user).get(urls(document)).status_code for user in (bob, charlie)] == statuses
        assert [as_(charlie).post(url, {"text": "me too"}).status_code for url in urls_of] == [404] * 3
    Memory.objects.filter(pk=document.memory_id).update(visibility="public")
    page = as_(charlie).get(reverse("document", args=[document.memory_id, 1])).content.decode()
    assert "call me" in page and "who is this?" not in page and 'id="comments"' not in page
    MemoryPerson.objects.create(memory=document.memory, user=charlie)
    assert as_(charlie).get(urls(document)).status_code == 200
    assert Comment.objects.count() == 1


def test_one_changes_and_deletes_ones_own_only(as_, document, thread, alice, bob):
    reply = comments.reply(thread, bob, "an answer")
    first = thread.comments.first()
    for name in ("comment-edit", "comment-delete"):
        assert as_(bob).post(reverse(name, args=[first.pk]), {"text": "mine now"}).status_code == 404
    as_(bob).post(reverse("comment-edit", args=[reply.pk]), {"text": "a better answer"})
    reply.refresh_from_db()
    assert reply.text == "a better answer" and reply.edited_at
    as_(alice).post(reverse("comment-delete", args=[first.pk]))
    assert Thread.objects.exists(), "what others said stays"
    as_(bob).post(reverse("comment-delete", args=[reply.pk]))
    assert not Thread.objects.exists()


def test_a_viewer_closes_only_threads_of_their_own(as_, document, thread, bob):
    as_(bob).post(reverse("comment-resolve", args=[thread.pk]), {"resolved": "1"})
    thread.refresh_from_db()
    assert thread.resolved_at is None
    own = comments.begin(document, bob, "mine", "", "", "")
    as_(bob).post(reverse("comment-resolve", args=[own.pk]), {"resolved": "1"})
    own.refresh_from_db()
    assert own.resolved_by == bob


def test_a_thread_of_another_memory_is_not_among_them(as_, document, new_memory, alice, bob, thread):
    other = new_memory({"x.txt": "x"}, visibility="private")
    comments.begin(other.documents.get(), alice, "secret", "", "", "")
    assert [one.pk for one in comments.threads_of(bob, document)] == [thread.pk]
    assert "secret" not in as_(bob).get(urls(document)).text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("@Bob look", ["Bob"]),
        ("see @bob@example.org!", ["Bob"]),
        ("@Bobby", []),
        ("mail to x@Bob", []),
        ("@Bob Ross and @bob", ["Bob Ross", "Bob"]),
        ("@Charlie", []),
        ("@Bob @Bob", ["Bob"]),
        ("@", []),
        ("@<script>", []),
    ],
)
def test_mentions(document, alice, bob, charlie, workspace, text, meant):
    ross = User.objects.create_user("ross@example.org", "x", name="Bob Ross")
    Membership.objects.create(workspace=workspace, user=ross, role=Role.VIEWER)
    people = list(people_of(document.memory))
    assert [user.name for user in comments.mentioned(text, people)] == meant


def test_a_mention_is_told_once_and_marked(as_, document, alice, bob, charlie):
    thread = comments.begin(document, alice, "<b>@Bob</b> & @Charlie", "", "", "")
    comment = thread.comments.get()
    comments.edit(comment, "<b>@Bob</b> again & @Charlie")
    assert [(n.user, n.kind) for n in Notification.objects.all()] == [(bob, "mention")]
    html = as_(bob).get(urls(document)).text
    assert '&lt;b&gt;<span class="mention">@Bob</span>&lt;/b&gt;' in html
    assert '<span class="mention">@Charlie' not in html, "a stranger is not meant"


def test_those_who_took_part_hear_of_a_reply(document, thread, alice, bob):
    comments.reply(thread, bob, "an answer")
    assert [(n.user, n.kind, n.actor) for n in Notification.objects.all()] == [(alice, "reply", bob)]
    comments.reply(thread, alice, "@Bob thanks")
    assert [n.kind for n in Notification.objects.filter(user=bob)] == ["mention"], "told once, not twice"


def test_people_are_those_whom_the_rights_let_in(memory, alice, bob, charlie):
    for visibility in ("private", "team", "public"):
        for named in (False, True):
            Memory.objects.filter(pk=memory.pk).update(visibility=visibility)
            memory.refresh_from_db()
            MemoryPerson.objects.filter(memory=memory).delete()
            if named:
                MemoryPerson.objects.create(memory=memory, user=charlie)
            known = {user for user in (alice, bob, charlie) if Memory.objects.known_to(user).filter(pk=memory.pk)}
            assert set(people_of(memory)) == known


def test_a_quote_is_kept_short_and_a_place_must_look_like_one(as_, document, alice):
    as_(alice).post(urls(document), {"text": "x", "quote": "long " * 1000})
    assert len(Thread.objects.get().quote) == 1000
    as_(alice).post(urls(document), {"text": "y", "start": "<script>"})
    assert Thread.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_was_said_about_an_erased_document_goes_and_its_name_elsewhere(memory, alice, bob):
    other, gone = memory.documents.get(path="b.txt"), memory.documents.get(path="a.txt")
    comments.begin(gone, alice, "@Bob see", "ishmael", "", "")
    kept = comments.begin(other, alice, "unlike a.txt this is good", "", "", "")
    assert work(queue(memory, Job.Kind.ERASE, documents=[gone.number])).state == "done"
    assert [thread.pk for thread in Thread.objects.all()] == [kept.pk]
    assert kept.comments.get().text == "unlike [erased] this is good" and not Notification.objects.exists()
