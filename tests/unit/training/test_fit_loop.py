"""Epochs, the best of them, thresholds that move, and going on after an interruption, within one process."""

import json

import keras
import numpy as np
import pytest

from taumltools.config.training import WorkingPointsConfig
from taumltools.errors import InputError
from taumltools.features.scaling import load_scaling
from taumltools.training.assemble import make_fit
from taumltools.training.checkpoint import Checkpoints
from taumltools.training.fit import train
from taumltools.training.fit_loop import Fit
from taumltools.training.fit_model import array_of, variables_of, weights_of
from taumltools.training.loader import Loader
from taumltools.training.models import build_model

METRICS = ("Ljet", "tau_crossentropy_v2", "Wjet")


@pytest.fixture
def make(paths, features, scaling, model, training, replace):
    def make(folder=None, minutes=0.0, dropout=0.1, **changes):
        config = replace(training, metrics=METRICS, **changes)
        keras.utils.set_random_seed(3)
        network = build_model(replace(model, dropout=dropout), features, load_scaling(scaling, features))
        checkpoints = Checkpoints(folder, minutes) if folder else None
        return make_fit(network, Loader(paths, features, config), config, 3, checkpoints=checkpoints, fingerprint="x")

    return make


class Interrupted(Exception):  # noqa: N818  # it is none
    """Stands for the end of a process."""


def interrupt(fit, after):
    """Let a fit end after so many steps."""
    step, left = fit.model.train_on_batch, iter(range(after))

    def counted(*arguments, **options):
        if next(left, None) is None:
            raise Interrupted
        return step(*arguments, **options)

    fit.model.train_on_batch = counted
    with pytest.raises(Interrupted):
        fit.run()


def without_time(history):
    return {name: values for name, values in history.items() if name != "wall_s"}


@pytest.mark.parametrize(
    ("changes", "after"),
    [({}, 5), ({"loss": "WPloss2", "optimizer": "nadam"}, 20)],
    ids=["first epoch", "second epoch"],
)
def test_a_fit_that_was_interrupted_ends_as_one_that_was_not(make, tmp_path, changes, after):
    changes = {"epochs": 2, **changes}
    whole = make(**changes)
    whole.run()
    interrupt(make(tmp_path, **changes), after)
    again = make(tmp_path, **changes)
    again.run()
    assert whole.loader.steps == 14
    assert again.best == whole.best
    assert set(again.history) == set(whole.history)
    for name, values in without_time(whole.history).items():
        np.testing.assert_allclose(again.history[name], values, rtol=1e-5, err_msg=name)
    for name, values in variables_of(whole.model).items():
        np.testing.assert_allclose(variables_of(again.model)[name], values, rtol=1e-3, atol=1e-5, err_msg=name)


def test_it_goes_on_and_does_not_begin_again(make, tmp_path):
    interrupt(make(tmp_path, epochs=2), 20)
    again = make(tmp_path, epochs=2)
    assert again.resume()
    assert again.done == 1
    assert again.earlier_s > again.history["wall_s"][0] > 0  # of the epoch that was done and of six steps more
    taken = []
    train_batches = again.loader.train_batches
    again.loader.train_batches = lambda seed, epoch, start: (
        taken.append((epoch, start)) or train_batches(seed, epoch, start)
    )
    again.run()
    assert taken == [(2, 6)]


def test_checkpoints_are_written_when_due_and_after_each_epoch(make, tmp_path):
    fit = make(tmp_path, minutes=1e9)
    interrupt(fit, 20)
    again = make(tmp_path)
    again.resume()
    assert (again.done, again._step) == (1, 0)


def test_a_finished_fit_is_not_fitted_again(make, tmp_path):
    first, second = make(tmp_path, epochs=1), make(tmp_path, epochs=1)
    first.run()
    second.model.train_on_batch = None
    second.run()
    assert second.history == first.history
    assert first.earlier_s == 0
    assert second.earlier_s == first.history["wall_s"][0]
    for a, b in zip(weights_of(first.model.network), weights_of(second.model.network), strict=True):
        np.testing.assert_array_equal(a, b)


def test_thresholds_move_to_the_wanted_fractions(make):
    wanted = WorkingPointsConfig(e=(0.5, 0.1), mu=(0.2,), jet=(0.3, 0.1, 0.05))
    fit = make(loss="WPloss", working_points=wanted, epochs=1, learning_rate=1e-9, schedule="constant", dropout=0.0)
    before = fit.model.get_points()
    assert [len(before[name]) for name in ("e", "mu", "jet")] == [2, 1, 3]
    fit.run()
    after = fit.model.get_points()
    assert all((np.diff(after[name]) > 0).all() for name in after)
    assert not np.allclose(before["jet"], after["jet"])
    y, p = [], []
    for batch in fit.loader.train_batches(3):
        y.append(batch.target)
        p.append(fit.model.network.predict_on_batch(batch.inputs))
    y, p = np.concatenate(y), np.concatenate(p)
    jets = y[:, 3] > 0
    score = p[jets, 2] / (p[jets, 2] + p[jets, 3])
    np.testing.assert_allclose(
        [(score > t).mean() for t in after["jet"]], wanted.jet, atol=0.1
    )  # without the dropout of training


