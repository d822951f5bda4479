import json
import logging
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from taumltools.config import load_campaign
from taumltools.config.training import LossName, MetricName, TrackingConfig, TrainingConfig
from taumltools.errors import InputError
from taumltools.training import assemble
from taumltools.training.fit import train
from taumltools.training.fit_loop import Fit
from taumltools.training.losses import LOSSES, normalised
from taumltools.training.metrics import METRICS
from taumltools.training.network import load_network
from taumltools.training.tracking import RunDescription
from taumltools.training.tracking.record import read_log

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "training").glob("*.yaml"))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, paths, features, scaling, model, training):
    out = tmp_path_factory.mktemp("model")
    return out, train(paths, scaling, features, model, training, out, seed=7)


def test_it_learns(fitted):
    _, result = fitted
    assert result.history["loss"][-1] < 0.8 * result.history["loss"][0]
    assert result.metrics["val_auc_jet"] > 0.9
    assert result.metrics["val_auc_mu"] > 0.8


def test_files_tell_what_was_done(fitted, flat, features):
    out, result = fitted
    assert {p.name for p in out.iterdir()} == {"model.keras", "history.json", "metrics.json", "run.json"}
    assert json.loads((out / "history.json").read_text()) == result.history
    assert json.loads((out / "metrics.json").read_text()) == result.metrics
    run = json.loads((out / "run.json").read_text())
    assert run["mlflow"] == {}
    assert run["seed"] == 7
    assert list(run["features"]["taus"]) == list(features.taus)
    assert {len(values) for values in result.history.values()} == {3}
    entries = result.metrics["entries"]
    assert sum(sum(types.values()) for types in entries.values()) == len(flat)


def test_kept_epoch_has_the_lowest_validation_loss(fitted):
    _, result = fitted
    best = int(np.argmin(result.history["val_loss"]))
    assert result.metrics["best_epoch"] == best + 1
    assert result.metrics["val_loss"] == result.history["val_loss"][best]


def test_same_seed_same_network(fitted, tmp_path, paths, features, scaling, model, training, flat):
    out, _ = fitted
    first = load_network(out).predict(flat)
    train(paths, scaling, features, model, training, tmp_path / "again", seed=7)
    np.testing.assert_allclose(load_network(tmp_path / "again").predict(flat), first, rtol=1e-4, atol=1e-5)


def test_streaming_trains_too(tmp_path, paths, features, scaling, model, training, replace):
    config = replace(training, cache_mb=0, epochs=1, optimizer="nadam", schedule="constant")
    result = train(paths, scaling, features, model, config, tmp_path, seed=1)
    assert np.isfinite(result.metrics["val_loss"])
    assert result.history["learning_rate"] == [pytest.approx(config.learning_rate)]


def test_nan_loss_stops_with_advice(tmp_path, paths, features, scaling, model, training, replace, monkeypatch):
    from keras import ops

    monkeypatch.setattr(assemble, "make_loss", lambda *_: lambda y, p, _: ops.log(-1.0 - p[:, 0]) * y[:, 0])
    with pytest.raises(InputError, match=r"the loss became nan in epoch 1/3, step 1: all features .* lower the learn"):
        train(paths, scaling, features, model, training, tmp_path, seed=1)
    assert not (tmp_path / "model.keras").exists()


def test_early_stopping_keeps_the_best_weights(
    tmp_path, paths, features, scaling, model, training, replace, monkeypatch, caplog
):
    losses = iter([3.0, 1.0, 2.0, 2.0, 0.5])
    figures = dict.fromkeys(["val_accuracy", "val_auc_e", "val_auc_mu", "val_auc_jet"], 0.5)
    monkeypatch.setattr(Fit, "validate", lambda _: {"val_loss": next(losses), **figures})
    config = replace(training, epochs=5, patience=2, optimizer="adam")
    with caplog.at_level(logging.INFO):
        result = train(paths, scaling, features, model, config, tmp_path, seed=1)
    assert result.metrics["best_epoch"] == 2
    assert result.history["epoch"] == [1, 2, 3, 4]
    assert "no better validation loss for 2 epochs" in caplog.text


