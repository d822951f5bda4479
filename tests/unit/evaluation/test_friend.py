"""Friend trees: the entries of each file in their order, in a copy of it or by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.errors import ConfigError
from taumltools.evaluation.friend import FRIEND_TREE, check_files, write_friends
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.scores import vs_score
from taumltools.evaluation.table import Predictions
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.outside import ROOT_PYTHON, needs_root, run_outside

ENTRIES = (40, 0, 25)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, int]:
    """Files of the same name in several folders, one without entries."""
    found = {}
    for seed, entries in enumerate(ENTRIES):
        path = tmp_path / str(seed) / "taus.root"
        path.parent.mkdir()
        write_tuples(path, mock_tuples(max(entries, 1), seed=seed).slice(0, entries))
        found[str(path)] = entries
    return found


def predictions(seed: int) -> Predictions:
    """Scores of all entries, with their numbers."""
    table = mock_predictions(sum(ENTRIES), seed=seed)
    parts = [mock_tuples(max(n, 1), seed=i).slice(0, n) for i, n in enumerate(ENTRIES)]
    table.columns.update({name: np.concatenate([p[name] for p in parts]) for name in ("run", "lumi", "evt")})
    return table


@pytest.mark.parametrize("how", ["copy", "file"])
def test_trees_have_the_entries_of_the_files(files: dict[str, int], tmp_path: Path, how: str):
    tables = {"old": predictions(1), "new": predictions(2)}
    (tmp_path / "out").mkdir()
    names = write_friends(tables, files, tmp_path / "out", how)  # type: ignore[arg-type]
    stem = "taus" if how == "copy" else "taus_scores"
    assert names == [f"{stem}_{i}.root" for i in range(3)]
    start = 0
    for (source, entries), name in zip(files.items(), names, strict=True):
        rows = np.arange(start, start + entries)
        start += entries
        with uproot.open(tmp_path / "out" / name) as file, open_tuples(source) as reader:
            assert file[FRIEND_TREE].num_entries == entries == reader.entries
            assert ("taus" in file) == (how == "copy")
            tree = file[FRIEND_TREE].arrays(library="np")
            np.testing.assert_array_equal(tree["evt"], reader.read(["evt"])["evt"])
        for model, table in tables.items():
            part = table.take(rows)
            np.testing.assert_array_equal(tree[f"{model}_tau"], part.outputs[:, 2])
            np.testing.assert_array_equal(tree[f"{model}_vs_jet"], vs_score(part.outputs, "jet").astype(np.float32))
            np.testing.assert_array_equal(tree[f"{model}_scored"], part.scored)
            assert np.isnan(tree[f"{model}_e"][~part.scored]).all()


def test_the_tuples_in_a_copy_are_unchanged(files: dict[str, int], tmp_path: Path):
    names = write_friends({"new": predictions(1)}, files, tmp_path, "copy")
    with open_tuples(tmp_path / names[0]) as copy, open_tuples(next(iter(files))) as source:
        assert (copy.entries, copy.branches) == (source.entries, source.branches)
        wanted = ["evt", "tau_pt", "pfCand_pt", "pfCand_particleType"]
        a, b = copy.read(wanted), source.read(wanted)
        for name in wanted:
            np.testing.assert_array_equal(a[name], b[name])


def test_many_entries_are_written_in_steps(files: dict[str, int], tmp_path: Path, monkeypatch):
    monkeypatch.setattr("taumltools.evaluation.friend.STEP", 7)
    table = predictions(1)
    names = write_friends({"new": table}, files, tmp_path, "file")
    found = np.concatenate([uproot.open(tmp_path / n)[FRIEND_TREE]["new_mu"].array(library="np") for n in names])
    np.testing.assert_array_equal(found, table.outputs[:, 1])


def test_a_copy_of_what_is_no_root_file_is_refused():
    check_files(["a.root", "root://host//b.root"], "copy")
    check_files(["a.arrow"], "file")
    with pytest.raises(ConfigError, match=r"--friend copy: b\.arrow is no ROOT file; use --friend file"):
        check_files(["a.root", "b.arrow"], "copy")


READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import ROOT
file = ROOT.TFile(sys.argv[1])
assert not file.TestBit(ROOT.TFile.kRecovered)
taus = file.Get("taus")
taus.AddFriend("scores")
rows = []
for i in range(taus.GetEntries()):
    assert taus.GetEntry(i) > 0
    rows.append([taus.GetLeaf(n).GetValueLong64() for n in ("evt", "scores.evt")] + [taus.GetLeaf("new_tau").GetValue()])
print(json.dumps(rows))
"""


@needs_root
def test_root_reads_them_as_friends(files: dict[str, int], tmp_path: Path):
    table = predictions(1)
    names = write_friends({"new": table}, files, tmp_path, "copy")
    rows = json.loads(run_outside(ROOT_PYTHON, READ, tmp_path / names[0]).replace("NaN", "null"))
    assert [row[0] for row in rows] == [row[1] for row in rows] == table.columns["evt"][:40].tolist()
    found = np.array([np.nan if row[2] is None else row[2] for row in rows], np.float32)
    np.testing.assert_array_equal(found, table.outputs[:40, 2])
