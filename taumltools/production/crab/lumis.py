"""Runs and luminosity sections: what CRAB was given, what it processed, what is left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from taumltools.errors import InputError

Sections = frozenset[tuple[int, int]]
"""Luminosity sections, each as run and number."""


def from_mask(mask: Mapping[str, Any], where: str = "lumi mask") -> Sections:
    """Sections of a lumi mask.

    Args:
        mask: ranges ``[first, last]`` by run, as in the JSON files of CMS.
        where: for messages.

    Returns:
        The sections.

    Raises:
        InputError: it is no lumi mask.

    Examples:
        >>> sorted(from_mask({"1": [[1, 2], [5, 5]]}))
        [(1, 1), (1, 2), (1, 5)]
    """
    try:
        return frozenset(
            (int(run), number)
            for run, ranges in mask.items()
            for first, last in ranges
            for number in range(int(first), int(last) + 1)
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{where}: expected runs with lists of [first, last], found something else ({error})"
        ) from error


def to_mask(sections: Iterable[tuple[int, int]]) -> dict[str, list[list[int]]]:
    """The lumi mask of some sections.

    Args:
        sections: run and number each.

    Returns:
        The shortest ranges by run.

    Examples:
        >>> to_mask({(1, 1), (1, 2), (1, 5), (2, 7)})
        {'1': [[1, 2], [5, 5]], '2': [[7, 7]]}
    """
    mask: dict[str, list[list[int]]] = {}
    for run, number in sorted(sections):
        ranges = mask.setdefault(str(run), [])
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return mask


def read_mask(path: Path) -> Sections:
    """Read a lumi mask; a file that is not there has no sections, since CRAB writes none that is empty.

    Args:
        path: the JSON file.

    Returns:
        Its sections.

    Raises:
        InputError: it cannot be read.
    """
    if not path.exists():
        return frozenset()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a lumi mask ({error})") from error
    return from_mask(content, str(path))
