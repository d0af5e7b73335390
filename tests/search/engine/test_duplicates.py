import numpy as np

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
