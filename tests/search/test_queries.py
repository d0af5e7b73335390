"""Search by words and by meaning, and what nobody may see in it."""

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collab.models import Membership, Role, Workspace
from memories.models import Chunk, Job, Memory, MemoryPerson
from search import embedding, vectors
from search.embedding import EmbedderAway
from search.queries import LONGEST, search
from search.scope import Scope

pytestmark = pytest.mark.django_db
MODEL = "fake"
SIZE = 8
WHALE = {"moby.txt": ["Call me Ishmael.", "The white whale swam before him.", "Stubb ate a whale steak for supper."]}


def direction(text: str) -> np.ndarray:
    """Texts that share a word are near each other."""
    vector = np.full(SIZE, 0.01, np.float32)
    for word in text.lower().replace(".", "").split():
        vector[sum(word.encode()) % SIZE] += 1
    return vector / np.linalg.norm(vector)


@pytest.fixture
def away(monkeypatch):
    monkeypatch.setattr(embedding, "health", lambda at=None: {"state": "away", "reason": "the embedder is not running"})


@pytest.fixture
def meaning(monkeypatch):
    """A ready embedder, and a function that gives each chunk its vector."""
    monkeypatch.setattr(embedding, "health", lambda at=None: {"state": "ready", "model": MODEL, "dimension": SIZE})
    monkeypatch.setattr(embedding, "embed", lambda texts, **_: np.array([direction(text) for text in texts]))

    def index() -> None:
        model = vectors.model_row(MODEL, SIZE)
        chunks = Chunk.objects.filter(embeddings=None).values_list("pk", "text")
        vectors.store(model, [vectors.Row(pk, None, direction(text)) for pk, text in chunks])

    return index


def texts(found) -> list[str]:
    return [str(hit.snippet).replace("<mark>", "").replace("</mark>", "") for hit in found.hits]


def test_words_are_found_marked_and_placed(rows, alice, away):
    row = rows(WHALE)
    found = search(alice, "white whales")
    assert found.mode == "keyword" and found.notes == [
        "Searched by words only: no passage has been indexed by meaning yet."
    ]
    first = found.hits[0]
    assert first.snippet == "The <mark>white</mark> <mark>whale</mark> swam before him."
    assert (first.path, first.document, first.order, first.frame) == ("moby.txt", 1, 1 << 24, 1)
    assert (first.memory, first.author, first.time.year, first.why) == (row, "Alice", 2026, ("words",))
    assert texts(found)[1] == "Stubb ate a whale steak for supper."


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ishm", ["Call me Ishmael."]),
        ("whale stea", ["Stubb ate a whale steak for supper.", "The white whale swam before him."]),
        ('"white whale"', ["The white whale swam before him."]),
        ("whale -steak", ["The white whale swam before him."]),
        ("giraffe", []),
    ],
)
def test_an_unfinished_word_a_phrase_and_a_word_left_out(rows, alice, away, query, expected):
    rows(WHALE)
    assert texts(search(alice, query)) == expected


@pytest.mark.parametrize("query", ["", "  ", "\0", "?!…", "''--;&|!():*<>", "\u200b", "-whale"])
def test_nothing_asked_finds_nothing(rows, alice, away, query):
    rows(WHALE)
    found = search(alice, query)
    assert found.hits == [] and found.mode == "none"


@pytest.mark.parametrize(
    "query",
    ["whale\0white", "whale " * 2000, "whale " + "x" * 10_000, "𝒳" * 10_000, "\ud800 whale", "whale:*",
     "' whale \\", '"whale', "whale & | ! <-> white", "whale ()", "the", "whale or", "é" * 900],
)  # fmt: skip
def test_odd_queries_are_answered(rows, alice, meaning, query):
    rows(WHALE)
    meaning()
    found = search(alice, query)
    assert len(found.hits) <= 3
    assert bool(found.notes) == (len(query) > LONGEST)


def test_meaning_and_words_are_fused_and_each_hit_says_why(rows, alice, meaning):
    rows({"a.txt": ["whale", "hat", "elahw"]})  # as `direction` sees it, the third means the same as the first
    meaning()
    found = search(alice, "whale")
    assert found.mode == "hybrid" and not found.notes
    assert [(hit.frame, hit.why) for hit in found.hits] == [(0, ("words", "meaning")), (2, ("meaning",))]
    assert [round(hit.cosine, 2) for hit in found.hits] == [1, 1]
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


