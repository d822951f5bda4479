"""Domain adaptation against gradients written down by hand, and on a problem where it has to help."""

import keras
import numpy as np
import pytest

from taumltools.errors import ConfigError
from taumltools.features.scaling import load_scaling
from taumltools.training.adversarial import AdversarialModel
from taumltools.training.batches import Samples
from taumltools.training.fit import train
from taumltools.training.fit_model import array_of
from taumltools.training.layout import InputLayout
from taumltools.training.losses import WORKING_POINTS, make_loss
from taumltools.training.models import build_model
from taumltools.training.nadam import Nadam

POINTS = {name: np.float32(values) for name, values in WORKING_POINTS.items()}


def two_heads(width=3, features=2, activation=None, final=()):
    inputs = {"taus": keras.Input((features,), name="taus")}
    shared = keras.layers.Dense(width, activation=activation, name="tau_dense_1")(inputs["taus"])
    hidden = shared
    for i, units in enumerate(final):
        hidden = keras.layers.Dense(units, activation="relu", name=f"final_adv_dense_{i}")(hidden)
    p = keras.layers.Dense(4, activation="softmax", name="final_dense_last")(shared)
    q = keras.layers.Dense(1, activation="sigmoid", name="final_dense_adv")(hidden)
    return keras.Model(inputs, [p, q])


def batch(rng, ordinary=5, control=4):
    n = ordinary + control
    x = rng.normal(size=(n, 2)).astype(np.float32)
    y = np.zeros((n, 4), np.float32)
    y[np.arange(ordinary), rng.integers(0, 4, ordinary)] = 1
    data = np.zeros(n, np.float32)
    data[ordinary:] = rng.integers(0, 2, control)
    w, w_adv = (rng.uniform(0.5, 2, n).astype(np.float32) for _ in range(2))
    w[ordinary:] = 0
    w_adv[:ordinary] = 0
    return {"taus": x}, {"classes": y, "adversarial": data}, {"classes": w, "adversarial": w_adv}


def by_hand(x, y, w, weights, k1, k2):
    """Gradients of cross entropies of linear layers: (p - y) and (q - y) pulled back."""
    a, a0, b, b0, c, c0 = (value.astype(np.float64) for value in weights)
    h = x @ a + a0
    logits = h @ b + b0
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    q = 1 / (1 + np.exp(-(h @ c + c0)))
    n, m = np.sum(y["classes"].sum(1) > 0), np.sum(y["classes"].sum(1) == 0)
    dp = (p - y["classes"]) * w["classes"][:, None] / n
    dq = (q - y["adversarial"][:, None]) * w["adversarial"][:, None] / m
    g, ga = dp @ b.T, dq @ c.T
    shared = [k1 * (x.T @ g) - k2 * (x.T @ ga), k1 * g.sum(0) - k2 * ga.sum(0)]
    sizes = [np.concatenate([np.abs(x.T @ d).ravel(), np.abs(d.sum(0))]).mean() for d in (g, ga)]
    return [*shared, h.T @ dp, dp.sum(0), h.T @ dq, dq.sum(0)], sizes, (p, q, n, m)


def test_gradients_are_those_computed_by_hand():
    keras.utils.set_random_seed(5)
    network = two_heads()
    model = AdversarialModel(network, make_loss("categorical_crossentropy"), POINTS, factors=(0.7, 3.0))
    model.prepare(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.1))
    x, y, w = batch(np.random.default_rng(1))
    before = [array_of(v) for v in model.trainable_variables]
    assert model.groups == ["common"] * 2 + ["classes"] * 2 + ["adversarial"] * 2
    expected, sizes, (p, q, n, m) = by_hand(x["taus"], y, w, before, 0.7, 3.0)
    out = model.train_on_batch(x, y, w, return_dict=True)
    for i, (old, variable, gradient) in enumerate(zip(before, model.trainable_variables, expected, strict=True)):
        rate = 0.1 if i >= 4 else 0.5
        np.testing.assert_allclose(
            old - array_of(variable), rate * gradient, rtol=1e-4, atol=1e-6, err_msg=variable.path
        )
    assert out["loss"] == pytest.approx(-np.sum(w["classes"] * np.log((p * y["classes"]).sum(1) + (n == 0) + 1e-300)
                                                * (y["classes"].sum(1) > 0)) / n, rel=1e-4)  # fmt: skip
    rows = -np.log(np.where(y["adversarial"] > 0, q[:, 0], 1 - q[:, 0]))
    assert out["adv_loss"] == pytest.approx(np.sum(rows * w["adversarial"]) / m, rel=1e-4)
    assert out["adv_accuracy"] == pytest.approx(np.mean((q[5:, 0] > 0.5) == y["adversarial"][5:]))
    assert [out["mean_grad_class"], out["mean_grad_adv"]] == pytest.approx(sizes, rel=1e-4)
    np.testing.assert_allclose(out["prediction"], p, rtol=1e-4)


