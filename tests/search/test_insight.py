"""Agreement and time on the site: what is shown, and what a person may not see in it."""

from datetime import UTC, datetime
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collab.models import Membership, Role, Workspace
from memories.models import Chunk, Commit, Document, Memory
from search import embedding, postings, queries, vectors
from search.correlations import correlations, sought
from search.embedding import EmbedderAway
from search.scope import Scope
from search.timeline import timeline

pytestmark = pytest.mark.django_db
SHORT, LONG = "The bridge is 300 metres long.", "The bridge is 310 metres long."
NO_NUL = partial(st.text, st.characters(exclude_characters="\0", codec="utf-8"))  # which no address may hold
AGREEMENT, TIME = "/search/agreement/", "/search/over-time/"


@pytest.fixture(autouse=True)
def away(monkeypatch):
    said = {"state": "away", "model": "", "dimension": 0, "reason": "the embedder is not running"}
    monkeypatch.setattr(embedding, "health", lambda at=None: said)


@pytest.fixture
def two(rows) -> tuple[Memory, Memory]:
    return rows({"a.txt": [SHORT]}, name="First"), rows({"b.txt": [LONG]}, name="Second")


@pytest.fixture
def theirs(rows, charlie) -> Memory:
    """Another team's, which Alice may not see; it says the opposite of everything."""
    home = Workspace.objects.create(name="Others")
    Membership.objects.create(workspace=home, user=charlie, role=Role.OWNER)
    return rows(
        {"secret.txt": ["The bridge is 999 metres long.", SHORT]},
        name="Secret", workspace=home, created_by=charlie,
    )  # fmt: skip


@pytest.fixture
def get(client, alice):
    client.force_login(alice)

    def run(path: str, **query) -> str:
        response = client.get(path, query)
        assert response.status_code == 200
        return response.content.decode()

    return run


def compared(user, text="how long is the bridge", scope=Scope()):  # noqa: B008
    return correlations(user, text, scope, sought(user, text, scope))


def second_commit(row: Memory, old: str, new: str | None) -> None:
    """Replaces a passage, or takes it away."""
    number = row.head + 1
    Commit.objects.create(
        memory=row, number=number, time=datetime(2026, 3, 4, tzinfo=UTC), author="Bob", hash="01", first_frame=9,
        frames=9, put=1, deleted=0,
    )  # fmt: skip
    chunk = Chunk.objects.get(memory=row, text=old, removed=None)
    Chunk.objects.filter(pk=chunk.pk).update(removed=number)
    if new is not None:
        chunk.pk, chunk.text, chunk.added, chunk.frame = None, new, number, 10
        chunk.save()
        postings.add(row)
    Memory.objects.filter(pk=row.pk).update(head=number, head_hash=f"{number:02}")


# -- agreement


def test_two_memories_that_contradict_each_other_are_shown_with_their_sources(get, two):
    html = get(AGREEMENT, q="how long is the bridge")
    assert "Contradict each other" in html and "300 metres against 310 metres" in html.replace(
        "310 metres against 300", "300 metres against 310"
    )
    assert "a.txt" in html and "b.txt" in html and "First" in html and "Second" in html
    assert "Compared by words only" in html and "The embedder is not running." in html
    assert f"/memories/{two[0].pk}/documents/1/?chunk=0" in html


def test_anothers_memory_is_in_no_pair(alice, charlie, two, theirs):
    seen = {said.passage.memory for one in compared(alice).found for said in (one.one, one.other)}
    assert seen == {two[0].pk, two[1].pk}
    hits = queries.search(charlie, "how long is the bridge")
    assert {hit.memory.pk for hit in hits.hits} == {theirs.pk}
    assert correlations(alice, "how long is the bridge", Scope(), hits).found == []


def test_a_scope_of_one_memory_compares_nothing(alice, two, get):
    assert compared(alice, scope=Scope(memories=(two[0].pk,))).memories == 1
    assert "only one has a match" in get(AGREEMENT, q="bridge", memory=[two[0].pk])
    assert "none has a match" in get(AGREEMENT, q="giraffe")
    assert "Search for something first" in get(AGREEMENT)


