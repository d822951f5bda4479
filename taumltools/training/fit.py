"""Fit a network to flat tuples."""

from __future__ import annotations

import json
import logging
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.config.identity import plain
from taumltools.config.model import ModelConfig
from taumltools.config.training import TrainingConfig
from taumltools.errors import InputError
from taumltools.features.scaling import load_scaling
from taumltools.progress import progress
from taumltools.training.loader import Loader
from taumltools.training.losses import make_loss
from taumltools.training.metrics import discriminator_aucs
from taumltools.training.models import build_model
from taumltools.training.network import MODEL_FILE, load_network
from taumltools.training.optimizer import learning_rate, make_optimizer
from taumltools.training.tracking import Run, RunDescription, tracked

log = logging.getLogger(__name__)

HISTORY_FILE = "history.json"
METRICS_FILE = "metrics.json"
RUN_FILE = "run.json"


@dataclass(frozen=True)
class TrainingResult:
    """What a fit leaves.

    Attributes:
        history: figures per epoch: ``{"epoch": [...], "loss": [...], "val_loss": [...], ...}``.
        metrics: figures of the kept epoch, numbers of entries and of parameters, times.
        run: identities of the mlflow run; empty without tracking.
    """

    history: dict[str, list[float]]
    metrics: dict[str, Any]
    run: dict[str, str]


def train(
    flat_paths: Sequence[Path],
    scaling: Mapping[str, Any],
    features: FeaturesConfig,
    model: ModelConfig,
    training: TrainingConfig,
    out_dir: Path,
    seed: int,
    *,
    tracking: RunDescription | None = None,
) -> TrainingResult:
    """Fit a network and write it.

    Writes ``model.keras`` (weights of the epoch with the lowest validation loss),
    ``history.json``, ``metrics.json`` and ``run.json``, and with tracking the log of the run.

    Args:
        flat_paths: flat tuples of the training sample.
        scaling: constants of all features, of :func:`taumltools.features.scaling.make_scaling` or ``load_scaling``.
        features: what the network sees.
        model: which network.
        training: how it is fitted.
        out_dir: directory to write to; made if it does not exist.
        seed: of everything random in the fit.
        tracking: what the run is and where its log goes; None: no log.

    Returns:
        History, figures and mlflow identities.

    Raises:
        InputError: a file or the scaling does not fit the features, or the loss became NaN.
    """
    import keras

    keras.utils.set_random_seed(seed % 2**32)
    start = time.perf_counter()
    out_dir.mkdir(parents=True, exist_ok=True)
    settings = {"features": plain(features), "model": plain(model), "training": plain(training), "seed": seed}
    with tracked(tracking if training.tracking.enabled else None) as run:
        if run:  # before anything that can fail: a run that crashes still says what it was
            run.log_params({"model": model, "training": training, "seed": seed, "features": features.title})
            run.log_document("settings", settings)
        network = build_model(model, features, load_scaling(scaling, features))
        loader = Loader(flat_paths, features, training)
        _compile(network, training)
        history, best = _fit(network, loader, training, seed, run)
        metrics = _figures(history, best) | {
            "entries": loader.counts,
            "parameters": network.count_params(),
            "wall_s": round(time.perf_counter() - start, 2),
        }
        result = TrainingResult(history, metrics, run.ids() if run else {})
        _write(network, result, settings, out_dir)
        _check_reload(network, loader, out_dir)
        if run:
            kept = {f"best_{name}": value for name, value in _figures(history, best).items() if name != "best_epoch"}
            sizes = {name: metrics[name] for name in ("best_epoch", "parameters")}
            run.log_summary(kept | sizes, int(metrics["best_epoch"]))
            run.deliver(out_dir)
    return result


def _figures(history: Mapping[str, list[float]], best: int) -> dict[str, Any]:
    """The figures of the kept epoch."""
    kept = {name: values[best] for name, values in history.items() if name not in {"epoch", "wall_s"}}
    return {"best_epoch": history["epoch"][best], **kept}


def _compile(network: Any, config: TrainingConfig) -> None:
    network.compile(
        optimizer=make_optimizer(config),
        loss=make_loss(config.loss, config.scale_factors),
        weighted_metrics=["categorical_accuracy"],
        jit_compile=config.jit_compile,
    )
    network.optimizer.build(network.trainable_variables)  # else the step is built twice


