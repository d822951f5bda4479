"""Flat tuples and the export to the columns of 2020, from the command line's point of view."""

from __future__ import annotations

import pandas as pd
import pytest
import uproot

from tasks.features import ExportFlatTuples, FeatureSums, ProduceFlatTuples
from taumltools.errors import ConfigError, InputError
from taumltools.features.flat import FlatFile
from taumltools.store import read_sidecar
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples

TINY = {"version": "v1", "campaign": "tiny"}


def with_parts(task, entries=120):
    """Mock candidates where the parts of the mixed sample would be."""
    for number, path in enumerate(task.upstream()["parts"].paths()):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tuples(path, mock_tuples(entries, seed=number))
    return task


def test_flat_tuples_account_for_every_entry():
    branch = with_parts(ProduceFlatTuples(**TINY)).req_branch(1)
    branch.run()
    details = read_sidecar(branch.path)["details"]
    assert details["input_entries"] == 120 == details["entries"] + sum(details["dropped"].values())
    with FlatFile(branch.path) as file:
        assert file.entries == details["entries"]
        assert file.nan == details["nan"]
        assert file.read_index()["entry"].max() > 100


def test_a_range_of_entries_has_a_place_of_its_own():
    whole = ProduceFlatTuples(**TINY)
    some = with_parts(ProduceFlatTuples(**TINY, start_entry=30, end_entry=70)).req_branch(0)
    assert some.identity != whole.identity
    assert ProduceFlatTuples(**TINY, start_entry=0, end_entry=-1).identity == whole.identity
    assert FeatureSums(**TINY).upstream()["parts"].identity == whole.identity
    some.run()
    with FlatFile(some.path) as file:
        entries = file.read_index()["entry"]
    assert 30 <= entries.min() <= entries.max() < 70
    assert read_sidecar(some.path)["details"]["input_entries"] == 40


def test_a_range_outside_of_the_part_is_refused_and_leaves_nothing():
    branch = with_parts(ProduceFlatTuples(**TINY, start_entry=120)).req_branch(0)
    with pytest.raises(InputError, match="entries 120 to the end were asked for, the file has 120"):
        branch.run()
    assert not branch.path.exists()


def test_a_selection_that_nothing_passes_says_what_was_left_out():
    overrides = {"overrides": "+features.selection.types=[data]"}
    branch = with_parts(ProduceFlatTuples(**TINY, **overrides)).req_branch(0)
    with pytest.raises(InputError, match=r"no entry passed the selection .*'type is not data': [1-9]"):
        branch.run()


def test_nan_above_the_limit_is_refused_by_name():
    overrides = {"overrides": "features.nan_limit=0.0"}
    branch = with_parts(ProduceFlatTuples(**TINY, **overrides)).req_branch(0)
    with pytest.raises(InputError, match=r"features\.nan_limit = 0\.0 allows: .*: \d+ of \d+"):
        branch.run()


@pytest.mark.parametrize("file_format", ["root", "hdf5"])
def test_export_in_both_formats(file_format):
    branch = with_parts(ExportFlatTuples(**TINY, file_format=file_format, start_entry=20)).req_branch(0)
    branch.run()
    rows = read_sidecar(branch.path)["details"]
    assert rows["taus"] == 100
    if file_format == "root":
        with uproot.open(branch.path) as file:
            assert {tree: file[tree].num_entries for tree in rows} == rows
    else:
        assert {tree: len(pd.read_hdf(branch.path, tree)) for tree in rows} == rows


def test_options_of_the_export_are_part_of_its_identity():
    default = ExportFlatTuples(**TINY)
    assert default.options() == {}
    assert ExportFlatTuples(**TINY, parity=1, training_weight_factor=2.0).options() == {
        "weight_factor": 2.0,
        "parity": 1,
    }
    others = [{"n_inner_cells": 13}, {"outer_cell_size": 0.04}, {"end_entry": 5}, {"file_format": "hdf5"}]
    assert len({ExportFlatTuples(**TINY, **other).identity for other in others} | {default.identity}) == 5
    with pytest.raises(ConfigError, match="an odd number of cells"):
        ExportFlatTuples(**TINY, n_outer_cells=20).options()