@pytest.mark.parametrize("path", [AGREEMENT, TIME])
def test_signs_alone_are_explained(get, two, path):
    html = get(path, q="...")
    assert "There is no word in this" in html and "has a match" not in html and "No passage" not in html


@pytest.mark.parametrize("view", ["agreement", "over-time"])
def test_the_passages_of_each_memory_are_counted_beside_the_filters(get, two, theirs, view):
    html = get("/search/", q="bridge long", view=view)
    counts = html.split('id="results"')[1].split('data-counts="')[1].split('"')[0]
    assert set(counts.split()) == {f"{memory.pk}:1" for memory in two}


@pytest.fixture
def uneven(rows) -> tuple[Memory, Memory]:
    """The best 60 passages are all of the first; the second has a few longer ones."""
    long = f"{LONG} {'It crosses the river where it is widest, as everybody in the town knows. ' * 5}"
    return rows({"a.txt": [SHORT] * 70}, name="First"), rows({"b.txt": [long] * 3}, name="Second")


def test_a_memory_with_few_matches_has_its_share_beside_one_with_many(
    get, alice, uneven, django_assert_max_num_queries
):
    found = queries.search(alice, "bridge metres", limit=60)
    assert {hit.memory.pk for hit in found.hits} == {uneven[0].pk} and found.counts[uneven[1].pk] == 3
    with django_assert_max_num_queries(30):
        html = get(AGREEMENT, q="bridge metres")
    assert "Sentences of 2 memories" in html and "b.txt" in html


def test_where_more_matches_than_is_ranked_it_says_no_more_than_it_knows(get, uneven, monkeypatch):
    monkeypatch.setattr(queries, "DEEP", 60)
    html = get(AGREEMENT, q="bridge metres")
    assert "all the best matches here are of one" in html and "only one has a match" not in html


def test_shares_are_of_what_may_be_seen(get, uneven, theirs):
    html = get(AGREEMENT, q="bridge metres")
    assert "Sentences of 2 memories" in html and "secret" not in html and "999" not in html


def test_with_an_embedder_it_is_by_meaning_and_the_sentences_are_few(alice, rows, monkeypatch):
    for name in ("one", "two"):
        rows(
            {"a.txt": [f"The bridge number {n} of {name} is long. " * 5 for n in "abcdefghijklmnopqrstuvwxyz"]},
            name=name,
        )
    asked = []

    def embed(texts, **_):
        asked.append(len(texts))
        return np.tile(np.array([[1, 0]], np.float32), (len(texts), 1))

    monkeypatch.setattr(embedding, "health", lambda at=None: {"state": "ready", "model": "fake", "dimension": 2})
    monkeypatch.setattr(embedding, "embed", embed)
    found = queries.search(alice, "bridge", limit=60)
    done = correlations(alice, "bridge", Scope(), found)
    assert done.by == "meaning" and done.notes == [] and asked[-1] <= 161


def test_an_embedder_that_stops_answering_leaves_the_words(alice, two, monkeypatch):
    def embed(texts, **_):
        raise EmbedderAway("the embedder has not answered in time")

    monkeypatch.setattr(embedding, "health", lambda at=None: {"state": "ready", "model": "fake", "dimension": 2})
    monkeypatch.setattr(embedding, "embed", embed)
    done = compared(alice)
    assert done.by == "words" and done.found[0].kind == "contradict"
    assert done.notes == [
        "Compared by words only: sentences that say the same in other words are not recognised."
        " The embedder has not answered in time."
    ]


# -- time


def test_the_first_passage_counts_though_it_was_replaced(alice, rows):
    row = rows({"a.txt": [SHORT]})
    second_commit(row, SHORT, None)
    found = timeline(alice, "bridge long", Scope()).line
    assert found.first.text == SHORT and (found.total, found.standing) == (1, 0)
    assert [(b.key, b.added, b.removed) for b in found.spread] == [
        ("2026-01", 1, 0), ("2026-02", 0, 0), ("2026-03", 0, 1),
    ]  # fmt: skip
    assert found.changes[0].what == "removed"


