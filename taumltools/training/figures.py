"""Figures of one pass over a sample, summed up while it goes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from taumltools.training.metrics import row_values
from taumltools.training.points import ScoreHistograms

BLOCK = 16_384
"""Rows whose losses are computed together; one at a time they would cost more than the training step of a small network."""

ACCURACY = "accuracy"


class Figures:
    """Means of losses and of the accuracy, with and without weights.

    Args:
        loss: the loss that is minimised, a key of :data:`taumltools.training.metrics.METRICS`.
        names: further ones that are followed.
        factors: importance of e, mu, tau, jet.
        points: thresholds of the working-point losses.
        scores: fill histograms of the scores with what passes, if given.

    Attributes:
        scores: these histograms.
    """

    def __init__(
        self,
        loss: str,
        names: Sequence[str],
        factors: Sequence[float],
        points: Mapping[str, np.ndarray],
        scores: ScoreHistograms | None = None,
    ) -> None:
        self._names = list(dict.fromkeys([loss, *names]))
        self._followed = list(dict.fromkeys(names))
        self._factors, self._points, self.scores = factors, points, scores
        self._sums = np.zeros((len(self._names) + 1, 2))
        self._totals = np.zeros(3)  # rows, rows with a weight, sum of weights
        self._waiting: list[tuple[np.ndarray, ...]] = []
        self._rows_waiting = 0

    def add(self, target: np.ndarray, prediction: np.ndarray, weight: np.ndarray) -> None:
        """Count one batch.

        Args:
            target: one-hot truth, shape (n, 4); rows without are not counted.
            prediction: probabilities, shape (n, 4).
            weight: shape (n,); means without weights leave out rows of weight 0.
        """
        self._waiting.append((target, np.asarray(prediction, np.float32), weight))
        self._rows_waiting += len(target)
        if self._rows_waiting >= BLOCK:
            self._flush()

    def result(self) -> dict[str, float]:
        """All figures: ``pure_loss`` (sum of weighted losses over number of rows), ``<name>`` and ``weighted_<name>``."""
        self._flush()
        rows, counting, weight = self._totals
        plain, weighted = self._sums[:, 0] / (counting or np.nan), self._sums[:, 1] / (weight or np.nan)
        figures = {"pure_loss": float(self._sums[0, 1] / (rows or np.nan))}
        for name in (ACCURACY, *self._followed):
            i = len(self._names) if name == ACCURACY else self._names.index(name)
            figures |= {name: float(plain[i]), f"weighted_{name}": float(weighted[i])}
        return figures

    def state(self) -> dict[str, np.ndarray]:
        """Everything that was counted, as arrays; :meth:`restore` takes it back."""
        parts = [np.concatenate(part) for part in zip(*self._waiting, strict=True)]
        waiting = dict(zip(("target", "prediction", "weight"), parts, strict=False))
        scores = {"scores": self.scores.sums} if self.scores else {}
        return {"sums": self._sums, "totals": self._totals, **scores, **waiting}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state.

        Args:
            state: of :meth:`state`.
        """
        self._sums, self._totals = np.array(state["sums"]), np.array(state["totals"])
        if self.scores:
            self.scores.sums = np.array(state["scores"])
        if "target" in state:
            self._waiting = [(state["target"], state["prediction"], state["weight"])]
            self._rows_waiting = len(state["target"])

    def _flush(self) -> None:
        if not self._waiting:
            return
        y, p, w = (np.concatenate(part) for part in zip(*self._waiting, strict=True))
        self._waiting, self._rows_waiting = [], 0
        known = y.sum(axis=1) > 0
        y, p, w = y[known], p[known], w[known].astype(np.float64)
        values: Any = row_values(self._names, y, p, self._factors, self._points)
        values = np.concatenate([values, [p.argmax(axis=1) == y.argmax(axis=1)]])
        counting = w != 0
        self._sums += np.stack([values[:, counting].sum(axis=1), values @ w], axis=1)
        self._totals += (len(y), counting.sum(), w.sum())
        if self.scores:
            self.scores.add(y, p, w)
