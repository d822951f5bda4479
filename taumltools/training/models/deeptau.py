"""DeepTau: grids of cells around the tau candidate, read by convolutions (arXiv:2201.08458).

Every cell goes through the same small networks, one per component, and one that merges them; a cell
with nothing in it always gives the same.  So these networks run on the filled cells of the whole batch
and on few cells that stand for the empty ones; then grids are filled and the windows move over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from taumltools.config.features import FeaturesConfig, GridConfig
from taumltools.config.model import ModelConfig
from taumltools.config.networks import DeepTauConfig
from taumltools.errors import ConfigError
from taumltools.training.layers import Scaling
from taumltools.training.layers_cells import CellGrid, CellWeights, EmptyCells
from taumltools.training.models.blocks import dense_stack
from taumltools.training.models.dense import concatenated, output_layer
from taumltools.training.models.inputs import cell_columns, cell_constants, tau_input
from taumltools.training.models.windows import window_stack


def build(model: ModelConfig, features: FeaturesConfig, constants: Mapping[str, Any]) -> keras.Model:
    """Make the network.

    Args:
        model: sizes.
        features: what it sees; they must define cells.
        constants: scaling of every feature, per grid where it feeds cells.

    Returns:
        The untrained network, with the inputs ``taus``, ``<grid>_<component>`` and ``<grid>_cell``.

    Raises:
        ConfigError: the features have no cells, or a width makes no sense.
    """
    if features.cells is None:
        raise ConfigError(f"the network '{model.name}' needs features with cells, '{features.title}' has none")
    sizes = model.deeptau or DeepTauConfig()
    unknown = sorted(set(sizes.windows.pooling) - set(features.cells.grids))
    if unknown:
        raise ConfigError(f"model.deeptau.windows.pooling: no grids {unknown}, known are {list(features.cells.grids)}")
    raw, scaled = tau_input(features, constants)
    inputs = {"taus": raw}
    parts = [dense_stack(scaled, sizes.tau, "tau", first_layer_reg=sizes.first_layer_reg)]
    for name, grid in features.cells.grids.items():
        own, cells = _cell_inputs(features, constants, name)
        inputs |= own
        merged = cell_network(cells, own[f"{name}_cell"], raw, sizes, name, grid)
        dense = CellGrid(grid.n_eta, grid.n_phi, name=f"{name}_grid")(merged, own[f"{name}_cell"], raw)
        parts.append(grid_network(dense, sizes, name))
    hidden = dense_stack(concatenated(parts), sizes.dense, "final")
    return keras.Model(inputs, output_layer(hidden), name=model.name)


def _cell_inputs(
    features: FeaturesConfig, constants: Mapping[str, Any], grid: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs of one grid by name, and scaled rows by component."""
    assert features.cells is not None
    inputs, scaled = {}, {}
    for component in features.cells.components:
        name = f"{grid}_{component}"
        inputs[name] = keras.Input((len(cell_columns(features, component)),), name=name)
        layer = Scaling.from_constants(
            name, cell_constants(features, constants, grid, component), name=f"{name}_scaling"
        )
        scaled[component] = layer(inputs[name])
    inputs[f"{grid}_cell"] = keras.Input((), dtype="int32", name=f"{grid}_cell")
    return inputs, scaled


def cell_network(
    components: Mapping[str, Any], cell: Any, taus: Any, sizes: DeepTauConfig, name: str, grid: GridConfig
) -> Any:
    """What happens in each cell.

    Args:
        components: scaled rows of the filled cells by component, each of shape (K, width).
        cell: ``tau * n_cells + cell`` of each row, shape (K,).
        taus: anything with one row per tau candidate.
        sizes: settings.
        name: of the grid.
        grid: its geometry.

    Returns:
        Rows of the filled cells and after them of those that stand for the empty ones.
    """
    rows = {c: EmptyCells(sizes.empty_cells, name=f"{name}_{c}_empty")(values) for c, values in components.items()}
    weights = CellWeights(grid.n_cells, name=f"{name}_weights")(next(iter(rows.values())), cell, taus)
    outputs = [
        dense_stack(values, sizes.component, f"{name}_{c}", weights, sizes.first_layer_reg)
        for c, values in rows.items()
    ]
    joined = keras.layers.Concatenate(name=f"{name}_cell_concat")(outputs) if len(outputs) > 1 else outputs[0]
    return dense_stack(joined, sizes.merge, f"{name}_all", weights)


def grid_network(grid: Any, sizes: DeepTauConfig, name: str) -> Any:
    """Windows over the merged cells (n, eta, phi, channels) of the grid ``name``, down to one vector.

    Args:
        grid: shape (n, n_eta, n_phi, channels).
        sizes: of the windows.
        name: of the grid.

    Returns:
        Shape (n, channels).
    """
    size = sizes.windows.size
    return window_stack(grid, sizes.windows, f"{name}_all_{size}x{size}", sizes.windows.pooling.get(name, 0))
