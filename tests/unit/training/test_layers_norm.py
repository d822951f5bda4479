import keras
import numpy as np
import pytest
from keras import ops

from taumltools.training.layers_norm import WeightedNormalization


def test_statistics_are_those_of_all_cells():
    """Weighted rows and the cells they stand for: same output, same moving averages, in training and after it."""
    rng = np.random.default_rng(4)
    rows, counts = rng.normal(2, 3, (7, 3)).astype(np.float32), np.array([1, 1, 1, 1, 0, 40, 56])
    ours, theirs = WeightedNormalization(), keras.layers.BatchNormalization()
    weights = (counts / 100).astype(np.float32)
    cells = np.repeat(rows, counts, axis=0)
    for _ in range(3):
        got, expected = ours(rows, weights, training=True), theirs(cells, training=True)
        np.testing.assert_allclose(np.repeat(got, counts, axis=0), expected, rtol=1e-4, atol=1e-5)
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    np.testing.assert_allclose(np.repeat(ours(rows, weights), counts, axis=0), theirs(cells), rtol=1e-4, atol=1e-5)


def test_half_precision_keeps_statistics_in_full():
    layer = WeightedNormalization(dtype="mixed_float16")
    weights = np.full(10_000, 1e-4, np.float32)
    rows = np.random.default_rng(1).normal(100, 1, (10_000, 1)).astype(np.float16)
    out = layer(rows, weights, training=True)
    assert keras.backend.standardize_dtype(out.dtype) == "float16"
    assert np.std(ops.convert_to_numpy(out).astype(float)) == pytest.approx(1, abs=0.01)


def test_padding_does_not_count():
    """Any shape; rows of weight 0 change no statistics."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(2, 5, 3)).astype(np.float32)
    weights = np.float32([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
    layer, known = WeightedNormalization(), keras.layers.BatchNormalization()
    out = ops.convert_to_numpy(layer(np.where(weights[..., None] > 0, rows, 1e3), weights, training=True))
    expected = known(rows[weights > 0], training=True)
    np.testing.assert_allclose(out[weights > 0], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, known.moving_variance, rtol=1e-5)


def test_nothing_that_counts_gives_finite_values():
    out = WeightedNormalization()(np.ones((3, 2), np.float32), np.zeros(3, np.float32), training=True)
    assert np.isfinite(ops.convert_to_numpy(out)).all()


def test_frozen_layer_keeps_its_averages():
    layer = WeightedNormalization()
    rows, weights = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32), np.ones(4, np.float32)
    layer(rows, weights, training=True)
    layer.trainable = False
    before = [variable.numpy() * 1.0 for variable in layer.variables]
    layer(rows, weights, training=True)
    for variable, values in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), values)


def test_layer_survives_serialisation():
    layer = WeightedNormalization(0.9, 1e-2)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
