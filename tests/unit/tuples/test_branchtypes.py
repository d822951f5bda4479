from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from taumltools.tuples import branchtypes
from taumltools.tuples.branchtypes import SINGLE, VECTOR_HEADER, stored_type
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.ttree_header import LEAVES, VECTORS

CMS = Path(__file__).parents[2] / "data/cms_tools"


@pytest.mark.parametrize("name", ["head/input/DY", "v1/input/DY"])
def test_every_branch_of_the_cms_tools_as_uproot_sees_it(name, monkeypatch):
    with uproot.open(CMS / name / "eventTuple_1.root") as file:
        branches = list(file["taus"].branches)
    expected = [branchtypes._asked(branch) for branch in branches]
    monkeypatch.setattr(branchtypes, "_asked", lambda branch: pytest.fail(f"uproot was asked for {branch.name}"))
    assert [stored_type(branch) for branch in branches] == expected


def test_every_branch_of_our_files(tmp_path, monkeypatch):
    write_tuples(tmp_path / "own.root", mock_tuples(3))
    with uproot.open(tmp_path / "own.root") as file:
        branches = list(file["taus"].branches)
    expected = [branchtypes._asked(branch) for branch in branches]
    monkeypatch.setattr(branchtypes, "_asked", lambda branch: pytest.fail(f"uproot was asked for {branch.name}"))
    assert [stored_type(branch) for branch in branches] == expected
    assert {header for _, header in expected} == {SINGLE, VECTOR_HEADER}


COLUMNS = {
    "i1": np.zeros(2, "i1"),
    "u1": np.zeros(2, "u1"),
    "i2": np.zeros(2, "i2"),
    "i8": np.zeros(2, "i8"),
    "bool": np.zeros(2, bool),
    "array": ak.Array([[1.0], []]),
    "matrix": np.zeros((2, 3)),
    "text": ak.Array(["a", "b"]),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("i1", ("i1", SINGLE)),
        ("u1", ("u1", SINGLE)),
        ("i2", (">i2", SINGLE)),
        ("i8", (">i8", SINGLE)),
        ("bool", ("?", SINGLE)),
        ("array", (">f8", 0)),
        ("narray", (">i4", SINGLE)),
        ("matrix", None),
        ("text", None),
    ],
)
def test_other_kinds(name, expected, tmp_path):
    with uproot.recreate(tmp_path / "x.root") as file:
        types = {n: c.type if isinstance(c, ak.Array) else (c.dtype, c.shape[1:]) for n, c in COLUMNS.items()}
        file.mktree("t", types).extend(COLUMNS)
    with uproot.open(tmp_path / "x.root") as file:
        found = stored_type(file["t"][name])
    assert found == (expected and (np.dtype(expected[0]), expected[1]))


def test_every_type_that_we_write_is_told_without_uproot(tmp_path, monkeypatch):
    """One scalar of a type unknown here sent the whole file through uproot."""
    scalars = {f"x_{code}": np.zeros(3, np.dtype(code)) for code in LEAVES}
    vectors = Collection(np.array([0, 1, 1, 4]), {code: np.zeros(4, np.dtype(code)) for code in VECTORS})
    names = [*scalars, *(f"v_{code}" for code in VECTORS)]
    write_tuples(tmp_path / "all.root", Tuples(scalars, {"v": vectors}), names)
    with uproot.open(tmp_path / "all.root") as file:
        branches = list(file["taus"].branches)
    assert len(branches) == len(names)
    expected = [branchtypes._asked(branch) for branch in branches]
    monkeypatch.setattr(branchtypes, "_asked", lambda branch: pytest.fail(f"uproot was asked for {branch.name}"))
    assert [stored_type(branch) for branch in branches] == expected
