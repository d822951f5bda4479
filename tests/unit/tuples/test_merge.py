"""Joining tuple files to a target size."""

from __future__ import annotations

import json

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.merge import check_alike, merge_tuples, read_account
from taumltools.tuples.mock import mock_tuples

BRANCHES = ["run", "lumi", "evt", "tau_pt", "pfCand_pt", "mine"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files with a branch that the schema does not know."""
    folder, paths = tmp_path_factory.mktemp("small"), []
    for seed in range(6):
        taus = mock_tuples(4000, seed=seed)
        taus = taus.with_scalars({"mine": np.arange(4000, dtype=np.int32) + 4000 * seed})
        paths.append(folder / f"{seed}.{'root' if seed % 2 else 'arrow'}")
        write_tuples(paths[-1], taus, BRANCHES)
    return paths


def contents(folder):
    parts = []
    for file in read_account(folder):
        with open_tuples(folder / file.name) as reader:
            parts.append(reader.read(["mine", "evt", "pfCand_pt"]))
    return Tuples.concatenate(parts)


@pytest.mark.parametrize("suffix", [".root", ".arrow"])
@pytest.mark.parametrize("target", [1, 400_000, 10**9])
def test_every_entry_once_and_in_order(files, tmp_path, suffix, target):
    made = merge_tuples(files, tmp_path / "out", target, suffix)
    taus = contents(tmp_path / "out")
    assert taus["mine"].tolist() == list(range(24000))
    sizes = [file.bytes for file in made]
    assert (len(made) == 1) == (target == 10**9)
    if target == 400_000:
        assert all(target <= size < 4 * target for size in sizes[:-1])
    account = json.loads((tmp_path / "out/account.json").read_text())
    assert account["entries"] == 24000 == sum(file["entries"] for file in account["files"])
    assert len(account["inputs"]) == 6


def test_merged_files_have_real_vectors(files, tmp_path):
    (made,) = merge_tuples(files[:2], tmp_path / "out", 10**9, ".root", "lz4")
    with uproot.open(tmp_path / "out" / made.name) as file:
        assert file["taus"]["pfCand_pt"].typename == "std::vector<float>"


def test_files_with_other_branches_are_refused(files, tmp_path):
    write_tuples(tmp_path / "odd.arrow", mock_tuples(3), ["run", "lumi", "evt", "tau_pt", "tau_eta"])
    with pytest.raises(
        InputError, match=r"odd\.arrow and .*0\.arrow differ in 3 branches, e\.g\. mine, pfCand_pt, tau_eta"
    ):
        merge_tuples([*files, tmp_path / "odd.arrow"], tmp_path / "out", 10**9)
    assert not (tmp_path / "out").exists()
    assert check_alike(files) == (["run", "lumi", "evt", "tau_pt", "pfCand_pt", "mine"], 24000)


def test_nothing_to_merge_is_an_error(tmp_path):
    write_tuples(tmp_path / "none.arrow", mock_tuples(1).slice(0, 0), ["evt"])
    with pytest.raises(InputError, match="0 entries were written of 0 in 1 files"):
        merge_tuples([tmp_path / "none.arrow"], tmp_path / "out", 10)
    with pytest.raises(InputError, match=r"suffix '\.h5' is no tuple format"):
        merge_tuples([tmp_path / "none.arrow"], tmp_path / "out", 10, ".h5")


def test_account_is_checked(files, tmp_path):
    merge_tuples(files[:1], tmp_path / "out", 10**9, ".arrow")
    write_tuples(tmp_path / "out/merged_0.arrow", mock_tuples(7), ["evt"])
    with pytest.raises(InputError, match="has 7 entries, its account says 4000"):
        read_account(tmp_path / "out")
    with pytest.raises(InputError, match=r"no usable account\.json"):
        read_account(tmp_path)
