from search.engine.fusion import fuse


def test_what_both_rankings_have_goes_before_what_one_has():
    order = [item for item, _ in fuse([["a", "b", "c"], ["c", "d", "b"]])]
    assert order[:2] == ["c", "b"] and set(order[2:]) == {"a", "d"}


def test_scores_are_those_of_the_paper_scaled_to_one():
    scores = dict(fuse([["a", "b"], ["a"]], k=60))
    assert scores["a"] == 1
    assert scores["b"] == (1 / 62) / (2 / 61)


def test_among_equals_the_better_rank_and_then_the_earlier_ranking_wins():
    assert [item for item, _ in fuse([["a"], ["b"]])] == ["a", "b"]
    assert fuse([]) == [] == fuse([[], []])
