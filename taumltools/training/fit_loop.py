"""The epochs of a fit: steps, validation, the best epoch, checkpoints."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.training import TrainingConfig
from taumltools.errors import FitError
from taumltools.progress import progress
from taumltools.training.checkpoint import Checkpoint, Checkpoints
from taumltools.training.control_figures import control_figures
from taumltools.training.diagnosis import suspects
from taumltools.training.figures import Figures
from taumltools.training.fit_model import FitModel, save_network, set_variables, variables_of, weights_of
from taumltools.training.loader import Loader
from taumltools.training.loader_adversarial import AdversarialLoader
from taumltools.training.losses import TAU, uses_working_points
from taumltools.training.metrics import discriminator_aucs
from taumltools.training.optimizer import learning_rate
from taumltools.training.points import ScoreHistograms, next_points

log = logging.getLogger(__name__)

History = dict[str, list[float]]
"""Figures per epoch: ``{"epoch": [...], "loss": [...], "val_loss": [...], ...}``."""


class Fit:
    """A fit in progress; it can be stopped at any step and go on from its last checkpoint.

    Args:
        model: network, loss and optimizer.
        loader: the samples.
        config: how it is fitted.
        seed: decides the order of entries.
        checkpoints: where the state is kept; None: nowhere.
        fingerprint: what identifies the fit, so that it does not go on from another one.
        report: called after each epoch with its figures and its number.
        snapshots: folder for the networks of every so many epochs.

    Attributes:
        history: figures of the epochs that are done.
        best: position of the best one in the history, -1 if none is done.
        earlier_s: seconds that interrupted attempts spent in the steps which this one does not repeat.
    """

    def __init__(
        self,
        model: FitModel,
        loader: Loader,
        config: TrainingConfig,
        seed: int,
        *,
        checkpoints: Checkpoints | None = None,
        fingerprint: str = "",
        report: Callable[[dict[str, float], int], None] | None = None,
        snapshots: Path | None = None,
    ) -> None:
        self.model, self.loader, self.config, self.seed = model, loader, config, seed
        self.history: History = {}
        self.best = -1
        self.earlier_s = 0.0
        self._checkpoints, self._fingerprint = checkpoints, fingerprint
        self._report, self._snapshots = report, snapshots
        self._best_weights: list[np.ndarray] = []
        self._step = 0
        self._sums, self._before = dict.fromkeys(model.followed, 0.0), 0.0
        self._figures = self._new_figures()

    @property
    def done(self) -> int:
        """Epochs that are done."""
        return len(self.history.get("epoch", []))

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or there was none better for too long."""
        stale = self.done - 1 - self.best if self.best >= 0 else 0
        return self.done >= self.config.epochs or 0 < self.config.patience <= stale

    def run(self) -> None:
        """Do all epochs that are left; the network ends with the weights that the settings ask for.

        Raises:
            FitError: the loss became NaN or infinite.
        """
        self.resume()
        while not self.finished:
            self._epoch()
        if self.done < self.config.epochs:
            log.info(
                "no better %s for %d epochs: stopping",
                self.config.monitor.replace("val_loss", "validation loss"),
                self.config.patience,
            )
        if self.config.keep == "best":
            self.model.network.set_weights(self._best_weights)
        else:
            self.best = self.done - 1

    # ------------------------------------------------------------------ one epoch

    def _epoch(self) -> None:
        start, epoch = time.perf_counter() - self._before, self.done + 1
        rate = self._steps(epoch, start)
        figures = self._train_figures() | {"learning_rate": rate}
        figures |= self.validate()
        figures["wall_s"] = round(time.perf_counter() - start, 3)
        for name, value in {"epoch": epoch, **figures}.items():
            self.history.setdefault(name, []).append(value)
        log.info("epoch %d: %s", epoch, ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
        self._choose(epoch)
        self._move_points()
        self._step, self._sums, self._before = 0, dict.fromkeys(self.model.followed, 0.0), 0.0
        self._figures = self._new_figures()
        if self._report:
            self._report(figures, epoch)
        if self._snapshots and self.config.snapshots and epoch % self.config.snapshots == 0:
            self._snapshots.mkdir(parents=True, exist_ok=True)
            save_network(self.model.network, self._snapshots / f"epoch_{epoch:03d}.keras")
        self.save()

    def _steps(self, epoch: int, start: float) -> float:
        """The steps of one epoch that are left; returns the learning rate of the last one."""
        steps, rate = self.loader.steps, 0.0
        label = f"epoch {epoch}/{self.config.epochs}"
        batches = self.loader.train_batches(self.seed, epoch, self._step)
        for batch in progress(batches, total=steps - self._step, label=label, unit="batch"):
            rate = learning_rate(self.config, (epoch - 1) * steps + self._step, self.config.epochs * steps)
            self.model.optimizer.learning_rate = rate
            out = self.model.fit_batch(batch)
            self._step += 1
            if odd := [name for name in self.model.followed if not math.isfinite(out[name])]:
                raise FitError(
                    f"the {odd[0]} became {out[odd[0]]} in {label}, step {self._step}: "
                    f"{suspects(self.model.network, batch, self.loader.layout)}; lower the learning rate "
                    "(training.learning_rate), or look for extreme values in the features"
                )
            self._sums = {name: total + float(out[name]) for name, total in self._sums.items()}
            self._figures.add(batch.target, out["prediction"], batch.weight)
            if self._checkpoints and self._checkpoints.due() and self._step < steps:
                self._before = time.perf_counter() - start
                self.save()
        return rate

    def _train_figures(self) -> dict[str, float]:
        figures = self._figures.result()
        means = {name: total / self.loader.steps for name, total in self._sums.items()}
        loss = means.pop("loss")
        pure = figures.pop("pure_loss")
        parts = {"pure_loss": pure, "reg_loss": loss - pure} if self.model.network.losses else {}
        return {"loss": loss, **parts, **figures, **means}

    def validate(self) -> dict[str, float]:
        """Figures of the validation sample; ``val_loss`` is without what regularises weights."""
        figures = self._new_figures()
        outputs, targets = [], []
        for batch in self.loader.validation_batches():
            p = self.model.outputs_of(batch.inputs)[0]
            figures.add(batch.target, p, batch.weight)
            outputs.append(p)
            targets.append(batch.target.astype(bool))
        result = figures.result()
        loss = result.pop("pure_loss")
        if not math.isfinite(loss):
            raise FitError(
                f"the loss of the validation sample is {loss} after epoch {self.done + 1}: lower the learning rate "
                "(training.learning_rate), or look for extreme values in the features"
            )
        areas = discriminator_aucs(np.concatenate(outputs), np.concatenate(targets))
        if isinstance(self.loader, AdversarialLoader):
            areas |= control_figures(self.loader.control, lambda inputs: self.model.outputs_of(inputs)[1][:, 0])
        return {f"val_{name}": value for name, value in {"loss": loss, **result, **areas}.items()}

    def _choose(self, epoch: int) -> None:
        """Keep the weights if this epoch is the best so far."""
        values = self.history[self.config.monitor]
        if self.best < 0 or values[-1] < values[self.best] - self.config.min_delta:
            self.best = epoch - 1
            self._best_weights = weights_of(self.model.network)

    # ------------------------------------------------------------------ working points

    def _new_figures(self) -> Figures:
        config = self.config
        scores = ScoreHistograms() if uses_working_points(config.loss) else None
        return Figures(config.loss, config.metrics, config.scale_factors, self.model.get_points(), scores)

    def _move_points(self) -> None:
        """Thresholds of the next epoch, from the scores of this one."""
        scores = self._figures.scores
        if scores is None:
            return
        wanted = {name: getattr(self.config.working_points, name) for name in ("e", "mu", "jet")}
        points = next_points(scores, wanted, self.model.get_points())
        self.model.set_points(points)
        for name, thresholds in points.items():
            passing = scores.passing(name, thresholds, TAU)
            text = ", ".join(f"{t:.4f} ({e:.1%})" for t, e in zip(thresholds, passing, strict=True))
            log.info("thresholds against %s (efficiency of taus): %s", name, text)

    # ------------------------------------------------------------------ checkpoints

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        if not self._checkpoints:
            return
        meta = {
            "fingerprint": self._fingerprint,
            "history": self.history,
            "best": self.best,
            "step": self._step,
            "sums": self._sums,
            "elapsed_s": self._before,
        }
        arrays = {f"variable/{name}": value for name, value in variables_of(self.model).items()}
        arrays |= {f"figures/{name}": value for name, value in self._figures.state().items()}
        arrays |= {f"best/{i:04d}": value for i, value in enumerate(self._best_weights)}
        self._checkpoints.save(Checkpoint(meta, arrays))

    def resume(self) -> bool:
        """Go on from the last checkpoint; False if there is none."""
        found = self._checkpoints.load(self._fingerprint) if self._checkpoints else None
        if found is None:
            return False
        set_variables(self.model, found.part("variable/"))
        meta: Mapping[str, Any] = found.meta
        self.history, self.best = {k: list(v) for k, v in meta["history"].items()}, meta["best"]
        self._step, self._sums, self._before = meta["step"], dict(meta["sums"]), meta["elapsed_s"]
        self.earlier_s = sum(self.history.get("wall_s", [])) + self._before
        best = found.part("best/")
        self._best_weights = [best[name] for name in sorted(best)]
        self._figures = self._new_figures()
        self._figures.restore(found.part("figures/"))
        log.info("going on after %d epochs and %d steps, from a checkpoint", self.done, self._step)
        return True
