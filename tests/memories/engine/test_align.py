"""One sentence put into a document changes at most 3 chunks, whatever the document looks like."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.engine.align import OldChunk, align
from memories.engine.ingest import SplitSettings, text_source
from memories.engine.model import ORDER_STEP, Draft

from .making import prose

SENTENCE = "Here stands one more sentence, which was not there before. "
MEGABYTE = 1_000_000
SHAPES = {
    "prose": prose(MEGABYTE),
    "one line": prose(MEGABYTE).replace("\n", " "),
    "no spaces": prose(MEGABYTE).replace(" ", ""),
    "one letter": "a" * MEGABYTE,
    "equal lines": "the same line again\n" * (MEGABYTE // 20),
    "short lines": "".join(f"{i}\n" for i in range(MEGABYTE // 7)),
    "paragraphs": prose(MEGABYTE).replace(". ", ".\n\n"),
    "CJK": "知識は動画である。" * (MEGABYTE // 27),
    "markdown": "".join(f"# Part {i}\n\n{prose(900, i)}\n\n" for i in range(MEGABYTE // 910)),
    "CRLF": prose(MEGABYTE).replace(". ", ".\r\n"),
}


def chunks(text: str, name: str) -> list[OldChunk]:
    drafts = list(text_source(text, name, SplitSettings()).drafts())
    return [OldChunk((i + 1) * ORDER_STEP, draft.text, draft.metadata or {}) for i, draft in enumerate(drafts)]


def apply(old: list[OldChunk], changes) -> str:
    state = {chunk.order: chunk.text for chunk in old}
    for change in changes:
        if change.text is None:
            del state[change.order]
        else:
            state[change.order] = change.text
    return "".join(state[order] for order in sorted(state))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", [0, 0.31, 0.5, 0.77, 1])
def test_one_sentence_changes_at_most_three_chunks(shape, place):
    name = "a.md" if shape == "markdown" else "a.txt"
    text = SHAPES[shape]
    at = int(len(text) * place)
    new = text[:at] + SENTENCE + text[at:]
    old = chunks(text, name)
    source = text_source(new, name, SplitSettings())
    changes = align(old, list(source.drafts()), source.max_chunk, source.settled)
    assert apply(old, changes) == new
    assert len(changes) <= 3


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text("ab\n.", max_size=30), max_size=12),
    st.lists(st.text("ab\n.", min_size=1, max_size=30), max_size=12),
)
def test_any_change_gives_the_new_text(before, after):
    old = [OldChunk((i + 1) * ORDER_STEP, text, {}) for i, text in enumerate(before) if text]
    changes = align(old, [Draft(text) for text in after], 40)
    assert apply(old, changes) == "".join(after)
    assert len({change.order for change in changes}) == len(changes)
