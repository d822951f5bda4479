"""Fold files in the layout of lumin: HDF5 with groups ``fold_0``, ``fold_1`` ... and ``meta_data``.

Each group has ``inputs`` (float32, continuous features and then categorical ones), ``targets`` and a dataset for
every other column in its own type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.htt.table import EventTable, joined

COMPRESSION = "lzf"
"""Filter that every build of h5py can read, lumin's too."""


def write_foldfile(
    path: Path,
    events: EventTable,
    fold: np.ndarray,
    *,
    cont_features: Sequence[str],
    cat_features: Sequence[str],
    categories: Mapping[str, Sequence[float]],
) -> None:
    """Write events.

    Args:
        path: the file, which does not exist yet.
        events: with the features, ``target`` and any other columns.
        fold: of each event, 0 to k - 1, shape (n,).
        cont_features: names of continuous features.
        cat_features: names of categorical features, as codes.
        categories: values of each categorical feature by code.

    Raises:
        InputError: a fold is empty.
    """
    import h5py

    features = (*cont_features, *cat_features)
    other = [name for name in events.columns if name not in features and name != "target"]
    folds = int(fold.max()) + 1 if len(fold) else 0
    order = np.argsort(fold, kind="stable")
    ends = np.searchsorted(fold[order], np.arange(folds + 1))
    with h5py.File(path, "w") as file:
        for number in range(folds):
            rows = order[ends[number] : ends[number + 1]]
            if not len(rows):
                raise InputError(f"fold {number} of {path.name} would be empty: lower htt.preprocess.n_folds")
            part = events.take(rows)
            group = file.create_group(f"fold_{number}")
            group.create_dataset("inputs", data=part.matrix(features), compression=COMPRESSION)
            group.create_dataset("targets", data=part["target"].astype(np.int64), compression=COMPRESSION)
            for name in other:
                group.create_dataset(name, data=part[name], compression=COMPRESSION)
        meta = file.create_group("meta_data")
        maps = {name: {str(code): value for code, value in enumerate(categories[name])} for name in cat_features}
        for name, content in (
            ("cont_feats", list(cont_features)),
            ("cat_feats", list(cat_features)),
            ("targ_feats", "target"),
            ("cat_maps", maps),
        ):
            meta.create_dataset(name, data=json.dumps(content))


class FoldFile:
    """An open fold file.

    Use it as a context manager.  It reads what lumin writes, too, as far as it has inputs and targets.

    Attributes:
        cont_features: names of continuous features.
        cat_features: names of categorical features.
        categories: values of each categorical feature by code; empty if the file does not say.
        n_folds: number of folds.
    """

    def __init__(self, path: Path) -> None:
        import h5py

        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise InputError(f"{path} cannot be read as HDF5: {error}; run PreprocessEvents") from error
        self.path = path
        try:
            meta = {name: json.loads(self._file["meta_data"][name][()]) for name in self._file["meta_data"]}
            self.cont_features, self.cat_features = tuple(meta["cont_feats"]), tuple(meta["cat_feats"])
            maps = meta.get("cat_maps", {})
            self.n_folds = sum(name.startswith("fold_") for name in self._file)
            self.columns = [name for name in self._file["fold_0"] if name not in ("inputs", "targets")]
        except KeyError as error:
            raise InputError(f"{path} is no fold file: {error}; expected fold_0 and meta_data") from error
        self.categories = {name: tuple(codes.values()) for name, codes in maps.items()}

    def __enter__(self) -> FoldFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features, as the columns of inputs."""
        return self.cont_features + self.cat_features

    def __len__(self) -> int:
        return sum(len(self._file[f"fold_{i}"]["targets"]) for i in range(self.n_folds))

    def read_fold(self, number: int, columns: Sequence[str] | None = None) -> EventTable:
        """Events of one fold.

        Args:
            number: 0 to ``n_folds`` - 1.
            columns: which columns beside features and ``target``; None for all.

        Returns:
            The events.

        Raises:
            InputError: there is no such fold or column.
        """
        try:
            group = self._file[f"fold_{number}"]
            inputs = group["inputs"][()]
            found = {name: inputs[:, i] for i, name in enumerate(self.features)}
            found["target"] = group["targets"][()]
            found |= {name: group[name][()] for name in (self.columns if columns is None else columns)}
        except KeyError as error:
            raise InputError(f"{self.path}: {error}; it has {self.n_folds} folds with {self.columns}") from error
        return EventTable(found)

    def read(self, columns: Sequence[str] | None = None) -> EventTable:
        """Events of all folds, fold by fold; arguments and errors as for :meth:`read_fold`."""
        return joined([self.read_fold(number, columns) for number in range(self.n_folds)])
