"""What the address of a search means, and that it comes back as it was."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from search.address import ORDER, Address
from search.scope import Scope

ONE, OTHER = uuid4(), uuid4()
FULL = (
    f"q=white+whale&mode=fuzzy&memory={ONE}&memory={OTHER}&tag=sea&tag=ice&type=pdf&author=Ann&path=a%2F%2A.md"
    "&since=2026-01-02&until=2026-02-03&as_of=2026-03-04&group=no"
)


def read(params: str) -> Address:
    return Address.read(QueryDict(params))


def test_every_part_reaches_the_scope():
    address = read(FULL)
    assert (address.text, address.mode, address.grouped, address.problems) == ("white whale", "fuzzy", False, ())
    assert address.scope == Scope(
        memories=(ONE, OTHER), tags=("sea", "ice"), types=("pdf",), author="Ann", path="a/*.md",
        since=date(2026, 1, 2), until=date(2026, 2, 3), as_of=datetime(2026, 3, 4, 23, 59, 59, 999999, tzinfo=UTC),
    )  # fmt: skip


def test_it_is_written_in_one_order_without_what_says_nothing():
    assert read(FULL).write() == FULL
    singles = [part for part in FULL.split("&") if not part.startswith(("memory", "tag"))]
    shuffled = "&".join([*reversed(singles), "unknown=1"])
    assert read(shuffled).write() == "&".join(singles)
    assert read("q=a&mode=hybrid&group=yes&path=&tag=").write() == "q=a"


def test_a_commit_is_of_one_memory():
    assert read(f"q=a&memory={ONE}&commit=3").scope.as_of == 3
    for params in ("q=a&commit=3", f"q=a&memory={ONE}&memory={OTHER}&commit=3"):
        address = read(params)
        assert address.scope.as_of is None and "choose one" in address.problems[0]


def test_each_chip_takes_away_one_filter():
    address = read(f"q=a&memory={ONE}&tag=sea&tag=ice&commit=3")
    rests = {(chip.field, chip.value): chip.rest for chip in address.chips({ONE: "Books"})}
    assert rests["tag", "sea"] == f"q=a&memory={ONE}&tag=ice&commit=3"
    assert rests["memory", str(ONE)] == "q=a&tag=sea&tag=ice"
    assert address.without_filters() == "q=a"
    assert [chip.label for chip in address.chips({ONE: "Books"})][:2] == ["Books", "tag sea"]
    assert address.chips({})[0].label == "A memory that is not there"


@pytest.mark.parametrize(
    ("params", "left_out"),
    [
        ("since=yesterday", "first day"),
        ("until=2026-13-45", "last day"),
        ("as_of=9999-12-31", "day in the past"),
        ("since=0001-01-01", "first day"),
        ("mode=magic", "way of searching"),
        ("type=exe&type=pdf", "type"),
        ("commit=-1", "commit"),
        ("like=" + "9" * 400, "passage"),
        ("news=x", "time of the last look"),
        ("author=" + "x" * 300, "author"),
        ("tag=" + "x" * 60, "tag"),
    ],
)
def test_what_makes_no_sense_is_left_out_and_said(params, left_out):
    (problem,) = read(f"q=a&{params}").problems
    assert problem == f"The {left_out} in the address makes no sense and was left out."


@pytest.mark.parametrize("params", ["memory=x", f"memory=x&memory={ONE}"])
def test_a_memory_that_cannot_be_read_does_not_widen_the_search(params):
    assert read(params).scope.memories == ((ONE,) if str(ONE) in params else ())


def test_a_last_day_before_the_first_is_said():
    assert "before the first" in read("q=a&since=2026-02-02&until=2026-02-01").problems[0]


@given(st.lists(st.tuples(st.sampled_from(ORDER), st.text(max_size=40) | st.integers().map(str))))
def test_whatever_it_says_reading_what_was_written_changes_nothing(pairs):
    data = QueryDict(mutable=True)
    for name, value in pairs:
        data.appendlist(name, value.replace("\ud800", ""))
    address = Address.read(data)
    assert read(address.write()).write() == address.write()
