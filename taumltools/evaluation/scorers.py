"""What scores candidates: stored networks on raw values, on full grids, or in parts; each as one ``predict``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from taumltools.errors import InputError
from taumltools.features.table import FlatTuples
from taumltools.training.batches import Inputs, Samples
from taumltools.training.preparation import TAU, Preparation
from taumltools.training.stored import Runner
from taumltools.tuples.truth import TAU_TYPES

CORE = "core"
"""Part of a network in parts that takes the grids."""

DENSE_BATCH = 100
"""Candidates whose full grids are made at a time: 42 MB with the inputs of DeepTau v2.5."""

PARTS_BATCH = 250
"""Candidates whose merged grids are made at a time: 36 MB with the channels of DeepTau v2.5."""


class Scorer(Protocol):
    """What can score: a network of this project, a stored one, or a stand-in with the same method."""

    def predict(self, flat: FlatTuples, batch_size: int = ...) -> np.ndarray:
        """Outputs in class order, float32, shape (n, 4)."""
        ...


@dataclass(frozen=True)
class RawScorer:
    """A stored network on raw values, as ``ExportModel`` writes it.

    Attributes:
        runner: the network.
        preparation: which features it takes in which form.
    """

    runner: Runner
    preparation: Preparation

    def __post_init__(self) -> None:
        _check_inputs(self.runner, _raw_widths(self.preparation))

    def predict(self, flat: FlatTuples, batch_size: int = 2048) -> np.ndarray:
        """Outputs in class order, float32, shape (n, 4)."""
        return _in_batches(flat, self.preparation, batch_size, self.runner.call)


@dataclass(frozen=True)
class GridScorer:
    """A stored network on full grids of scaled values: a frozen graph of the CMS software.

    Attributes:
        runner: the network, with inputs ``input_tau`` and ``input_<grid>_<component>``.
        preparation: features, scaling and grids.
    """

    runner: Runner
    preparation: Preparation

    def __post_init__(self) -> None:
        _check_inputs(self.runner, _widths(self.preparation))

    def predict(self, flat: FlatTuples, batch_size: int = DENSE_BATCH) -> np.ndarray:
        """Outputs in class order, float32, shape (n, 4)."""

        def call(inputs: Inputs) -> np.ndarray:
            return self.runner.call(self.preparation.dense(inputs))

        return _in_batches(flat, self.preparation, min(batch_size, DENSE_BATCH), call)


@dataclass(frozen=True)
class PartsScorer:
    """A network in parts: one per grid for its cells, and ``core`` for the rest; filled cells only, and one empty one.

    Attributes:
        parts: networks by name; those of grids take ``input_<grid>_<component>`` (K, 1, 1, width).
        preparation: features, scaling and grids.
    """

    parts: Mapping[str, Runner]
    preparation: Preparation

    def __post_init__(self) -> None:
        widths = _widths(self.preparation)
        for grid in self.preparation.grids:
            if grid not in self.parts:
                raise InputError(
                    f"{self.parts[CORE].path.parent}: there is no part for the grid '{grid}', only {list(self.parts)}"
                )
            _check_inputs(self.parts[grid], {n: w for n, w in widths.items() if n.startswith(f"input_{grid}_")})
        merged = {f"input_{grid}": None for grid in self.preparation.grids}
        _check_inputs(self.parts[CORE], {TAU: widths[TAU], **merged})

    def predict(self, flat: FlatTuples, batch_size: int = PARTS_BATCH) -> np.ndarray:
        """Outputs in class order, float32, shape (n, 4)."""
        return _in_batches(flat, self.preparation, min(batch_size, PARTS_BATCH), self._batch)

    def _batch(self, inputs: Inputs) -> np.ndarray:
        core = {TAU: self.preparation.scale("taus", inputs["taus"])}
        for grid, (n_eta, n_phi) in self.preparation.grids.items():
            rows = {
                f"input_{grid}_{one}": self._rows(f"{grid}_{one}", inputs) for one in self.preparation.layout.components
            }
            values = self.parts[grid].call(rows)[:, 0, 0]
            cells = np.repeat(values[-1:], len(inputs["taus"]) * n_eta * n_phi + 1, axis=0)
            cells[inputs[f"{grid}_cell"]] = values[:-1]
            core[f"input_{grid}"] = cells[:-1].reshape(len(inputs["taus"]), n_eta, n_phi, -1)
        return self.parts[CORE].call(core)

    def _rows(self, name: str, inputs: Inputs) -> np.ndarray:
        """Scaled filled cells and one empty cell, shape (K + 1, 1, 1, width)."""
        return np.pad(self.preparation.scale(name, inputs[name]), ((0, 1), (0, 0)))[:, None, None]


def _in_batches(
    flat: FlatTuples, preparation: Preparation, batch_size: int, call: Callable[[Inputs], np.ndarray]
) -> np.ndarray:
    batches = Samples.of(flat, preparation.layout).batches(batch_size)
    parts = [np.asarray(call(batch.inputs), np.float32) for batch in batches]
    return np.concatenate(parts) if parts else np.zeros((0, len(TAU_TYPES)), np.float32)


def _raw_widths(preparation: Preparation) -> dict[str, int | None]:
    layout = preparation.layout
    if layout.form == "sets":
        blocks: dict[str, int | None] = {name: len(features) for name, features in layout.blocks().items()}
        return blocks | {f"{name}_mask": None for name in layout.objects}
    cells = {name.removeprefix("input_"): width for name, width in _widths(preparation).items() if name != TAU}
    return {"taus": len(layout.taus), **cells, **{f"{grid}_cell": None for grid in layout.grids}}


def _widths(preparation: Preparation) -> dict[str, int | None]:
    return {name: len(columns) for name, columns in preparation.labels().items()}


def _check_inputs(runner: Runner, expected: Mapping[str, int | None]) -> None:
    """Refuse a network that takes other inputs, or other numbers of features.

    Raises:
        InputError: names the inputs, what the network takes and what the features give.
    """
    if set(runner.shapes) != set(expected):
        raise InputError(
            f"{runner.path}: the network takes the inputs {sorted(runner.shapes)}, the features give {sorted(expected)}: "
            "choose the features that it was trained with (--overrides features=...)"
        )
    for name, width in expected.items():
        found = runner.shapes[name][-1] if runner.shapes[name] else None
        if width is not None and found not in (None, width):
            raise InputError(
                f"{runner.path}: '{name}' has {found} columns in the network, the features give {width}: choose the "
                "features that it was trained with (--overrides features=...)"
            )
