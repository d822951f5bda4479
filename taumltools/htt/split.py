"""Splits of events: training and test, folds of a file.  All rows of an event stay together."""

from __future__ import annotations

import numpy as np

from taumltools.eventhash import event_hash


def event_key(run: np.ndarray, evt: np.ndarray, salt: int = 0) -> np.ndarray:
    """A well-mixed number per event.

    Args:
        run: run numbers, shape (n,).
        evt: event numbers, shape (n,).
        salt: another one gives other, independent numbers.

    Returns:
        uint64, shape (n,); the same for all rows of an event.

    Examples:
        >>> one, keys = np.ones(3, np.uint32), event_key(np.ones(3, np.uint32), np.array([5, 6, 5]))
        >>> bool(keys[0] == keys[2]), bool(keys[0] == keys[1])
        (True, False)
    """
    return event_hash(run, np.full(len(evt), salt, np.uint64), evt)


def train_rows(target: np.ndarray, key: np.ndarray, train_size: float) -> np.ndarray:
    """Rows for training: the same share of every class, and no event on both sides.

    An event with rows in several classes counts for the rarest of them.  If no event has, the share of each class
    is exact up to rounding.

    Args:
        target: class, shape (n,).
        key: what events are told apart by, uint64, shape (n,); the order of keys decides.
        train_size: share, 0 to 1.

    Returns:
        bool, shape (n,).

    Examples:
        >>> train = train_rows(np.repeat([0, 1], [4, 8]), np.arange(12, dtype=np.uint64), 0.75)
        >>> int(train[:4].sum()), int(train[4:].sum())
        (3, 6)
    """
    _, group, owner = event_groups(target, key)
    chosen = np.zeros(len(owner), bool)
    for one in np.unique(owner):
        members = np.flatnonzero(owner == one)  # in the order of keys
        chosen[members[: round(train_size * len(members))]] = True
    return chosen[group]


def fold_rows(target: np.ndarray, key: np.ndarray, n_folds: int) -> np.ndarray:
    """The fold of each row of a file: folds have equal shares of each class, and no event is in two folds.

    Args:
        target: class, shape (n,).
        key: as for :func:`train_rows`.
        n_folds: how many.

    Returns:
        int64, shape (n,), 0 to ``n_folds`` - 1.
    """
    _, group, owner = event_groups(target, key)
    order = np.argsort(owner, kind="stable")  # class by class, in each in the order of keys
    fold = np.empty(len(owner), np.int64)
    fold[order] = np.arange(len(owner)) % n_folds
    return fold[group]


def event_groups(target: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events by key, and the class that each counts for: the rarest of its rows.

    Args:
        target: class, shape (n,).
        key: uint64, shape (n,).

    Returns:
        Sorted keys, shape (m,); event of each row, shape (n,); class of each event, shape (m,).
    """
    keys, group = np.unique(key, return_inverse=True)
    classes, index, counts = np.unique(target, return_inverse=True, return_counts=True)
    rank = np.empty(len(classes), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(classes))
    rarest = np.full(len(keys), len(classes), np.int64)
    np.minimum.at(rarest, group, rank[index])
    return keys, group, classes[np.argsort(rank)][rarest]
