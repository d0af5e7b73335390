"""The leg of words: languages, scripts, misspelt words, phrases; and the segments that it reads."""

from collections.abc import Callable

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from memories import mirror, sql
from memories.models import Chunk, Document, Memory
from search import postings, table
from search.keeping import Kept
from search.models import Posting, Segment
from search.queries import search
from search.scope import Scope
from search.words import Asked, by_words
from tests.memories.engine.making import prose

pytestmark = pytest.mark.django_db


def paths(found) -> list[str]:
    return [hit.path for hit in found.hits]


GERMAN = "Die alten Häuser der kleinen Stadt standen dicht beieinander am Ufer, und ihre Bewohner kannten sich alle."
FRENCH = "Les vieilles maisons de la petite ville étaient serrées les unes contre les autres, près du café de l'élève."
RUSSIAN = "Старые дома маленького города стояли близко друг к другу на самом берегу широкой реки, все их знали."
JAPANESE = "東京都の天気は晴れです。明日は雨が降るでしょう。"
ENGLISH = "The old houses of the little town were standing close together by the river, and everybody knew them."


@pytest.fixture
def library(rows) -> Memory:
    texts = {"de": GERMAN, "fr": FRENCH, "ru": RUSSIAN, "ja": JAPANESE, "en": ENGLISH}
    return rows({f"{name}.txt": [text] for name, text in texts.items()})


def test_each_document_has_its_language(library):
    found = dict(Document.objects.values_list("path", "language"))
    assert found == {
        "de.txt": "german", "fr.txt": "french", "ru.txt": "russian", "ja.txt": "english", "en.txt": "english",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("Haus", "de.txt"), ("HÄUSER", "de.txt"), ("hauser", "de.txt"), ("maison", "fr.txt"), ("etaient", "fr.txt"),
        ("eleve", "fr.txt"), ("cafe", "fr.txt"), ("дом", "ru.txt"), ("городов", "ru.txt"), ("天気", "ja.txt"),
        ("東京", "ja.txt"), ("雨", "ja.txt"), ("house", "en.txt"), ("stands", "en.txt"), ("STANDING", "en.txt"),
    ],
)  # fmt: skip
def test_words_are_found_in_every_form_and_script(library, alice, query, path):
    found = search(alice, query, mode="keyword")
    assert path in paths(found) and "<mark>" in found.hits[0].snippet and not found.correction


def test_what_was_asked_in_chinese_characters_is_marked_exactly(library, alice):
    (hit,) = search(alice, "天気", mode="keyword").hits
    assert "<mark>天気</mark>は晴れ" in hit.snippet


@pytest.mark.parametrize("query", ["hosues", "huoses", "houses", "housees", "hhouse", "little twon"])
def test_a_word_that_is_nowhere_is_taken_for_the_nearest(library, alice, query):
    assert "en.txt" in paths(search(alice, f"{query} ", mode="keyword"))


def test_a_correction_is_told_in_the_words_of_the_text(library, alice):
    assert search(alice, "evrybody knew ", mode="keyword").correction == "everybody knew"
    assert search(alice, "everybody knew", mode="keyword").correction == ""
    assert search(alice, '"evrybody knew"', mode="keyword").hits == [], "what is quoted is meant as it stands"


def test_a_correction_has_the_form_that_is_nearest_to_what_was_typed(rows, alice):
    rows({"a.txt": ["it was vacuumed, as a vacuum does, vacuuming"]})
    assert search(alice, "vacum ", mode="keyword").correction == "vacuum"


def test_words_of_removed_passages_are_not_there(rows, alice):
    row = rows({"a.txt": ["the captain sails", "past the harbour"], "b.txt": ["captian was here", "harbouz harbouz"]})
    assert paths(search(alice, "captian ", mode="keyword")) == ["b.txt"]
    Chunk.objects.filter(document__path="b.txt").update(removed=2)
    Memory.objects.filter(pk=row.pk).update(head=2, head_hash="01")
    for query, correction in [("captian ", "captain"), ("harbouq ", "harbour"), ("harbouz", "harbour")]:
        found = search(alice, query, mode="keyword")
        assert (paths(found), found.correction) == (["a.txt"], correction)
    then = search(alice, "captian ", Scope(as_of=1), mode="keyword")
    assert (paths(then), then.correction) == (["b.txt"], "")


