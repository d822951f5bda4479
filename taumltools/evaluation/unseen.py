"""Refusing to score what a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.evaluation.sources import open_source, steps
from taumltools.training.trained_on import TrainedOn

SHOWN = 3
"""Candidates that a message names."""


def count_known(sketch: TrainedOn | None, columns: Mapping[str, np.ndarray]) -> int:
    """How many candidates a sketch knows; 0 without one."""
    return int(np.count_nonzero(sketch.known(columns))) if sketch is not None else 0


def refuse_known(
    name: str, sketch: TrainedOn | None, paths: Sequence[Path | str], features: FeaturesConfig, step: int
) -> None:
    """Say how many candidates of some files a model was trained on.

    Args:
        name: of the model.
        sketch: of its training sample.
        paths: all files that were to be scored.
        features: as for :func:`taumltools.evaluation.sources.open_source`.
        step: entries to look at at a time.

    Raises:
        InputError: always, with the number and the first of them.
    """
    assert sketch is not None
    found, total = 0, 0
    shown: list[str] = []
    guilty: dict[str, None] = {}
    for path in paths:
        with open_source(path, features) as source:
            for start, stop in steps(source.entries, step):
                columns = source.place(start, stop)
                reconstructed = columns["tau_index"] >= 0
                known = sketch.known(columns) & reconstructed
                found, total = found + int(known.sum()), total + int(reconstructed.sum())
                if known.any():
                    guilty[str(path)] = None
                for row in np.flatnonzero(known)[: SHOWN - len(shown)]:
                    shown.append(", ".join(f"{key}={columns[key][row]}" for key in ("run", "lumi", "evt")))
    number = str(found) if sketch.share == 1 else f"about {found / sketch.share:.0f}"
    raise InputError(
        f"{name} was trained on {number} of the {total} candidates in {', '.join(list(guilty)[:SHOWN])}"
        f"{' and others' if len(guilty) > SHOWN else ''} ({'; '.join(shown)}): its scores there say nothing about how well it "
        "does; give it other events, or force it with --allow-training-events"
    )
