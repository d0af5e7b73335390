"""What a person is told of: by whom, where it leads, what they may not see any more, and the mail."""

from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from collab import comments, digest, notifications
from collab.models import Notification, User
from collab.tasks import send_digests
from memories import services
from memories.models import Job, Memory
from memories.working import claim
from tests.memories.working import queue, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def memory(new_memory) -> Memory:
    return new_memory()


@pytest.fixture
def mention(memory, alice, bob) -> Notification:
    comments.begin(memory.documents.get(number=1), alice, "@Bob, a word", "ishmael", "", "")
    return Notification.objects.get(user=bob)


def test_the_bell_counts_and_lists_and_leads_there(as_, mention, memory, bob, alice):
    client = as_(bob)
    assert "1" in client.get(reverse("notifications-bell")).text
    assert "Alice mentioned you in a comment on Books" in client.get(reverse("notifications-latest")).text
    url = reverse("notification", args=[mention.pk])
    assert as_(alice).post(url).status_code == 404 and client.get(url).status_code == 405
    there = client.post(url).url
    assert there == f"{reverse('document', args=[memory.pk, 1])}#thread-{mention.comment.thread_id}"
    assert "badge" not in client.get(reverse("notifications-bell")).text
    assert client.get(there).status_code == 200


def test_all_are_marked_read(as_, mention, bob):
    as_(bob).post(reverse("notifications-read"))
    assert notifications.unread_count(bob) == 0


def test_a_failed_job_is_told_to_who_started_it(memory, alice, bob):
    job = work(queue(memory, Job.Kind.ERASE, documents=[99]))
    assert job.state == "failed"
    row = Notification.objects.get()
    assert (row.user, notifications.sentence(row)) == (alice, "Erasing documents of Books failed")
    assert notifications.address(row) == reverse("job", args=[job.pk])
    Job.objects.filter(pk=job.pk).update(state="queued", attempts=0)
    assert work(job).state == "failed" and Notification.objects.count() == 1
    assert claim(queue(memory, Job.Kind.VERIFY).pk).finish("cancelled") and Notification.objects.count() == 1


def test_whoever_is_let_in_by_name_is_told_once(memory, alice, charlie):
    services.set_person(memory, charlie, writes=False, by=alice)
    services.set_person(memory, charlie, writes=True, by=alice)
    row = Notification.objects.get()
    assert notifications.sentence(row) == "Alice shared Books with you"


def test_what_one_may_not_see_any_more_is_neither_listed_nor_counted_nor_mailed(as_, mention, memory, bob):
    Memory.objects.update(visibility="private")
    assert notifications.unread_count(bob) == 0
    assert "Books" not in as_(bob).get(reverse("notifications")).text
    assert as_(bob).post(reverse("notification", args=[mention.pk])).status_code == 404
    send_digests()
    assert mail.outbox == []


def test_a_trashed_memory_tells_nothing(mention, memory, bob):
    services.trash([memory])
    assert notifications.unread_count(bob) == 0


# -- mail


def test_the_digest_names_and_links_but_quotes_nothing(mention, bob, settings):
    settings.SITE_URL = "https://memvid.example.org"
    send_digests()
    (letter,) = mail.outbox
    assert letter.to == [bob.email] and letter.subject == "1 thing is new for you"
    assert "Alice mentioned you" in letter.body and "https://memvid.example.org/memories/" in letter.body
    assert "a word" not in letter.body and "ishmael" not in letter.body
    assert letter.extra_headers["List-Unsubscribe"] == "<https://memvid.example.org/account/#mail>"


def test_it_is_sent_once_and_daily_means_daily(mention, memory, alice, bob):
    send_digests()
    send_digests()
    assert len(mail.outbox) == 1
    comments.begin(memory.documents.get(number=2), alice, "@Bob again", "", "", "")
    send_digests()
    assert len(mail.outbox) == 1, "another one on the same day"
    User.objects.filter(pk=bob.pk).update(digested_at=timezone.now() - timedelta(hours=24))
    send_digests()
    assert len(mail.outbox) == 2


def test_hourly_comes_each_hour_and_never_never(mention, memory, alice, bob, as_):
    as_(bob).post(reverse("profile-digest"), {"digest": "hourly"})
    send_digests()
    comments.begin(memory.documents.get(number=2), alice, "@Bob again", "", "", "")
    send_digests()
    assert len(mail.outbox) == 2
    as_(bob).post(reverse("profile-digest"), {"digest": "off"})
    comments.begin(memory.documents.get(number=2), alice, "@Bob once more", "", "", "")
    send_digests()
    assert len(mail.outbox) == 2
    as_(bob).post(reverse("profile-digest"), {"digest": "x"})
    bob.refresh_from_db()
    assert bob.digest == "off"


def test_what_was_read_is_not_mailed(mention, bob):
    notifications.mark_read(bob, notifications.visible_to(bob))
    send_digests()
    assert mail.outbox == []


def test_a_mail_server_that_is_away_is_tried_again(mention, bob, monkeypatch):
    def away(self):
        raise SMTPServerDisconnected("gone")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", away)
        send_digests()
    assert digest.due() == [bob.pk]
    send_digests()
    assert len(mail.outbox) == 1


def test_a_name_with_a_line_break_makes_no_header(mention, memory, alice, bob):
    User.objects.filter(pk=alice.pk).update(name="Eve\nBcc: x@example.org")
    send_digests()
    assert "Bcc" not in mail.outbox[0].message()
