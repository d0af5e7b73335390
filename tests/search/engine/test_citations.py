"""Marks in a streamed text: found wherever the stream is cut, never believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.engine.citations import Passage, Piece, Reader, joined, misquoted, plain, uncited

KNOWN = {1, 2, 3}


def read(*texts: str) -> tuple[list[Piece], set[int]]:
    reader = Reader(KNOWN)
    found = [one for text in texts for one in reader.feed(text)]
    return joined([*found, *reader.close()]), reader.invented


@pytest.mark.parametrize(
    ("text", "pieces", "invented"),
    [
        ("Whales swim [1].", [("Whales swim.", [1])], set()),
        ("Whales swim.[1][2] Ships sail [3]", [("Whales swim.", [1, 2]), (" Ships sail ", [3])], set()),
        ("A [1, 3] B [1-3] C [2; 1]", [("A ", [1, 3]), (" B ", [1, 2, 3]), (" C ", [2, 1])], set()),
        ("鯨がいる【2】。船もある［1］", [("鯨がいる。", [2]), ("船もある", [1])], set()),
        ("Note [^2] too", [("Note ", [2]), (" too", [])], set()),
        ("Same [1] [1]", [("Same ", [1])], set()),
        ("Made up [7].", [("Made up.", [])], {7}),
        (
            "White [1]. Born in 1492 [99]. It said [2].",
            [("White.", [1]), (" Born in 1492.", []), (" It said.", [2])],
            {99},
        ),
        ("Born [99][2]. Died [2, 99]", [("Born.", [2]), (" Died ", [2])], {99}),
        ("Seen [9].5 times [1].5", [("Seen ", []), (".5 times ", [1]), (".5", [])], {9}),
        ("[9] first", [(" first", [])], {9}),
        ("Half [1][9], true", [("Half,", [1]), (" true", [])], {9}),
        ("Nothing [0] [99999] [1-x]", [("Nothing ", []), (" [1-x]", [])], {0, 99999}),
        ("Long [1000000000000000000000].", [("Long.", [])], {10**21}),
        ("Less [-1] [−2] [1, –3]", [("Less ", [1])], {-1, -2, -3}),
        ("On [2019-03-01] [2019-03] [sic] [a1] [+1]", [("On [2019-03-01] [2019-03] [sic] [a1] [+1]", [])], set()),
        (f"[{'9' * 41}]", [(f"[{'9' * 41}]", [])], set()),
        ("a list[i] and [see below] and [", [("a list[i] and [see below] and [", [])], set()),
        ("[link](javascript:alert(1)) <b>x</b> [2]", [("[link](javascript:alert(1)) <b>x</b> ", [2])], set()),
        ("[1] first", [(" first", [])], set()),
        ("", [], set()),
    ],
)
def test_marks(text, pieces, invented):
    found, unknown = read(text)
    assert [(piece.text, piece.cites) for piece in found] == pieces
    assert unknown == invented


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("A claim without. He said so [1].", [("A claim without.", []), (" He said so.", [1])]),
        ("One left. Two came. He said so. [1]", [("One left. Two came.", []), (" He said so. ", [1])]),
        ("One left. Two came [9][2].", [("One left.", []), (" Two came.", [2])]),
        ("He sat [1]. He left. He died [2].", [("He sat.", [1]), (" He left.", []), (" He died.", [2])]),
        ("Dr. J. Smith paid 3.5 dollars, e.g. in no. 5 [1].", [("Dr. J. Smith paid 3.5 dollars, e.g. in no. 5.", [1])]),
        ("He said: “I came. I saw.” [1]", [("He said: “I came. I saw.” ", [1])]),
        ('"I came. I saw [1]"', [('"I came. I saw ', [1]), ('"', [])]),
        ("“Seen it?” Ahab cried [1].", [("“Seen it?” Ahab cried.", [1])]),
        ("“I came.” He left [1].", [("“I came.”", []), (" He left.", [1])]),
        ('It is 5" tall. He left [1].', [('It is 5" tall.', []), (" He left.", [1])]),
        ("Ships:\n- one\n- two [1]\n- three [2]", [("Ships:\n- one", []), ("\n- two ", [1]), ("\n- three ", [2])]),
        ("Three ships:\n1. One [1]", [("Three ships:\n1. One ", [1])]),
        ("## Ships\nOne left [1].", [("## Ships\nOne left.", [1])]),
        ("No stop here\n\nTwo came [1]", [("No stop here", []), ("\n\nTwo came ", [1])]),
        ("鯨がいる。船もある［1］", [("鯨がいる。", []), ("船もある", [1])]),
        ("... He left [1]", [("... He left ", [1])]),
    ],
)
def test_a_number_counts_for_one_sentence(text, pieces):
    for cut in range(len(text)):
        assert [(piece.text, piece.cites) for piece in read(text[:cut], text[cut:])[0]] == pieces


@given(st.text(alphabet='[]12 .?!"“”(:)\n-#ABab', max_size=80))
def test_cutting_a_claim_off_loses_no_word(text):
    reader = Reader(KNOWN)
    stream = [*reader.feed(text), *reader.close()]
    said = "".join(one for one in stream if isinstance(one, str))
    shown = "".join(piece.text for piece in joined(stream))
    assert [c for c in shown if c.isalnum()] == [c for c in said if c.isalnum()]


@given(st.text(alphabet="[]【】［123 9,-−^ab.\n", max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_where_the_stream_is_cut_changes_nothing(text, cuts):
    places = sorted({min(cut, len(text)) for cut in cuts})
    parts = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert read(*parts) == read(text)


@given(st.text(max_size=200))
def test_every_citation_is_of_a_known_passage_and_no_control_gets_through(text):
    pieces, invented = read(text)
    assert all(set(piece.cites) <= KNOWN for piece in pieces)
    assert not invented & KNOWN
    assert all(c.isprintable() or c in "\n\t" or not c.isascii() for piece in pieces for c in piece.text)


def test_an_invented_number_leaves_its_claim_without_the_next_source():
    text = 'The whale is white [1]. It was born in 1492 [99]. It said "x" [2].'
    for cut in range(len(text)):
        pieces, invented = read(text[:cut], text[cut:])
        assert [(piece.text, piece.cites) for piece in pieces] == [
            ("The whale is white.", [1]),
            (" It was born in 1492.", []),
            (' It said "x".', [2]),
        ]
        assert invented == {99}


@pytest.mark.parametrize("mark", ["[1000000000000000000000]", "[-1]", "[−1]", "[ 7 ]", f"[{'9' * 30}]"])
def test_an_invented_mark_is_taken_out_wherever_it_is_cut(mark):
    text = f"It swims {mark}. It said so [2]."
    for cut in range(len(text)):
        pieces, invented = read(text[:cut], *text[cut:])
        assert [(piece.text, piece.cites) for piece in pieces] == [("It swims.", []), (" It said so.", [2])]
        assert len(invented) == 1


def test_a_range_cannot_be_endless():
    pieces, invented = read("x [1-9999]")
    assert pieces[0].cites == [1, 2, 3]
    assert len(invented) < 20


def test_escapes_and_directions_are_taken_out():
    assert plain("a\x1b[31mred\x07 \u202egnp\x00\u009b1m\tb\nc") == "a[31mred gnp1m\tb\nc"


def test_quotations_must_stand_in_the_cited_passage():
    passages = [Passage(1, "Call me Ishmael.\nSome years ago"), Passage(2, "It was the best of times")]
    right = Piece("He says “call me Ishmael. Some years”", [1])
    elsewhere = Piece("He says “the best of times”", [1])
    assert misquoted([right], passages) == []
    assert misquoted([elsewhere], passages) == ["the best of times"]


def test_claims_without_a_source_are_known():
    pieces, _ = read("Cited [1]. Not cited. ... ")
    assert [piece.text for piece in uncited(pieces)] == [" Not cited. ... "]
    pieces, _ = read("Not cited. Cited [1].")
    assert [piece.text for piece in uncited(pieces)] == ["Not cited."]
