"""Range semantics: RFC 9110, section 14."""

import pytest

from memories.media.ranges import MOST_RANGE, Span, Unsatisfiable, wanted_span

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", Span(0, 500)),
        ("bytes=500-999", Span(500, 1000)),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=999-", Span(999, 1000)),
        ("bytes=0-", Span(0, 1000)),
        ("bytes=500-5000", Span(500, 1000)),
        ("bytes=-1", Span(999, 1000)),
        ("bytes=-1000", Span(0, 1000)),
        ("bytes=-5000", Span(0, 1000)),
        ("Bytes = 1-2 ,", Span(1, 3)),
        ("bytes=0000000000000000000000001-2", Span(1, 3)),
        ("bytes=0-" + "9" * 5000, Span(0, 1000)),
    ],
)
def test_single_ranges(header, expected):
    assert wanted_span(header, SIZE) == expected


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=--5", "bytes=1-2-3", "lines=0-4",
     "bytes=0-1,5-6", "bytes=0-1, -1", "bytes=\N{ARABIC-INDIC DIGIT ONE}-", "bytes=1.0-2", "bytes=+1-2", "\0",
     "bytes=0x1-2"],
)  # fmt: skip
def test_what_is_malformed_or_several_ranges_is_ignored(header):
    assert wanted_span(header, SIZE) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_outside_of_the_file(header):
    with pytest.raises(Unsatisfiable):
        wanted_span(header, SIZE)


def test_nothing_is_within_an_empty_file():
    for header in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        with pytest.raises(Unsatisfiable):
            wanted_span(header, 0)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-99999999999", "bytes=-99999990"])
def test_an_answer_is_limited(header):
    assert wanted_span(header, 100_000_000) == Span(10, 10 + MOST_RANGE)
