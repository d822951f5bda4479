"""Several tuple files read as one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.tuples.chain import common_branches, make_chain, read_chain
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_one, open_tuples, write_tuples
from taumltools.tuples.listing import ListedFile, list_all, write_listing
from taumltools.tuples.mock import mock_tuples

BRANCHES = ["run", "lumi", "evt", "tau_pt", "pfCand_pt", "pfCand_charge"]
SIZES = (7, 1, 12, 5)
DATA = Path(__file__).parents[2] / "data/cms_tools"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    paths = []
    for seed, size in enumerate(SIZES):
        paths.append(str(folder / f"{seed}.{'root' if seed % 2 else 'arrow'}"))
        write_tuples(paths[-1], mock_tuples(size, seed=seed), BRANCHES)
    return paths


@pytest.fixture(scope="module")
def chain(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "tuples_0.json"
    details = make_chain(path, list_all(parts), open_one)
    assert details == {"files": 4, "entries": 25, "generations": ["2020"], "left_out": []}
    return path


def joined(parts):
    tables = []
    for path in parts:
        with open_tuples(path) as file:
            tables.append(file.read(BRANCHES))
    return Tuples.concatenate(tables)


def assert_same(found, expected):
    for name in BRANCHES:
        np.testing.assert_array_equal(found[name], expected[name])


def test_all_entries_in_order(chain, parts):
    with open_tuples(chain) as file:
        assert file.entries == sum(SIZES)
        assert set(file.branches) == set(BRANCHES)
        assert_same(file.read(BRANCHES), joined(parts))
        for step in (1, 3, 100):
            assert_same(Tuples.concatenate(list(file.iterate(BRANCHES, step))), joined(parts))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.tuples(st.integers(0, 25), st.integers(0, 25)), rows=st.sets(st.integers(0, 24)))
def test_any_range_and_any_rows(chain, parts, cuts, rows):
    start, stop = sorted(cuts)
    wanted = np.array(sorted(rows), np.int64)
    expected = joined(parts)
    with open_tuples(chain) as file:
        assert_same(file.read(BRANCHES, start, stop), expected.slice(start, stop))
        assert_same(file.take(BRANCHES, wanted), expected.take(wanted))


def test_one_file_is_open_at_a_time(chain, monkeypatch):
    opened = []
    with open_tuples(chain) as file:
        real = file._open_file
        file._open_file = lambda name: opened.append(name) or real(name)
        file.read(["evt"], 0, 3)
        file.read(["evt"], 3, 7)
        assert len(opened) == 1
        file.read(["evt"])
        assert len(opened) == 4


def test_branches_are_those_that_all_files_have(tmp_path, parts):
    write_tuples(tmp_path / "less.arrow", mock_tuples(3), ["evt", "tau_pt"])
    details = make_chain(tmp_path / "c.json", list_all([parts[0], str(tmp_path / "less.arrow")]), open_one)
    assert details["left_out"] == ["lumi", "pfCand_charge", "pfCand_pt", "run"]
    with open_tuples(tmp_path / "c.json") as file:
        assert file.branches == ["evt", "tau_pt"]
    assert common_branches([]) == []


def test_files_of_the_cms_tools_keep_their_generation(tmp_path):
    path = str(DATA / "v1/input/DY/eventTuple_1.root")
    make_chain(tmp_path / "c.json", list_all([path]), open_one)
    with open_tuples(tmp_path / "c.json") as file, open_tuples(path) as original:
        assert (file.generation, file.entries) == ("2020", original.entries)
        assert file.read(["lepton_gen_match"])["lepton_gen_match"].tolist() == (
            original.read(["lepton_gen_match"])["lepton_gen_match"].tolist()
        )


def test_chain_of_2020_and_2025_lost_the_truth_silently(tmp_path):
    old, new = (str(DATA / f"{kind}/input/DY/eventTuple_1.root") for kind in ("v1", "head"))
    with pytest.raises(InputError) as error:
        make_chain(tmp_path / "c.json", list_all([new, old]), open_one)
    assert f"{old} is of the generation of 2020, {new} of that of 2025" in str(error.value)
    assert "make two datasets" in str(error.value)
    assert not (tmp_path / "c.json").exists()


def test_branches_that_are_left_out_are_told(tmp_path, caplog):
    """A file of today with a few branches looks like one of 2020, and is not refused beside a whole one."""
    for name, branches in (("a", ["evt", "tau_pt"]), ("b", ["evt", "tau_pt", "sv_pt", "sv_eta", "genLepton_kind"])):
        write_tuples(tmp_path / f"{name}.arrow", mock_tuples(3), branches)
    details = make_chain(tmp_path / "c.json", list_all([str(tmp_path)]), open_one)
    assert details["generations"] == ["2020", "2025"]
    assert caplog.messages == [
        f"{tmp_path}/a.arrow ... (2 files): 3 branches that not all of them have are left out, e.g. genLepton_kind, sv_eta, sv_pt"
    ]


@pytest.mark.parametrize(("entries", "name"), [(4, "evt"), (3, "pfCand_pt")])
def test_file_that_changed_is_refused(entries, name, tmp_path):
    write_tuples(tmp_path / "a.arrow", mock_tuples(3), ["evt"])
    make_chain(tmp_path / "c.json", list_all([str(tmp_path / "a.arrow")]), open_one)
    write_tuples(tmp_path / "a.arrow", mock_tuples(entries), ["evt", name])
    with (
        open_tuples(tmp_path / "c.json") as file,
        pytest.raises(InputError, match=r"a\.arrow: the file has changed since it was listed"),
    ):
        file.read(["evt"])


def test_file_of_equal_entries_and_size_that_changed_was_not_noticed(tmp_path):
    path = tmp_path / "a.root"
    write_tuples(path, mock_tuples(3, seed=1), ["evt"], compression="none")
    make_chain(tmp_path / "c.json", list_all([str(path)]), open_one)
    before = path.stat()
    write_tuples(path, mock_tuples(3, seed=2), ["evt"], compression="none")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    with open_tuples(tmp_path / "c.json") as file, pytest.raises(InputError, match="time of change in ns"):
        file.read(["evt"])


def test_file_with_other_entries_is_refused(tmp_path):
    """Of remote files that a list names, only the number of entries is known."""
    write_tuples(tmp_path / "a.arrow", mock_tuples(3), ["evt"])
    write_listing(tmp_path / "c.json", [ListedFile(str(tmp_path / "a.arrow"), "x", 4)], ["evt"])
    with open_tuples(tmp_path / "c.json") as file, pytest.raises(InputError, match="has 3 entries, but 4 when it was"):
        file.read(["evt"])


def test_empty_chain_and_files_without_common_branch(tmp_path):
    write_listing(tmp_path / "none.json", [], [])
    with open_tuples(tmp_path / "none.json") as file:
        assert (file.entries, len(file.read([]))) == (0, 0)
    write_tuples(tmp_path / "a.arrow", mock_tuples(3), ["evt"])
    write_tuples(tmp_path / "b.arrow", mock_tuples(3), ["tau_pt"])
    with pytest.raises(InputError, match="have no branch in common"):
        make_chain(tmp_path / "c.json", list_all([str(tmp_path / "a.arrow"), str(tmp_path / "b.arrow")]), open_one)
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"files": [{"path": "x"}], "branches": []}', '{"files": []}'])
def test_other_files_are_no_chains(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="no usable chain of tuple files"):
        open_tuples(tmp_path / "x.json")


def test_written_and_read_back(tmp_path):
    files = (ListedFile('/é "x".root', "DY", 5, 10**12, 10**18), ListedFile("root://b//b.arrow", "b", 0))
    write_listing(tmp_path / "c.json", files, ["evt"])
    assert read_chain(tmp_path / "c.json") == (files, ["evt"])
    json.loads((tmp_path / "c.json").read_text())
