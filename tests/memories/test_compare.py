"""Comparing memories: what is found, who may, what is slow goes to a worker, and what is erased is forgotten."""

import pytest
from django.core.cache import cache
from django.urls import reverse

from memories import comparing, mirror
from memories.models import Job, Memory, MemoryPerson
from tests.memories.engine.making import prose
from tests.memories.working import queue, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clean_cache():
    yield
    cache.clear()


@pytest.fixture
def pair(new_memory) -> tuple[Memory, Memory]:
    old = new_memory({"a.txt": "call me ishmael of the sea", "b.txt": "it was the best of times", "d.txt": "stays"})
    new = new_memory({"a.txt": "call me ahab of the sea", "c.txt": "it was the best of times", "d.txt": "stays"})
    return old, new


def address(a: Memory, b: Memory, **query) -> str:
    facts = "&".join(f"{name}={value}" for name, value in {"a": a.pk, "b": b.pk, **query}.items())
    return f"{reverse('memories-compare')}?{facts}"


def test_two_memories_side_by_side(client, alice, pair):
    client.force_login(alice)
    response = client.get(address(*pair))
    found = response.context["found"]
    assert found["counts"] == {"added": 0, "removed": 0, "modified": 1, "unchanged": 2}
    assert found["documents"]["renamed"] == [("b.txt", "c.txt")] and found["kinds"][0][0] == "reworded"
    html = response.content.decode()
    assert "<del>ishmael</del>" in html and "<ins>ahab</ins>" in html and "b.txt → c.txt" in html


def test_one_memory_at_two_commits(client, alice, new_memory, append):
    row = new_memory({"a.txt": "one"})
    append(row, {"a.txt": "two", "b.txt": "more"})
    mirror.follow(row)
    client.force_login(alice)
    found = client.get(address(row, row, a_at=1)).context["found"]
    assert found["documents"]["added"] == ["b.txt"] and found["documents"]["changed"] == ["a.txt"]
    assert client.get(address(row, row, a_at=9)).status_code == 404


def test_both_must_be_visible(client, alice, bob, charlie, pair, workspace):
    old, new = pair
    Memory.objects.filter(pk=new.pk).update(visibility="private")
    for user, status in ((alice, 200), (bob, 404)):
        client.force_login(user)
        assert client.get(address(old, new)).status_code == status
        assert client.get(address(new, old)).status_code == status
    client.force_login(bob)
    assert client.post(reverse("memories-compare"), {"a": old.pk, "b": new.pk, "semantic": 1}).status_code == 404
    assert new.name not in client.get(reverse("memories-compare")).content.decode() or old.name == new.name
    MemoryPerson.objects.create(memory=new, user=bob)
    assert client.get(address(old, new)).status_code == 200
    client.logout()
    assert client.get(address(old, new)).status_code == 302


def test_large_ones_are_compared_by_a_worker(client, alice, pair, monkeypatch):
    monkeypatch.setattr(comparing, "AT_ONCE", 1)
    client.force_login(alice)
    first = client.get(address(*pair))
    assert "found" not in first.context and not Job.objects.exists(), "looking starts nothing"
    for _ in range(2):
        client.post(reverse("memories-compare"), {"a": pair[0].pk, "b": pair[1].pk})
    job = Job.objects.get(kind="compare")
    assert f'data-live-job="{job.pk}"' in client.get(address(*pair)).content.decode()
    assert work(job).state == "done"
    assert client.get(address(*pair)).context["found"]["counts"]["modified"] == 1


def test_by_meaning(client, alice, new_memory, embedder):
    old = new_memory({"a.txt": "The whale rose beside the ship.", "b.txt": "one\n"})
    new = new_memory({"a.txt": "Taxes are due in April.", "b.txt": "one\n"})
    client.force_login(alice)
    client.post(reverse("memories-compare"), {"a": old.pk, "b": new.pk, "semantic": "1"})
    assert work(Job.objects.get(kind="compare")).state == "done"
    response = client.get(address(old, new, semantic=1))
    assert response.context["found"]["modified"][0]["verdict"] == "says something else"
    assert "says something else" in response.content.decode()


def test_without_an_embedder_it_says_why(client, alice, pair, monkeypatch):
    from search import services

    monkeypatch.setattr(services, "PATIENCE", 0)
    job = queue(pair[0], "compare", a_at=1, b=str(pair[1].pk), b_at=1, semantic=True)
    assert work(job).state == "failed" and "embed" in job.reason
    client.force_login(alice)
    assert job.reason in client.get(address(*pair, semantic=1)).content.decode()


def test_the_list_sends_two_chosen_ones(client, alice, pair):
    client.force_login(alice)
    chosen = [str(row.pk) for row in pair]
    url = reverse("memories-bulk")
    assert client.post(url, {"action": "compare", "memory": chosen}).url == address(*pair)
    response = client.post(url, {"action": "compare", "memory": chosen[:1]}, follow=True)
    assert "exactly two" in response.content.decode()


def test_what_is_kept_goes_when_a_document_is_erased(alice, new_memory):
    old, new = new_memory({"a.txt": prose(3000), "z.txt": "zqxsecret"}), new_memory({"a.txt": "other"})
    for one, other in ((old, new), (new, old)):
        states = comparing.state_of(one, None), comparing.state_of(other, None)
        comparing.compare(*states)
        assert comparing.known(*states, False)
    number = old.documents.get(path="z.txt").number
    assert work(queue(old, Job.Kind.ERASE, documents=[number])).state == "done"
    assert not list(cache._cache.get_client(None).scan_iter(match="*compare.1*"))


@pytest.mark.parametrize("query", ["a=x&b=y", "a=&b=", "semantic=1", "a_at=-1"])
def test_what_makes_no_sense_is_said(client, alice, workspace, query):
    client.force_login(alice)
    assert client.get(f"{reverse('memories-compare')}?{query}").status_code == 200