@pytest.fixture
def statements(monkeypatch) -> Callable[..., int]:
    """How many statements a search takes that nobody made before."""

    def count(user, query: str, **options) -> int:
        monkeypatch.setattr(table, "_kept", Kept(table.KEPT))
        with CaptureQueriesContext(connection) as asked:
            search(user, query, **options)
        return len(asked)

    return count


@pytest.mark.parametrize("mode", ["keyword", "fuzzy"])
def test_a_word_is_looked_for_once_however_often_it_is_asked_for(library, alice, statements, mode):
    once = statements(alice, "evrybody ", mode=mode)
    assert statements(alice, "evrybody " * 100, mode=mode) == once
    assert search(alice, "evrybody evrybody ", mode=mode).correction == "everybody everybody"


@pytest.mark.parametrize("mode", ["keyword", "fuzzy"])
def test_there_is_an_end_to_statements(library, alice, statements, mode):
    words = [f"zz{first}{second}q" for first in "abcdefghij" for second in "abcdefghij"]
    most = statements(alice, " ".join(words[:20]) + " ", mode=mode)
    assert statements(alice, " ".join(words) + " ", mode=mode) == most
    assert statements(alice, "_".join(words) + " ", mode=mode) <= most, "the pieces of one long identifier"
    assert statements(alice, "\ufdfa" * 300 + " ", mode=mode) < most, "each is several words in a compatible form"
    assert statements(alice, "house " + " ".join(f"-{word}" for word in words), mode=mode) <= most
    assert statements(alice, f'house -"{" ".join(words)}"', mode=mode) <= most


def test_fuzzy_finds_what_is_written_nearly_like_a_word_that_is_there_too(rows, alice):
    rows({"a.txt": ["the colour of money"], "b.txt": ["the color of money"]})
    assert paths(search(alice, "colour", mode="keyword")) == ["a.txt"]
    assert paths(search(alice, "colour", mode="fuzzy")) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("to be or not to be", ["hamlet.txt"]),
        ("be not to", []),
        ("OR NOT to", ["hamlet.txt"]),
        ("not to b", []),
        ("晴れです", ["ja.txt"]),
    ],
)
def test_an_exact_phrase_is_in_a_row_and_whole(rows, alice, query, expected):
    rows(
        {"hamlet.txt": ["To be, or not to be: that"], "other.txt": ["be to or not that is to be"], "ja.txt": [JAPANESE]}
    )
    assert paths(search(alice, query, mode="phrase")) == expected


def test_quotation_marks_of_a_pasted_text_are_only_punctuation(rows, alice):
    rows({"a.txt": ["a captain and his whale"]})
    assert search(alice, '"not there" whale', mode="keyword").hits == []
    assert search(alice, '"not there" -whale ' + "whale " * 20, mode="keyword").hits


@pytest.mark.parametrize("query", ['"whale captain', 'captain "his whale and', 'a 24" whale captain', "“whale captain"])
def test_so_is_a_quotation_mark_that_nothing_closes(rows, alice, query):
    rows({"a.txt": ["a captain and his whale"]})
    assert search(alice, query, mode="keyword").hits


@pytest.mark.parametrize(
    ("excluded", "gone"),
    [
        ("東京", {"tokyo"}), ("parse_http", {"call"}), ("HTTPServer", {"class"}), ("http", {"call", "class", "http"}),
        ('"white whale"', {"whale"}), ("white-whale", {"whale"}), ('"white whale" -東京', {"whale", "tokyo"}),
        ("whales", {"whale", "sails"}), ("__", set()),
    ],
)  # fmt: skip
def test_a_minus_excludes_what_holds_all_of_it(rows, alice, excluded, gone):
    texts = {
        "tokyo": "東京 report", "kyoto": "京都 report", "call": "parse_http here", "other": "parse_url here",
        "class": "an HTTPServer", "http": "http alone", "whale": "the White Whale", "sails": "white sails and a whale",
    }  # fmt: skip
    rows({name: [f"ship {text}"] for name, text in texts.items()})
    assert set(paths(search(alice, f"ship -{excluded}", mode="keyword"))) == texts.keys() - gone


