"""Weights of the original DeepTau, found by the names of its layers.

What is read: ``.npz`` with ``weight/<layer>/<variable>``, weights or models of Keras 2 in HDF5, and
SavedModel folders of TensorFlow 2.  Optimizer and training state are left behind.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError

log = logging.getLogger(__name__)

Weights = dict[str, dict[str, np.ndarray]]
"""``{layer: {variable: values}}``."""

ADVERSARIAL = "_adv"
"""Part of the names of layers that only a network with an adversarial head has."""

SKIPPED = ("optimizer", "training_config", "top_level_model_weights", "count", "total")
"""First parts of names that are no layers of the network."""


def read_legacy_weights(path: Path | str) -> Weights:
    """Read weights by layer.

    Args:
        path: ``.npz``, ``.h5`` or ``.hdf5`` file, or the folder of a SavedModel.

    Returns:
        Arrays by layer and variable: ``kernel``, ``bias``, ``gamma``, ``beta``, ``moving_mean``,
        ``moving_variance``, ``alpha``.

    Raises:
        InputError: not readable, or there are no weights in it.
    """
    path = Path(path)
    if path.is_dir():
        found = _read_saved_model(path)
    elif path.suffix in {".h5", ".hdf5"}:
        found = _read_hdf5(path)
    elif path.suffix == ".npz":
        found = _read_npz(path)
    else:
        raise InputError(f"{path}: expected weights as .npz, .h5 or .hdf5, or the folder of a SavedModel")
    weights: Weights = {}
    for name, values in found.items():
        layer, _, variable = name.rpartition("/")
        if layer and name.split("/")[0] not in SKIPPED:
            weights.setdefault(layer.split("/")[-1], {})[variable.split(":")[0]] = values
    if not weights:
        raise InputError(f"{path}: there are no weights of layers in it")
    return weights


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name.removeprefix("weight/"): file[name] for name in file.files if name.startswith("weight/")}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable npz file ({error})") from error


def _read_hdf5(path: Path) -> dict[str, np.ndarray]:
    import h5py

    found: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            found[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            root.visititems(visit)
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file ({error})") from error
    return found


def _read_saved_model(path: Path) -> dict[str, np.ndarray]:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable SavedModel ({error})") from error
    variables = getattr(loaded, "variables", None) or getattr(loaded, "_variables", [])
    return {variable.name: variable.numpy() for variable in variables if variable.dtype.is_floating}


def weights_of(model: Any) -> Weights:
    """The weights of a network by layer and variable, with this project's shapes.

    Args:
        model: a ``keras.Model``.

    Returns:
        Arrays by layer; layers without weights are left out.
    """
    layers = {layer.name: {v.name: np.asarray(v) for v in layer.weights if _counts(v)} for layer in model.layers}
    return {name: variables for name, variables in layers.items() if variables}


def _counts(variable: Any) -> bool:
    """False for the states of random generators."""
    return "float" in str(variable.dtype)


def set_weights(model: Any, weights: Weights, source: str = "weights") -> list[str]:
    """Give a network the weights of layers with the same names.

    A kernel of a 1x1 convolution fits a dense layer, and the other way round.  Layers of the
    adversarial head may be missing on either side.

    Args:
        model: a ``keras.Model``, changed in place.
        weights: arrays by layer and variable.
        source: where they come from, for messages.

    Returns:
        Names of the layers that kept their weights, and of those that were not needed.

    Raises:
        InputError: layers are missing or left over, or shapes differ; the network is unchanged then.
    """
    own = weights_of(model)
    missing, extra = _names(own, weights), _names(weights, own)
    needed = [name for name in missing + extra if ADVERSARIAL not in name]
    if needed:
        raise InputError(
            f"{source}: weights of another network than '{model.name}': it has no "
            f"{[n for n in missing if n in needed][:5]}, and too many are {[n for n in extra if n in needed][:5]}; "
            "check the sizes in configs/model and the features"
        )
    new: list[tuple[Any, np.ndarray]] = []
    for layer in model.layers:
        if layer.name in own and layer.name in weights:
            variables = [variable for variable in layer.weights if _counts(variable)]
            new += [(variable, _fitting(layer.name, variable, weights[layer.name], source)) for variable in variables]
    for variable, values in new:
        variable.assign(values)
    if missing or extra:
        log.info("%s: layers without counterpart: %s", source, ", ".join(missing + extra))
    return missing + extra


def _names(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    return sorted(set(first) - set(second))


def _fitting(layer: str, variable: Any, stored: Mapping[str, np.ndarray], source: str) -> np.ndarray:
    """The stored values of a variable, in its shape."""
    values = stored.get(variable.name)
    if values is None:
        raise InputError(f"{source}: layer {layer} has no {variable.name}, only {sorted(stored)}")
    shape = tuple(variable.shape)
    if _essential(values.shape) != _essential(shape):
        raise InputError(f"{source}: {layer}/{variable.name} has the shape {values.shape}, the network needs {shape}")
    if not np.isfinite(values).all():
        raise InputError(f"{source}: {layer}/{variable.name} has values that are not finite")
    return values.reshape(shape)


def _essential(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes over which a 1x1 window or a shared slope does not vary."""
    return shape[2:] if len(shape) > 2 and shape[:2] == (1, 1) else shape
