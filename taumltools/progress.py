"""Progress bars for long work: visible in a terminal, silent everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], *, total: int | None = None, label: str = "", unit: str = "it") -> Iterator[T]:
    """Iterate over ``items`` and show a bar on standard error if that is a terminal.

    Args:
        items: what to iterate over.
        total: number of items, for iterables without ``len``.
        label: text in front of the bar, e.g. ``"ztautau: simulating"``.
        unit: what one item is, e.g. ``"batch"``.

    Returns:
        An iterator over the unchanged items.

    Examples:
        >>> list(progress([1, 2, 3], label="counting"))
        [1, 2, 3]
    """
    if not sys.stderr.isatty():
        return iter(items)
    from tqdm import tqdm

    return iter(tqdm(items, total=total, desc=label, unit=unit, leave=False, dynamic_ncols=True))