def test_each_head_has_its_optimizer():
    keras.utils.set_random_seed(5)
    model = AdversarialModel(two_heads(), make_loss("tau_crossentropy_v2"), POINTS)
    main, second = Nadam(1e-3), Nadam(0.01)
    model.prepare(main, second)
    x, y, w = batch(np.random.default_rng(2))
    model.optimizer.learning_rate = 0.25
    before = [array_of(v) for v in model.trainable_variables]
    model.train_on_batch(x, y, w)
    assert (float(main.learning_rate), float(second.learning_rate)) == (0.25, pytest.approx(0.01))
    steps = [np.abs(array_of(v) - old).max() for v, old in zip(model.trainable_variables, before, strict=True)]
    assert min(steps[:4]) > 0.1  # the first step of Nadam is about as large as its rate
    assert 0 < max(steps[4:]) < 0.02
    assert int(main.iterations) == int(second.iterations) == 1


def sample(rng, n):
    """Feature 0 tells the class; feature 1 tells it too, but in data it is shifted."""
    kind = rng.integers(0, 2, n) + 2  # taus and jets
    data = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 2)) + np.stack([1.5 * (kind == 2), 1.0 * (kind == 2) + 3.0 * data], axis=1)
    return x.astype(np.float32), np.eye(4, dtype=np.float32)[kind], data.astype(np.float32)


def fitted(factors, seed=0):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    network = two_heads(width=4, activation="tanh", final=(8,))
    model = AdversarialModel(network, make_loss("categorical_crossentropy"), POINTS, factors)
    model.prepare(keras.optimizers.Adam(0.01), Nadam(0.02))
    for _ in range(400):
        x, y, data = sample(rng, 256)
        ordinary = np.arange(256) < 128
        y[~ordinary] = 0
        w, w_adv = ordinary.astype(np.float32), (~ordinary).astype(np.float32)
        model.train_on_batch({"taus": x}, {"classes": y, "adversarial": data}, {"classes": w, "adversarial": w_adv})
    x, y, data = sample(rng, 4000)
    p, q = (np.asarray(out) for out in network.predict_on_batch({"taus": x}))
    tells = np.mean((q[:, 0] > 0.5) == (data > 0.5))
    return tells, np.mean((p[:, 2] > p[:, 3]) == (y[:, 2] > 0))


def test_the_network_unlearns_what_tells_data_from_simulation():
    """Without the adversary the second head finds the shift; with it, little is left, and the classes are still told apart."""
    free, separates = fitted((1.0, 0.0))
    bound, still_separates = fitted((1.0, 2.0))
    assert free > 0.85
    assert bound < free - 0.2
    assert separates > 0.75
    assert still_separates > 0.7


@pytest.mark.parametrize("outputs", [slice(0, 1), slice(0, 2)])
def test_networks_without_a_second_head_are_refused(outputs):
    network = two_heads()
    heads = network.outputs[outputs] if outputs.stop == 1 else [network.outputs[0], network.outputs[0]]
    with pytest.raises(ConfigError, match="needs a network with two outputs"):
        AdversarialModel(keras.Model(network.inputs, heads), make_loss("WPloss"), POINTS)


@pytest.mark.parametrize("name", ["deepset"])
def test_networks_with_a_second_head_are_trained(features, scaling, model, replace, flat, name):
    """The head of the package's own networks has the names that the rule goes by."""
    keras.utils.set_random_seed(2)
    network = build_model(replace(model, name=name, adversarial=True), features, load_scaling(scaling, features))
    fitted = AdversarialModel(network, make_loss("WPloss2"), POINTS)
    fitted.prepare(Nadam(1e-3), Nadam(0.01))
    data = Samples.of(flat.slice(0, 60), InputLayout.of(features)).batch(np.arange(60))
    ordinary = np.arange(60) < 40
    target = {"classes": data.target * ordinary[:, None], "adversarial": np.float32(np.arange(60) % 2)}
    weight = {"classes": np.float32(ordinary), "adversarial": np.float32(~ordinary)}
    figures = fitted.train_on_batch(data.inputs, target, weight, return_dict=True)
    assert figures["mean_grad_adv"] > 0
    assert np.isfinite(figures["loss"])


def test_a_training_does_not_fit_a_second_head_by_accident(
    tmp_path, paths, features, scaling, model, training, replace
):
    with pytest.raises(ConfigError, match=r"model.adversarial: .* control region: .*training.adversarial.samples"):
        train(paths, scaling, features, replace(model, adversarial=True), training, tmp_path, seed=1)