def test_scaling_of_other_features_is_refused(tmp_path, paths, features, model, training):
    with pytest.raises(InputError, match=r"no constants for taus\.iso"):
        train(paths, {"taus": {}}, features, model, training, tmp_path, seed=1)


def test_names_of_settings_are_those_of_the_code():
    assert set(get_args(LossName)) == set(LOSSES)
    assert set(get_args(MetricName)) == set(METRICS)
    assert TrainingConfig(metrics=("Le",), monitor="val_weighted_Le").monitor == "val_weighted_Le"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_settings_are_valid(path):
    assert load_campaign("demo", f"training={path.stem}").training.epochs > 0


def test_settings_of_deeptau_are_those_of_the_original():
    v2p5, phase2 = (load_campaign("demo", f"training=deeptau_{name}").training for name in ("v2p5", "phase2"))
    assert (v2p5.optimizer, v2p5.learning_rate, v2p5.schedule_decay, v2p5.batch_size) == ("nadam", 1e-3, 1e-4, 250)
    assert (v2p5.loss, v2p5.class_weights, v2p5.clip_norm, len(v2p5.metrics)) == (
        "tau_crossentropy_v2",
        "spectra",
        0,
        20,
    )
    assert normalised(phase2.scale_factors) == pytest.approx((0.4, 0.75, 2.0, 0.85))
    assert (phase2.loss, phase2.schedule, phase2.step_epochs, phase2.epochs) == ("WPloss2", "step", 2, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be positive"),
        ({"validation_fraction": 0.0}, "validation_fraction must be between 0 and 1"),
        ({"scale_factors": (0, 0, 0, 0)}, "scale_factors must be positive"),
        ({"loss": "hinge"}, "loss"),
        ({"metrics": ("Lz",)}, "metrics"),
        ({"monitor": "val_Le"}, "monitor: 'val_Le' is not followed"),
        ({"clip_norm": -1.0}, "clip_norm must not be negative"),
        ({"working_points": {"mu": (0.1, 1.5)}}, "working_points.mu needs fractions between 0 and 1"),
    ],
)
def test_wrong_settings(change, message):
    with pytest.raises(ValidationError, match=message):
        TrainingConfig(**change)


def test_tracked_training_with_another_seed(
    fitted, tmp_path, paths, features, scaling, model, training, replace, monkeypatch, flat
):
    monkeypatch.chdir(tmp_path)
    config = replace(training, tracking=TrackingConfig(experiment="tests"))
    out = tmp_path / "model"
    description = RunDescription(tmp_path / "log", "tests", "x")
    result = train(paths, scaling, features, model, config, out, seed=8, tracking=description)
    assert not np.allclose(load_network(out).predict(flat), load_network(fitted[0]).predict(flat), atol=1e-2)
    assert json.loads((out / "run.json").read_text())["mlflow"] == result.run
    assert {p.name for p in tmp_path.iterdir()} == {"model", "log"}
    record = read_log(out / "tracking")
    assert (record.status, record.run_id) == ("FINISHED", result.run["run_id"])
    assert record.params["training.learning_rate"] == "0.01"
    points = {(p.name, p.step): p.value for p in record.points}
    assert [points["val_loss", step] for step in result.history["epoch"]] == result.history["val_loss"]
    assert points["best_val_loss", result.metrics["best_epoch"]] == result.metrics["val_loss"]
    assert {"model/model.keras", "model/run.json", "settings.yaml", "metrics.csv", "plots/loss.png"} <= set(
        record.files()
    )


def test_failed_fit_is_recorded_as_failed_and_says_what_it_was(tmp_path, paths, features, model, training, replace):
    config = replace(training, tracking=TrackingConfig(experiment="tests"))
    description = RunDescription(tmp_path / "log", "tests", "x")
    with pytest.raises(InputError, match="no constants"):
        train(paths, {"taus": {}}, features, model, config, tmp_path / "out", seed=1, tracking=description)
    record = read_log(description.directory)
    assert record.status == "FAILED"
    assert "no constants for taus.iso" in record.tags["tauml.end"]
    assert record.params["training.batch_size"] == "64"
    assert "settings.yaml" in record.files()
