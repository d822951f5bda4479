from pathlib import Path

import numpy as np
import pytest
from keras import ops

from taumltools.training import losses

DATA = Path(__file__).parents[2] / "data" / "losses.npz"
"""500 targets and predictions with the losses the original DeepTau code gives for them."""


@pytest.fixture(scope="module")
def reference():
    with np.load(DATA) as file:
        return dict(file)


def call(function, reference, *arguments):
    y, p = (ops.convert_to_tensor(reference[name]) for name in ("target", "prediction"))
    return ops.convert_to_numpy(function(y, p, *arguments))


@pytest.mark.parametrize(
    ("name", "function", "arguments"),
    [
        ("tau_crossentropy", losses.tau_crossentropy, ()),
        ("tau_crossentropy_v2", losses.tau_crossentropy_v2, ()),
        *((f"L{x}", losses.pair_crossentropy, (i,)) for x, i in (("e", 0), ("mu", 1), ("jet", 3))),
        *((f"H{x}", losses.class_crossentropy, (i,)) for x, i in (("e", 0), ("mu", 1), ("tau", 2), ("jet", 3))),
        *((f"F{x}", losses.focal, (i,)) for x, i in (("e", 0), ("mu", 1), ("jet", 3))),
        ("Fcmb", losses.focal_not_tau, ()),
    ],
)
def test_values_of_the_original_code(reference, name, function, arguments):
    np.testing.assert_allclose(call(function, reference, *arguments), reference[name], rtol=1e-5, atol=1e-6)


def test_categorical_crossentropy_is_minus_log_of_the_true_class(reference):
    p = np.clip(reference["prediction"], 1e-7, 1 - 1e-7)
    expected = -np.log(p[np.arange(len(p)), reference["target"].argmax(1)])
    np.testing.assert_allclose(call(losses.categorical_crossentropy, reference), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("gamma", "constant"), [(2.0, 1.63636), (0.5, 1.17153)])
def test_focal_constants_normalise_their_kernels(gamma, constant):
    x = np.linspace(1e-9, 1 - 1e-9, 2_000_001)
    assert constant * np.trapezoid(-((1 - x) ** gamma) * np.log(x), x) == pytest.approx(1.0, abs=1e-4)


def test_make_loss_binds_the_scale_factors(reference):
    other = (0.8, 1.5, 4.0, 1.7)
    bound = call(losses.make_loss("tau_crossentropy_v2", other), reference)
    np.testing.assert_array_equal(bound, call(losses.tau_crossentropy_v2, reference, other))
    assert not np.allclose(bound, call(losses.make_loss("tau_crossentropy_v2"), reference))


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_perfect_and_extreme_predictions_stay_finite(name):
    y = np.eye(4, dtype=np.float32)
    loss = losses.make_loss(name)
    perfect = ops.convert_to_numpy(loss(ops.convert_to_tensor(y), ops.convert_to_tensor(y)))
    wrong = ops.convert_to_numpy(loss(ops.convert_to_tensor(y), ops.convert_to_tensor(y[[1, 2, 3, 0]])))
    assert np.all(np.abs(perfect) < 1e-2)
    assert np.all(np.isfinite(wrong))


def test_scale_factors_have_mean_one():
    assert np.mean(losses.normalised((0.8, 1.5, 4.0, 1.7))) == pytest.approx(1.0)
