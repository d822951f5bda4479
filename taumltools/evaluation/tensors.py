"""Input tensors of chosen candidates as JSON, in the layout in which the CMS software dumps its own.

A file is an object with a list per input: ``input_tau`` [features], ``input_<grid>_<component>``
[eta][phi][features], scaled values, zeros in empty cells.  Networks on sets have their raw values instead: ``taus`` and
``<block>`` [objects][features], null where a value is not defined.  Files of this project say in addition of
which candidate they are, and the names of features.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.sources import PLACE, open_source, steps
from taumltools.features.table import FlatTuples
from taumltools.training.batches import Samples
from taumltools.training.preparation import Preparation

FEATURES = "features"
"""Key of the names of features."""

CANDIDATE = "candidate"
"""Key of what says which candidate it is."""

IDENTITY = ("run", "lumi", "evt", "tau_index")
"""What a file says of its candidate."""

STEP = 200_000
"""Entries that are looked through at a time."""


def input_tensors(flat: FlatTuples, preparation: Preparation) -> dict[str, np.ndarray]:
    """The inputs of a network for one candidate.

    Args:
        flat: one entry.
        preparation: what the network takes.

    Returns:
        By input: full grids of scaled values, or raw values of sets.

    Raises:
        InputError: a feature is missing, or scaling constants are not known.
    """
    samples = Samples.of(flat, preparation.layout)
    if preparation.layout.form == "cells":
        dense = preparation.dense(samples.batch(np.arange(len(flat))).inputs)
        return {name: values[0] for name, values in dense.items()}
    return {"taus": samples.taus[0], **{name: block.rows for name, block in samples.objects.items()}}


def choose_entries(
    paths: Sequence[Path | str], wanted: Sequence[str], features: FeaturesConfig
) -> dict[int, dict[str, int]]:
    """Find candidates by number or by event.

    Args:
        paths: files, their entries counted through from 0.
        wanted: ``<entry>``, or ``<evt>:<tau_index>``.
        features: as for :func:`taumltools.evaluation.sources.open_source`.

    Returns:
        By entry what says which candidate it is.

    Raises:
        ConfigError: an item is of neither form.
        InputError: there is no such entry, it has no reconstructed tau, or two would have the same file.
    """
    keys = [_key(item) for item in wanted]
    found: dict[int, dict[str, int]] = {}
    missing = set(keys)
    first = 0
    for path in paths:
        with open_source(path, features) as source:
            for start, stop in steps(source.entries, STEP):
                places = source.place(start, stop)
                for key in keys:
                    for row in _rows(key, places, first + start):
                        missing.discard(key)
                        found[first + start + row] = {name: int(places[name][row]) for name in IDENTITY}
            first += source.entries
    if missing:
        shown = ", ".join(":".join(map(str, key)) for key in sorted(missing))
        raise InputError(f"--save-inputs: among the {first} entries there is no {shown}")
    if bad := [entry for entry, place in found.items() if place["tau_index"] < 0]:
        raise InputError(f"--save-inputs: entry {bad[0]} has no reconstructed tau, so it has no inputs")
    names: dict[str, int] = {}
    for entry, place in found.items():
        if (other := names.setdefault(file_name(place), entry)) != entry:
            raise InputError(
                f"--save-inputs: entries {other} and {entry} have the same evt and tau_index, and so the same file "
                f"{file_name(place)}: choose one of them by its number"
            )
    return dict(sorted(found.items()))


def file_name(place: Mapping[str, int]) -> str:
    """Name of the file with the inputs of a candidate."""
    return f"inputs_{place['evt']}_{place['tau_index']}.json"


def _key(item: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+(:\d+)?", item.strip()):
        raise ConfigError(f"--save-inputs: '{item}' is neither an entry, e.g. 17, nor evt:tau_index, e.g. 4711:0")
    return tuple(int(number) for number in item.split(":"))


def _rows(key: tuple[int, ...], places: Mapping[str, np.ndarray], first: int) -> list[int]:
    """Rows of a chunk that an item means."""
    size = len(places[PLACE[0]])
    if len(key) == 1:
        return [key[0] - first] if first <= key[0] < first + size else []
    return np.flatnonzero((places["evt"] == key[0]) & (places["tau_index"] == key[1])).tolist()


def export_inputs(
    paths: Sequence[Path | str],
    entries: Mapping[int, Mapping[str, int]],
    preparation: Preparation,
    features: FeaturesConfig,
    folder: Path,
) -> list[str]:
    """Write the inputs of a network for some candidates, a file ``inputs_<evt>_<tau_index>.json`` each.

    Args:
        paths: files, their entries counted through from 0.
        entries: of :func:`choose_entries`.
        preparation: what the network takes.
        features: what networks see.
        folder: where to write; made if it does not exist.

    Returns:
        Names of the files.

    Raises:
        InputError: a feature is missing, or scaling constants are not known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    first = 0
    for path in paths:
        with open_source(path, features) as source:
            for entry, place in entries.items():
                if first <= entry < first + source.entries:
                    written.append(file_name(place))
                    tensors = input_tensors(source.take(entry - first), preparation)
                    write_dump(folder / written[-1], tensors, preparation.labels(), {**place, "entry": entry})
            first += source.entries
    return written


def write_dump(
    path: Path, tensors: Mapping[str, np.ndarray], labels: Mapping[str, Sequence[str]], candidate: Mapping[str, int]
) -> None:
    """Write the inputs of one candidate.

    Args:
        path: JSON file to write.
        tensors: values by input.
        labels: names of the last axis by input.
        candidate: what says which one it is.
    """
    content: dict[str, Any] = {name: _plain(values) for name, values in tensors.items()}
    content |= {FEATURES: labels, CANDIDATE: dict(candidate)}
    path.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def _plain(values: np.ndarray) -> Any:
    """Nested lists with the shortest decimals that give the same float32, null for NaN."""
    if values.ndim > 1:
        return [_plain(part) for part in values]
    return [None if np.isnan(value) else float(str(value)) for value in values.astype(np.float32)]
