"""Events as HDF5 that pandas reads: frames ``cont_features``, ``cat_features``, ``misc_features`` and ``targets``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.frames import write_frames
from taumltools.htt.table import EventTable

GROUPS = ("cont_features", "cat_features", "misc_features", "targets")


def write_pandas(path: Path, events: EventTable, cont_features: Sequence[str], cat_features: Sequence[str]) -> None:
    """Write events.

    Args:
        path: the file, which does not exist yet.
        events: with the features, ``target`` and any other columns.
        cont_features: names of continuous features.
        cat_features: names of categorical features.
    """
    features = (*cont_features, *cat_features, "target")
    other = [name for name in events.columns if name not in features]
    # bytes are no column of a table of numbers: pandas keeps them as text
    text = {name: events[name].astype(str).astype(object) for name in other if events[name].dtype.kind == "S"}
    parts = dict(zip(GROUPS, (cont_features, cat_features, other, ["target"]), strict=True))
    write_frames(path, {g: {name: text.get(name, events[name]) for name in names} for g, names in parts.items()})


def read_pandas(path: Path) -> Any:
    """All columns as one frame.

    Raises:
        InputError: the groups have different events, or there are none.
    """
    import pandas

    with pandas.HDFStore(path, "r") as store:
        frames = [store[group] for group in GROUPS if f"/{group}" in store.keys()]  # noqa: SIM118  no mapping
    if not frames:
        raise InputError(f"{path} has none of {', '.join(GROUPS)}")
    if any(not np.array_equal(frames[0].index, frame.index) for frame in frames):
        raise InputError(f"{path}: its groups do not have the same events; make it again")
    return pandas.concat(frames, axis=1)
