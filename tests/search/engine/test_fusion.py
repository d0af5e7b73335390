import numpy as np
import pytest

from search.engine.fusion import Moments, blend, fuse, shown


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


def standing(scores: np.ndarray, place: int) -> float:
    return Moments.of(scores).standing(scores[place])


def test_a_word_that_few_chunks_hold_stands_out_further_than_one_that_many_hold():
    rare, common = np.zeros(1000, np.float32), np.zeros(1000, np.float32)
    rare[0], common[:300] = 5, 5
    assert standing(rare, 0) > 10 * standing(common, 0) > 0 > standing(common, 500)
    assert standing(np.zeros(3, np.float32), 0) == 0


@pytest.mark.parametrize("count", [1, 2, 7, 100_000])
@pytest.mark.parametrize("score", [1e-3, 0.28768, 14.7])
def test_where_all_chunks_match_alike_none_stands_out_by_what_was_rounded(count, score):
    scores = np.full(count, score, np.float32)
    scores[::2] = np.nextafter(scores[::2], np.float32(99))
    assert standing(scores, 0) == standing(scores, -1) == 0
    assert Moments.of(scores).standing(score / 2) == 0  # of another scale, as in several memories


def test_moments_of_parts_add_up_to_those_of_the_whole():
    scores = np.arange(10, dtype=np.float32)
    parts = Moments.of(scores[:3])
    parts.add(Moments.of(scores[3:]))
    assert (parts.mean, round(parts.spread, 6)) == (scores.mean(), round(float(scores.std()), 6))
    assert parts.times(3).standing(3 * 8.0) == pytest.approx(parts.standing(8.0))


def test_a_name_that_one_chunk_holds_goes_before_what_is_only_near_in_meaning():
    rare = np.zeros(1000, np.float32)
    rare[0] = 5
    assert blend(0.1, standing(rare, 0)) > blend(0.6, standing(rare, 1))


@pytest.mark.parametrize(("score", "expected"), [(-2, 0), (0, 0), (3, 0.5), (9, 0.75)])
def test_what_is_shown_lies_between_nothing_and_one(score, expected):
    assert shown(score) == expected
