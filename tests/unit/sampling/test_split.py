from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from taumltools.config.binned import BinnedConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.bins import split_name
from taumltools.sampling.partition import InputFile
from taumltools.sampling.size_list import make_size_list
from taumltools.sampling.split import ACCOUNT, SplitAccount, split
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.summary import read_summary
from taumltools.tuples.truth import TauType, truth_type

CMS = Path(__file__).parents[2] / "data/cms_tools/v1"
DY = InputFile(CMS / "input/DY/eventTuple_1.root", 400, "DY")
GOLDEN = BinnedConfig(pt_edges=(20, 40, 80, 1000), eta_edges=(0, 1.15, 2.3))
SMALL = BinnedConfig(pt_edges=(20, 40, 100, 1000), eta_edges=(0, 1.2, 2.4), selection=("abs(tau_dz) < 0.2",))


def read_all(path):
    with open_tuples(path) as file:
        return file.read([*file.branches, *file.other_branches])


@pytest.fixture
def inputs(tmp_path):
    files = []
    for i, size in enumerate((70, 1, 50)):
        taus = mock_tuples(size, seed=i).with_scalars({"evt": np.arange(size, dtype=np.uint64) + 1000 * i})
        write_tuples(tmp_path / f"in_{i}.arrow", taus)
        files.append(InputFile(tmp_path / f"in_{i}.arrow", size, "mock"))
    return files


@pytest.fixture(scope="module", params=["arrow", "root"])
def golden(request, tmp_path_factory):
    """A splitting with golden results: its folder, its account, and what its files hold."""
    folder = tmp_path_factory.mktemp(request.param) / "out"
    account = split([DY], dataclasses.replace(GOLDEN, format=request.param), folder)
    return folder, account, {name: read_all(folder / name) for name in account.files}


def account_of(folder):
    return SplitAccount.load(folder / ACCOUNT)


def test_same_files_as_the_cms_tool(golden):
    _, account, found = golden
    expected = json.loads((CMS / "expected/binned_DY.json").read_text())
    assert expected.pop("summary.root") == {"summary": account.summaries}
    found = {Path(name).stem: taus for name, taus in found.items()}
    assert found.keys() == {name.removesuffix(".root") for name in expected}
    for name, content in expected.items():
        taus = found[name.removesuffix(".root")]
        assert (len(taus), len(taus.branches)) == (content["taus"], 386)
        assert taus["evt"].tolist() == content["evt"], name
        assert taus["tau_index"].tolist() == content["tau_index"], name


def test_all_branches_are_unchanged(golden):
    original, taus = read_all(DY.path), Tuples.concatenate([*golden[2].values()])
    key = [table["evt"].astype(np.int64) * 10 + table["tau_index"] for table in (original, taus)]
    original, taus = original.take(np.argsort(key[0])), taus.take(np.argsort(key[1]))
    assert set(original.branches) == set(taus.branches)
    for name in original.branches:
        assert original[name].dtype == taus[name].dtype
        np.testing.assert_array_equal(original[name], taus[name], name)


def test_summary_and_account_lie_beside(golden):
    folder, account, _ = golden
    if (folder / "summary.root").exists():
        summary = read_summary(folder / "summary.root")["numberOfProcessedEvents"].tolist()
    else:
        summary = json.loads((folder / "summary.json").read_text())["numberOfProcessedEvents"]
    assert summary == [400]
    assert account_of(folder) == account
    assert (account.read, account.binned, account.other, account.duplicates) == (400, 360, 40, 0)
    suffix = Path(next(iter(account.files))).suffix
    summary_name = "summary.root" if suffix == ".root" else "summary.json"
    assert {p.name for p in folder.iterdir()} == {*account.files, summary_name, ACCOUNT}
    assert make_size_list({"DY": folder}).entries == {f"DY/{name}": n for name, n in account.files.items()}


def test_entries_go_where_type_pt_and_eta_say(tmp_path, inputs):
    account = split(inputs, SMALL, tmp_path / "out")
    assert account.read == sum(account.files.values()) == 121
    assert account.binned > 50
    for name, entries in account.files.items():
        taus = read_all(tmp_path / "out" / name)
        assert len(taus) == entries > 0
        # the order of the inputs is kept in every file
        assert np.all(np.diff(taus["evt"].astype(np.int64)) > 0)
        parts = split_name(Path(name).stem)
        types, good = truth_type(taus), (np.abs(taus["tau_dz"]) < 0.2) & (taus["tau_index"] >= 0)
        pt, eta = taus["tau_pt"], np.abs(taus["tau_eta"])
        if parts is None:
            inside = (pt >= 20) & (pt < 1000) & (eta < 2.4)
            assert not np.any(good & inside & (types >= 0))
            continue
        low, high = {"20": (20, 40), "40": (40, 100), "100": (100, 1000)}[parts[1]]
        assert np.all(types == TauType[parts[0]])
        assert np.all(good & (pt >= low) & (pt < high))
        assert np.all((eta < 1.2) == (parts[2] == "0.000"))


def test_files_do_not_depend_on_the_memory(tmp_path, inputs):
    split(inputs, SMALL, tmp_path / "large")
    little = dataclasses.replace(SMALL, memory_mb=0.5)
    split(inputs, little, tmp_path / "little", scratch=tmp_path)
    assert account_of(tmp_path / "large") == account_of(tmp_path / "little")
    for name in account_of(tmp_path / "large").files:
        one, other = (read_all(tmp_path / folder / name) for folder in ("large", "little"))
        for branch in one.branches:
            np.testing.assert_array_equal(one[branch], other[branch], branch)
    assert not list(tmp_path.glob(".runs-*"))


