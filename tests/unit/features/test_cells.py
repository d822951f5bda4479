"""Filled cells as references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.features.cells import Cells


def of(lists):
    """Cells of candidates from lists of cell numbers; the reference is the position of the cell."""
    offsets = np.cumsum([0, *map(len, lists)])
    cell = np.array([number for one in lists for number in one], np.uint16)
    return Cells(offsets, cell, {"muon": np.array([i for one in lists for i in range(len(one))], np.int32)})


def lists_of(cells):
    return [cells.cell[a:b].tolist() for a, b in zip(cells.offsets[:-1], cells.offsets[1:], strict=True)]


CANDIDATES = st.lists(st.lists(st.integers(0, 440), unique=True, max_size=5).map(sorted), max_size=8)


@given(CANDIDATES, st.data())
def test_taking_slicing_and_joining_is_that_of_lists(lists, data):
    cells = of(lists)
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=10)) if lists else []
    assert lists_of(cells.take(np.array(rows, np.int64))) == [lists[row] for row in rows]
    start = data.draw(st.integers(0, len(lists)))
    stop = data.draw(st.integers(start, len(lists)))
    assert lists_of(cells.slice(start, stop)) == lists[start:stop]
    joined = Cells.concatenate([cells.slice(0, start), cells.slice(start, len(lists))])
    assert lists_of(joined) == lists
    assert np.array_equal(joined.objects["muon"], cells.objects["muon"])


def test_cells_of_different_number_are_refused():
    with pytest.raises(InputError, match="cells of different number"):
        Cells(np.array([0, 2]), np.zeros(2, np.uint16), {"muon": np.zeros(1, np.int32)})
