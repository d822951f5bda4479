import numpy as np
import pytest

from taumltools.features.flat import FlatFile
from taumltools.training.batches import Samples
from taumltools.training.layout import InputLayout
from taumltools.training.reading import blocks_of, bytes_of, read_blocks
from taumltools.training.weights import TypeWeights


@pytest.mark.parametrize("form", ["sets", "cells"])
@pytest.mark.parametrize("size", [40, 250, 10_000])
def test_blocks_of_files_are_the_flat_tuples(grid_paths, grid_flat, grid_features, form, size):
    layout = InputLayout.of(grid_features, form)
    blocks = []
    for path in grid_paths:
        with FlatFile(path) as file:
            blocks += blocks_of(file, layout, size)
    assert sum(map(len, blocks)) == len(grid_flat)
    read = read_blocks(blocks, layout, TypeWeights([1, 2, 3, 4]))
    expected = Samples.of(grid_flat, layout, [1, 2, 3, 4])
    for name in ("types", "weights", "taus", "cell_features"):
        np.testing.assert_array_equal(getattr(read, name), getattr(expected, name))
    for name, block in expected.objects.items():
        np.testing.assert_array_equal(read.objects[name].offsets, block.offsets)
        np.testing.assert_array_equal(read.objects[name].rows, block.rows)
    assert read.cells.keys() == expected.cells.keys()
    for name, grid in expected.cells.items():
        np.testing.assert_array_equal(read.cells[name].offsets, grid.offsets)
        np.testing.assert_array_equal(read.cells[name].cell, grid.cell)
        for block in layout.objects:
            np.testing.assert_array_equal(read.cells[name].objects[block], grid.objects[block])


def test_blocks_in_any_order(grid_paths, grid_flat, grid_features):
    layout = InputLayout.of(grid_features, "cells")
    with FlatFile(grid_paths[2]) as file:
        blocks = blocks_of(file, layout, 100)
    read = read_blocks([blocks[3], blocks[0]], layout, TypeWeights())
    expected = Samples.of(grid_flat.take(np.r_[560:660, 260:360]), layout)
    some, others = (s.batch(np.arange(200)).inputs for s in (read, expected))
    for name in others:
        np.testing.assert_array_equal(some[name], others[name])


def test_size_in_memory_is_what_the_arrays_take(grid_paths, grid_features):
    layout = InputLayout.of(grid_features, "cells")
    with FlatFile(grid_paths[2]) as file:
        blocks = blocks_of(file, layout, 100)
    read = read_blocks(blocks, layout, TypeWeights())
    arrays = [read.taus, read.cell_features]
    arrays += [a for block in read.objects.values() for a in (block.rows, block.offsets)]
    arrays += [a for grid in read.cells.values() for a in (grid.offsets, grid.cell, *grid.objects.values())]
    assert bytes_of(blocks, layout) == pytest.approx(sum(a.nbytes for a in arrays), rel=0.01)
