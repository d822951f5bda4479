"""The export against what the C++ TrainingTupleProducer of the CMS tools made of the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import uproot

from taumltools.features.trainingtuple.make import TREES
from taumltools.features.trainingtuple.write import export_training_tuple

DATA = Path(__file__).parents[3] / "data" / "cms_tools" / "v1"
SOURCE = DATA / "input" / "DY" / "eventTuple_1.root"
ROWS = {"taus": 400, "inner_cells": 779, "outer_cells": 13937}


@pytest.fixture(scope="module")
def expected():
    with uproot.open(DATA / "expected" / "training_DY.root") as file:
        return {tree: file[tree].arrays(library="np") for tree in TREES}


@pytest.fixture(scope="module", params=["root", "h5"])
def found(request, tmp_path_factory):
    """The export, made in three chunks, read back."""
    path = tmp_path_factory.mktemp("export") / f"training.{request.param}"
    assert export_training_tuple(SOURCE, path, step=150) == ROWS
    if request.param == "h5":
        frames = {tree: pd.read_hdf(path, tree) for tree in TREES}
        assert all(frame.index.tolist() == list(range(len(frame))) for frame in frames.values())
        return {tree: {name: frame[name].to_numpy() for name in frame} for tree, frame in frames.items()}
    with uproot.open(path) as file:
        return {tree: file[tree].arrays(library="np") for tree in TREES}


@pytest.mark.parametrize("tree", TREES)
def test_columns_types_and_rows_are_the_same(found, expected, tree):
    assert list(found[tree]) == list(expected[tree])
    assert {n: c.dtype for n, c in found[tree].items()} == {n: c.dtype for n, c in expected[tree].items()}
    assert len(found[tree]["rho"]) == len(expected[tree]["rho"]) == ROWS[tree]


@pytest.mark.parametrize("tree", TREES)
def test_every_value_is_the_same_to_rounding(found, expected, tree):
    """Whole numbers exactly, floats within two units in the last place of float32."""
    wrong = {}
    for name, reference in expected[tree].items():
        values = found[tree][name]
        if reference.dtype.kind == "f":
            tolerance = 2 * np.spacing(np.maximum(np.abs(reference), np.float32(1)))
            same = np.abs(values.astype(np.float64) - reference) <= tolerance
        else:
            same = values == reference
        if not same.all():
            wrong[name] = int(np.count_nonzero(~same))
    assert wrong == {}


def test_no_column_is_constant_by_accident(expected):
    """The comparison is worth something: nearly all columns vary in the reference."""
    constant = {tree: [n for n, c in columns.items() if (c == c[0]).all()] for tree, columns in expected.items()}
    assert sum(map(len, constant.values())) < 60
