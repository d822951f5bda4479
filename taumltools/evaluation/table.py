"""Prediction files: network outputs, truth and copied branches, one row per input entry.

The layout is HDF5 with groups ``predictions`` and ``targets`` (``node_e``, ``node_mu``,
``node_tau``, ``node_jet``), ``columns`` (one dataset per copied branch) and the dataset
``scored``.  An entry that the network cannot score is NaN and marked; it never looks like
a score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from taumltools.errors import InputError, nearest_names
from taumltools.tuples.truth import TAU_TYPES

NODES = tuple(f"node_{name}" for name in TAU_TYPES)
"""Dataset names in class order."""

_CHUNK = 65_536  # rows per HDF5 chunk: 256 kB of float32, read in one go


@dataclass(frozen=True)
class Predictions:
    """Scored entries of one or more tuple files.

    Attributes:
        outputs: network outputs in class order, float32, shape (n, 4); NaN if not scored.
        targets: one-hot truth in class order, uint8, shape (n, 4); zero without truth type.
        scored: bool, shape (n,).
        columns: copied branches, shape (n,) each.
        dataset: index into ``datasets`` of each row, int32, shape (n,).
        datasets: names of the datasets.
        model: which network it was.
        versions: versions of packages that made the file.
    """

    outputs: np.ndarray
    targets: np.ndarray
    scored: np.ndarray
    columns: dict[str, np.ndarray]
    dataset: np.ndarray
    datasets: tuple[str, ...]
    model: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {"predictions": len(self.outputs), "targets": len(self.targets), "scored": len(self.scored)}
        lengths |= {name: len(column) for name, column in self.columns.items()} | {"dataset": len(self.dataset)}
        if len(set(lengths.values())) > 1:
            raise InputError(f"predictions differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.outputs)

    @property
    def truth(self) -> np.ndarray:
        """Class index of each row, int8, shape (n,); -1 without truth type."""
        return np.where(self.targets.any(axis=1), self.targets.argmax(axis=1), -1).astype(np.int8)

    def take(self, index: np.ndarray) -> Predictions:
        """Rows ``index`` (bool mask or int array), in that order."""
        return Predictions(
            self.outputs[index],
            self.targets[index],
            self.scored[index],
            {name: column[index] for name, column in self.columns.items()},
            self.dataset[index],
            self.datasets,
            self.model,
            self.versions,
        )

    def write(self, path: Path) -> None:
        """Write to an HDF5 file; all rows must be of one dataset."""
        if len(self.datasets) != 1:
            raise InputError(
                f"a prediction file holds one dataset, found {list(self.datasets)}: write one file for each"
            )
        with PredictionWriter(path, self.datasets[0], self.model, self.versions) as writer:
            writer.append(self.outputs, self.targets, self.scored, self.columns)

    @staticmethod
    def read(path: Path, columns: Sequence[str] | None = None) -> Predictions:
        """Read a prediction file.

        Args:
            path: the HDF5 file.
            columns: copied branches to read; None reads all.

        Returns:
            Its content.

        Raises:
            InputError: not a prediction file, a damaged one, or a column is missing.
        """
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return _content(file, path, columns)
        except OSError as error:
            raise InputError(f"{path} cannot be read as HDF5 ({error}); apply the network again") from error

    @staticmethod
    def concatenate(parts: Sequence[Predictions]) -> Predictions:
        """Join predictions of the same model; rows keep their order.

        Args:
            parts: what to join; the same columns in each.

        Returns:
            All rows.

        Raises:
            InputError: nothing to join, different columns, or different models.
        """
        if not parts:
            raise InputError("nothing to concatenate: no prediction file was given")
        models, names = {p.model for p in parts}, {tuple(sorted(p.columns)) for p in parts}
        if len(models) > 1:
            raise InputError(f"predictions of different models cannot be joined: {sorted(models)}")
        if len(names) > 1:
            odd = sorted(set().union(*names) - set(parts[0].columns).intersection(*names))
            raise InputError(f"prediction files differ in their columns {odd}: apply the network again to all of them")
        datasets = tuple(dict.fromkeys(name for part in parts for name in part.datasets))
        shifts = [np.array([datasets.index(name) for name in part.datasets], np.int32) for part in parts]
        return Predictions(
            np.concatenate([p.outputs for p in parts]),
            np.concatenate([p.targets for p in parts]),
            np.concatenate([p.scored for p in parts]),
            {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns},
            np.concatenate([shift[p.dataset] for p, shift in zip(parts, shifts, strict=True)]),
            datasets,
            parts[0].model,
            parts[0].versions,
        )


def _content(file: Any, path: Path, columns: Sequence[str] | None) -> Predictions:
    """What an open file holds, checked to be complete."""
    groups = ("predictions", "targets")
    missing = [key for key in (*groups, "scored", "columns") if key not in file]
    if not missing:
        missing = [f"{group}/{node}" for group in groups for node in NODES if node not in file[group]]
        missing += [f"attribute {name}" for name in ("dataset", "model", "versions") if name not in file.attrs]
    if missing:
        raise InputError(f"{path} is not a prediction file: it has no {', '.join(missing)}, only {sorted(file)}")
    wanted = list(file["columns"]) if columns is None else list(columns)
    absent = [name for name in wanted if name not in file["columns"]]
    if absent:
        known = ", ".join(file["columns"])
        hints = "".join(nearest_names(name, file["columns"]) for name in absent)
        raise InputError(
            f"{path} has no column {', '.join(absent)}, only {known}{hints}; a column that was not copied needs the "
            "network to be applied again"
        )
    keys = [f"{group}/{node}" for group in groups for node in NODES] + ["scored", *(f"columns/{n}" for n in wanted)]
    lengths = {key: len(file[key]) for key in keys}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: its parts differ in length: {lengths}; apply the network again")
    return Predictions(
        np.stack([file["predictions"][node][:] for node in NODES], axis=1),
        np.stack([file["targets"][node][:] for node in NODES], axis=1),
        file["scored"][:],
        {name: file["columns"][name][:] for name in wanted},
        np.zeros(lengths["scored"], np.int32),
        (str(file.attrs["dataset"]),),
        str(file.attrs["model"]),
        json.loads(file.attrs["versions"]),
    )


class PredictionWriter:
    """Writes a prediction file chunk by chunk, as a context manager.

    Args:
        path: HDF5 file to create.
        dataset: name of the dataset the entries come from.
        model: which network it was.
        versions: versions of packages.
    """

    def __init__(self, path: Path, dataset: str, model: str, versions: Mapping[str, str] | None = None) -> None:
        self.path, self.rows = Path(path), 0
        self._attrs = {"dataset": dataset, "model": model, "versions": json.dumps(dict(versions or {}), sort_keys=True)}
        self._file: Any = None

    def __enter__(self) -> Self:
        import h5py

        self._file = h5py.File(self.path, "w")
        self._file.attrs.update(self._attrs)
        self._file.require_group("columns")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def append(
        self, outputs: np.ndarray, targets: np.ndarray, scored: np.ndarray, columns: Mapping[str, np.ndarray]
    ) -> None:
        """Add rows.

        Args:
            outputs: network outputs, shape (n, 4); what is not scored becomes NaN.
            targets: one-hot truth, shape (n, 4).
            scored: bool, shape (n,).
            columns: copied branches, shape (n,) each, the same ones in every call.
        """
        kept = np.where(scored[:, None], outputs, np.nan).astype(np.float32)
        content: dict[str, np.ndarray] = {"scored": scored.astype(bool)}
        content |= {f"predictions/{node}": kept[:, i] for i, node in enumerate(NODES)}
        content |= {f"targets/{node}": targets[:, i].astype(np.uint8) for i, node in enumerate(NODES)}
        content |= {f"columns/{name}": column for name, column in columns.items()}
        if self.rows and set(columns) != set(self._file["columns"]):
            raise InputError(f"{self.path}: columns changed between chunks: {sorted(columns)}")
        lengths = {name: len(values) for name, values in content.items() if len(values) != len(scored)}
        if lengths:
            raise InputError(
                f"{self.path}: {lengths} values for {len(scored)} entries: copy branches with one value each"
            )
        for name, values in content.items():
            self._extend(name, values)
        self.rows += len(scored)

    def _extend(self, name: str, values: np.ndarray) -> None:
        if name not in self._file:
            self._file.create_dataset(
                name,
                (0,),
                values.dtype,
                maxshape=(None,),
                chunks=(_CHUNK,),
                shuffle=True,
                compression="gzip",
                compression_opts=1,
            )
        data = self._file[name]
        data.resize(self.rows + len(values), axis=0)
        data[self.rows :] = values