def test_beyond_the_texts_that_are_looked_at_what_may_be_excluded_is(rows, alice, monkeypatch):
    rows({"a.txt": ["ship ship: white sails, a whale", "ship: white sails, a whale, and more", "ship: black"]})
    assert len(search(alice, 'ship -"white whale"', mode="keyword").hits) == 3
    monkeypatch.setattr("search.held.CHECKED", 1)
    assert {hit.frame for hit in search(alice, 'ship -"white whale"', mode="keyword").hits} == {0, 2}


def test_rare_words_count_more_than_common_ones(rows, alice):
    rows({f"{n}.txt": [f"a common word and {'a kraken' if n == 3 else 'more common words'}"] for n in range(9)})
    assert paths(search(alice, "common kraken", mode="keyword"))[0] == "3.txt"


# -- filters


@pytest.fixture
def shelf(rows) -> tuple[Memory, Memory]:
    one = rows({"notes/a.md": ["whale one"], "b.pdf": ["whale two"], "src/c.py": ["whale = 3"]}, name="One")
    two = rows({"notes/d.md": ["whale four"]}, name="Two", tags=["sea"])
    types = {".md": "text/markdown", ".pdf": "application/pdf", ".py": "text/x-python"}
    for document in Document.objects.all():
        document.media_type = types["." + document.path.rsplit(".")[-1]]
        document.tags = ["draft"] if document.path == "b.pdf" else []
        document.save()
    two.commits.update(author="Bob", time="2026-03-04T12:00Z")
    return one, two


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({}, {"notes/a.md", "b.pdf", "src/c.py", "notes/d.md"}),
        ({"types": ("text",)}, {"notes/a.md", "notes/d.md"}),
        ({"types": ("code", "pdf")}, {"src/c.py", "b.pdf"}),
        ({"tags": ("sea",)}, {"notes/d.md"}),
        ({"tags": ("draft", "sea")}, {"b.pdf", "notes/d.md"}),
        ({"path": "notes/"}, {"notes/a.md", "notes/d.md"}),
        ({"path": "*.p?"}, {"src/c.py"}),
        ({"path": "a.m%_("}, set()),
        ({"author": "bo"}, {"notes/d.md"}),
        ({"since": "2026-03-04", "until": "2026-03-04"}, {"notes/d.md"}),
        ({"until": "2026-03-03"}, {"notes/a.md", "b.pdf", "src/c.py"}),
        ({"author": "bob", "types": ("pdf",)}, set()),
    ],
)
def test_filters_narrow(shelf, alice, scope, expected):
    from datetime import date

    days = {name: date.fromisoformat(scope[name]) for name in ("since", "until") if name in scope}
    found = search(alice, "whale", Scope(**scope | days), mode="keyword")
    assert set(paths(found)) == expected and found.total == len(expected)


def test_the_past_is_searched_as_it_was(rows, alice):
    from datetime import UTC, datetime

    row = rows({"a.txt": ["a white whale", "a black cat"]})
    Chunk.objects.filter(text="a white whale").update(removed=2)
    late = Chunk.objects.get(text="a black cat")
    Chunk.objects.create(
        memory=row, document=late.document, order=1, added=2, frame=5, size=1, lines=0, text="a grey whale"
    )
    row.commits.create(
        number=2, time=datetime(2026, 5, 1, tzinfo=UTC), hash="01", first_frame=9, frames=2, put=1, deleted=1
    )
    postings.add(row)
    Memory.objects.filter(pk=row.pk).update(head=2, head_hash="01")

    def whales(**scope):
        return [str(hit.snippet).replace("<mark>whale</mark>", "whale") for hit in
                search(alice, "whale", Scope(**scope), mode="keyword").hits]  # fmt: skip

    assert whales() == ["a grey whale"]
    assert whales(as_of=1) == ["a white whale"] and whales(as_of=2) == ["a grey whale"]
    assert whales(as_of=datetime(2026, 4, 1, tzinfo=UTC)) == ["a white whale"]
    assert whales(as_of=datetime(2025, 4, 1, tzinfo=UTC)) == []


