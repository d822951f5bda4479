"""Fits that begin with the weights of a network that was trained before."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from taumltools.errors import InputError
from taumltools.training.network import MODEL_FILE
from taumltools.training.preparation import RUN_FILE
from taumltools.training.stored import beside

log = logging.getLogger(__name__)


def begin_with(network: Any, start: Path) -> int:
    """Give a network the weights of another one, layer by layer by name.

    Scaling constants have no weights: they stay those of the new sample.

    Args:
        network: what is to be fitted; weights that the other one lacks stay random, and are named in the log.
        start: folder of a training, or a ``.keras`` file.

    Returns:
        Number of weight arrays that were taken.

    Raises:
        InputError: there is no such network, none of its weights fits, or one has another shape.
    """
    import keras

    import taumltools.training.layers  # noqa: F401  registers the layers of this project

    path = start / MODEL_FILE if start.is_dir() else start
    try:
        known = {weight.path: weight for weight in keras.models.load_model(path, compile=False).weights}
    except (OSError, ValueError) as error:
        raise InputError(
            f"training.start_from: {path} cannot be read ({error}); expected the folder of a training, or a .keras file"
        ) from error
    taken, lacking = 0, []
    for weight in network.weights:
        other = known.get(weight.path)
        if other is None:
            lacking.append(weight.path)
            continue
        if tuple(other.shape) != tuple(weight.shape):
            raise InputError(
                f"training.start_from: '{weight.path}' has the shape {tuple(other.shape)} in {path}, here it is "
                f"{tuple(weight.shape)}: use the network and the features of that training"
            )
        weight.assign(other)
        taken += 1
    if not taken:
        raise InputError(f"training.start_from: no weight of {path} has a name that the network '{network.name}' knows")
    if lacking:
        log.warning("%d weights are not in %s and begin at random: %s", len(lacking), path, ", ".join(lacking[:5]))
    return taken


def run_of(start: Path) -> str:
    """Id of the run that trained a network.

    Args:
        start: folder of a training or of an export, or a file in it or in its ``snapshots``.

    Returns:
        The id; empty if it is not known.
    """
    path = beside(start, RUN_FILE)
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["mlflow"].get("run_id", "")) if path else ""
    except (OSError, ValueError, KeyError):
        return ""