@pytest.mark.parametrize("mode", ["hybrid", "semantic"])
def test_what_a_minus_excludes_is_not_found_by_meaning_either(rows, alice, meaning, mode):
    rows({"a.txt": ["hat", "elahw", "white hat elahw", "hat white elahw"]})  # as `direction` sees it, the last are one
    meaning()
    found = search(alice, 'whale -"white hat"', mode=mode)
    assert {hit.frame for hit in found.hits} >= {1, 3} and 2 not in {hit.frame for hit in found.hits}


def test_the_index_finds_what_comparing_all_finds(rows, alice, meaning, monkeypatch):
    rows({f"{place}.txt": [f"whale number {place}"] for place in range(60)})
    rows({f"{place}.txt": [f"whale hidden {place}"] for place in range(60)}, created_by=None, visibility="private")
    meaning()
    exact = search(alice, "whale number 7", limit=100)
    monkeypatch.setattr("search.meaning.EXACT", 0)
    walked = search(alice, "whale number 7", limit=100)
    assert {hit.chunk for hit in walked.hits} == {hit.chunk for hit in exact.hits}
    assert len(walked.hits) == 60 and not any("hidden" in text for text in texts(walked))


def test_the_embedder_going_away_leaves_the_words(rows, alice, meaning, monkeypatch):
    rows(WHALE)
    meaning()

    def gone(texts, **_):
        raise EmbedderAway("the embedder is not running")

    monkeypatch.setattr(embedding, "embed", gone)
    found = search(alice, "whale again")  # not asked before: the vectors of questions are kept for a while
    assert found.mode == "keyword" and len(found.hits) == 2
    assert found.notes == ["Searched by words only: the embedder is not running."]


def test_what_is_removed_or_in_the_trash_is_not_found(rows, alice, meaning):
    row = rows(WHALE)
    meaning()
    Chunk.objects.filter(memory=row, frame=1).update(removed=2)
    Memory.objects.filter(pk=row.pk).update(head=2, head_hash="01")
    assert texts(search(alice, "white whale")) == ["Stubb ate a whale steak for supper."]
    row.deleted_at = "2026-01-01T00:00Z"
    row.save()
    assert search(alice, "white whale").hits == []