def test_matches_are_counted_by_memory(shelf, alice):
    one, two = shelf
    assert search(alice, "whale", mode="keyword").counts == {one.pk: 3, two.pk: 1}


# -- segments


def chunks(row: Memory, texts: list[str], commit: int) -> None:
    document = row.documents.first()
    start = Chunk.objects.filter(memory=row).count()
    Chunk.objects.bulk_create(
        Chunk(memory=row, document=document, order=start + place, added=commit, frame=1, size=1, lines=0, text=text)
        for place, text in enumerate(texts)
    )
    postings.add(row)


def test_many_small_commits_search_as_one_large_one(rows, monkeypatch):
    monkeypatch.setattr(postings, "FAN", 2)
    texts = [prose(300, seed) for seed in range(23)]
    slowly, at_once = rows({"a.txt": texts[:1]}), rows({"a.txt": texts[:1]})
    for commit, text in enumerate(texts[1:], 2):
        chunks(slowly, [text], commit)
    chunks(at_once, texts[1:], 2)
    sizes = list(Segment.objects.filter(memory=slowly).order_by("last").values_list("size", flat=True))
    assert sum(sizes) == 23 and len(sizes) <= 6, sizes
    asked = Asked.of(" ".join(texts[7].split()[:6]))

    def reach_of(row: Memory) -> table.Reach:
        return table.Reach.of(Memory.objects.filter(pk=row.pk))

    one, other = (by_words(table.load(reach), asked, 10).scores for reach in map(reach_of, (slowly, at_once)))
    assert np.allclose(one, other) and one.argmax() == 7


def test_words_count_alike_whenever_their_places_are_read(rows, monkeypatch):
    row = rows({"a.txt": [prose(300, seed) for seed in range(9)]})
    asked, found = Asked.of(prose(300, 4)[:80]), []
    for few in (0, 5, 1_000):  # chunks up to which they come along with their number
        monkeypatch.setattr(table, "FEW", few)
        monkeypatch.setattr(table, "_kept", Kept(1 << 20))
        found.append(by_words(table.load(table.Reach.of(Memory.objects.filter(pk=row.pk))), asked, 10).scores)
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2]) and found[0].argmax() == 4


def test_a_segment_is_never_fuller_than_its_places_can_count(rows, monkeypatch):
    monkeypatch.setattr(postings, "FAN", 2)
    monkeypatch.setattr(postings, "FULL", 5)
    row = rows({"a.txt": ["whale"]})
    for commit in range(2, 12):
        chunks(row, ["another whale"], commit)
    sizes = Segment.objects.filter(memory=row).values_list("size", flat=True)
    assert max(sizes) <= 5 and sum(sizes) == 11


@pytest.mark.parametrize("before", ["_columns", "_ask_counts", "impacts"])
def test_what_is_merged_during_a_search_is_found(rows, alice, monkeypatch, before):
    monkeypatch.setattr(postings, "FAN", 2)
    monkeypatch.setattr(table, "FEW", 0)
    monkeypatch.setattr(table, "_kept", Kept(table.KEPT))
    row, then, texts = rows({"a.txt": ["whale"]}), getattr(table, before), ["another whale"]

    def merging(*args):
        if texts:
            chunks(row, [texts.pop()], 2)
        return then(*args)

    monkeypatch.setattr(table, before, merging)
    assert len(search(alice, "whale", mode="keyword").hits) == 2 and Segment.objects.count() == 1


def test_what_is_made_anew_during_a_search_for_a_phrase_is_found(new_memory, alice, monkeypatch):
    row, then = new_memory({"a.txt": "a white whale"}), [mirror.rebuild]

    def fetch(*args):
        if then:
            then.pop()(row)
        return sql.fetch(*args)

    monkeypatch.setattr("search.held.fetch", fetch)
    assert paths(search(alice, '"white whale"', mode="keyword")) == ["a.txt"] and not then


def test_a_search_does_not_begin_again_for_ever(rows, alice, monkeypatch):
    rows({"a.txt": ["whale"]})
    tried = []
    monkeypatch.setattr(table, "_columns", lambda segments: tried.append(segments) or {})
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(table.Moved, match="search again"):
        search(alice, "whale", mode="keyword")
    assert len(tried) == 5


