import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.engine import columns


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1)))
def test_integers_come_back(values):
    assert columns.unpack(columns.pack(np.array(values, np.int64))).tolist() == values


@settings(deadline=None)
@given(st.lists(st.integers(-(2**61), 2**61)))
def test_signed_columns_come_back(values):
    assert columns.unpack_deltas(columns.pack_deltas(np.array(values, np.int64))).tolist() == values


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**40), min_size=1))
def test_each_value_says_how_many_bytes_it_took(values):
    data, sizes = columns.encode_sized(np.array(values, np.int64))
    assert sizes.sum() == len(data)
    assert [max(1, -(-value.bit_length() // 7)) for value in values] == sizes.tolist()


@pytest.mark.parametrize("data", [b"\x80", b"\x01\xff", b"\xff" * 11 + b"\x01"])
def test_bytes_that_are_no_integers_are_refused(data):
    with pytest.raises(ValueError):
        columns.decode(data)


def test_a_part_that_inflates_past_its_limit_is_refused():
    with pytest.raises(ValueError, match="larger"):
        columns.inflate(columns.deflate(b"x" * 1001), 1000)
    with pytest.raises(ValueError, match="damaged"):
        columns.inflate(columns.deflate(bytes(range(256)))[:-3])
    with pytest.raises(ValueError):
        columns.inflate(b"not zstd")
