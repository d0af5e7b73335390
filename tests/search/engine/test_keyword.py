import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.engine.errors import Damaged
from search.engine import columns
from search.engine.keyword import K1, B, KeywordIndex, Segment, best, build_segment
from search.engine.tokens import terms

words = st.sampled_from("whale ship sea the captain snake_case fooBar 東京都 ships".split())
texts = st.lists(st.lists(words, max_size=12).map(" ".join), max_size=12)


def naive(texts: list[str], query: str) -> list[float]:
    """BM25 as the textbook has it, without an index."""
    counts = [Counter(terms(text)) for text in texts]
    mean = sum(c.total() for c in counts) / len(texts) if any(counts) else 1
    scores = [0.0] * len(texts)
    for term in terms(query):
        holding = sum(term in c for c in counts)
        rarity = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for place, c in enumerate(counts):
            scores[place] += rarity * c[term] * (K1 + 1) / (c[term] + K1 * (1 - B + B * c.total() / mean))
    return scores


@settings(deadline=None)
@given(texts, st.lists(words, max_size=5).map(" ".join))
def test_scores_are_those_of_the_textbook(texts, query):
    assert KeywordIndex.of(texts).scores(query) == pytest.approx(naive(texts, query), rel=1e-5)


@settings(deadline=None)
@given(texts, texts, st.data())
def test_segments_with_deletions_score_like_a_new_index(one, two, data):
    alive = [data.draw(st.booleans()) for _ in one + two]
    places = np.where(alive, np.cumsum(alive) - 1, -1).astype(np.int64)
    segments = [build_segment(one), build_segment(two)]
    index = KeywordIndex(segments, [places[: len(one)], places[len(one) :]], sum(alive))
    fresh = KeywordIndex.of([text for text, lives in zip(one + two, alive, strict=True) if lives])
    for query in ("whale", "the captain of the ships", "snake case", "東京"):
        assert index.scores(query) == pytest.approx(fresh.scores(query), rel=1e-5)
        assert [place for place, _ in index.search(query, 3)] == [place for place, _ in fresh.search(query, 3)]


@settings(deadline=None)
@given(st.lists(st.text(max_size=80), max_size=20))
def test_a_segment_read_back_from_its_sections_is_the_same(texts):
    segment = build_segment(texts)
    again = Segment(segment.sections(), len(segment))
    assert again.terms == segment.terms == sorted({term.encode() for text in texts for term in terms(text)})
    for place, text in enumerate(texts):
        for term, count in Counter(terms(text)).items():
            rows, times = again.postings(term)
            assert times[rows.tolist().index(place)] == count


def test_postings_longer_than_a_block_come_back_whole():
    texts = [f"common word{number} " + "common " * (number % 3) for number in range(40_000)]
    rows, times = build_segment(texts).postings("common")
    assert rows.tolist() == list(range(40_000))
    assert times.tolist() == [1 + number % 3 for number in range(40_000)]


def test_only_blocks_with_the_terms_asked_for_are_inflated(monkeypatch):
    texts = [f"aardvark word{number} zebra" for number in range(30_000)]
    segment = Segment(build_segment(texts).sections(), len(texts))
    opened = []
    inflate = Segment._block
    monkeypatch.setattr(Segment, "_block", lambda self, number: opened.append(number) or inflate(self, number))
    segment.postings("word17")
    assert len(opened) == 1 < len(segment._block_ends) - 1


def test_an_index_is_small_beside_its_text():
    rng = np.random.default_rng(5)
    vocabulary = [f"w{number:05}" for number in range(20_000)]
    ranks = np.minimum(rng.zipf(1.3, (500, 160)), 20_000) - 1
    texts = [" ".join(vocabulary[rank] for rank in row) for row in ranks]
    size = sum(len(section) for section in build_segment(texts).sections().values())
    assert size <= 0.15 * sum(len(text) for text in texts)


def test_equal_scores_keep_reading_order():
    assert [place for place, _ in KeywordIndex.of(["whale", "ship", "whale", "whale"]).search("whale", 2)] == [0, 2]


@settings(deadline=None)
@given(st.lists(st.integers(0, 4)), st.integers(0, 8))
def test_best_is_a_stable_sort_cut_short(scores, k):
    assert best(np.array(scores), k) == sorted(range(len(scores)), key=lambda place: -scores[place])[:k]


def test_nothing_to_search_finds_nothing():
    assert KeywordIndex.of([]).search("whale", 3) == []
    assert KeywordIndex([], [], 0).search("whale", 3) == []


def test_an_index_that_lies_is_refused_in_one_line():
    sections = build_segment(["whale and ship", "whale"]).sections()
    fewer = build_segment(["whale"]).sections()
    with pytest.raises(Damaged):
        Segment(sections | {"lengths": fewer["lengths"]}, 2).postings("whale")
    with pytest.raises(Damaged):
        Segment(sections | {"postings": b"junk"}, 2).postings("whale")
    with pytest.raises(Damaged, match="larger than it may be"):
        Segment(sections | {"terms": columns.deflate(b"a\n" * 10**7)}, 2).postings("whale")
