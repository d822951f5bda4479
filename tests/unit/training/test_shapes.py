from hypothesis import given
from hypothesis import strategies as st

from taumltools.training.shapes import CELL_STEP, LENGTH_STEP, padded_size


@given(st.integers(0, 10**7), st.sampled_from([1, LENGTH_STEP, CELL_STEP]))
def test_padding_is_a_bounded_fraction(size, least):
    padded = padded_size(size, least)
    assert padded >= max(size, 1)
    assert padded % least == 0
    assert padded - size < max(size / 8, least) or size == 0
    assert padded_size(padded, least) == padded


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_is_never_padded_to_less(a, b):
    assert a > b or padded_size(a, 8) <= padded_size(b, 8)


def test_sizes_are_few():
    assert len({padded_size(size, CELL_STEP) for size in range(8000, 16000)}) == 9