def test_places_that_are_gone_since_they_were_counted_are_noticed(rows, monkeypatch):
    row = rows({"a.txt": ["whale"]})
    read = table.load(table.Reach.of(Memory.objects.filter(pk=row.pk)))
    counted = table.counts(read, ["whale"])
    postings.take_down(row)
    monkeypatch.setattr(table, "_kept", Kept(1 << 20))
    with pytest.raises(table.Moved):
        table.impacts(read, counted)


def test_taken_down_nothing_is_left(rows, alice):
    row = rows({"a.txt": ["whale"]})
    postings.take_down(row)
    assert not Posting.objects.exists() and not Segment.objects.exists()
    assert search(alice, "whale", mode="keyword").hits == []


def test_the_rarest_words_are_added_up_first_and_the_rest_left_out(rows, alice, monkeypatch):
    monkeypatch.setattr("search.words.MOST_POSTINGS", 0)
    rows({f"{n}.txt": ["the sea" + (" kraken" if n == 7 else "")] for n in range(20)})
    assert paths(search(alice, "the kraken", mode="keyword")) == ["7.txt"]
    assert len(search(alice, "the", mode="keyword").hits) == 20, "a word that all hold is searched when it is alone"


PARISIAN = (
    "Le théâtre de la ville est très beau, car il est fin et blanc. Il y a un parc, des cafés et un grand marché."
)


def test_a_document_of_another_language_changes_nothing_for_the_others(rows, alice):
    """For a French one "care" is "car" and "fine" is "fin", which it holds; and "white" is "whit", which is rare."""
    english = {
        "good.txt": ["They took great care of the fine white whale, and of her young ones too."],
        "car.txt": ["The toll for each car is two euros, and the fin is not one whit the less for that."],
        "whale.txt": ["A whale was seen from the ship yesterday, and she was not small at all, they said."],
    }
    one = rows(english | {"fr.txt": [PARISIAN]}, name="Both")
    assert set(one.documents.values_list("language", flat=True)) == {"english", "french"}
    for query, expected in {
        "care": {"good.txt", "fr.txt"}, "fine": {"good.txt", "fr.txt"}, "white": {"good.txt"},
        "whale -care": {"whale.txt"},
        "whale -fine": {"whale.txt"}, "car": {"car.txt", "fr.txt"},
    }.items():  # fmt: skip
        assert set(paths(search(alice, query, mode="keyword"))) == expected, query
    assert "car.txt" in paths(search(alice, "fint", mode="fuzzy")), "whichever language a similar word is of"
    best = search(alice, "white whale", mode="keyword").hits[0]
    assert best.snippet.count("<mark>") == 2 and "<mark>white</mark> <mark>whale</mark>" in best.snippet
    rows({"other.txt": ["Nobody would care for a car."]}, name="English alone")
    assert set(paths(search(alice, "care", mode="keyword"))) == {"good.txt", "fr.txt", "other.txt"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('"old man"', "in a row"), ('("old man")', "in a row"), ('about:"old man"', "in a row"),
        ('went,"old man"', "in a row"), ("'\"old man\"'", "in a row"), ('—"old man"', "in a row"),
        ('-("old man") went', "apart"), ('-"old man" went', "apart"), ('-"old man went', "neither"),
        ('我要"白鲸"', "白鲸"), ('a 24" man 30" old', "any"), ('old "man', "any"),
    ],
)  # fmt: skip
def test_a_phrase_begins_at_a_mark_that_no_word_stands_before(rows, alice, query, expected):
    rows({"row.txt": ["the old man went home"], "apart.txt": ["the man was old and went"], "zh1.txt": ["我要看白鲸"],
          "zh2.txt": ["鲸白我要"]})  # fmt: skip
    found = set(paths(search(alice, query, mode="keyword")))
    wanted = {"in a row": {"row.txt"}, "apart": {"apart.txt"}, "any": {"row.txt", "apart.txt"}, "白鲸": {"zh1.txt"}}
    assert found == wanted.get(expected, set())
