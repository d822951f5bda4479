"""Values of a training sample that no network should be fitted to."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from taumltools.config.features import CELL_FEATURES
from taumltools.errors import InputError
from taumltools.training.batches import Samples

log = logging.getLogger(__name__)

CHUNK = 65_536
"""Rows looked at together."""


def undefined_fractions(samples: Samples, infinite: bool = False) -> dict[str, float]:
    """Fraction of undefined (NaN) values of each feature.

    Args:
        samples: what is looked at.
        infinite: accept infinite values.

    Returns:
        By ``<block>.<feature>``; blocks without any row are left out.

    Raises:
        InputError: a value is infinite; all such features are named, with the number of values.
    """
    fractions: dict[str, float] = {}
    endless: dict[str, int] = {}
    for block, names, rows in _matrices(samples):
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        undefined = sum(np.isnan(chunk).sum(axis=0) for chunk in chunks)
        numbers = sum(np.isinf(chunk).sum(axis=0) for chunk in chunks)
        fractions |= {f"{block}.{name}": float(n) / len(rows) for name, n in zip(names, undefined, strict=True)}
        endless |= {f"{block}.{name}": int(n) for name, n in zip(names, numbers, strict=True) if n}
    if endless and not infinite:
        raise InputError(
            f"infinite values, by feature: {endless}; exclude the case with the feature's 'valid', and make the flat "
            "tuples again"
        )
    return fractions


def check_values(samples: Samples, infinite: bool = False) -> None:
    """Refuse infinite values, and report features that never are defined.

    Args:
        samples: what is looked at.
        infinite: accept infinite values, which the limits of the scaling cut.

    Raises:
        InputError: a value is infinite.
    """
    fractions = undefined_fractions(samples, infinite)
    never = [name for name, fraction in fractions.items() if fraction == 1]
    if never:
        log.info("never defined in this sample, and so constant for the network: %s", ", ".join(never))


def _matrices(samples: Samples) -> Iterator[tuple[str, tuple[str, ...], np.ndarray]]:
    layout = samples.layout
    found = [("taus", layout.taus, samples.taus), (CELL_FEATURES, layout.cell_features, samples.cell_features)]
    found += [(name, names, samples.objects[name].rows) for name, names in layout.objects.items()]
    return (one for one in found if len(one[2]) and one[1])
