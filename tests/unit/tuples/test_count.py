from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.tuples.count import count_entries
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.treeread import read_entries

CMS = Path(__file__).parents[2] / "data/cms_tools"


@pytest.mark.parametrize(("name", "entries"), [("v1/input/DY", 400), ("v1/input/QCD", 200), ("head/input/DY", 200)])
def test_files_of_the_cms_tools(name, entries):
    assert read_entries(CMS / name / "eventTuple_1.root", "taus") == entries  # without reading the branches
    assert count_entries(CMS / name / "eventTuple_1.root") == entries


@pytest.mark.parametrize("suffix", [".root", ".arrow"])
@pytest.mark.parametrize("entries", [0, 1, 37])
def test_own_files(tmp_path, suffix, entries):
    write_tuples(tmp_path / f"taus{suffix}", mock_tuples(entries), ["evt", "tau_pt", "pfCand_pt"])
    assert count_entries(tmp_path / f"taus{suffix}") == entries
    if suffix == ".root":
        assert read_entries(tmp_path / "taus.root", "taus") == entries


def test_many_entries(tmp_path):
    with uproot.recreate(tmp_path / "taus.root") as file:
        file.mktree("taus", {"evt": np.int8}).extend({"evt": np.zeros(100_000, np.int8)})
    assert count_entries(tmp_path / "taus.root") == 100_000


def test_broken_files_are_explained_as_when_they_are_opened(tmp_path):
    path = tmp_path / "taus.root"
    with pytest.raises(InputError, match="no such file"):
        count_entries(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty"):
        count_entries(path)
    path.write_bytes(b"nonsense" * 10)
    with pytest.raises(InputError, match="not a ROOT file"):
        count_entries(path)
    data = (CMS / "v1/input/QCD/eventTuple_1.root").read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="truncated"):
        count_entries(path)
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("events", {"x": np.float32}).extend({"x": np.float32([1])})
    with pytest.raises(InputError, match=r"no TTree 'taus' in it; it holds events \(TTree\)"):
        count_entries(tmp_path / "other.root")
