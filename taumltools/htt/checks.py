"""Values that are refused: NaN and infinities, with the names of what has them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from taumltools.errors import InputError


def refuse_not_finite(columns: Mapping[str, np.ndarray], where: str, entries: np.ndarray | None = None) -> None:
    """Refuse columns with NaN or infinite values.

    Args:
        columns: by name, shape (n,) each; whole numbers are finite.
        where: what they are, for the message.
        entries: number of each event, shape (n,); without them rows are counted from 0.

    Raises:
        InputError: names every such column, how many values are bad, and the first event that has one.

    Examples:
        >>> refuse_not_finite({"m_sv": np.array([1.0, np.nan, np.inf])}, "ggH.root")
        Traceback (most recent call last):
        taumltools.errors.InputError: ggH.root: m_sv has 1 NaN and 1 infinite value (first: event 1); ...
    """
    bad = []
    for name, values in columns.items():
        if values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        nan, first = int(np.isnan(values).sum()), int(np.flatnonzero(~np.isfinite(values))[0])
        infinite = int(np.isinf(values).sum())
        number = first if entries is None else int(entries[first])
        bad.append(f"{name} has {nan} NaN and {infinite} infinite value{'s' * (infinite != 1)} (first: event {number})")
    if bad:
        raise InputError(
            f"{where}: {'; '.join(bad)}; give what is not defined a number when the ntuples are made (-10 is usual), "
            "or cut these events away"
        )