def test_the_page_shows_a_replacement_word_by_word_and_a_chart(get, rows):
    row = rows({"a.txt": [SHORT]})
    second_commit(row, SHORT, LONG)
    html = get(TIME, q="bridge long")
    assert "<del>300</del>" in html and "<ins>310</ins>" in html and "replaced" in html
    assert html.count('class="spread-added"') == 2 and html.count('class="spread-removed"') == 1
    assert "style=" not in html and "no longer there" in html
    assert "January 2026" in html


def test_what_was_said_first_is_shown_around_the_words_and_escaped(get, rows):
    rows({"a.txt": [f"<b>{'Chapter. ' * 60}Then came the <i>bridge</i>, which was long. {'Afterwards. ' * 60}"]})
    said = get(TIME, q="bridge long").split("<blockquote", 1)[1].split("</blockquote>")[0]
    assert "&lt;i&gt;<mark>bridge</mark>&lt;/i&gt;" in said and "<mark>long</mark>" in said
    assert len(said) < 500 and "<i>" not in said


def test_a_query_that_is_cut_is_said_to_be(get, rows):
    rows({"a.txt": [SHORT]})
    note = "Over time only the first 1,000 characters were searched for."
    assert note in get(TIME, q="bridge " * 200) and note not in get(TIME, q="bridge " * 100)


def test_what_was_added_or_removed_is_shown_around_the_words_too(get, rows):
    long = f"{'Chapter. ' * 60}Then came the <i>bridge</i>, which was long. {'Afterwards. ' * 60}"
    row = rows({"a.txt": ["The bridge is long."], "b.txt": [SHORT], "c.txt": [long]})
    second_commit(row, SHORT, None)
    Chunk.objects.filter(text=long).update(added=2)
    removed, added = get(TIME, q="bridge long").split("change-removed", 1)[1].split("change-added")
    assert "&lt;i&gt;<mark>bridge</mark>&lt;/i&gt;" in added and added.count("Chapter.") < 20
    assert "<del>The <mark>bridge</mark> is 300 metres <mark>long</mark>.</del>" in removed


def test_anothers_passages_are_not_counted_in_time(alice, charlie, two, theirs, get):
    found = timeline(alice, "bridge long", Scope()).line
    assert {v.memory for v in (found.first,)} <= {two[0].pk, two[1].pk} and found.total == 2
    assert timeline(charlie, "bridge long", Scope()).line.total == 2
    html = get(TIME, q="bridge long", memory=[theirs.pk])
    assert "No passage" in html and "secret" not in html and "999" not in html
    second_commit(theirs, SHORT, None)
    assert timeline(alice, "bridge long", Scope()).line.total == 2


def test_by_meaning_only_what_may_be_seen_is_near(alice, two, theirs, monkeypatch):
    monkeypatch.setattr(embedding, "health", lambda at=None: {"state": "ready", "model": "fake", "dimension": 2})
    monkeypatch.setattr(embedding, "embed", lambda texts, **_: np.array([[1, 0]] * len(texts), np.float32))
    model = vectors.model_row("fake", 2)
    chunks = Chunk.objects.values_list("pk", flat=True)
    vectors.store(model, [vectors.Row(pk, None, np.array([1, 0], np.float32)) for pk in chunks])
    found = timeline(alice, "something else altogether", Scope())
    assert found.line.total == 2 and found.notes == []


def test_an_earlier_state_knows_nothing_of_what_came_later(alice, rows):
    row = rows({"a.txt": [SHORT]})
    second_commit(row, SHORT, LONG)
    for moment in (1, datetime(2026, 2, 1, tzinfo=UTC)):
        found = timeline(alice, "bridge long", Scope(as_of=moment)).line
        assert (found.total, found.standing, found.changes) == (1, 1, [])


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        (Scope(path="b.t"), 1), (Scope(path="?.txt"), 2), (Scope(path="*.md"), 0), (Scope(author="alic"), 2),
        (Scope(author="bob"), 0), (Scope(since=datetime(2026, 1, 3).date()), 0), (Scope(types=("text",)), 2),
        (Scope(until=datetime(2026, 1, 2).date()), 2), (Scope(types=("code", "pdf")), 0), (Scope(tags=("x",)), 1),
    ],
)  # fmt: skip
def test_the_scope_narrows_the_timeline(alice, two, scope, count):
    Document.objects.filter(path="b.txt").update(tags=["x"])
    assert timeline(alice, "bridge long", scope).line.total == count


