"""What features matter to a classifier: by permutation for every model, by SHAP values for trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from taumltools.config.htt import HttConfig
from taumltools.htt.predict import Ensemble
from taumltools.htt.table import EventTable
from taumltools.htt.train import targets
from taumltools.htt.weights import class_imbalance

CLIP = 1e-7
"""Probabilities below count as this one in the loss."""


def feature_importance(events: EventTable, ensemble: Ensemble, config: HttConfig, seed: int = 0) -> dict[str, Any]:
    """How much each feature matters, on events that the models have not seen.

    Args:
        events: a sample with features, ``target``, ``run``, ``evt`` and what folds are made of.
        ensemble: models of all folds.
        config: most events per fold, repetitions.
        seed: of the choice of events and of permutations.

    Returns:
        ``features``; ``permutation``: rise of the loss (mean negative log-likelihood, classes count the same) when a
        feature is permuted among the events, mean over folds and repetitions, and ``permutation_error``, the standard
        deviation of these; ``shap``: mean absolute SHAP value by class and feature, in units of the raw score, empty if
        the models are no trees.
    """
    rng = np.random.default_rng(seed)
    fold = ensemble.fold(events)
    rises, shap = [], []
    targets_of_all = targets(events["target"], config)
    weights = class_imbalance(targets_of_all, len(config.trained_classes())).astype(np.float64)
    for number, model in enumerate(ensemble.models):
        rows = np.flatnonzero(fold == number)
        rows = np.sort(rng.permutation(rows)[: config.evaluation.importance_events])
        part = events.take(rows)
        inputs = part.matrix(model.description.features)
        target, weight = targets_of_all[rows], weights[rows]
        rises += permutation_rises(
            model.predict_matrix, inputs, target, weight, config.evaluation.importance_repeats, rng
        )
        if model.description.kind == "boosting":
            shap.append(mean_shap(model, inputs, weight))
    return {
        "features": list(ensemble.models[0].description.features),
        "permutation": np.round(np.mean(rises, axis=0), 7).tolist(),
        "permutation_error": np.round(np.std(rises, axis=0), 7).tolist(),
        "shap": np.round(np.mean(shap, axis=0), 7).tolist() if shap else [],
    }


def permutation_rises(
    predict: Any, inputs: np.ndarray, target: np.ndarray, weight: np.ndarray, repeats: int, rng: np.random.Generator
) -> list[list[float]]:
    """By how much the loss rises when each feature is permuted.

    Args:
        predict: probabilities of features side by side.
        inputs: features, shape (n, m).
        target: class, shape (n,).
        weight: of the events, shape (n,).
        repeats: how often each is permuted.
        rng: random numbers.

    Returns:
        ``repeats`` lists of m numbers.
    """
    before = log_loss(predict(inputs), target, weight)
    rises = []
    for _ in range(repeats):
        order = rng.permutation(len(inputs))
        row = []
        for i in range(inputs.shape[1]):
            moved = inputs.copy()
            moved[:, i] = inputs[order, i]
            row.append(log_loss(predict(moved), target, weight) - before)
        rises.append(row)
    return rises


def log_loss(scores: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    """Weighted mean of minus the logarithm of the probability of the true class.

    Args:
        scores: probabilities, shape (n, classes).
        target: true class, shape (n,).
        weight: shape (n,).

    Examples:
        >>> round(log_loss(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]), np.array([1.0, 1.0])), 4)
        0.3466
    """
    right = scores[np.arange(len(target)), target].astype(np.float64)
    return float(np.average(-np.log(np.maximum(right, CLIP)), weights=weight))


def mean_shap(model: Any, inputs: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean absolute SHAP values of trees, exact, by LightGBM's own implementation.

    Args:
        model: an :class:`taumltools.htt.model.EventModel` of trees.
        inputs: features, shape (n, m).
        weight: of the events, shape (n,).

    Returns:
        Shape (classes, m); the two classes of a binary model have the same values.

    References:
        Lundberg et al., Nature Machine Intelligence 2, 56 (2020).
    """
    found = model.fitted.predict(inputs, pred_contrib=True, num_iteration=model.description.best or None, num_threads=1)
    blocks = np.asarray(found).reshape(len(inputs), -1, inputs.shape[1] + 1)[
        :, :, :-1
    ]  # the last one is the expectation
    means = np.average(np.abs(blocks), axis=0, weights=weight)
    return np.repeat(means, len(model.description.classes), axis=0) if len(means) == 1 else means
