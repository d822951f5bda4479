"""Cells of a batch against a plain loop over taus and cells."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.training.batches import Samples
from taumltools.training.layout import InputLayout


@pytest.fixture(scope="module")
def samples(grid_flat, grid_features):
    return Samples.of(grid_flat, InputLayout.of(grid_features, "cells"))


def plain_rows(flat, layout, grid, component, entries):
    rows, numbers = [], []
    cells = flat.cells[grid]
    for position, entry in enumerate(entries):
        for i in range(cells.offsets[entry], cells.offsets[entry + 1]):
            row = []
            for block, name in layout.names(component):
                if block == "cell_features":
                    row.append(flat.cell_features[name][entry])
                    continue
                reference, objects = cells.objects[block][i], flat.objects[block]
                row.append(objects.columns[name][objects.offsets[entry] + reference] if reference >= 0 else np.nan)
            rows.append(row)
            numbers.append(position * layout.grids[grid] + cells.cell[i])
    return np.array(rows, np.float32).reshape(len(rows), len(layout.names(component))), np.array(numbers, int)


@settings(max_examples=25, deadline=None)
@given(entries=st.lists(st.integers(0, 699), max_size=40))
def test_rows_are_the_objects_the_cells_refer_to(samples, grid_flat, entries):
    inputs = samples.batch(np.array(entries, int)).inputs
    for grid, n_cells in samples.layout.grids.items():
        number = inputs[f"{grid}_cell"]
        assert number.dtype == np.int32
        for component in samples.layout.components:
            values = inputs[f"{grid}_{component}"]
            rows, numbers = plain_rows(grid_flat, samples.layout, grid, component, entries)
            assert values.dtype == np.float32
            assert len(values) == len(number) >= max(len(rows), 1)
            np.testing.assert_array_equal(values[: len(rows)], rows)
            np.testing.assert_array_equal(number[: len(rows)], numbers)
            assert np.isnan(values[len(rows) :]).all()
            assert (number[len(rows) :] == len(entries) * n_cells).all()


def test_the_same_cell_is_filled_once(samples):
    inputs = samples.batch(np.arange(200)).inputs
    for grid, n_cells in samples.layout.grids.items():
        real = inputs[f"{grid}_cell"][inputs[f"{grid}_cell"] < 200 * n_cells]
        assert len(np.unique(real)) == len(real)


def test_select_and_concatenate_keep_cells(samples):
    rows = np.array([5, 3, 90, 3])
    joined = Samples.concatenate([samples.select(rows[:2]), samples.select(rows[2:])])
    some, others = joined.batch(np.arange(4)).inputs, samples.batch(rows).inputs
    assert some.keys() == others.keys()
    for name in some:
        np.testing.assert_array_equal(some[name], others[name])


def test_cells_beyond_the_grid_are_not_taken_for_those_of_the_next_candidate(grid_flat, grid_features):
    layout = InputLayout.of(grid_features, "cells")
    smaller = dataclasses.replace(layout, grids=layout.grids | {"outer": 5})
    with pytest.raises(InputError, match=r"grid 'outer': cell \d+, the network's grid has 5 cells"):
        Samples.of(grid_flat, smaller)