def _fit(
    network: Any, loader: Loader, config: TrainingConfig, seed: int, run: Run | None
) -> tuple[dict[str, list[float]], int]:
    """All epochs; the network ends with the weights of the best one, whose position is returned."""
    history: dict[str, list[float]] = {}
    best, weights = -1, network.get_weights()
    for epoch in range(1, config.epochs + 1):
        start = time.perf_counter()
        figures = _epoch(network, loader, config, epoch, seed)
        figures |= _validate(network, loader, config)
        figures["wall_s"] = round(time.perf_counter() - start, 3)
        for name, value in {"epoch": epoch, **figures}.items():
            history.setdefault(name, []).append(value)
        log.info("epoch %d: %s", epoch, ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
        if run:
            run.log_metrics(figures, epoch)
        if best < 0 or figures["val_loss"] < history["val_loss"][best]:
            best, weights = epoch - 1, network.get_weights()
        elif config.patience and epoch - 1 - best >= config.patience:
            log.info("no better validation loss for %d epochs: stopping", config.patience)
            break
    network.set_weights(weights)
    return history, best


def _epoch(network: Any, loader: Loader, config: TrainingConfig, epoch: int, seed: int) -> dict[str, float]:
    """One pass over the training sample; means over its steps, and the last learning rate."""
    label, rate = f"epoch {epoch}/{config.epochs}", 0.0
    losses, accuracies = [], []
    batches = loader.train_batches(seed, epoch)
    for step, batch in enumerate(progress(batches, total=loader.steps, label=label, unit="batch")):
        rate = learning_rate(config, (epoch - 1) * loader.steps + step, config.epochs * loader.steps)
        network.optimizer.learning_rate = rate
        figures = network.train_on_batch(batch.inputs, batch.target, batch.weight, return_dict=True)
        losses.append(float(figures["loss"]))
        accuracies.append(float(figures["categorical_accuracy"]))
        if not math.isfinite(losses[-1]):
            raise InputError(
                f"the loss became {losses[-1]} in {label}, step {step + 1}: lower the learning rate "
                "(training.learning_rate), or look for extreme values in the features"
            )
    loss = float(np.sum(losses)) * loader.batch_size / loader.entries  # the last batch is filled up with weights of 0
    return {"loss": loss, "accuracy": float(np.mean(accuracies)), "learning_rate": rate}


def _validate(network: Any, loader: Loader, config: TrainingConfig) -> dict[str, float]:
    from keras import ops

    loss = make_loss(config.loss, config.scale_factors)
    outputs, targets, weights = [], [], []
    for batch in loader.validation_batches():
        outputs.append(np.asarray(network.predict_on_batch(batch.inputs)))
        targets.append(batch.target)
        weights.append(batch.weight)
    p, y, w = np.concatenate(outputs), np.concatenate(targets), np.concatenate(weights)
    per_row = ops.convert_to_numpy(loss(ops.convert_to_tensor(y), ops.convert_to_tensor(p)))
    accuracy = np.average(p.argmax(axis=1) == y.argmax(axis=1), weights=w)
    aucs = {f"val_{name}": value for name, value in discriminator_aucs(p, y).items()}
    return {"val_loss": float((per_row * w).mean()), "val_accuracy": float(accuracy), **aucs}


def _write(network: Any, result: TrainingResult, settings: Mapping[str, Any], out_dir: Path) -> None:
    import keras

    bare = keras.Model(network.inputs, network.outputs, name=network.name)  # without optimizer and loss
    with warnings.catch_warnings():
        # TensorFlow 2.20 variables predate the copy keyword of numpy 2; Keras asks them for arrays.
        warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy keyword")
        bare.save(out_dir / MODEL_FILE)
    versions = {"keras": keras.__version__, "backend": keras.backend.backend(), "numpy": np.__version__}
    contents: dict[str, Any] = {
        HISTORY_FILE: result.history,
        METRICS_FILE: result.metrics,
        RUN_FILE: {"mlflow": result.run, **settings, "versions": versions},
    }
    for name, content in contents.items():
        (out_dir / name).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _check_reload(network: Any, loader: Loader, out_dir: Path) -> None:
    """The file on disk must predict what the network in memory predicts."""
    inputs = next(iter(loader.validation_batches())).inputs
    reloaded = load_network(out_dir).predict_batch(inputs)
    if not np.allclose(reloaded, np.asarray(network.predict_on_batch(inputs)), rtol=1e-4, atol=1e-5):
        raise InputError(f"{out_dir / MODEL_FILE}: the saved network does not predict what the fitted one does")