def test_figures_of_the_history(make):
    fit = make(epochs=2)
    fit.run()
    names = [f"{w}{name}" for name in (*METRICS, "accuracy") for w in ("", "weighted_")]
    areas = [f"val_auc_{x}" for x in ("e", "mu", "jet")]
    expected = ["epoch", "loss", *names, "learning_rate", "val_loss", *(f"val_{n}" for n in names), *areas, "wall_s"]
    assert sorted(fit.history) == sorted(expected)
    # class weights are balanced, and the loss is one of the figures
    assert fit.history["weighted_tau_crossentropy_v2"][0] == pytest.approx(fit.history["loss"][0], rel=1e-2)
    again = fit.validate()
    assert again["val_loss"] == pytest.approx(fit.history["val_loss"][fit.best], rel=1e-6)


def test_regularisation_is_told_apart(make):
    fit = make(epochs=1)
    dense = next(layer for layer in fit.model.network.layers if hasattr(layer, "kernel"))
    dense.kernel.regularizer = dense.kernel_regularizer = keras.regularizers.L2(0.1)
    weight = float(np.sum(array_of(dense.kernel) ** 2))
    fit.model.optimizer.learning_rate = fit.config.learning_rate
    fit.run()
    history = fit.history
    assert history["loss"][0] == pytest.approx(history["pure_loss"][0] + history["reg_loss"][0])
    assert history["reg_loss"][0] == pytest.approx(0.1 * weight, rel=0.5)


@pytest.mark.parametrize(
    ("changes", "best", "epochs"),
    [
        ({}, 4, 6),
        ({"patience": 2}, 1, 4),
        ({"min_delta": 0.3}, 1, 6),
        ({"min_delta": 0.3, "patience": 1}, 1, 3),
        ({"keep": "last"}, 5, 6),
        ({"monitor": "val_weighted_Ljet"}, 2, 6),
    ],
)
def test_best_epoch(make, monkeypatch, changes, best, epochs):
    losses, others = iter([3.0, 1.0, 2.0, 1.5, 0.8, 2.0]), iter([5.0, 4.0, 1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr(Fit, "validate", lambda _: {"val_loss": next(losses), "val_weighted_Ljet": next(others)})
    fit = make(epochs=6, **changes)
    kept = []
    weights = weights_of(fit.model.network)
    monkeypatch.setattr(fit, "_steps", lambda e, _: fit.model.network.set_weights([w + e for w in weights]) or 0.1)
    monkeypatch.setattr(fit, "_move_points", lambda: kept.append(weights_of(fit.model.network)))
    fit.run()
    assert (fit.best, fit.done) == (best, epochs)
    for a, b in zip(weights_of(fit.model.network), kept[best], strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_loss_that_is_not_finite_is_refused(make, monkeypatch):
    fit = make()
    monkeypatch.setattr(fit.model.network, "predict_on_batch", lambda inputs: np.full((len(inputs["taus"]), 4), np.nan))
    with pytest.raises(InputError, match="loss of the validation sample is nan after epoch 1"):
        fit.run()


def test_snapshots_lie_beside_the_result(tmp_path, paths, features, scaling, model, training, replace):
    config = replace(training, snapshots=2, epochs=5)
    checkpoints = Checkpoints(tmp_path / "state")
    train(paths, scaling, features, model, config, tmp_path / "out", seed=1, checkpoints=checkpoints)
    names = ["epoch_002.keras", "epoch_004.keras"]
    assert sorted(p.name for p in (tmp_path / "out" / "snapshots").iterdir()) == names
    network = keras.saving.load_model(tmp_path / "out" / "snapshots" / names[0], compile=False)
    assert network.count_params() == json.loads((tmp_path / "out" / "metrics.json").read_text())["parameters"]


def test_checkpoints_of_other_settings_are_not_used(
    tmp_path, paths, features, scaling, model, training, replace, caplog
):
    checkpoints = Checkpoints(tmp_path / "state")
    arguments = (paths, scaling, features, model)
    train(*arguments, replace(training, epochs=1), tmp_path / "a", seed=1, checkpoints=checkpoints)
    result = train(*arguments, replace(training, epochs=2), tmp_path / "b", seed=1, checkpoints=checkpoints)
    assert len(result.history["loss"]) == 2
    assert "is of a fit with other settings" in caplog.text
