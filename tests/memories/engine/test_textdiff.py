"""The difference of two texts: it gives both back, is found in large ones, and can be taken back in parts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memories.engine.textdiff import ADDED, MOST_LINES, REMOVED, SAME, Piece, TextDiff, words

LINES = st.lists(
    st.sampled_from(["a\n", "b\n", "the cat sat\n", "the dog sat\n", "\n", "😀 é\n", "x\r\n"]), max_size=12
)


def text_of(pieces: list[Piece], *kinds: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in kinds)


@given(LINES, LINES, st.sampled_from(["", "end"]))
def test_every_passage_together_is_either_text_and_taking_all_back_gives_the_old_one(old, new, tail):
    before, after = "".join(old) + tail, "".join(new)
    found = TextDiff(before, after)
    shown = list(found.passages(around=99))
    assert "".join(passage.new_text for passage in shown) == (after if found.changes else "")
    assert "".join(passage.old_text for passage in shown) == (before if found.changes else "")
    for passage in shown:
        assert passage.new_text == "".join(found.new[passage.span.new_from : passage.span.new_to])
        assert passage.old_text == "".join(found.old[passage.span.old_from : passage.span.old_to])
    text = list(found.new)
    for index, span in reversed(list(enumerate(found.changes))):
        text[span.new_from : span.new_to] = found.old[span.old_from : span.old_to]
        one = [*found.new[: span.new_from], found.passage(index).old_text, *found.new[span.new_to :]]
        assert found.with_old(index) == "".join(one)
    assert "".join(text) == before


@given(
    st.lists(st.sampled_from(["a", "b", " ", "c d", "é😀", ",", "\n"]), max_size=20).map("".join), st.text(max_size=30)
)
def test_words_lose_nothing(old, insert):
    for new in (insert, old[:4] + insert + old[6:], old[::-1]):
        pieces = words(old, new)
        assert text_of(pieces, SAME, REMOVED) == old and text_of(pieces, SAME, ADDED) == new


def test_only_the_words_that_changed_are_marked():
    pieces = words("the white whale rose slowly", "the old grey whale rose")
    assert [piece.text for piece in pieces if piece.kind == REMOVED] == ["white ", " slowly"]
    assert [piece.text for piece in pieces if piece.kind == ADDED] == ["old grey "]


def test_a_space_between_two_changes_is_part_of_them():
    pieces = words("at the end we went home again", "at the end they came home again")
    assert [piece.text for piece in pieces if piece.kind != SAME] == ["we went", "they came"]


def test_unlike_passages_are_shown_whole():
    pieces = words("call me ishmael of the sea", "it was the best, and worst: all times ever")
    assert [piece.kind for piece in pieces] == [REMOVED, ADDED]


def test_what_stays_is_left_out_and_counted():
    old = "".join(f"line {n}\n" for n in range(100))
    shown = list(TextDiff(old, old.replace("line 50\n", "line fifty\n")).passages(around=2))
    assert [passage.left_out for passage in shown] == [48, 0, 0, 47]
    assert shown[0].new_text == "line 48\nline 49\n" and shown[1].old_text == "line 50\n"


@pytest.mark.parametrize("size", [MOST_LINES * 12])
def test_a_few_changes_in_a_large_text_are_found(size):
    rng = random.Random(1)
    old = [f"{rng.random()} words of line {n}\n" if n % 3 else "\n" for n in range(size)]
    new = list(old)
    places = sorted(rng.sample(range(1, size, 3), 50))
    for place in places:
        new[place] = f"another {place}\n"
    del new[7]
    new.insert(9000, "put between\n")
    found = TextDiff("".join(old), "".join(new))
    assert 50 <= len(found.changes) <= 53
    assert sum(span.old_to - span.old_from for span in found.changes) <= 55


def test_two_large_texts_with_nothing_in_common_are_one_change():
    old, new = ("".join(f"{word} {n % 7}\n" for n in range(MOST_LINES * 4)) for word in ("a", "b"))
    found = TextDiff(old, new)
    assert len(found.changes) == 1 and found.with_old(0) == old
    assert [piece.kind for piece in found.passage(0).pieces] == [REMOVED, ADDED]


def test_neighbouring_lines_that_each_changed_are_taken_back_one_by_one():
    found = TextDiff("Call me Ishmael.\nSome years ago.\n", "Call me Ahab.\nSome ten years ago.\n")
    assert [found.with_old(index) for index in range(len(found.changes))] == [
        "Call me Ishmael.\nSome ten years ago.\n",
        "Call me Ahab.\nSome years ago.\n",
    ]
    assert len(TextDiff("a b c\nd e f\n", "x y z\nu v w\n").changes) == 1, "which line became which cannot be said"


def test_changes_by_the_page():
    old = "".join(f"{n}\n" for n in range(60))
    new = "".join(f"{n}{'!' if n % 10 == 5 else ''}\n" for n in range(60))
    found = TextDiff(old, new)
    pages = [[p.index for p in found.passages(first=first, most=2) if p.changed] for first in (0, 2, 4)]
    assert pages == [[0, 1], [2, 3], [4, 5]]
