"""Collections as they are handed round: each with its own numbering and columns of judgement."""

import pytest

from benchmarks.retrieval import ndcg, recall, reciprocal
from benchmarks.smart import read
from memories.engine.errors import UsageError

DOCUMENTS = ".I 1\n.T\nWhales\n.A\nMelville\n.W\nThe white\nwhale.\n.X\n1 5 1\n.I 2\n.T\nShips\n.I 3\n.W\nOil\n"
QUERIES = ".I 1\n.W\nwhich whale?\n.I 2\n.T\nTitle\n.W\nwhich ship?\n"


@pytest.fixture
def collection(tmp_path):
    def build(judgements: str, documents: str = DOCUMENTS, queries: str = QUERIES, names=("X.ALL", "X.QRY", "X.REL")):
        for name, text in zip(names, (documents, queries, judgements), strict=True):
            (tmp_path / name).write_text(text)
        return read(tmp_path)

    return build


def test_title_and_abstract_are_the_text(collection):
    found = collection("1 1\n")
    assert found.documents == {1: "Whales\nThe white whale.", 2: "Ships", 3: "Oil"}
    assert found.queries == {1: "which whale?", 2: "which ship?"}


@pytest.mark.parametrize(
    "judgements",
    ["1 1\n1 3\n2 2\n", "  1  1\t0\t0.000000\n 1 3 0 0.0\n2 2 0 0.0\n", "1 0 1 1\n1 0 3 1\n2 0 2 1\n2 0 1 0\n",
     "1 1 2\n1 3 -1\n2 2 4\n2 1 5\n", "1 1 3\n2 2 0 9 9 9 9\n", "01 1 0 0\n01 3 0 0\n02 2 0 0\n"],
    ids=["two columns", "CISI", "MED", "Cranfield", "TIME", "CACM"],
)  # fmt: skip
def test_judgements_of_each_kind(collection, judgements):
    assert collection(judgements).relevant == {1: {1, 3}, 2: {2}}


def test_queries_numbered_with_gaps_are_judged_by_place(collection):
    found = collection("1 1 1\n2 2 1\n3 3 1\n", queries=".I 1\n.W\na\n.I 4\n.W\nb\n.I 9\n.W\nc\n")
    assert found.relevant == {1: {1}, 4: {2}, 9: {3}}


def test_the_form_of_time(collection):
    documents = "*TEXT 017 01/04/63 PAGE 020\n\nTHE ALLIES\n\n*TEXT 018 01/04/63\nKENNEDY\n*STOP\n"
    queries = "*FIND     1\n\nKENNEDY ADMINISTRATION\n\n*FIND     2\nALLIES\n*STOP\n"
    found = collection("1   2\n\n2   1\n", documents, queries, ("TIME.ALL", "TIME.QUE", "TIME.REL"))
    assert found.documents == {17: "THE ALLIES", 18: "KENNEDY"}
    assert found.relevant == {1: {18}, 2: {17}}


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(UsageError, match="holds no documents"):
        read(tmp_path)


def test_the_measures():
    assert ndcg([1, 2], {1, 2}) == 1 and ndcg([9, 1], {1}) == pytest.approx(0.6309, abs=1e-4)
    assert recall([1, 9], {1, 2}) == 0.5
    assert reciprocal([9, 1], {1}) == 0.5 and reciprocal([9], {1}) == 0
