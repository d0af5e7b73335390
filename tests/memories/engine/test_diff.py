"""How two memories differ: kinds of change, similarity, growth, renamed documents, and what moved in meaning."""

import numpy as np
import pytest

from memories.engine.diff import Diff, Side, change_of, diff
from memories.engine.meaning import by_meaning, verdict
from memories.engine.memory import Memory
from tests.memories.engine.making import make, prose, source


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("spacing", "call me ishmael", "call  me\nishmael "),
        ("case", "Call me Ishmael", "call me ishmael."),
        ("punctuation", "call me, ishmael", "call me ishmael!"),
        ("punctuation", "", "…"),
        ("figures", "in 1851 it cost 3 shillings", "in 1852 it cost 14 shillings"),
        ("extended", "the whale rose", "the white whale rose slowly"),
        ("shortened", "the white whale rose slowly", "the whale rose"),
        ("reworded", "the white whale rose beside the ship", "the white whale sank beside the ship"),
        ("rewritten", "the white whale rose", "it was the best of times"),
        ("rewritten", "😀😀", "x y"),
    ],
)
def test_the_kind_of_a_change(kind, old, new):
    assert change_of(old, new).kind == kind
    assert 0 <= change_of(old, new).similarity <= 1


def test_similarity_and_growth(tmp_path):
    text = prose(10_000)
    path = tmp_path / "m.mp4"
    memory = make(path, {"a.txt": text})
    with Memory.open(path) as before:
        same = diff(before, before)
        assert (same.similarity, same.growth, same.modified) == (1.0, 0.0, [])
        memory.commit([source("a.txt", text + prose(5000, 2))])
        grown = diff(before, memory)
        assert 0.7 < grown.similarity < 0.9 and grown.growth == pytest.approx(0.5)
        assert diff(memory, before).growth == pytest.approx(-1 / 3)
    assert Diff().similarity == 1.0 and Diff().growth is None


def test_a_renamed_document_is_neither_added_nor_removed(tmp_path):
    memory = make(tmp_path / "m.mp4", {"a.txt": "call me ishmael", "b.txt": "", "c.txt": "stays"})
    memory.commit([source("d/a.txt", "call me ishmael"), source("e.txt", "")], remove=["a.txt", "b.txt"])
    with Memory.open(tmp_path / "m.mp4", at=1) as before:
        found = diff(before, memory)
    assert found.documents_renamed == [("a.txt", "d/a.txt")] and not found.added and not found.removed
    assert (found.documents_added, found.documents_removed) == (["e.txt"], ["b.txt"])
    assert found.unchanged == 2 and found.similarity == 1.0


def embed(texts: list[str]) -> np.ndarray:
    """By two words that a text may hold: near when both hold the same ones."""
    rows = np.array([["whale" in text, "ship" in text, 0.1] for text in texts], np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def side(path: str, text: str) -> Side:
    return Side(path, path, text, 1)


def test_what_moved_in_meaning():
    found = Diff(
        modified=[
            (side("a", "the whale"), side("a", "a whale")),
            (side("b", "the whale"), side("b", "the ship")),
        ],
        removed=[side("c", "of the ship"), side("d", "nothing of it")],
        added=[side("e", "about a ship"), side("f", "whale and ship")],
    )
    meaning = by_meaning(found, embed)
    assert [verdict(cosine) for cosine in meaning.cosines] == ["says the same", "says something else"]
    assert [(one.old.path, one.new.path) for one in meaning.moved] == [("c", "e")]
    assert meaning.left_out == 0


def test_what_is_too_much_to_be_compared_is_counted():
    sides = [side(str(n), "whale") for n in range(5)]
    meaning = by_meaning(Diff(removed=sides, added=sides[:1]), embed, most=2)
    assert meaning.left_out == 3 and len(meaning.moved) == 1


def test_nothing_to_compare():
    assert by_meaning(Diff(), embed).cosines == []
