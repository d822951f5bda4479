import keras
import numpy as np
import pytest
from keras import ops

from taumltools.training.layers_cells import CellGrid, CellWeights, EmptyCells

N_CELLS = 6


@pytest.fixture
def rows():
    """Two tau candidates, three filled cells and one row of padding."""
    return np.arange(8, dtype=np.float32).reshape(4, 2), np.int32([1, 7, 10, 12])


TAUS = np.zeros((2, 1), np.float32)


def test_one_empty_cell_to_predict_many_to_train(rows):
    layer = EmptyCells(5)
    np.testing.assert_array_equal(layer(rows[0]), np.vstack([rows[0], np.zeros((1, 2))]))
    assert layer(rows[0], training=True).shape == (9, 2)


def test_weights_count_cells(rows):
    values, cell = rows
    for number in (1, 3):
        extended = np.vstack([values, np.zeros((number, 2), np.float32)])
        weights = ops.convert_to_numpy(CellWeights(N_CELLS)(extended, cell, TAUS))
        np.testing.assert_allclose(weights, np.array([1, 1, 1, 0, *[9 / number] * number]) / 12, rtol=1e-6)
        assert weights.sum() == pytest.approx(1)


def test_full_grids_leave_nothing_to_the_empty_cell():
    weights = CellWeights(2)(np.zeros((5, 1), np.float32), np.int32([0, 1, 2, 3]), TAUS)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), [0.25, 0.25, 0.25, 0.25, 0])


@pytest.mark.parametrize("number", [1, 2, 5, 50])
def test_grid_has_every_cell_in_its_place(rows, number):
    values, cell = rows
    empty = np.full((number, 2), -1, np.float32)
    grid = ops.convert_to_numpy(CellGrid(2, 3)(np.vstack([values, empty]), cell, TAUS))
    expected = np.full((2, 6, 2), -1, np.float32)
    expected[0, 1], expected[1, 1], expected[1, 4] = values[:3]
    np.testing.assert_array_equal(grid, expected.reshape(2, 2, 3, 2))


def test_different_empty_cells_are_spread_over_the_grids(rows):
    values, cell = rows
    empty = np.repeat(-np.arange(1, 4, dtype=np.float32)[:, None], 2, axis=1)
    grid = ops.convert_to_numpy(CellGrid(2, 3)(np.vstack([values, empty]), cell, TAUS))[..., 0].ravel()
    assert sorted(grid[grid < 0]) == sorted(-1 - slot % 3 for slot in range(12) if slot not in (1, 7, 10))


def test_grids_without_any_filled_cell():
    nothing = np.zeros((0, 2), np.float32)
    grid = CellGrid(2, 3)(np.vstack([nothing, [[3, 4]]]).astype(np.float32), np.zeros(0, np.int32), TAUS)
    np.testing.assert_array_equal(ops.convert_to_numpy(grid), np.broadcast_to(np.float32([3, 4]), (2, 2, 3, 2)))


@pytest.mark.parametrize("layer", [EmptyCells(3), CellWeights(4), CellGrid(2, 3)])
def test_layers_survive_serialisation(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
