"""DeepTau in three networks: what happens in a cell of each grid, and all that follows.

An application evaluates the first ones for filled cells only, and once for the empty cell, fills the
grids, and gives them to the last one.  Inputs are **scaled** values, as the CMS software makes them, and
have its names and shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from taumltools.errors import InputError
from taumltools.training.layers_cells import CellGrid
from taumltools.training.network import layout_of

CORE = "core"
"""Name of the network after the grids."""

TOLERANCE = 1e-4
"""Largest difference of a probability between the parts and the whole."""


def split_network(model: keras.Model) -> dict[str, keras.Model]:
    """Take a network apart.

    Args:
        model: the network ``deeptau``.

    Returns:
        One network per grid, with inputs ``input_<grid>_<component>`` of shape (n, 1, 1, width), and
        ``core``, with ``input_tau`` (n, features) and ``input_<grid>`` (n, n_eta, n_phi, channels).

    Raises:
        InputError: not a network on cells, or one with weights that are not finite.
    """
    layout = layout_of(model)
    if not layout.grids:
        raise InputError(f"network '{model.name}' does not see cells: only deeptau can be split")
    bad = [variable.path for variable in model.weights if not np.isfinite(np.asarray(variable)).all()]
    if bad:
        raise InputError(f"network '{model.name}' has weights that are not finite: {', '.join(bad[:5])}")
    parts = {grid: _cell_part(model, grid, list(layout.components)) for grid in layout.grids}
    return {**parts, CORE: _core_part(model, list(layout.grids))}


def _cell_part(model: keras.Model, grid: str, components: list[str]) -> keras.Model:
    order = [tensor.name for tensor in model.inputs]
    inputs, outputs = [], []
    for component in components:
        name = f"{grid}_{component}"
        width = model.inputs[order.index(name)].shape[-1]
        inputs.append(keras.Input((1, 1, width), name=f"input_{name}"))
        outputs.append(_stack(model, name, inputs[-1]))
    joined = outputs[0]
    if len(outputs) > 1:
        position = {tensor.name: i for i, tensor in enumerate(inputs)}
        wanted = _joined_order(model, grid, components)
        joined = keras.layers.Concatenate()([outputs[position[f"input_{grid}_{c}"]] for c in wanted])
    return keras.Model({tensor.name: tensor for tensor in inputs}, _stack(model, f"{grid}_all", joined), name=grid)


def _joined_order(model: keras.Model, grid: str, components: list[str]) -> list[str]:
    """Components in the order in which the network joins them."""
    tensors = model.get_layer(f"{grid}_cell_concat").input
    makers = [tensor._keras_history.operation.name for tensor in tensors]
    return [c for maker in makers for c in components if maker.startswith(f"{grid}_{c}_")]


def _stack(model: keras.Model, name: str, values: Any) -> Any:
    """Copies of the layers of a stack, for rows of shape (1, 1, width)."""
    layers = {layer.name: layer for layer in model.layers}
    k = 1
    while f"{name}_conv_{k}" in layers:
        values = _copied(layers[f"{name}_conv_{k}"], values)
        if f"{name}_norm_{k}" in layers:
            norm = layers[f"{name}_norm_{k}"]
            copy = keras.layers.BatchNormalization(epsilon=norm.epsilon, name=norm.name)
            values = copy(values)
            copy.set_weights([norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance])
        values = _copied(layers[f"{name}_activation_{k}"], values)
        k += 1
    return values


def _copied(layer: Any, values: Any) -> Any:
    """Apply a layer of the same kind and weights."""
    config = layer.get_config()
    if isinstance(layer, keras.layers.PReLU):
        config["shared_axes"] = [1, 2]
    copy = type(layer).from_config(config)
    output = copy(values)
    copy.set_weights([np.reshape(w, v.shape) for w, v in zip(layer.get_weights(), copy.weights, strict=True)])
    return output


def _core_part(model: keras.Model, grids: list[str]) -> keras.Model:
    starts = [model.get_layer("taus_scaling").output, *(model.get_layer(f"{grid}_grid").output for grid in grids)]
    inside = keras.Model(starts, model.output, name="network")
    names = ["input_tau", *(f"input_{grid}" for grid in grids)]
    inputs = [keras.Input(start.shape[1:], name=name) for name, start in zip(names, starts, strict=True)]
    return keras.Model(dict(zip(names, inputs, strict=True)), inside(inputs), name=CORE)


def check_split(model: keras.Model, parts: Mapping[str, keras.Model], inputs: Mapping[str, np.ndarray]) -> float:
    """Compare the parts with the whole.

    Args:
        model: the whole network.
        parts: of :func:`split_network`.
        inputs: of the whole network, raw values.

    Returns:
        The largest difference of a probability, below :data:`TOLERANCE`.

    Raises:
        InputError: the difference is too large.
    """
    scaled = {layer.block: layer for layer in model.layers if type(layer).__name__ == "Scaling"}
    components = list(layout_of(model).components)
    core = {"input_tau": np.asarray(scaled["taus"](inputs["taus"]))}
    n = len(inputs["taus"])
    for layer in model.layers:
        if isinstance(layer, CellGrid):
            grid = layer.name.removesuffix("_grid")
            rows = {f"input_{grid}_{c}": _rows(scaled[f"{grid}_{c}"], inputs[f"{grid}_{c}"]) for c in components}
            values = np.asarray(parts[grid].predict_on_batch(rows))[:, 0, 0]
            cells = np.repeat(values[-1:], n * layer.n_eta * layer.n_phi + 1, axis=0)
            cells[inputs[f"{grid}_cell"]] = values[:-1]
            core[f"input_{grid}"] = cells[:-1].reshape(n, layer.n_eta, layer.n_phi, -1)
    difference = np.abs(parts[CORE].predict_on_batch(core) - model.predict_on_batch(inputs)).max()
    if not difference < TOLERANCE:  # NaN too
        raise InputError(f"the parts of network '{model.name}' differ by {difference:.2g}, allowed is {TOLERANCE:g}")
    return float(difference)


def _rows(scaling: Any, raw: np.ndarray) -> np.ndarray:
    """Scaled filled cells and one empty cell, shape (K + 1, 1, 1, width)."""
    return np.pad(np.asarray(scaling(raw)), ((0, 1), (0, 0)))[:, None, None]
