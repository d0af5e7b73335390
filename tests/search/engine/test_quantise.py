import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from search.engine import quantise


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(2, 768), st.integers(0, 2**32 - 1))
def test_packed_vectors_point_the_same_way(count, size, seed):
    vectors = np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    packed, scales = quantise.pack(vectors)
    assert packed.dtype == np.int8 and scales.dtype == np.float32
    restored = quantise.unpack(packed, scales)
    assert ((restored * vectors).sum(axis=1) >= 0.999).all()
    assert np.allclose(np.linalg.norm(restored, axis=1), 1, atol=1e-5)


def test_packing_what_was_unpacked_changes_nothing():
    vectors = np.random.default_rng(1).standard_normal((20, 384)).astype(np.float32)
    packed, scales = quantise.pack(vectors)
    again, _ = quantise.pack(quantise.unpack(packed, scales))
    assert (again == packed).all()


def test_a_zero_vector_survives():
    packed, scales = quantise.pack(np.zeros((1, 4), np.float32))
    assert (quantise.unpack(packed, scales) == 0).all()
