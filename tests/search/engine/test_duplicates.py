import random

import numpy as np

from search.engine import duplicates
from search.engine.duplicates import grouped

LONG = "Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about a little."


def test_the_first_of_a_group_is_the_best_hit():
    texts = ["Something else entirely, about harpoons and oil.", LONG, LONG.upper(), LONG.replace("sail", "walk")]
    assert grouped(texts) == [[0], [1, 2, 3]]


def test_texts_that_share_a_subject_stay_apart():
    assert grouped(["The bridge is 300 metres long.", "The bridge is 310 metres long."]) == [[0], [1]]


def test_vectors_that_point_the_same_way_join_and_missing_ones_do_not():
    vectors = np.array([[1, 0], [0, 1], [0.999, 0.02], [np.nan, np.nan]], np.float32)
    assert grouped(["one text", "two text", "three", "four"], vectors) == [[0, 2], [1], [3]]


def test_no_hits_no_groups():
    assert grouped([]) == []


def test_a_look_at_the_words_first_loses_no_pair(monkeypatch):
    chosen = random.Random(5)
    words = [f"word{number}{',' * (number % 5 == 0)}" for number in range(60)]
    texts = []
    for length in (5, 12, 40, 150):
        base = [chosen.choice(words) for _ in range(length)]
        for changed in (0, 0.02, 0.05, 0.1, 0.2, 0.5):
            texts.append(" ".join("other" if chosen.random() < changed else word for word in base))
        texts.append(" ".join(base[: length * 2 // 3]))
        texts.append(" ".join(base).upper().replace(",", " –"))
    quickly = grouped(texts)
    monkeypatch.setattr(duplicates, "SHARED_WORDS", 0)
    assert quickly == grouped(texts) and 4 < len(quickly) < len(texts)


def test_texts_of_short_words_are_compared_by_all_of_them():
    text = "The cat sat on the mat by the red door and it did not want to go out in the rain at all so we let it be"
    assert (
        grouped([text, f"{text} tonight"]) == grouped([f"{text} today, goodbye", f"{text} today, farewell"]) == [[0, 1]]
    )


def test_texts_that_share_few_words_are_not_compared_run_by_run(monkeypatch):
    compared = []
    monkeypatch.setattr(duplicates, "shingles", lambda text: compared.append(text) or np.array([len(compared)]))
    grouped(["a b c d e", "a b c d f", "g h i j k"])
    assert compared == ["a b c d e", "a b c d f"]


def test_many_texts_are_grouped_as_few_are(monkeypatch):
    texts = [LONG, *(f"Passage {number} says something of its own, number {number}." for number in range(20)), LONG]
    few = grouped(texts)
    monkeypatch.setattr(duplicates, "FEW", 3)
    assert few == grouped(texts) and few[0] == [0, 21]
