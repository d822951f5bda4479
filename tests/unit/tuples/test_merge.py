"""Joining tuple files to a target size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.merge import check_alike, merge_tuples, read_account
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.summary import read_summary

DATA = Path(__file__).parents[2] / "data/cms_tools/v1/input"
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
        assert all(0.8 * target <= size < 1.2 * target for size in sizes[:-1])
    account = json.loads((tmp_path / "out/account.json").read_text())
    assert account["entries"] == 24000 == sum(file["entries"] for file in account["files"])
    assert len(account["inputs"]) == 6


@pytest.mark.parametrize("suffix", [".root", ".arrow"])
def test_processed_events_come_along(tmp_path, suffix):
    """The number that simulation is normalised with was lost."""
    inputs = [DATA / "DY/eventTuple_1.root", DATA / "QCD/eventTuple_1.root"]
    made = merge_tuples(inputs, tmp_path / "out", 20_000, suffix)
    assert len(made) > 1
    assert json.loads((tmp_path / "out/account.json").read_text())["processed_events"] == 600
    assert [file.bytes for file in read_account(tmp_path / "out")] == [
        (tmp_path / "out" / file.name).stat().st_size for file in made
    ]
    if suffix == ".root":
        found = [read_summary(tmp_path / "out" / file.name) for file in made]
        assert found[0]["numberOfProcessedEvents"].tolist() == [400, 200]
        assert found[1:] == [None] * (len(made) - 1)
    else:
        content = json.loads((tmp_path / "out/summary.json").read_text())
        assert content["numberOfProcessedEvents"] == [400, 200]


def test_account_says_which_entries_went_where(files, tmp_path):
    """What came from where could not be told."""
    made = merge_tuples(files, tmp_path / "out", 400_000)
    assert made == read_account(tmp_path / "out")
    for file in made:
        assert sum(part.stop - part.start for part in file.inputs) == file.entries
        with open_tuples(tmp_path / "out" / file.name) as reader:
            rows = reader.read(["mine"])["mine"]
        origin = [n + 4000 * int(Path(p.path).stem) for p in file.inputs for n in range(p.start, p.stop)]
        assert rows.tolist() == origin


def small_files(folder, shape):
    """Files of (entries, mean number of objects), numbered through."""
    for number, (entries, objects) in enumerate(shape):
        first = sum(n for n, _ in shape[:number])
        rng = np.random.default_rng(number)
        offsets = np.concatenate([[0], np.cumsum(rng.poisson(objects, entries))])
        pt = rng.exponential(5.0, offsets[-1]).astype(np.float32)
        evt = np.arange(first, first + entries, dtype=np.uint64)
        taus = Tuples({"run": np.ones(entries, np.uint32), "evt": evt}, {"pfCand": Collection(offsets, {"pt": pt})})
        write_tuples(folder / f"{number}.arrow", taus, ["run", "evt", "pfCand_pt"])
    return [folder / f"{number}.arrow" for number in range(len(shape))]


def merged_events(folder):
    numbers = []
    for file in read_account(folder):
        with open_tuples(folder / file.name) as reader:
            numbers += reader.read(["evt"])["evt"].tolist()
    return numbers


@settings(max_examples=20, deadline=None)
@given(
    shape=st.lists(st.tuples(st.integers(1, 4000), st.integers(5, 15)), min_size=1, max_size=6),
    target=st.integers(30_000, 1_000_000),
    suffix=st.sampled_from([".root", ".arrow"]),
)
def test_target_below_a_block_of_15000_entries_was_missed(tmp_path_factory, shape, target, suffix):
    """Files are within a fifth of the target or the size of 1000 entries; no entry is lost, and their order is kept."""
    folder = tmp_path_factory.mktemp("any")
    made = merge_tuples(small_files(folder, shape), folder / "out", target, suffix)
    assert merged_events(folder / "out") == list(range(sum(entries for entries, _ in shape)))
    for file in made:
        excess = file.bytes - target
        tolerance = max(0.2 * target, 1000 * file.bytes / file.entries)
        assert (excess if file is made[-1] else abs(excess)) <= tolerance


@pytest.mark.parametrize("suffix", [".root", ".arrow"])
@pytest.mark.parametrize("objects", [(0, 40), (40, 0)])
def test_entries_that_become_larger_move_a_file_by_1000_of_them_at_most(tmp_path, suffix, objects):
    files = small_files(tmp_path, [(4000, number) for number in objects])
    made = merge_tuples(files, tmp_path / "out", 100_000, suffix)
    assert merged_events(tmp_path / "out") == list(range(8000))
    large = max(file.bytes / file.entries for file in made)
    assert all(abs(file.bytes - 100_000) <= 1000 * large for file in made[:-1])


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
    with pytest.raises(InputError, match="nothing to merge: the 1 files have no entries"):
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
