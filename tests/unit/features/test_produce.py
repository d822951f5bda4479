"""Flat tuples of files: ranges, chunks, limits, and files that do not fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.features.flat import FlatFile, make_flat, produce_flat, write_flat
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("tuples") / "a.arrow"
    write_tuples(path, mock_tuples(100, seed=1))
    return path


def columns(path):
    with FlatFile(path) as file:
        flat = file.read()
    return {**flat.index, **flat.taus, **{f"pf_{n}": c for n, c in flat.objects["pf"].columns.items()}}


def test_chunks_do_not_change_the_file(tmp_path, config, source):
    details = produce_flat(source, tmp_path / "a.h5", config)
    assert produce_flat(source, tmp_path / "b.h5", config, step=7) == details
    assert details["input_entries"] == 100 == details["entries"] + sum(details["dropped"].values())
    for name, column in columns(tmp_path / "a.h5").items():
        np.testing.assert_array_equal(column, columns(tmp_path / "b.h5")[name])


def test_ranges_put_together_are_the_whole(tmp_path, config, source):
    produce_flat(source, tmp_path / "a.h5", config)
    for name, (start, stop) in {"b": (0, 40), "c": (40, 1000)}.items():
        produce_flat(source, tmp_path / f"{name}.h5", config, start=start, stop=stop, step=11)
    parts = [columns(tmp_path / f"{name}.h5") for name in "bc"]
    for name, column in columns(tmp_path / "a.h5").items():
        np.testing.assert_array_equal(column, np.concatenate([part[name] for part in parts]))


def test_chunks_are_reported(tmp_path, config, source):
    seen = []

    def report(chunks):
        for chunk in chunks:
            seen.append(len(chunk) + sum(chunk.dropped.values()))
            yield chunk

    produce_flat(source, tmp_path / "a.h5", config, step=30, report=report)
    assert seen == [30, 30, 30, 10]


@pytest.mark.parametrize(("start", "stop"), [(100, None), (50, 50), (-1, 3)])
def test_ranges_without_entries_are_refused(tmp_path, config, source, start, stop):
    with pytest.raises(InputError, match="were asked for, the file has 100"):
        produce_flat(source, tmp_path / "a.h5", config, start=start, stop=stop)


def test_a_file_without_entries_gives_one_without_entries(tmp_path, config):
    write_tuples(tmp_path / "a.arrow", mock_tuples(3).slice(0, 0))
    assert produce_flat(tmp_path / "a.arrow", tmp_path / "a.h5", config)["entries"] == 0
    with FlatFile(tmp_path / "a.h5") as file:
        assert list(file.layout()) == ["index", "taus", "objects/pf"]


def test_the_kind_of_sample_is_that_of_each_entry(tmp_path, config):
    tuples = mock_tuples(60, seed=4)
    kinds = np.arange(60, dtype=np.int32) % 2  # data and simulation
    none = np.where(kinds == 0, -1, tuples["genLepton_index"]).astype(np.int32)
    mixed = Tuples({**tuples.scalars, "sampleType": kinds, "genLepton_index": none}, tuples.collections)
    write_tuples(tmp_path / "a.arrow", mixed)
    produce_flat(tmp_path / "a.arrow", tmp_path / "a.h5", config)
    with FlatFile(tmp_path / "a.h5") as file:
        assert set((file.read_index()["entry"] % 2).tolist()) == {1}
        assert file.dropped["type is not e, mu, tau or jet"] > 0


def test_a_missing_branch_is_named(tmp_path, config):
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("taus", {"tau_pt": np.float32, "run": np.uint32}).extend({"tau_pt": [30.0], "run": [1]})
    with pytest.raises(InputError, match=r"a\.root: there is no branch 'lumi' among its 2 branches"):
        produce_flat(tmp_path / "a.root", tmp_path / "a.h5", config)


def test_nan_above_the_limit_is_refused_with_its_numbers(tmp_path, config, tuples):
    flat = make_flat(tuples, config)
    write_flat(tmp_path / "a.h5", [flat], config=config)
    with FlatFile(tmp_path / "a.h5") as file:
        from taumltools.features.produce import check_nan

        check_nan(file, dataclasses.replace(config, nan_limit=0.5))
        with pytest.raises(InputError, match=r"nan_limit = 0\.4 allows: taus\.prongs: 1 of 2\. Say with a condition"):
            check_nan(file, dataclasses.replace(config, nan_limit=0.4))
