"""How candidates become the inputs of a stored network: names, order, scaling constants, shapes of grids.

A SavedModel, an ONNX file or a frozen graph does not say which features it takes.  ``inputs.json`` beside
it does; without it the settings have to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.features.agreement import read_definition
from taumltools.training.batches import Inputs
from taumltools.training.layout import Form, InputLayout
from taumltools.training.network import layout_of
from taumltools.training.stored import beside

RUN_FILE = "run.json"
"""Settings of a training and the run that it is in mlflow: in its folder, and in that of an export."""

INPUTS_FILE = "inputs.json"
"""Name of the file that :meth:`Preparation.save` writes."""

KEYS = ("mean", "std", "lim_min", "lim_max")

TAU = "input_tau"
"""Tau-level input of networks on dense grids, as the CMS software calls it."""


@dataclass(frozen=True)
class Preparation:
    """What is done to candidates before a network sees them.

    Attributes:
        layout: features by input, and the form of inputs.
        constants: by raw input (``taus``, ``<block>`` or ``<grid>_<component>``) the arrays ``mean``, ``std``,
            ``lim_min``, ``lim_max``, float32, one number per column; empty where they are not known.
        grids: cells in eta and in phi by grid.
    """

    layout: InputLayout
    constants: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    grids: dict[str, tuple[int, int]] = field(default_factory=dict)

    @staticmethod
    def of_network(model: Any) -> Preparation:
        """That of a ``keras.Model`` of this project, whose layers know all of it."""
        layers = {kind: [one for one in model.layers if type(one).__name__ == kind] for kind in ("Scaling", "CellGrid")}
        return Preparation(
            layout_of(model),
            {one.block: {key: np.asarray(getattr(one, key), np.float32) for key in KEYS} for one in layers["Scaling"]},
            {one.name.removesuffix("_grid"): (one.n_eta, one.n_phi) for one in layers["CellGrid"]},
        )

    @staticmethod
    def of_settings(features: FeaturesConfig, form: Form, scaling: Mapping[str, Any] | None = None) -> Preparation:
        """That of the settings, for networks without ``inputs.json``.

        Args:
            features: what the network sees, in its order.
            form: what it takes.
            scaling: constants of :func:`taumltools.features.scaling.load_scaling`; None: not known.

        Raises:
            ConfigError: cells are asked of features without grids.
        """
        layout = InputLayout.of(features, form)
        cells = features.cells.grids if features.cells and form == "cells" else {}
        grids = {name: (grid.n_eta, grid.n_phi) for name, grid in cells.items()}
        return Preparation(layout, _constants(features, layout, scaling) if scaling else {}, grids)

    @staticmethod
    def find(path: Path) -> Preparation | None:
        """That which an export left beside a stored network; None if there is none."""
        found = beside(path, INPUTS_FILE)
        return Preparation.load(found) if found else None

    @staticmethod
    def load(path: Path) -> Preparation:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: not readable as such.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            constants = {
                name: {key: np.array(values[key], np.float32) for key in KEYS}
                for name, values in content["constants"].items()
            }
            grids = {name: (int(n_eta), int(n_phi)) for name, (n_eta, n_phi) in content["grids"].items()}
            return Preparation(InputLayout.from_dict(content["layout"]), constants, grids)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: no usable description of inputs ({type(error).__name__}: {error}); export again"
            ) from error

    def save(self, path: Path) -> None:
        """Write as JSON; :meth:`load` gives the same numbers back."""
        constants = {name: {key: values[key].tolist() for key in KEYS} for name, values in self.constants.items()}
        content = {"layout": self.layout.as_dict(), "constants": constants, "grids": self.grids}
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    def scale(self, name: str, raw: np.ndarray) -> np.ndarray:
        """Scaled values of a raw input, float32 of the same shape; NaN becomes 0.

        Raises:
            InputError: its constants are not known.
        """
        if name not in self.constants:
            raise InputError(
                f"the input '{name}' has to be scaled, and its constants are not known: name a file of them with --scaling"
            )
        mean, std, low, high = (self.constants[name][key] for key in KEYS)
        return np.where(np.isnan(raw), np.float32(0), np.clip((raw - mean) / std, low, high)).astype(np.float32)

    def dense(self, inputs: Inputs) -> Inputs:
        """Full grids of scaled values from filled cells: what networks of the CMS software take.

        Args:
            inputs: of form ``cells``, raw values, n candidates.

        Returns:
            ``input_tau`` (n, features) and ``input_<grid>_<component>`` (n, n_eta, n_phi, width); zeros in empty cells.
        """
        n = len(inputs["taus"])
        made = {TAU: self.scale("taus", inputs["taus"])}
        for grid, (n_eta, n_phi) in self.grids.items():
            for component in self.layout.components:
                rows = self.scale(f"{grid}_{component}", inputs[f"{grid}_{component}"])
                cells = np.zeros((n * n_eta * n_phi + 1, rows.shape[1]), np.float32)  # the last one takes the padding
                cells[inputs[f"{grid}_cell"]] = rows
                made[f"input_{grid}_{component}"] = cells[:-1].reshape(n, n_eta, n_phi, -1)
        return made

    def labels(self) -> dict[str, list[str]]:
        """Names of the columns of every input: of full grids ``block.feature``, of sets the features."""
        if self.layout.form == "sets":
            return {name: list(features) for name, features in self.layout.blocks().items()}
        cells = {
            f"input_{grid}_{component}": [f"{block}.{name}" for block, name in self.layout.names(component)]
            for grid in self.layout.grids
            for component in self.layout.components
        }
        return {TAU: list(self.layout.taus), **cells}


def find_definition(model: Path) -> FeaturesConfig | None:
    """The features that a stored network was trained on, from what its training or its export left.

    Args:
        model: folder or file of the network.

    Returns:
        The definition; None if there is none beside it.

    Raises:
        InputError: the file that should have it cannot be read.
    """
    found = beside(model, RUN_FILE)
    if found is None:
        return None
    try:
        content = json.loads(found.read_text(encoding="utf-8"))
        return read_definition(content.get("features", {}), str(found))
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{found}: cannot be read ({error}); it says which features the network takes") from error


def _constants(features: FeaturesConfig, layout: InputLayout, scaling: Mapping[str, Any]) -> dict[str, Any]:
    from taumltools.training.models.inputs import GLOBAL, cell_constants, constants_of

    found = {"taus": constants_of(scaling, "taus", GLOBAL)}
    for grid in layout.grids:
        for component in layout.components:
            found[f"{grid}_{component}"] = cell_constants(features, scaling, grid, component)
    largest = np.finfo(np.float32).max  # stands for an infinite limit, as in the network's layer
    return {
        name: {
            key: np.clip(np.array([numbers[key] for numbers in by_feature.values()]), -largest, largest).astype(
                np.float32
            )
            for key in KEYS
        }
        for name, by_feature in found.items()
    }
