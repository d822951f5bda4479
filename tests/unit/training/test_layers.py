import keras
import numpy as np
import pytest
from keras import ops

from taumltools.training.layers import ObjectPooling, Scaling

CONSTANTS = {
    "normal": {"mean": 2.0, "std": 4.0, "lim_min": -5.0, "lim_max": 5.0},
    "linear": {"mean": 0.5, "std": 0.5, "lim_min": -1.0, "lim_max": 1.0},
    "none": {"mean": 0.0, "std": 1.0, "lim_min": -np.inf, "lim_max": np.inf},
}


@pytest.fixture
def scaling():
    return Scaling.from_constants("pf", CONSTANTS)


def test_scaled_clipped_and_nan_is_zero(scaling):
    raw = np.float32([[6, 0.75, 7], [1000, 2, -1e30], [-1000, -2, 0], [np.nan, np.nan, np.nan]])
    expected = [[1, 0.5, 7], [5, 1, -1e30], [-5, -1, 0], [0, 0, 0]]
    np.testing.assert_allclose(ops.convert_to_numpy(scaling(raw)), expected, rtol=1e-6)


def test_any_leading_shape(scaling):
    raw = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    flat = ops.convert_to_numpy(scaling(raw.reshape(-1, 3)))
    np.testing.assert_array_equal(ops.convert_to_numpy(scaling(raw)).reshape(-1, 3), flat)


def test_scaling_knows_features_and_survives_serialisation(scaling):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(scaling))
    assert (copy.block, copy.features) == ("pf", ["normal", "linear", "none"])
    raw = np.float32([[1e30, 0.1, np.nan]])
    np.testing.assert_array_equal(ops.convert_to_numpy(copy(raw)), ops.convert_to_numpy(scaling(raw)))


@pytest.fixture
def pooling():
    keras.utils.set_random_seed(1)
    return ObjectPooling(heads=2)


def objects(n=3, length=6, width=4):
    values = np.random.default_rng(5).normal(size=(n, length, width)).astype(np.float32)
    present = (np.arange(length) < np.array([[6], [3], [1]])).astype(np.float32)
    return values, present


def test_order_and_padding_do_not_matter(pooling):
    values, present = objects()
    expected = ops.convert_to_numpy(pooling(values, present))
    shuffled = np.random.default_rng(1).permutation(6)
    np.testing.assert_allclose(
        ops.convert_to_numpy(pooling(values[:, shuffled], present[:, shuffled])), expected, rtol=1e-4, atol=1e-6
    )
    values[present == 0] = 77.0
    longer = np.concatenate([values, np.full((3, 2, 4), -99, np.float32)], axis=1)
    padded = np.concatenate([present, np.zeros((3, 2), np.float32)], axis=1)
    np.testing.assert_allclose(ops.convert_to_numpy(pooling(longer, padded)), expected, rtol=1e-4, atol=1e-6)


def test_mean_and_maximum_of_the_objects(pooling):
    values, present = objects()
    out = ops.convert_to_numpy(pooling(values, present))
    assert out.shape == (3, (2 + 2) * 4) == pooling.compute_output_shape((3, 6, 4), (3, 6))
    np.testing.assert_allclose(out[1, 8:12], values[1, :3].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(out[1, 12:], values[1, :3].max(axis=0), rtol=1e-5)
    np.testing.assert_allclose(out[2, :4], values[2, 0], rtol=1e-5)


def test_empty_set_gives_zeros(pooling):
    values, present = objects()
    assert not ops.convert_to_numpy(pooling(values, present * 0)).any()


def test_pooling_survives_serialisation(pooling):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(pooling))
    assert copy.heads == 2
