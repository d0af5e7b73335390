"""Borders of chunks stay in their places among the words, whatever is typed around them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memories.engine import Memory
from memories.engine.align import OldChunk
from memories.engine.model import ORDER_STEP
from memories.engine.reflow import reflow
from tests.memories.engine.making import make


def old(*texts: str) -> list[OldChunk]:
    return [OldChunk((place + 1) * ORDER_STEP, text, {"page": place}) for place, text in enumerate(texts)]


def cut(text: str) -> list[str]:
    return [text[at : at + 20] for at in range(0, len(text), 20)]


def done(chunks: list[OldChunk], text: str, most: int = 40) -> list[str]:
    """The chunks after the changes, in order."""
    after = {chunk.order: chunk.text for chunk in chunks}
    for change in reflow(chunks, text, cut, most):
        after[change.order] = change.text or ""
    return [after[order] for order in sorted(after) if after[order]]


@pytest.mark.parametrize(
    ("chunks", "text", "wanted"),
    [
        (("one two\n", "three four\n"), "one two\nthree five\n", ["one two\n", "three five\n"]),
        (("one two\n", "three four\n"), "one six\nthree four\n", ["one six\n", "three four\n"]),
        (("one two\n", "three four\n"), "one two\nmore\nthree four\n", ["one two\nmore\n", "three four\n"]),
        (("one two\n", "three four\n"), "one two\n", ["one two\n"]),
        (("one two\n", "three four\n"), "three four\n", ["three four\n"]),
        (("one two\n", "three four\n"), "", []),
        (("one two ", "three four"), "one 2 3 four", ["one ", "2 3 four"]),
        (("the cat", "nap"), "the catnip", ["the cat", "nip"]),
        (("语言模型", "很有用"), "语言模型真有用", ["语言模型", "真有用"]),
        ((), "abc", ["abc"]),
        (("a" * 30,), "a" * 50, ["a" * 20, "a" * 20, "a" * 10]),
        (("a" * 99 + " ", "b"), "a" * 150 + " b", ["a" * 150 + " ", "b"]),
    ],
)
def test_borders_stay_among_their_words(chunks, text, wanted):
    found = done(old(*chunks), text)
    assert found == wanted


@given(st.lists(st.text("ab \n", min_size=1, max_size=12), max_size=6), st.text("abc \n", max_size=60))
def test_the_chunks_joined_are_the_text(chunks, text):
    assert "".join(done(old(*chunks), text)) == text


def test_an_edit_between_two_borders_writes_one_chunk():
    chunks = old(*(f"paragraph {n} of the text.\n" for n in range(50)))
    text = "".join(chunk.text for chunk in chunks).replace("paragraph 7 ", "section 7 ")
    assert [change.order for change in reflow(chunks, text, cut, 40)] == [8 * ORDER_STEP]


def test_without_room_between_two_chunks_they_are_numbered_anew():
    chunks = [OldChunk(1, "short", {}), OldChunk(2, "end", {})]
    text = "short" + "x" * 200 + "end"
    assert "".join(done(chunks, text)) == text


def test_a_document_may_become_empty_and_have_text_again(tmp_path):
    with make(tmp_path / "m.mp4", {"a.txt": "some words"}) as memory:
        for text in ("", "new words\n"):
            memory.apply(lambda planner, text=text: edit(planner, text), note())
            assert memory.text("a.txt") == text and memory.content("a.txt") == text.encode()
    with Memory.open(tmp_path / "m.mp4") as memory:
        assert memory.document("a.txt").metadata["source"] == {"commit": 1}


def edit(planner, text: str) -> None:
    number = planner.present("a.txt")["number"]
    chunks = planner.chunks(number)
    planner.edit("a.txt", reflow(chunks, text, cut, 40), {"source": {"commit": 1}})


def note():
    from memories.engine.writer import Note

    return Note("Ada", "edits")
