"""Near-duplicates: found by a job, shown in groups, and removed by commits."""

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from collab.models import User
from memories import curation, jobs
from memories.engine.duplicates import Groups, near_texts, normalised
from memories.models import Chunk, Document, Job, Memory
from search import vectors
from tests.memories.engine.making import prose

pytestmark = pytest.mark.django_db
STORY = prose(800, seed=3)
SIMILAR = STORY.replace(". ", "! ", 1).replace(STORY.split()[40], "changed", 1)


@pytest.fixture
def client(alice: User) -> Client:
    alice.is_staff = True
    alice.save()
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def row(new_memory) -> Memory:
    texts = {"a.txt": STORY, "b.txt": SIMILAR, "c.txt": STORY.upper(), "d.txt": prose(800, seed=4), "e.txt": "short"}
    return new_memory(texts)


def search(client: Client, row: Memory, by: str, percent: int) -> Job:
    client.post(page(row), {"act": "search", "by": by, "percent": percent})
    job = Job.objects.filter(kind=Job.Kind.DUPLICATES).latest("created_at")
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def page(row: Memory) -> str:
    return reverse("admin:memories_memory_duplicates", args=[row.pk])


def groups(client: Client, row: Memory) -> list[list[str]]:
    return [[chunk.document.path for chunk, _ in group.members] for group in client.get(page(row)).context["groups"]]


def test_by_words(row, client):
    job = search(client, row, "text", 70)
    assert job.state == Job.State.DONE, job.reason
    assert groups(client, row) == [["a.txt", "b.txt", "c.txt"]]
    assert STORY[:30] not in str(job.result)
    search(client, row, "text", 100)
    assert groups(client, row) == [["a.txt", "c.txt"]]


def test_by_meaning(row, client):
    model = vectors.model_row("test-model", 4)
    directions = {
        "a.txt": [1, 0, 0, 0],
        "b.txt": [0.99, 0.14, 0, 0],
        "d.txt": [0, 1, 0, 0],
        "e.txt": [0, 0.999, 0.04, 0],
    }
    rows = [
        vectors.Row(chunk.pk, None, np.array(directions[chunk.document.path], np.float32))
        for chunk in Chunk.objects.select_related("document")
        if chunk.document.path in directions
    ]
    vectors.store(model, rows)
    job = search(client, row, "meaning", 95)
    assert job.state == Job.State.DONE, job.reason
    assert sorted(groups(client, row)) == [["a.txt", "b.txt"], ["d.txt", "e.txt"]]
    assert job.result["compared"] == 4 and job.result["chunks"] == 5
    search(client, row, "meaning", 100)
    assert groups(client, row) == [["d.txt", "e.txt"]] or groups(client, row) == []


def test_by_meaning_without_vectors_says_what_to_do(row, client):
    job = search(client, row, "meaning", 95)
    assert job.state == Job.State.FAILED and "re-index" in job.reason
    assert job.reason in client.get(page(row)).content.decode()


def test_the_chosen_are_removed(row, client):
    search(client, row, "text", 70)
    chosen = Chunk.objects.get(document__path="c.txt")
    client.post(page(row), {"act": "remove", "chunk": [chosen.pk], "seen": str(curation.Seen.of(row))})
    jobs.run(Job.objects.get(kind=Job.Kind.REMOVE).pk)
    assert not Document.objects.present().filter(path="c.txt").exists()
    assert groups(client, row) == [["a.txt", "b.txt"]]
    assert "has changed since" in client.get(page(row)).content.decode()


def test_only_what_the_page_shows_can_be_chosen(row, client):
    search(client, row, "text", 70)
    for value in (Chunk.objects.get(document__path="e.txt").pk, "x", "9" * 40, "-1", "\0", ""):
        response = client.post(page(row), {"act": "remove", "chunk": [value], "seen": str(curation.Seen.of(row))})
        assert response.status_code == 200
    assert not Job.objects.exclude(kind=Job.Kind.DUPLICATES).exists()


@pytest.mark.parametrize("data", [{"by": "x"}, {"percent": "9" * 40}, {"percent": "\0"}, {"by": ""}, {"percent": "-5"}])
def test_hostile_searches(data, row, client):
    assert client.post(page(row), {"act": "search", "by": "text", "percent": "80", **data}).status_code == 200
    assert client.get(page(row), {"page": data.get("percent", "x")[:9] or "z"}).status_code in (200, 400)
    assert not Job.objects.exists()


def test_the_page_costs_the_same_with_more_groups(new_memory, client, django_assert_num_queries):
    few = new_memory({f"{at}.txt": prose(300, seed=at // 2) for at in range(4)})
    many = new_memory({f"{at}.txt": prose(300, seed=at // 2) for at in range(16)})
    for memory in (few, many):
        search(client, memory, "text", 90)
    client.get(page(few))
    with django_assert_num_queries(len(queries(client, few))):
        assert len(client.get(page(many)).context["groups"]) == 8


def queries(client: Client, row: Memory) -> list:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        client.get(page(row))
    return captured.captured_queries


# -- the finder itself


def test_words_are_what_counts():
    assert normalised("The  WHITE whale!\n") == normalised("the white, whale") == "the white whale"
    assert normalised(" ?! ") == "?!"


def test_pairs_join_to_groups():
    made = Groups()
    made.join(1, 2, 0.9)
    made.join(3, 4, 1.0)
    made.join(2, 5, 0.95)
    assert made.all() == [[(3, 1.0), (4, 1.0)], [(1, 0.9), (2, 0.95), (5, 0.95)]]


def test_the_same_text_many_times_is_one_group_and_little_work():
    found = Groups()
    for pair in near_texts(((key, STORY) for key in range(3000)), 0.9):
        found.join(*pair)
    assert [len(group) for group in found.all()] == [3000]


def test_texts_that_share_nothing_are_no_pair():
    assert not list(near_texts([(1, prose(600, seed=1)), (2, prose(600, seed=2)), (3, ""), (4, "   x")], 0.5))
