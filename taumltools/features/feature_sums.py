"""Sums and quantiles of every feature in every cone: what parts of a sample add up to the whole."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.config.scaling import MeasuredOn
from taumltools.errors import InputError
from taumltools.features.cones import cones_of, rows_by_cone
from taumltools.features.exact_sums import ExactSums
from taumltools.features.hdf5 import FlatFile
from taumltools.features.quantiles import Sketch
from taumltools.features.table import FlatTuples

STEP = 16_384
"""Entries read at once."""


@dataclass(frozen=True)
class Measured:
    """What is known of the values of one feature in one cone.

    Attributes:
        sums: count, exact sum and sum of squares, numbers of NaN and of infinite values.
        sketch: quantiles.
    """

    sums: ExactSums = field(default_factory=ExactSums)
    sketch: Sketch = field(default_factory=Sketch)

    @staticmethod
    def of(values: np.ndarray) -> Measured:
        """Measure float32 values.

        Args:
            values: float32, shape (n,).

        Returns:
            Sums, extremes and counts.
        """
        return Measured(ExactSums.of(values), Sketch.of(values))

    def __add__(self, other: Measured) -> Measured:
        return Measured(self.sums + other.sums, self.sketch + other.sketch)


Table = dict[str, dict[str, dict[str, Measured]]]
"""Block, feature, cone."""


@dataclass(frozen=True)
class FeatureSums:
    """What is known of every feature; parts add up to the whole, exactly.

    Attributes:
        table: by block, feature and cone; object features count objects, not tau candidates.
    """

    table: Table

    @staticmethod
    def merge(parts: Sequence[FeatureSums]) -> FeatureSums:
        """Add sums of several files; the order does not matter.

        Args:
            parts: at least one, with the same features.

        Returns:
            The sums of all.

        Raises:
            InputError: no part, or parts of different features or cones.
        """
        if not parts:
            raise InputError("no sums to merge")
        merged = parts[0]
        for part in parts[1:]:
            merged = merged + part
        return merged

    def __add__(self, other: FeatureSums) -> FeatureSums:
        if odd := sorted(set(self.labels()) ^ set(other.labels())):
            raise InputError(f"sums of different features cannot be merged; they differ in {odd[:10]}")
        return FeatureSums(_map(self.table, lambda block, name, cone, own: own + other.table[block][name][cone]))

    def items(self) -> Iterator[tuple[str, str, str, Measured]]:
        """Block, feature, cone and what is known, one after the other."""
        for block, features in self.table.items():
            for name, cones in features.items():
                for cone, measured in cones.items():
                    yield block, name, cone, measured

    def labels(self) -> list[str]:
        """``<block>.<feature> (<cone>)`` of all."""
        return [f"{block}.{name} ({cone})" for block, name, cone, _ in self.items()]

    def save(self, path: Path | str) -> None:
        """Write as ``.npz``: sums as JSON with integers as strings, bins and counts as arrays one after the other.

        Args:
            path: the file to write.
        """
        sketches = [measured.sketch for *_, measured in self.items()]
        table = _map(self.table, lambda _b, _n, _c, measured: measured.sums.to_json())
        with Path(path).open("wb") as file:
            np.savez_compressed(
                file,
                table=np.frombuffer(json.dumps(table).encode(), np.uint8),
                lengths=np.array([len(s.bins) for s in sketches], np.int64),
                bins=np.concatenate([np.zeros(0, np.int64), *(s.bins for s in sketches)]),
                counts=np.concatenate([np.zeros(0, np.int64), *(s.counts for s in sketches)]),
                extremes=np.array([(s.low, s.high) for s in sketches], np.float64).reshape(-1, 2),
            )

    @staticmethod
    def load(path: Path | str) -> FeatureSums:
        """Read what :meth:`save` wrote.

        Args:
            path: the file.

        Returns:
            The sums, exactly.

        Raises:
            InputError: not such a file.
        """
        try:
            with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                table = json.loads(file["table"].tobytes())
                cuts = np.cumsum(file["lengths"])[:-1]
                sketches = zip(
                    np.split(file["bins"], cuts), np.split(file["counts"], cuts), file["extremes"], strict=True
                )
            sketch = (Sketch(bins, counts, float(low), float(high)) for bins, counts, (low, high) in sketches)
            return FeatureSums(_map(table, lambda _b, _n, _c, sums: Measured(ExactSums.from_json(sums), next(sketch))))
        except (OSError, ValueError, TypeError, AttributeError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not a file of feature sums ({error}); make it again") from error


def _map(table: dict[str, Any], function: Callable[[str, str, str, Any], Any]) -> dict[str, Any]:
    """The same table with other values, in the same order."""
    return {
        block: {name: {cone: function(block, name, cone, v) for cone, v in cones.items()} for name, cones in f.items()}
        for block, f in table.items()
    }


def sum_flat(
    flat: FlatTuples, config: FeaturesConfig, measured_on: MeasuredOn = "fed", label: str = "flat tuples"
) -> FeatureSums:
    """Measure all features of flat tuples in memory.

    Args:
        flat: the flat tuples.
        config: the features; all must be there.
        measured_on: which objects belong to the cone of a grid.
        label: what messages call the flat tuples.

    Returns:
        The sums.

    Raises:
        InputError: a feature, a grid or a block is missing.
    """
    columns, table = flat.features(), _empty(config)
    for block, features in table.items():
        for name in features:
            if name not in columns.get(block, {}):
                raise InputError(f"{label}: no feature {block}.{name}; make the flat tuples again")
    for block, cone, rows in rows_by_cone(flat, config, measured_on):
        for name, cones in table[block].items():
            values = columns[block][name]
            cones[cone] = Measured.of(values if rows is None else values[rows])
    return FeatureSums(table)


def sum_features(path_flat: Path | str, config: FeaturesConfig, measured_on: MeasuredOn = "fed") -> FeatureSums:
    """Measure all features of one flat file; memory holds some thousand candidates at a time.

    Args:
        path_flat: flat tuples.
        config: the features; all must be in the file.
        measured_on: which objects belong to the cone of a grid.

    Returns:
        The sums.

    Raises:
        InputError: the file is not readable, or lacks a feature.
    """
    total = FeatureSums(_empty(config))
    with FlatFile(path_flat) as file:
        for start in range(0, file.entries, STEP):
            flat = file.read(start, min(start + STEP, file.entries))
            total += sum_flat(flat, config, measured_on, str(path_flat))
    return total


def _empty(config: FeaturesConfig) -> Table:
    return {
        block: {name: dict.fromkeys(cones_of(config, block), Measured()) for name in features}
        for block, features in config.blocks().items()
    }