def test_duplicates_are_dropped_within_a_dataset(tmp_path, inputs):
    twice = [*inputs, dataclasses.replace(inputs[1], dataset="else")]
    write_tuples(tmp_path / "again.arrow", read_all(inputs[0].path).slice(10, 30))
    twice.append(InputFile(tmp_path / "again.arrow", 20, "mock"))
    account = split(twice, SMALL, tmp_path / "dropped")
    assert (account.read, account.duplicates) == (142, 20)
    assert account.binned + account.other == 122  # the same entry of another dataset stays
    kept = split(twice, dataclasses.replace(SMALL, duplicates="keep"), tmp_path / "kept")
    assert (kept.read, kept.duplicates, kept.binned + kept.other) == (142, 0, 142)
    only = split(twice[:-1], SMALL, tmp_path / "only")
    assert only.files == account.files


def test_reasons_add_up(tmp_path):
    taus = mock_tuples(40, seed=1)
    good = np.ones(40, np.int32)
    changes = {"tau_decayModeFindingNewDMs": good, "tau_dz": np.zeros(40, np.float32), "tau_index": good * 0}
    taus = taus.with_scalars(changes | {"tau_pt": np.full(40, 50, np.float32), "tau_eta": np.zeros(40, np.float32)})
    taus = taus.with_scalars({"genLepton_index": good * -1, "genJet_index": good * 0})
    for name, rows, value in (
        ("tau_index", slice(0, 1), -1), ("tau_decayModeFindingNewDMs", slice(1, 3), 0), ("tau_dz", slice(3, 6), 0.2),
        ("tau_pt", slice(6, 10), 1000), ("tau_eta", slice(10, 15), -2.31), ("genJet_index", slice(15, 21), -1),
    ):  # fmt: skip
        taus.scalars[name][rows] = value
    write_tuples(tmp_path / "in.arrow", taus)
    account = split([InputFile(tmp_path / "in.arrow", 40, "x")], BinnedConfig(), tmp_path / "out")
    assert (account.not_selected, account.outside, account.no_type, account.binned) == (6, 9, 6, 19)
    assert account.files == {"jet_pt_50_eta_0.000.arrow": 19, "other.arrow": 21}


@pytest.mark.parametrize(("sample_type", "name"), [("MC", "jet"), ("Embedded", "emb_jet"), ("Data", "data")])
def test_sample_types(tmp_path, sample_type, name):
    taus = mock_tuples(5).with_scalars(
        {
            "tau_index": np.zeros(5, np.int32), "genLepton_index": np.full(5, -1, np.int32),
            "genJet_index": np.zeros(5, np.int32), "tau_pt": np.full(5, 30, np.float32),
            "tau_eta": np.full(5, -1.5, np.float32), "sampleType": np.full(5, 1, np.int32),
        }
    )  # fmt: skip
    write_tuples(tmp_path / "in.arrow", taus)
    config = BinnedConfig(selection=())
    account = split([InputFile(tmp_path / "in.arrow", 5, "x", sample_type)], config, tmp_path / "out")
    assert account.files == {f"{name}_pt_30_eta_1.150.arrow": 5}


def test_wrong_inputs(tmp_path, inputs):
    with pytest.raises(InputError, match=r"in_0.arrow: has 70 entries, expected are 71"):
        split([dataclasses.replace(inputs[0], entries=71)], SMALL, tmp_path / "a")
    with pytest.raises(InputError, match=r"in_0.arrow: has 70 entries, expected are 69; .* count it again"):
        config = dataclasses.replace(SMALL, duplicates="keep")
        split([dataclasses.replace(inputs[0], entries=69)], config, tmp_path / "b")
    write_tuples(tmp_path / "few.arrow", mock_tuples(5), [n for n in mock_tuples(1).branches if n != "rho"])
    with pytest.raises(InputError, match=r"few.arrow: its branches are not those .* in 1, e.g. rho"):
        split([*inputs, InputFile(tmp_path / "few.arrow", 5, "few")], SMALL, tmp_path / "c")
    with pytest.raises(ConfigError, match="files of the same name"):
        split(inputs, dataclasses.replace(SMALL, pt_edges=(20, 20.1, 30)), tmp_path / "d")
    with pytest.raises(InputError, match="compression 'lzma' is unknown"):
        split(inputs, dataclasses.replace(SMALL, compression_algo="lzma"), tmp_path / "e")


def test_infinite_values_are_refused(tmp_path):
    taus = mock_tuples(5)
    taus.scalars["rho"][3] = 7  # written as it is, made infinite below
    path = tmp_path / "in.arrow"
    write_tuples(path, taus, compression="none")
    seven, infinite = np.float32(7).tobytes(), np.float32(np.inf).tobytes()
    data = bytearray(path.read_bytes())
    at = data.index(taus["rho"].tobytes()) + 12
    assert data[at : at + 4] == seven
    data[at : at + 4] = infinite
    path.write_bytes(data)
    with pytest.raises(InputError, match="branch 'rho' has 1 infinite values"):
        split([InputFile(path, 5, "x")], SMALL, tmp_path / "out")


def test_an_account_that_does_not_add_up(tmp_path):
    with pytest.raises(InputError, match="entries were lost"):
        SplitAccount(read=3, binned=1, other=1, outside=1).check()
    with pytest.raises(InputError, match="files hold 1 entries, expected 2"):
        SplitAccount(read=2, binned=1, other=1, outside=1, files={"a": 1}).check()
    (tmp_path / "account.json").write_text('{"lost": 1}')
    with pytest.raises(InputError, match="no usable account"):
        SplitAccount.load(tmp_path / "account.json")