@pytest.mark.parametrize("path", [AGREEMENT, TIME])
def test_a_stranger_has_to_log_in(client, path):
    assert client.get(path, {"q": "bridge"}).status_code == 302


@pytest.mark.parametrize("path", [AGREEMENT, TIME])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=NO_NUL(max_size=60), other=NO_NUL(max_size=12))
def test_no_address_is_an_error(client, alice, two, path, query, other):
    client.force_login(alice)
    names = ("memory", "tag", "type", "author", "path", "since", "until", "as_of", "commit", "mode", "changed_since")
    assert client.get(path, {"q": query, **dict.fromkeys(names, other)}).status_code == 200
    assert client.get(path, {"q": "bridge whale, " * 200}).status_code == 200


# -- the tabs of the search page


def test_a_tab_keeps_words_and_filters_and_needs_no_script(get, two):
    html = get("/search/", q="how long is the bridge", tag="", author="Alice", view="agreement")
    assert 'href="?q=how+long+is+the+bridge&amp;author=Alice&amp;view=over-time"' in html
    assert 'href="?q=how+long+is+the+bridge&amp;author=Alice"' in html
    assert 'name="view" value="agreement" form="search-form"' in html
    assert "300 metres" in html and 'aria-label="Remove the filter by Alice"' in html
    assert "First said" in get("/search/", q="bridge long", view="over-time")
    assert "Nothing" not in html and 'id="tab-agreement"' not in get("/search/", view="agreement")


def test_a_part_answers_at_once_and_fetches_its_view(client, alice, two):
    client.force_login(alice)
    response = client.get("/search/", {"q": "bridge", "view": "over-time"}, headers={"HX-Request": "true"})
    assert response["HX-Push-Url"] == "/search/?q=bridge&view=over-time"
    assert f'hx-get="{TIME}?q=bridge&amp;view=over-time"' in response.content.decode()


def test_the_changes_of_a_day_are_asked_for_in_the_address(get, rows):
    row = rows({"a.txt": [SHORT]})
    second_commit(row, SHORT, LONG)
    assert "since 1 February 2026" in get(TIME, q="bridge long", changed_since="2026-02-01")
    later = get(TIME, q="bridge long", changed_since="2026-05-01")
    assert "Nothing of this changed since that day." in later and 'class="change ' not in later
    assert "since then" in get(TIME, q="bridge long", changed_since="nonsense")


def test_the_day_is_chosen_on_the_tab_and_taken_back_there(get, rows):
    row = rows({"a.txt": [SHORT]})
    second_commit(row, SHORT, LONG)
    html = get("/search/", q="bridge long", author="Bob", view="over-time", changed_since="2026-02-01")
    assert 'name="changed_since" form="search-form" value="2026-02-01"' in html
    rest = "?q=bridge+long&amp;author=Bob&amp;view=over-time"
    assert f'class="chip" href="{rest}" hx-get="{rest}"' in html and "since 1 Feb 2026" in html
    plain = get("/search/", q="bridge long", view="over-time")
    assert 'form="search-form" value=""' in plain and "Show all changes again" not in plain
    for wrong in ("2026-02-30", "1066-10-14", "9999-12-31", "<script>"):
        html = get("/search/", q="bridge long", view="over-time", changed_since=wrong)
        assert "The day of the changes in the address makes no sense and was left out." in html
        assert 'form="search-form" value=""' in html


def test_from_the_last_look_a_link_leads_to_what_changed_since(get, rows):
    rows({"a.txt": [SHORT]})
    look = int(datetime(2026, 2, 3, 12, tzinfo=UTC).timestamp())
    link = "?q=bridge&amp;view=over-time&amp;changed_since=2026-02-03"
    assert f'<a href="{link}">What changed since your last look</a>' in get("/search/", q="bridge", news=look)
    assert "your last look" not in get("/search/", q="bridge")