def test_pages_follow_each_other(rows, alice, meaning):
    rows({"a.txt": [f"whale {word}" for word in "one two three four five six seven".split()]})
    meaning()
    pages = [search(alice, "whale", limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [page.more for page in pages] == [True, True, False]
    found = [hit.chunk for page in pages for hit in page.hits]
    assert len(set(found)) == 7 == pages[0].total


def test_a_search_can_be_kept_to_memories_and_workspaces(rows, alice, workspace, meaning):
    one, two = rows(WHALE), rows(WHALE, name="Other")
    other = Workspace.objects.create(name="Elsewhere")
    Membership.objects.create(workspace=other, user=alice, role=Role.OWNER)
    three = rows(WHALE, workspace=other)
    meaning()
    assert {hit.memory for hit in search(alice, "whale").hits} == {one, two, three}
    assert {hit.memory for hit in search(alice, "whale", Scope(memories=(one.pk, three.pk))).hits} == {one, three}
    assert {hit.memory for hit in search(alice, "whale", Scope(workspace=workspace.pk)).hits} == {one, two}
    assert search(alice, "whale", Scope(memories=())).hits == []


def test_an_index_being_built_is_told_to_those_who_see_the_memory(rows, alice, charlie, workspace, away):
    row = rows(WHALE)
    Job.objects.create(workspace=workspace, memory=row, kind=Job.Kind.INDEX)
    assert any("still being indexed" in note for note in search(alice, "whale").notes)
    assert not any("still being indexed" in note for note in search(charlie, "whale").notes)


def test_a_snippet_holds_no_element_but_our_mark(rows, alice, away):
    rows({"x.html": ["<i title='x'>whale</i> \x02b\x03 & <b>bold</b> <mark>no</mark>"]})
    (hit,) = search(alice, "whale").hits
    assert hit.snippet == (
        "&lt;i title=&#x27;x&#x27;&gt;<mark>whale</mark>&lt;/i&gt; b &amp; &lt;b&gt;bold&lt;/b&gt; "
        "&lt;mark&gt;no&lt;/mark&gt;"
    )


def test_punctuation_of_books_is_no_part_of_a_word(new_memory, alice, away):
    new_memory({"a.txt": "“Whale!”—he’d cried—‘the «white» one…’"})
    for query in ("whale", "white", "cried", "“white» one”", "he’d cried"):
        (hit,) = search(alice, query).hits
        assert "<mark>" in hit.snippet
        assert str(hit.snippet).replace("<mark>", "").replace("</mark>", "") == "“Whale!”—he’d cried—‘the «white» one…’"


def test_a_long_passage_is_shown_from_the_sentence_that_was_asked_for(rows, alice, away):
    rows({"long.txt": ["Nothing to see here at all. " * 40 + "Then the kraken rose. " + "Silence again. " * 40]})
    (hit,) = search(alice, "kraken").hits
    assert str(hit.snippet).startswith("… Then the <mark>kraken</mark> rose. Silence") and str(hit.snippet).endswith(
        " …"
    )
    assert len(hit.snippet) < 350


def test_more_hits_cost_no_more_queries(rows, alice, meaning, django_assert_num_queries):
    rows(WHALE)
    meaning()
    with django_assert_num_queries(7):
        search(alice, "whale")
    rows({f"{place}.txt": ["another whale"] for place in range(15)}, name="Other")
    meaning()
    with django_assert_num_queries(8):  # the mean length is another: what a word counts is read again
        assert len(search(alice, "whale").hits) == 17


@pytest.fixture
def everything(rows, meaning, workspace, alice, bob, charlie):
    """Memories of every kind, each with a word of its own; who may see which."""
    elsewhere = Workspace.objects.create(name="Elsewhere")
    Membership.objects.create(workspace=elsewhere, user=charlie, role=Role.OWNER)
    made = {}

    def make(word: str, **fields):
        made[word] = rows({f"{word}.txt": [f"whale {word}"]}, name=word, **fields)
        return made[word]

    make("team")
    make("private", visibility="private")
    make("public", visibility="public")
    MemoryPerson.objects.create(memory=make("lent", visibility="private"), user=charlie)
    make("bobs", visibility="private", created_by=bob)
    make("foreign", workspace=elsewhere, created_by=charlie)
    make("trashed", deleted_at="2026-01-01T00:00Z")
    meaning()
    people = {"alice": alice, "bob": bob, "charlie": charlie, "nobody": AnonymousUser()}
    may_see = {
        "alice": {"team", "private", "public", "lent"},
        "bob": {"team", "public", "bobs"},
        "charlie": {"public", "lent", "foreign"},
        "nobody": {"public"},
    }
    return made, people, may_see


WORDS = ["team", "private", "public", "lent", "bobs", "foreign", "trashed"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nobody_finds_what_they_may_not_see(everything, data):
    made, people, may_see = everything
    name = data.draw(st.sampled_from(sorted(people)))
    query = " ".join(
        data.draw(st.lists(st.sampled_from(["whale", "pub", '"whale"', "-team", *WORDS]), min_size=1, max_size=5))
    )
    asked = data.draw(st.none() | st.sets(st.sampled_from(WORDS)))
    scope = Scope(memories=None if asked is None else tuple(made[word].pk for word in asked))
    found = search(people[name], query, scope, limit=data.draw(st.integers(1, 9)), offset=data.draw(st.integers(0, 3)))
    allowed = may_see[name] & (set(WORDS) if asked is None else asked)
    assert {hit.memory.name for hit in found.hits} <= allowed
    assert {str(hit.path) for hit in found.hits} <= {f"{word}.txt" for word in allowed}
    assert found.total <= len(allowed) and len(found.hits) <= found.total


@pytest.mark.parametrize("name", ["alice", "bob", "charlie", "nobody"])
def test_everybody_finds_all_that_they_may_see(everything, name):
    _, people, may_see = everything
    assert {hit.memory.name for hit in search(people[name], "whale").hits} == may_see[name]
