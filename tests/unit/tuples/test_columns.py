from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from taumltools.errors import InputError, nearest_names
from taumltools.tuples.columns import (
    checked,
    complete,
    missing_column,
    missing_value,
    to_file,
    to_memory,
)
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import FLOAT_MISSING, INT_MISSING, tautuple_schema

SCHEMA = tautuple_schema()
FLOATS = st.floats(width=32, allow_infinity=False)


@given(hnp.arrays(np.float32, st.integers(0, 20), elements=FLOATS))
def test_nan_and_lowest_float_are_exchanged_exactly(column):
    stored = to_file(column)
    assert not np.isnan(stored).any()
    expected = np.where(column == FLOAT_MISSING, np.float32(np.nan), column)
    assert np.array_equal(to_memory(stored), expected, equal_nan=True)


def test_missing_value_of_doubles():
    column = np.array([1.5, float(FLOAT_MISSING)], np.float64)
    assert np.array_equal(to_memory(column), [1.5, np.nan], equal_nan=True)
    assert np.array_equal(to_file(to_memory(column)), column)


@pytest.mark.parametrize("dtype", ["i4", "u2", "u4", "u8", "i8", "?"])
def test_integers_and_bools_are_untouched(dtype):
    column = np.array([0, 1, np.iinfo(dtype).min if dtype != "?" else 1]).astype(dtype)
    assert to_memory(column) is column
    assert to_file(column) is column


def test_byte_order_becomes_native():
    column = np.array([1.0, 2.0], ">f4")
    assert to_memory(column).dtype == np.dtype("=f4")
    assert to_memory(column).tolist() == [1.0, 2.0]


def test_columns_without_missing_values_are_not_copied():
    column = np.array([1.0, 2.0], np.float32)
    assert to_file(column) is column
    assert to_memory(column) is column


@pytest.mark.parametrize(
    ("name", "value"),
    [("jet_nConstituents", INT_MISSING), ("tau_index", -1), ("genEventWeight", 0.0), ("dataset_id", 2**64 - 1)],
)
def test_missing_values_follow_the_schema(name, value):
    assert missing_value(SCHEMA[name]) == value
    assert missing_column(SCHEMA[name], 3).tolist() == [value] * 3
    assert missing_column(SCHEMA[name], 3).dtype == SCHEMA[name].dtype


def test_missing_floats_are_nan():
    assert np.isnan(missing_column(SCHEMA["tau_pt"], 2)).all()
    assert np.isnan(missing_column(SCHEMA["tauSpinnerWTEven"], 2)).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_refused_by_name(value):
    column = np.array([1.0, np.nan, value, 2.0], np.float32)
    with pytest.raises(InputError, match=r"branch 'tau_dz' has 1 infinite values .of 4., first in row 2"):
        checked(column, "tau_dz", np.dtype("f4"))


def test_double_that_overflows_float_is_refused():
    with pytest.raises(InputError, match="infinite"):
        checked(np.array([1e300]), "tau_pt", np.dtype("f4"))


@pytest.mark.parametrize(
    ("values", "dtype"), [([2**40], "i4"), ([-1], "u8"), ([1.5], "i4"), ([np.nan], "i4"), ([2], "?")]
)
def test_values_that_do_not_fit_are_refused(values, dtype):
    with pytest.raises(InputError, match=r"branch 'x' is .* do not fit into"):
        checked(np.array(values), "x", np.dtype(dtype))


def test_values_that_fit_are_converted():
    assert checked(np.array([1, 2]), "x", np.dtype("u2")).dtype == np.uint16
    assert checked(np.array([True]), "x", np.dtype("i4")).tolist() == [1]
    assert checked(np.array([1.25]), "x", np.dtype("f4")).dtype == np.float32


def small():
    pf = Collection(np.array([0, 2, 3]), {"pt": np.array([5.0, 1.0, 7.0], "f4")})
    return Tuples({"tau_pt": np.array([30.0, 40.0], "f4")}, {"pfCand": pf})


def test_complete_has_the_whole_schema_in_order():
    full = complete(small())
    assert set(full.branches) == set(SCHEMA.branches)
    assert list(full.scalars) == list(SCHEMA.scalars)
    assert all(full[name].dtype == branch.dtype for name, branch in SCHEMA.branches.items())
    assert full["tau_pt"].tolist() == [30.0, 40.0]
    assert full["pfCand_pt"].tolist() == [5.0, 1.0, 7.0]


def test_complete_fills_objects_that_exist_and_leaves_absent_collections_empty():
    full = complete(small())
    assert np.isnan(full["pfCand_eta"]).all()
    assert len(full["pfCand_eta"]) == 3
    assert full["pfCand_charge"].tolist() == [INT_MISSING] * 3
    assert full.collections["muon"].counts.tolist() == [0, 0]
    assert full["muon_pt"].shape == (0,)


def test_complete_is_idempotent():
    once = complete(small())
    again = complete(once)
    assert all(np.array_equal(once[b], again[b], equal_nan=once[b].dtype.kind == "f") for b in once.branches)


def test_complete_with_chosen_branches():
    few = complete(small(), ["tau_eta", "pfCand_pt", "pfCand_phi"])
    assert few.branches == ["tau_eta", "pfCand_pt", "pfCand_phi"]


def test_complete_keeps_foreign_branches_when_named():
    tuples = small().with_scalars({"score": np.array([0.5, 0.7])})
    assert complete(tuples, ["tau_pt", "score"])["score"].tolist() == [0.5, 0.7]
    assert "score" not in complete(tuples)
    with pytest.raises(InputError, match="'scores'"):
        complete(tuples, ["scores"])


def test_complete_names_the_infinite_collection_branch():
    bad = Tuples({}, {"pfCand": Collection(np.array([0, 1]), {"dxy": np.array([np.inf], "f4")})})
    with pytest.raises(InputError, match="'pfCand_dxy'"):
        complete(bad)


def test_nearest_names():
    assert "tau_pt" in nearest_names("tau_ptt", SCHEMA.branches)
    assert nearest_names("qqqqqqqq", SCHEMA.branches) == ""
