import keras
import numpy as np
import pytest
from keras import ops

from taumltools.training.layers_attention import ClassToken, EncoderLayer, PairBias, PairFeatures
from taumltools.training.layers_sets import Columns, EdgeConvolution, Kind, MaskedMean


def test_mean_over_what_is_there():
    values = np.float32([[[1, 2], [3, 4], [99, 99]], [[5, 6], [99, 99], [99, 99]], [[99, 99]] * 3])
    present = np.float32([[1, 1, 0], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(MaskedMean()(values, present), [[2, 3], [5, 6], [0, 0]])


def test_columns_are_raw_and_defined():
    raw = np.float32([[[1, np.nan, 3], [4, 5, 6]]])
    np.testing.assert_array_equal(Columns([2, 1])(raw), [[[3, 0], [6, 5]]])


def test_kind_is_the_same_for_all_objects():
    out = ops.convert_to_numpy(Kind(2)(np.zeros((2, 3, 1), np.float32)))
    assert out.shape == (2, 3, 3)
    assert np.ptp(out, axis=(0, 1)).max() == 0


def edge_by_hand(layer, points, coordinates, present):
    """The definition, point by point, with the moving averages of a new layer (mean 0, variance 1)."""
    kernels = [np.asarray(convolution.kernel) for convolution in layer.convolutions]
    shrink = 1 / np.sqrt(1 + 1e-3)
    out = np.zeros((*points.shape[:2], layer.channels[-1]))
    for n, i in np.ndindex(points.shape[:2]):
        distance = np.linalg.norm(coordinates[n] - coordinates[n, i], axis=1)
        others = [j for j in np.argsort(distance, kind="stable") if j != i and present[n, j]][: layer.neighbours]
        edges = np.array([np.concatenate([points[n, i], points[n, j] - points[n, i]]) for j in others])
        for kernel in kernels:
            edges = np.maximum(edges @ kernel * shrink, 0) if len(others) else edges
        mean = edges.mean(axis=0) if len(others) else 0
        out[n, i] = np.maximum(mean + points[n, i] @ np.asarray(layer.shortcut.kernel) * shrink, 0)
    return out


@pytest.mark.parametrize("dimensions", [2, 7])
@pytest.mark.parametrize("neighbours", [2, 4, 9])
def test_edge_convolution_is_what_it_says(neighbours, dimensions):
    """Also where there are fewer points than neighbours."""
    rng = np.random.default_rng(neighbours)
    points, coordinates = (rng.normal(size=(3, 6, width)).astype(np.float32) for width in (3, dimensions))
    present = (np.arange(6) < np.array([[6], [2], [1]])).astype(np.float32)
    layer = EdgeConvolution(neighbours, [5, 4])
    out = ops.convert_to_numpy(layer(points, coordinates, present))
    known = present > 0
    np.testing.assert_allclose(
        out[known], edge_by_hand(layer, points, coordinates, present)[known], rtol=1e-4, atol=1e-5
    )


def test_pairs_have_distance_momentum_share_and_mass():
    kinematics = np.float32([[[0.1, 0.2, 2.0], [-0.2, 0.6, 1.0]]])
    pair = np.exp(ops.convert_to_numpy(PairFeatures()(kinematics))[0])
    distance, mass = 0.5, 2 * 2.0 * 1.0 * (np.cosh(0.3) - np.cos(0.4))
    np.testing.assert_allclose(pair[0, 1], [distance, distance, 1 / 3, mass], rtol=1e-4)
    np.testing.assert_allclose(pair[0, 1], pair[1, 0], rtol=1e-6)
    assert np.isfinite(np.log(pair)).all()


def test_class_token_comes_first():
    tokens, present = ClassToken()(
        np.ones((2, 3, 4), np.float32), np.zeros((2, 4), np.float32), np.eye(2, 3, dtype=np.float32)
    )
    assert tokens.shape == (2, 4, 4)
    assert not ops.convert_to_numpy(tokens)[:, 0].any()
    np.testing.assert_array_equal(present, [[1, 1, 0, 0], [1, 0, 1, 0]])


def test_attention_as_in_keras():
    """Without bias and shortcuts, the same as MultiHeadAttention with the same weights."""
    rng = np.random.default_rng(1)
    tokens = rng.normal(size=(2, 5, 8)).astype(np.float32)
    present = (np.arange(5) < np.array([[5], [3]])).astype(np.float32)
    ours, theirs = EncoderLayer(2, 8, "relu", 0.0), keras.layers.MultiHeadAttention(2, 4)
    ours.build(tokens.shape, present.shape)
    theirs.build(tokens.shape, tokens.shape)
    kernel = np.asarray(ours.project.kernel)
    zero = np.zeros((2, 4), np.float32)
    query, key, value = (kernel[:, 8 * i : 8 * i + 8].reshape(8, 2, 4) for i in range(3))
    combine = np.asarray(ours.combine.kernel).reshape(2, 4, 8)
    theirs.set_weights([query, zero, key, zero, value, zero, combine, np.zeros(8, np.float32)])
    expected = theirs(tokens, tokens, attention_mask=present[:, None, :] > 0)
    got = ours._attend(tokens, present, None, training=False)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_bias_decides_where_attention_looks():
    layer = EncoderLayer(1, 4, "relu", 0.0)
    tokens = np.random.default_rng(2).normal(size=(1, 3, 4)).astype(np.float32)
    present = np.ones((1, 3), np.float32)
    layer.build(tokens.shape, present.shape)
    bias = np.zeros((1, 2, 2, 1), np.float32)
    bias[0, 0, 1] = 1e6  # the first object sees only the second
    mixed = ops.convert_to_numpy(layer._attend(tokens, present, bias, training=False))
    value = (tokens @ np.asarray(layer.project.kernel)[:, 8:])[0, 2] @ np.asarray(layer.combine.kernel)
    np.testing.assert_allclose(mixed[0, 1], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [Columns([1, 0]), Kind(3), MaskedMean(), EdgeConvolution(3, [4]), PairFeatures(), ClassToken(),
     EncoderLayer(2, 8, "gelu", 0.1), PairBias([4], 2)],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_layers_survive_serialisation(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
