"""Reasoning before an answer is left out, wherever the stream is cut."""

import pytest

from search.engine.thinking import Thinking


def read(*pieces: str) -> str:
    thinking = Thinking()
    return "".join([*map(thinking.feed, pieces), thinking.close()])


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>Whales [1]?\n</think>\n\nThey swim [1].", "They swim [1]."),
        ("\n<think></think><think>über 鯨 </thin</think> x", "x"),
        ("They <think>swim</think> [1].", "They <think>swim</think> [1]."),
        ("<thinking> is a tag", "<thinking> is a tag"),
        ("</think> x", "</think> x"),
        ("<thi", "<thi"),
        ("<think>", ""),
        ("<think>on and on </thin", ""),
        ("", ""),
    ],
)
def test_it_is_left_out_at_the_beginning_alone(text, answer):
    assert read(text) == read(*text) == answer
    assert all(read(text[:cut], text[cut:]) == answer for cut in range(len(text)))
