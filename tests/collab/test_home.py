from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from collab.models import Membership, Role
from memories.models import Commit


def test_a_visitor_sees_what_this_is_and_a_log_in(db):
    answer = Client().get("/")
    assert answer.status_code == 200
    assert 'name="password"' in answer.content.decode()
    assert "Make an account" in answer.content.decode()


def test_a_closed_site_offers_no_sign_up(db, settings):
    settings.MEMVID_OPEN_SIGNUP = False
    assert "Make an account" not in Client().get("/").content.decode()


def test_an_empty_workspace_shows_the_next_steps(as_, workspace, alice):
    text = as_(alice).get("/").content.decode()
    assert "Three steps" in text
    assert "Invite people" in text


def test_a_viewer_is_not_offered_what_they_may_not_do(as_, workspace, bob):
    text = as_(bob).get("/").content.decode()
    assert "Invite people" not in text
    assert "New memory" not in text


def test_cards_show_a_frame_and_lead_to_the_memory(as_, new_memory, bob):
    memory = new_memory(name="Whales")
    text = as_(bob).get("/").content.decode()
    assert f"/memories/{memory.pk}/thumbnail.png" in text
    assert f'href="/memories/{memory.pk}/"' in text


def test_somebody_elses_private_memory_is_neither_card_nor_news(as_, new_memory, bob):
    memory = new_memory(name="Diary", visibility="private")
    assert str(memory.pk) not in as_(bob).get("/").content.decode()


def test_memories_of_another_workspace_stay_there(as_, new_memory, own_place, charlie):
    new_memory(name="Whales", visibility="public")
    assert "Whales" not in as_(charlie).get("/").content.decode()


def test_who_is_in_no_workspace_may_make_one(as_, charlie):
    assert "You are in no workspace" in as_(charlie).get("/").content.decode()


def test_only_what_came_since_the_last_visit_is_new(as_, new_memory, append, alice, alices):
    memory = new_memory()
    client = as_(alice)
    assert "Latest changes" in client.get("/").content.decode()
    _move_back(alices, hours=2)
    assert "Nothing has changed since" in client.get("/").content.decode()
    Commit.objects.create(
        memory=memory,
        number=2,
        time=timezone.now(),
        message="a letter",
        hash="x",
        first_frame=9,
        frames=1,
        put=1,
        deleted=0,
    )
    text = client.get("/").content.decode()
    assert "New since your last visit" in text
    assert "a letter" in text
    assert "New since your last visit" in client.get("/").content.decode(), "looking again does not use it up"


def _move_back(membership: Membership, hours: int) -> None:
    """As if they had been here so long ago, and the commits before that."""
    then = timezone.now() - timedelta(hours=hours)
    Membership.objects.filter(pk=membership.pk).update(seen_at=then)
    Commit.objects.update(time=then - timedelta(hours=1))


def test_a_fragment_is_no_page(as_, new_memory, alice):
    new_memory()
    text = as_(alice).get("/", headers={"hx-request": "true"}).content.decode()
    assert text.strip().startswith('<div id="home"')
    assert "<html" not in text


def test_home_takes_no_post(as_, workspace, alice):
    assert as_(alice).post("/").status_code == 405


@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
def test_home_asks_as_often_for_ten_memories(as_, new_memory, alice, alices, role):
    alices.role = role
    alices.save()
    first = new_memory(name="first")
    client = as_(alice)
    client.get("/")
    with CaptureQueriesContext(connection) as few:
        client.get("/")
    for number in range(10):
        copy = type(first)(
            **{f.attname: getattr(first, f.attname) for f in first._meta.concrete_fields if f.name != "id"}
        )
        copy.name = f"copy {number}"
        copy.save()
        Commit.objects.create(
            memory=copy, number=1, time=timezone.now(), message="m", hash="x", first_frame=0, frames=1, put=1, deleted=0
        )
    with CaptureQueriesContext(connection) as many:
        client.get("/")
    assert len(many) == len(few)


def test_the_job_count_is_a_fragment(as_, workspace, alice):
    answer = as_(alice).get("/jobs/open/")
    assert answer.content.decode().strip().startswith('<span class="ms-auto" id="open_jobs"')


def test_the_job_count_of_no_workspace_is_not_there(as_, charlie):
    assert as_(charlie).get("/jobs/open/").status_code == 404
