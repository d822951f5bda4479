"""How well the second head tells data from simulation in the validation part of a control region."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from taumltools.config.adversarial import ControlSample
from taumltools.training.batches import Inputs
from taumltools.training.control import ControlRegion
from taumltools.training.losses import EPSILON
from taumltools.training.metrics import auc

Scored = tuple[ControlSample, np.ndarray]
"""A sample and the probability of data of its entries."""


def control_figures(region: ControlRegion, score: Callable[[Inputs], np.ndarray]) -> dict[str, float]:
    """Figures of the second head.

    Args:
        region: the control region.
        score: gives the probability of data, shape (n,), of a batch.

    Returns:
        ``adv_loss``, ``adv_accuracy`` and ``adv_auc``, see :func:`figures_of`.
    """
    return figures_of(
        [(sample, np.concatenate([score(x) for x in batches])) for sample, batches in region.validation()]
    )


def figures_of(scored: Sequence[Scored]) -> dict[str, float]:
    """Figures of a mixture of samples, each counted as often as it has rows in a batch, however many entries it has.

    Args:
        scored: the samples with their scores, shape (n,), 0 to 1.

    Returns:
        ``adv_loss``: mean of weight times binary cross entropy; ``adv_accuracy``: share of rows on the right side of
        0.5, without weights, as in training; ``adv_auc``: how often a row of data scores higher than one of
        simulation, with weights; 0.5 if they cannot be told apart.

    Examples:
        >>> data, simulation = (ControlSample(data=kind, files=("a",), rows=1) for kind in (True, False))
        >>> figures_of([(data, np.array([0.9, 0.4])), (simulation, np.array([0.1, 0.2]))])["adv_accuracy"]
        0.75
    """
    rows = np.array([sample.rows for sample, _ in scored], np.float64)
    losses = np.array([sample.weight * _cross_entropy(sample, q).mean() for sample, q in scored])
    right = np.array([((q > 0.5) == sample.data).mean() for sample, q in scored])
    area = total = 0.0
    for data, of_data in scored:
        for simulation, of_simulation in scored:
            if data.data and not simulation.data:
                share = data.rows * data.weight * simulation.rows * simulation.weight
                signal = np.arange(len(of_data) + len(of_simulation)) < len(of_data)
                area += share * auc(np.concatenate([of_data, of_simulation]), signal)
                total += share
    return {
        "adv_loss": float(rows @ losses / rows.sum()),
        "adv_accuracy": float(rows @ right / rows.sum()),
        "adv_auc": area / total,
    }


def _cross_entropy(sample: ControlSample, q: np.ndarray) -> np.ndarray:
    clipped = np.clip(q.astype(np.float64), EPSILON, 1.0 - EPSILON)
    return -np.log(clipped if sample.data else 1.0 - clipped)
