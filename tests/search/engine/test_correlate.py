"""Passages that agree, complete or contradict each other: measured on labelled pairs, and what keeps them honest."""

from collections import Counter

import numpy as np
import pytest

from search.engine import correlate as module
from search.engine.correlate import Passage, compare, correlate
from search.engine.sentences import statements
from tests.search.engine import golden_pairs, held_out_pairs

LABELS = {"contradict": "CONTRADICT", "agree": "AGREE", "complement": "COMPLEMENT", "": "NOTHING"}


def labelled(pairs) -> list[tuple[str, str, str]]:
    return [(label, *pair) for label, name in LABELS.items() for pair in getattr(pairs, name)]


@pytest.fixture(scope="module")
def model():
    from search.engine.embedder import Embedder

    return Embedder.load()


def judged(pairs, model=None) -> Counter:
    """(label, what was said) of each pair, both ways round."""
    every = labelled(pairs)
    cosines = [None] * len(every)
    if model is not None:
        one, other = (model.embed([pair[side] for pair in every]) for side in (1, 2))
        cosines = (one * other).sum(axis=1).tolist()
    counts: Counter = Counter()
    for (label, one, other), cosine in zip(every, cosines, strict=True):
        said, back = compare(one, other, cosine), compare(other, one, cosine)
        assert (said and said[0]) == (back and back[0]), (one, other)
        counts[label, said[0] if said else ""] += 1
    return counts


def precision(counts: Counter, kind: str) -> float:
    said = sum(count for (_, got), count in counts.items() if got == kind)
    return counts[kind, kind] / said if said else 1.0


def recall(counts: Counter, kind: str) -> float:
    return counts[kind, kind] / sum(count for (label, _), count in counts.items() if label == kind)


@pytest.mark.parametrize("by", ["words", "meaning"])
@pytest.mark.parametrize("pairs", [golden_pairs, held_out_pairs], ids=["golden", "held out"])
def test_what_is_called_a_contradiction_or_agreement_is_one(pairs, by, request):
    counts = judged(pairs, request.getfixturevalue("model") if by == "meaning" else None)
    assert precision(counts, "contradict") >= 0.9 and precision(counts, "agree") >= 0.9
    assert recall(counts, "contradict") >= 0.8 and recall(counts, "agree") >= 0.7


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("The bridge is 300 metres long.", "The bridge is 0.31 km long.", "“long”: 300 metres against 0.31 km"),
        ("The shop opens at 9 am.", "The shop opens at 10:30.", "a time for “shop”, “opens”: 9 am against 10:30"),
        ("The ship sank in 1912.", "The ship sank in April 1913.", "both date “ship”, “sank”: 1912 against April 1913"),
        ("The gate is open.", "The gate is closed.", "“open” against “closed” about “gate”"),
        ("The vaccine is safe for dogs.", "The vaccine isn't safe for dogs.", "the other denies it (“isn't”)"),
    ],
)  # fmt: skip
def test_the_reason_names_what_differs(one, other, reason):
    kind, _, told = compare(one, other, None)
    assert kind == "contradict" and reason in told


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The tank holds 1.5 million litres.", "The tank holds 1,512,340 litres."),
        ("The tank holds at least 10 litres.", "The tank holds 12 litres."),
        ("The trip takes 90 minutes.", "The trip takes 1.5 hours."),
        ("The trip takes 2 to 4 hours.", "The trip takes 3 hours."),
        ("The talk lasted one hour.", "The talk lasted 60 minutes."),
        ("The ship sank in 1912.", "The ship sank on 15 April 1912."),
    ],
)
def test_the_same_figure_written_otherwise_is_no_contradiction(one, other):
    assert (compare(one, other, 0.9) or ("",))[0] != "contradict"


def passage(memory: str, text: str, key: str = "") -> Passage:
    return Passage((memory, key or text), memory, text)


def test_only_passages_of_different_memories_are_compared():
    texts = "The bridge is 300 metres long.", "The bridge is 310 metres long."
    assert correlate([passage("a", text) for text in texts], "bridge", None).found == []
    found = correlate([passage(memory, text) for memory, text in zip("ab", texts, strict=True)], "bridge", None)
    (one,) = found.found
    assert (one.kind, one.one.passage.memory, one.other.passage.memory) == ("contradict", "a", "b")
    assert one.one.sentence == texts[0]
    assert found.by == "words" and "words only" in found.notes[0]


def test_what_has_nothing_to_do_with_the_query_is_left_out():
    both = [passage("a", "The bridge is 300 metres long."), passage("b", "The bridge is 310 metres long.")]
    assert correlate(both, "recipes for soup", None).found == []


def test_the_work_is_bounded(monkeypatch):
    seen = []

    def embed(texts):
        seen.append(len(texts))
        return np.eye(1, 8, dtype=np.float32).repeat(len(texts), axis=0)

    text = " ".join(f"The whale number {word} swims far away." for word in "abcdefghij")
    many = [passage(str(number % 3), text, str(number)) for number in range(200)]
    found = correlate(many, "whale", embed)
    assert seen[0] <= module.MOST_SENTENCES + 1
    assert all(len([c for c in found.found if c.kind == kind]) <= module.MOST_OF_A_KIND for kind in module.KINDS)


@pytest.mark.parametrize(
    "text", ["", "?!", "\x00", "x" * 50_000, "12 " * 5000, "（鯨）。" * 100, "a. " * 3000, "$ % 5-"]
)
def test_any_text_can_be_compared(text):
    correlate([passage("a", text), passage("b", text, "other")], text[:1000], None)


def test_sentences_end_where_they_end():
    text = "# Title\n\nDr. Smith met J. Doe at 5 p.m. today. It rained, e.g. in York!\n\n- One more thing here\n"
    assert statements(text) == [
        "Dr. Smith met J. Doe at 5 p.m. today.",
        "It rained, e.g. in York!",
        "One more thing here",
    ]
    assert statements("白鯨が泳いだ。船が沈んだ。") == ["白鯨が泳いだ。", "船が沈んだ。"]
