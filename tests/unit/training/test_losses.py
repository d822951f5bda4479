from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from taumltools.training import losses
from taumltools.training.metrics import row_values

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
        ("Hbin", losses.not_tau_crossentropy, ()),
        *((f"Hcat_{x}", losses.switched_crossentropy, (i,)) for x, i in (("e", 0), ("mu", 1), ("jet", 3))),
    ],
)
def test_values_of_the_original_code(reference, name, function, arguments):
    np.testing.assert_allclose(call(function, reference, *arguments), reference[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["We", "Wmu", "Wjet", "WPloss", "WPloss2"])
def test_working_point_losses_of_the_original_code(reference, name):
    """The original evaluates 1 - d near d = 1 differently, by up to half a percent where d is clipped."""
    p = reference["prediction"]
    found = row_values([name], reference["target"], p)[0]
    d = np.stack([p[:, 2] / (p[:, 2] + p[:, x] + 1e-7) for x in (0, 1, 3)])
    inside = ((d > 1e-4) & (d < 1 - 1e-4)).all(axis=0)
    assert inside.sum() > 200
    np.testing.assert_allclose(found[inside], reference[name][inside], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found, reference[name], rtol=6e-3, atol=1e-6)


def test_every_value_of_the_original_code_has_a_metric(reference):
    names = sorted(set(reference) - {"target", "prediction"})
    found = row_values(names, reference["target"], reference["prediction"])
    for name, values in zip(names, found, strict=True):
        np.testing.assert_allclose(values, reference[name], rtol=6e-3 if "W" in name else 1e-5, atol=1e-6, err_msg=name)


def closed_form(name, y, p):
    """The losses of one row, written down once more with plain numbers."""
    t = 2
    x = {"e": 0, "mu": 1, "tau": 2, "jet": 3}.get(name[1:])
    q = None if x is None else p[t] / (p[t] + p[x])
    switch = (np.tanh(70 * (p[t] - 0.1)) + 1) / 2
    if name[0] == "L":
        return -y[t] * np.log(q) - y[x] * np.log(1 - q)
    if name == "Hbin":
        return -(1 - y[t]) * np.log(1 - p[t])
    if name[0] == "H":
        return -y[x] * np.log(p[x])
    if name == "Fcmb":
        return -1.17153 * (1 - y[t]) * np.sqrt(p[t]) * np.log(1 - p[t])
    if name[0] == "F":
        return -1.63636 * switch * y[x] * (1 - p[x]) ** 2 * np.log(p[x])
    wp = np.array(losses.WORKING_POINTS[name[1:]])
    a = 1 + np.mean((1 - np.tanh(40 * (q - wp))) / 2)
    b = 1 + np.mean((1 + np.tanh(40 * (q - wp))) / 2)
    return -b * y[x] * q**2 * np.log(1 - q) - a * y[t] * (1 - q) ** 2 * np.log(q)


NAMES = ["Le", "Lmu", "Ljet", "He", "Hmu", "Htau", "Hjet", "Hbin", "Fe", "Fmu", "Fjet", "Fcmb", "We", "Wmu", "Wjet"]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 3), st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
def test_closed_forms(kind, raw):
    y, p = np.eye(4)[kind], np.array(raw) / sum(raw)
    found = row_values(NAMES, y[None].astype(np.float32), p[None].astype(np.float32))[:, 0]
    np.testing.assert_allclose(found, [closed_form(name, y, p) for name in NAMES], rtol=2e-4, atol=1e-6)


def test_switched_parts_add_up(reference):
    y, p = reference["target"], reference["prediction"]
    for name in ("e", "mu", "jet"):
        on, off, whole = row_values([f"Hcat_{name}", f"Hcat_{name}Inv", f"H{name}"], y, p)
        np.testing.assert_allclose(on + off, whole, rtol=1e-5, atol=1e-6)


def test_thresholds_shape_the_working_point_loss():
    """A row of jets above all thresholds counts twice what it counts below all of them."""
    y, p = np.eye(4, dtype=np.float32)[[3]], np.float32([[0, 0, 0.5, 0.5]])
    above, below = (row_values(["Wjet"], y, p, points={"jet": np.float32(t)})[0, 0] for t in ([0.1, 0.2], [0.9, 0.8]))
    assert above == pytest.approx(2 * below, rel=1e-5)


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
