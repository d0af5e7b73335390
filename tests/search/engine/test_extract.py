"""Answers made of sentences: verbatim, of the right passage, and none where there is nothing to say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.engine.citations import Passage
from search.engine.extract import Answer, Found, disagreeing
from search.engine.followup import leans, with_earlier
from search.engine.sentences import LONGEST, headed, sentences

WHALES = (
    "# Whales\n\nThe white whale was first seen near Japan in 1819. Mr. Starbuck doubted it, e.g. in his letters.\n"
    "- harpoons: 12\n- boats: 4\n\nSailors fear the white whale. The ship had three masts and carried\n"
    "sixty barrels of oil."
)
SHIPS = "The Pequod sailed from Nantucket on Christmas day. Captain Ahab lost his leg to the white whale near Japan."


def cut(text: str) -> list[str]:
    return [one.text for one in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. J. R. Smith paid 3.5 dollars. He left.", ["Dr. J. R. Smith paid 3.5 dollars.", "He left."]),
        ("In the U.S. navy, i.e. at sea. Then?", ["In the U.S. navy, i.e. at sea.", "Then?"]),
        ('"Where?" he asked. "Here!" "No."', ['"Where?" he asked.', '"Here!"', '"No."']),
        ("See https://a.b/c.d?e=f. Done...", ["See https://a.b/c.d?e=f.", "Done..."]),
        ("A line\nbroken in prose. Next", ["A line\nbroken in prose.", "Next"]),
        ("Intro:\n- one\n- two\n3. three\nAfter.", ["Intro:", "- one", "- two", "3. three", "After."]),
        ("昔々、鯨がいた。「白い！」どこへ？", ["昔々、鯨がいた。", "「白い！」", "どこへ？"]),
        ("```py\nx = 1. y\n```\nProse.", ["x = 1. y", "Prose."]),
        ("| a | b |\n| c | d |", ["| a | b |", "| c | d |"]),
        ("---\n\n***\n", []),
        ("", []),
    ],
)
def test_sentences(text, expected):
    assert cut(text) == expected


@given(st.text(alphabet="ab .!?\n-#。\"'1", max_size=120))
def test_each_sentence_is_where_it_says_and_they_do_not_overlap(text):
    end = 0
    for one in sentences(text):
        assert text[one.start : one.stop] == one.text
        assert one.start >= end
        end = one.stop


def test_a_text_without_an_end_is_cut():
    assert all(len(one) <= LONGEST for one in cut("word " * 1000 + "x" * 5000))


def answered(question: str, *texts: str) -> list[Found]:
    made = Answer(question, [Passage(number, text) for number, text in enumerate(texts, 1)])
    first = made.sure()
    return ([first] if first else []) + made.chosen(first)


def asked(question: str, *texts: str) -> list[tuple[int, str]]:
    return [(found.number, found.text) for found in answered(question, *texts)]


def test_the_sentence_that_answers_comes_first_and_is_verbatim():
    found = asked("When was the white whale first seen near Japan?", SHIPS, WHALES)
    assert found[0] == (2, "The white whale was first seen near Japan in 1819.")
    assert all(text in {1: SHIPS, 2: WHALES}[number] for number, text in found)


BRIDGE = "The crossing of the Ister is 380 metres long. It was opened in 1954."


@pytest.mark.parametrize(
    "heading", ["# Bridge report\n\n", "Bridge report\n\n", "Bridge report\n====\n", "# Bridge report\n## Size\n"]
)
def test_a_heading_is_no_claim_but_what_stands_under_it_is(heading):
    found = asked("What is said about “Bridge report”?", heading + BRIDGE, SHIPS)
    assert found == [(1, "The crossing of the Ister is 380 metres long."), (1, "It was opened in 1954.")]


def test_a_heading_that_stands_alone_is_given_without_its_signs():
    assert asked("What is said about “Bridge report”?", "## Bridge report") == [(1, "Bridge report")]


def test_a_heading_alone_makes_nothing_relevant():
    assert asked("Where does the bridge sleep?", f"# Bridge report\n\n{BRIDGE}") == []


@pytest.mark.parametrize(
    "line",
    ["The bridge is red", "Ahab wanted it red", "Bridge: red", "- bridge", "Bridge of 1954", "bridge in red", "Red?"],
)
def test_what_is_no_title(line):
    assert headed(f"{line}\n\nIt was opened.")[0][0].text == line


def test_a_sentence_stands_under_its_own_headings():
    text = "# A\n\nOne came.\n\n## B\n\nTwo came. # 3 too.\n\n## C\n\nThree came.\n\n# D\n\nFour came."
    assert [(one.text, above) for one, above in headed(text)] == [
        ("One came.", "A"), ("Two came.", "A B"), ("# 3 too.", "A B"), ("Three came.", "A C"), ("Four came.", "D"),
    ]  # fmt: skip


@given(st.text(alphabet="Ab .!?\n-#=*1", max_size=120))
def test_a_sentence_under_a_heading_is_where_it_says(text):
    assert bool(headed(text)) == bool(sentences(text))
    assert all(text[one.start : one.stop] == one.text for one, _ in headed(text))


def test_forms_of_a_word_meet():
    assert asked("sailing Nantucket", SHIPS)[0][1].startswith("The Pequod sailed")


@pytest.mark.parametrize(
    "question", ["How do I bake sourdough bread?", "zzzz", "what is it about?", "?!", "the of and"]
)
def test_nothing_is_said_where_nothing_is_relevant(question):
    assert asked(question, SHIPS, "Sailors fear storms. Boats are small.") == []


def test_the_same_is_not_said_twice():
    near = "Captain Ahab lost his leg to the white whale near Japan, they say."
    found = asked("How did Captain Ahab lose his leg?", SHIPS, near)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("How long is the bridge over the Ister?", "The bridge over the Ister is 380 metres long.",
         "The bridge over the Ister is 420 metres long."),
        ("Is the vault open on Sundays?", "The vault is open on Sundays.", "The vault is not open on Sundays."),
        ("When was the town founded?", "The town was founded in 1819.", "The town was founded in 1851."),
    ],
)  # fmt: skip
def test_sources_that_disagree_are_both_heard(question, one, other):
    found = answered(question, one, SHIPS, other, one)
    assert [(sentence.number, sentence.text) for sentence in found] == [(1, one), (3, other)]
    assert disagreeing(found) == [(1, 3)]


def test_what_differs_without_a_contradiction_is_no_disagreement():
    one, other = "Chapter 3 tells of the white whale.", "Chapter 4 tells of the white whale."
    found = answered("What tells of the white whale?", one, other)
    assert len(found) == 2 and disagreeing(found) == []


def test_a_passage_does_not_disagree_with_itself():
    text = "The bridge over the Ister is 380 metres long. The bridge over the Ister is 420 metres long."
    assert disagreeing(answered("How long is the bridge over the Ister?", text)) == []


def test_meaning_finds_what_words_do_not():
    made = Answer("a huge sea mammal", [Passage(1, "Whales are big. Ships are made of wood. Tea is hot.")])
    assert made.sure() is None and made.chosen() == []
    vectors = np.array([[0.6, 0.8] if "Whales" in text else [0.05, 0.99] for text in made.candidates()], np.float32)
    made.look(np.array([1.0, 0.0], np.float32), vectors)
    assert made.best() is not None and made.best().text == "Whales are big."
    assert [found.text for found in made.chosen()] == ["Whales are big."]
    assert made.candidates() == [], "each is looked at once"


def test_what_comes_after_the_first_is_in_reading_order():
    found = asked("white whale Japan Ahab leg", WHALES, SHIPS)[1:]
    places = [(number, {1: WHALES, 2: SHIPS}[number].index(text)) for number, text in found]
    assert places == sorted(places)


@given(st.text(max_size=80), st.text(max_size=300))
def test_any_question_of_any_text(question, text):
    for number, sentence in asked(question, text, WHALES):
        assert sentence in {1: text, 2: WHALES}[number]


@pytest.mark.parametrize(
    ("question", "leaning"),
    [("When did he die?", True), ("and the ship?", True), ("why?", True), ("Who is captain Ahab of the Pequod?", False),
     ("Which year was the white whale first seen?", False), ("鯨はどこで最初に見られましたか", False), ("", False)],
)  # fmt: skip
def test_which_questions_lean_on_the_one_before(question, leaning):
    assert leans(question) is leaning


def test_a_leaning_question_is_searched_for_with_the_ones_before():
    earlier = ["Who wrote the long letter from Nantucket?", "Who is captain Ahab of the Pequod?", "When did he sail?"]
    assert with_earlier("and why?", earlier) == "Who is captain Ahab of the Pequod? When did he sail? and why?"
    assert with_earlier("Where was the white whale first seen?", earlier) == "Where was the white whale first seen?"
    assert with_earlier("and why?", []) == "and why?"
