"""Cross-validation by event number: which fold an event is in, and which events a model may be fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.config.htt_training import EventTrainingConfig
from taumltools.errors import InputError
from taumltools.htt.split import event_key
from taumltools.htt.table import EventTable

VALIDATION_SALT = 0x7A11
"""So that the validation part is independent of the split into training and test."""

TOLERANCE = 0.05
"""Largest accepted spread of the sizes of folds, relative to their mean."""


@dataclass(frozen=True)
class FoldRows:
    """Rows of the training sample as one fold uses them.

    Attributes:
        train: rows the model is fitted to.
        validation: rows that say when to stop.
        held_out: rows of the fold, which the model will score.
    """

    train: np.ndarray
    validation: np.ndarray
    held_out: np.ndarray


def fold_of(number: np.ndarray, n_splits: int) -> np.ndarray:
    """The fold of each event: its number modulo the number of folds.

    Args:
        number: whole numbers, e.g. event numbers, shape (n,).
        n_splits: how many folds.

    Returns:
        int64, shape (n,).

    Examples:
        >>> fold_of(np.array([7, 8, 9], np.uint64), 2).tolist()
        [1, 0, 1]
    """
    if number.dtype.kind == "f":
        if not (number == np.round(number)).all():
            raise InputError(
                "the number that folds are made of is not whole; choose another htt.training.split_feature"
            )
        number = number.astype(np.int64)
    return (number % number.dtype.type(n_splits)).astype(np.int64)


def refuse_uneven(fold: np.ndarray, n_splits: int, feature: str) -> None:
    """Refuse folds of very different size.

    Args:
        fold: of each event, shape (n,).
        n_splits: how many folds.
        feature: what they are made of, for the message.

    Raises:
        InputError: the standard deviation of their sizes is more than 5% of the mean, and more than chance explains.
    """
    counts = np.bincount(fold, minlength=n_splits)
    allowed = max(TOLERANCE, 3 / np.sqrt(max(counts.mean(), 1)))
    if counts.min() == 0 or counts.std() > allowed * counts.mean():
        raise InputError(
            f"folds by {feature} modulo {n_splits} have {counts.tolist()} events, too uneven to train on: choose another "
            "htt.training.n_splits or split_feature"
        )


def rows_of_fold(events: EventTable, config: EventTrainingConfig, number: int) -> FoldRows:
    """Which events the model of a fold is fitted to, and which it is not.

    Args:
        events: the training sample, with ``run``, ``evt`` and the feature that folds are made of.
        config: folds and validation.
        number: of the fold.

    Returns:
        Positions of rows; none is in both ``train`` and ``held_out``.

    Raises:
        InputError: folds are uneven, or one of the parts is empty.
    """
    fold = fold_of(events[config.split_feature], config.n_splits)
    refuse_uneven(fold, config.n_splits, config.split_feature)
    held_out = fold == number
    if config.validation == "fold":
        parts = FoldRows(*map(np.flatnonzero, (~held_out, held_out, held_out)))
    else:
        key = event_key(events["run"], events["evt"], VALIDATION_SALT)
        validation = ~held_out & (key < np.uint64(config.validation_fraction * 2.0**64))
        parts = FoldRows(*map(np.flatnonzero, (~held_out & ~validation, validation, held_out)))
    for name in ("train", "validation", "held_out"):
        if not len(getattr(parts, name)):
            raise InputError(f"fold {number}: no events for '{name}' among {len(events)}; add events")
    return parts
