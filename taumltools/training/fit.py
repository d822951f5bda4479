"""Fit a network to flat tuples."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.config.identity import plain
from taumltools.config.model import ModelConfig
from taumltools.config.training import TrainingConfig, check_adversarial
from taumltools.errors import InputError
from taumltools.features.scaling import load_scaling
from taumltools.training.assemble import make_fit, make_loader
from taumltools.training.checkpoint import Checkpoints
from taumltools.training.continuation import begin_with
from taumltools.training.devices import Devices, computing
from taumltools.training.fit_loop import Fit
from taumltools.training.loader import Loader
from taumltools.training.loader_adversarial import AdversarialLoader
from taumltools.training.losses import uses_working_points
from taumltools.training.models import MODELS, build_model
from taumltools.training.network import MODEL_FILE, load_network
from taumltools.training.preparation import RUN_FILE
from taumltools.training.tracking import Run, RunDescription, tracked

log = logging.getLogger(__name__)

HISTORY_FILE = "history.json"
METRICS_FILE = "metrics.json"
SNAPSHOTS = "snapshots"


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
    control: Mapping[str, Sequence[Path]] | None = None,
    tracking: RunDescription | None = None,
    checkpoints: Checkpoints | None = None,
    devices: Devices | None = None,
) -> TrainingResult:
    """Fit a network and write it.

    Writes ``model.keras`` (weights of the best epoch), ``history.json``, ``metrics.json`` and ``run.json``,
    snapshots if they are asked for, and with tracking the log of the run.  If there are checkpoints of the
    same fit, it goes on from the last one; the caller removes them when the result is safe.

    Args:
        flat_paths: flat tuples of the training sample.
        scaling: constants of all features, of :func:`taumltools.features.scaling.make_scaling` or ``load_scaling``.
        features: what the network sees.
        model: which network.
        training: how it is fitted.
        out_dir: directory to write to; made if it does not exist.
        seed: of everything random in the fit.
        control: of domain adaptation, flat tuples of the control region by name of the sample; None: the files that the
            settings name.
        tracking: what the run is and where its log goes; None: no log.
        checkpoints: where the state of the fit is kept for the case that it is killed; None: nowhere.
        devices: what the fit may use; None: whatever the backend takes.

    Returns:
        History, figures and mlflow identities.

    Raises:
        ConfigError: devices or the network do not allow it.
        InputError: a file or the scaling does not fit the features.
        FitError: the loss became NaN.
    """
    import keras

    start = time.perf_counter()
    check_adversarial(model, training)
    devices = devices or Devices()
    devices.apply()
    rows = training.batch_size + (training.adversarial.rows if training.adversarial else 0)
    shared = devices.distribution(rows, MODELS[model.name].form if model.name in MODELS else "sets")
    out_dir.mkdir(parents=True, exist_ok=True)
    snapshots = (checkpoints.folder if checkpoints else out_dir) / SNAPSHOTS
    settings = {"features": plain(features), "model": plain(model), "training": plain(training), "seed": seed}
    with (
        tracked(tracking if training.tracking.enabled else None) as run,
        computing(training.precision, deterministic=training.deterministic, distribution=shared),
    ):
        keras.utils.set_random_seed(seed % 2**32)
        if run:  # before anything that can fail: a run that crashes still says what it was
            run.log_params({"model": model, "training": training, "seed": seed, "features": features.title})
            run.log_document("settings", settings)
        network = build_model(model, features, load_scaling(scaling, features))
        if training.start_from:
            begin_with(network, Path(training.start_from))
        loader = make_loader(flat_paths, features, training, MODELS[model.name].form, control)
        fit = make_fit(
            network,
            loader,
            training,
            seed,
            checkpoints=checkpoints,
            fingerprint=_fingerprint(settings, scaling, loader, seed),
            report=run.log_metrics if run else None,
            snapshots=snapshots,
        )
        fit.run()
        if snapshots.parent != out_dir and snapshots.is_dir():
            shutil.copytree(snapshots, out_dir / SNAPSHOTS)
        result = _delivered(fit, run, settings, out_dir, start)
    return result


def _delivered(fit: Fit, run: Run | None, settings: Mapping[str, Any], out_dir: Path, start: float) -> TrainingResult:
    """Write the fitted network, read it back, and tell the log of the run."""
    figures = _figures(fit.history, fit.best)
    spent = fit.earlier_s + time.perf_counter() - start
    metrics = figures | _numbers(fit) | {"wall_s": round(spent, 2)}
    result = TrainingResult(fit.history, metrics, run.ids() if run else {})
    network = fit.model.network
    _write(network, result, settings, out_dir)
    _check_reload(fit, out_dir)
    if run:
        kept = {f"best_{name}": value for name, value in figures.items() if name != "best_epoch"}
        sizes = {name: metrics[name] for name in ("best_epoch", "parameters")}
        run.log_summary(kept | sizes, int(metrics["best_epoch"]))
        run.deliver(out_dir)
    return result


def _figures(history: Mapping[str, list[float]], best: int) -> dict[str, Any]:
    """The figures of the kept epoch."""
    kept = {name: values[best] for name, values in history.items() if name not in {"epoch", "wall_s"}}
    return {"best_epoch": history["epoch"][best], **kept}


def _numbers(fit: Fit) -> dict[str, Any]:
    """What is known of the whole fit."""
    from taumltools.training.fit_model import classifier

    known = {"entries": fit.loader.counts, "parameters": classifier(fit.model.network).count_params()}
    if isinstance(fit.loader, AdversarialLoader):
        known["control_entries"] = fit.loader.control.counts
    if not uses_working_points(fit.config.loss):
        return known
    return known | {"working_points": {name: t.tolist() for name, t in fit.model.get_points().items()}}


def _fingerprint(settings: Mapping[str, Any], scaling: Mapping[str, Any], loader: Loader, seed: int) -> str:
    """What a checkpoint must agree with: settings, constants, sample, backend."""
    import keras

    parts = [settings, plain(scaling), loader.state(seed, 0, 0).as_dict(), keras.backend.backend()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=float).encode()).hexdigest()[:16]


def _write(network: Any, result: TrainingResult, settings: Mapping[str, Any], out_dir: Path) -> None:
    import keras

    from taumltools.training.fit_model import save_network

    save_network(network, out_dir / MODEL_FILE)
    versions = {"keras": keras.__version__, "backend": keras.backend.backend(), "numpy": np.__version__}
    contents: dict[str, Any] = {
        HISTORY_FILE: result.history,
        METRICS_FILE: result.metrics,
        RUN_FILE: {"mlflow": result.run, **settings, "versions": versions},
    }
    for name, content in contents.items():
        (out_dir / name).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _check_reload(fit: Fit, out_dir: Path) -> None:
    """The file on disk must predict what the network in memory predicts."""
    inputs = next(iter(fit.loader.validation_batches())).inputs
    reloaded = load_network(out_dir).predict_batch(inputs)
    if not np.allclose(reloaded, fit.model.outputs_of(inputs)[0], rtol=1e-4, atol=1e-5):
        raise InputError(f"{out_dir / MODEL_FILE}: the saved network does not predict what the fitted one does")
