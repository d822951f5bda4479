from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from taumltools.config.binned import BinnedConfig, MergeStepConfig, SourceConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.legacy_merge import LegacyDraws, legacy_places
from taumltools.sampling.legacy_stream import LegacyStream
from taumltools.sampling.merge_bins import merge
from taumltools.sampling.merge_plan import plan_merge
from taumltools.sampling.merge_sources import binned_files
from taumltools.sampling.partition import InputFile
from taumltools.sampling.size_list import make_size_list
from taumltools.sampling.split import split
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples

SOURCES = {"a": SourceConfig(file="tau_.*", dir="A"), "b": SourceConfig(file="tau_.*", dir="B")}
STEP = MergeStepConfig(outputs={"out": SOURCES}, pt_edges=(20, 40, 80), eta_edges=(0, 2.3))
CONFIG = BinnedConfig()
SIZES = {("A", 20): 60, ("A", 40): 7, ("B", 20): 20, ("B", 40): 33}
BRANCHES = ("evt", "lumi", "run", "sampleType", "trainingWeight", "tau_pt", "pfCand_pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Binned files: run numbers the dataset, lumi the pt bin, evt the entry of the file."""
    folder = tmp_path_factory.mktemp("binned")
    for (dataset, pt), size in SIZES.items():
        (folder / dataset).mkdir(exist_ok=True)
        columns = {
            "evt": np.arange(size, dtype=np.uint64),
            "lumi": np.full(size, pt, np.uint32),
            "run": np.full(size, "AB".index(dataset), np.uint32),
            "sampleType": np.ones(size, np.int32),
        }
        taus = mock_tuples(size, seed=size).with_scalars(columns)
        write_tuples(folder / dataset / f"tau_pt_{pt}_eta_0.000.arrow", taus, BRANCHES)
    return folder


def plan(folder, step=STEP, sources=SOURCES):
    return plan_merge("out", binned_files(make_size_list(folder).entries, folder), sources, step)


def run(folder, path, step=STEP, sources=SOURCES, config=CONFIG, seed=1, **more):
    account = merge(plan(folder, step, sources), step, config, path, rng=np.random.default_rng(seed), **more)
    with open_tuples(path) as file:
        return file.read(), account


def keys(taus):
    return list(zip(taus["run"].tolist(), taus["lumi"].tolist(), taus["evt"].tolist(), strict=True))


ALL = [("AB".index(d), pt, i) for (d, pt), size in SIZES.items() for i in range(size)]


def test_every_entry_exactly_once(folder, tmp_path):
    taus, account = run(folder, tmp_path / "out.arrow")
    assert sorted(keys(taus)) == sorted(ALL)
    assert keys(taus) != sorted(ALL)
    assert (account["entries"], account["written"], account["available"]) == (120, 120, 120)
    assert set(taus.branches) == {*BRANCHES, "tauType"}
    assert set(taus["tauType"].tolist()) == {2}  # from the name of the bins


def test_content_depends_on_the_seed_alone(folder, tmp_path):
    first = keys(run(folder, tmp_path / "a.arrow")[0])
    little = dataclasses.replace(CONFIG, memory_mb=0.01)
    assert keys(run(folder, tmp_path / "b.arrow", config=little, scratch=tmp_path)[0]) == first
    assert keys(run(folder, tmp_path / "c.root")[0]) == first
    assert keys(run(folder, tmp_path / "d.arrow", seed=2)[0]) != first
    assert {p.name for p in tmp_path.iterdir()} == {"a.arrow", "b.arrow", "c.root", "d.arrow"}


def test_entries_keep_their_content(folder, tmp_path):
    taus, _ = run(folder, tmp_path / "out.arrow")
    for (dataset, pt), size in SIZES.items():
        with open_tuples(folder / dataset / f"tau_pt_{pt}_eta_0.000.arrow") as file:
            original = file.read()
        rows = np.flatnonzero((taus["run"] == "AB".index(dataset)) & (taus["lumi"] == pt))
        mine = taus.take(rows[np.argsort(taus["evt"][rows])])
        for name in BRANCHES:
            np.testing.assert_array_equal(mine[name], original[name], name)
        assert len(rows) == size


def test_weights_and_occupancy(folder, tmp_path):
    step = dataclasses.replace(STEP, calc_weights=True, max_bin_occupancy=50, disabled_branches=("trainingWeight",))
    taus, account = run(folder, tmp_path / "out.arrow", step)
    counts = {pt: int(np.count_nonzero(taus["lumi"] == pt)) for pt in (20, 40)}
    assert counts == {20: 50, 40: 40}
    assert taus["trainingWeight"].dtype == np.float32
    for pt, entries in counts.items():
        assert set(taus["trainingWeight"][taus["lumi"] == pt].tolist()) == {float(np.float32(1 / 2 / entries))}
    assert math.isclose(account["weight_sum"], 1)
    assert math.isclose(taus["trainingWeight"].astype(float).sum(), 1, rel_tol=1e-6)
    # the quotas of the two sources are equal as long as both have entries
    assert account["by_source"] == {"a": {"available": 67, "entries": 37}, "b": {"available": 53, "entries": 53}}
    # of a file the first entries are taken
    assert sorted(taus["evt"][(taus["lumi"] == 20) & (taus["run"] == 0)].tolist()) == list(range(30))


def test_without_weights_those_of_the_input_stay(folder, tmp_path):
    taus, _ = run(folder, tmp_path / "out.arrow")
    assert not np.isin(taus["trainingWeight"], np.float32([1 / 2 / 80, 1 / 2 / 40])).any()
    step = dataclasses.replace(STEP, disabled_branches=("training.*", "pfCand_.*"))
    kept = {"evt", "lumi", "run", "sampleType", "tauType", "tau_pt"}
    assert set(run(folder, tmp_path / "few.arrow", step)[0].branches) == kept


def test_sample_type_is_overwritten(folder, tmp_path):
    sources = SOURCES | {"b": dataclasses.replace(SOURCES["b"], sample_type="Embedded")}
    taus, _ = run(folder, tmp_path / "out.arrow", sources=sources)
    assert set(taus["sampleType"][taus["run"] == 1].tolist()) == {2}
    assert set(taus["sampleType"][taus["run"] == 0].tolist()) == {1}


def test_composition_is_that_of_the_whole_in_every_stretch(tmp_path):
    sizes = {20: 3000, 40: 300, 60: 60}
    (tmp_path / "A").mkdir()
    for pt, size in sizes.items():
        taus = mock_tuples(size, seed=pt).with_scalars({"lumi": np.full(size, pt, np.uint32)})
        write_tuples(tmp_path / f"A/tau_pt_{pt}_eta_0.000.arrow", taus, ["lumi", "evt"])
    step = dataclasses.replace(STEP, pt_edges=(20, 40, 60, 80))
    taus, account = run(tmp_path, tmp_path / "out.arrow", step, {"a": SOURCES["a"]})
    assert account["written"] == 3360  # nothing is given up for it, unlike in the CMS tool
    counts = np.array([np.histogram(np.flatnonzero(taus["lumi"] == pt), 12, (0, 3360))[0] for pt in sizes])
    expected = np.array([*sizes.values()])[:, None] / 12
    assert chi2.sf(np.sum((counts - expected) ** 2 / expected), 22) > 1e-3
    rare = np.flatnonzero(taus["lumi"] == 60) / 3360
    assert kstest(rare, "uniform").pvalue > 1e-3


def test_legacy_order_repeats_the_cms_tool(folder, tmp_path):
    step = dataclasses.replace(STEP, order="legacy", ensure_uniformity=False, take="first")
    taus, account = run(folder, tmp_path / "out.arrow", step)
    assert account["written"] == 120
    assert sorted(keys(taus)) == sorted(ALL)
    # the order within a file survives
    for run_number in (0, 1):
        for pt in (20, 40):
            evt = taus["evt"][(taus["run"] == run_number) & (taus["lumi"] == pt)]
            assert np.all(np.diff(evt.astype(int)) == 1)
    draws = LegacyDraws(LegacyStream(step.seed))
    expected = legacy_places([[60, 20], [7, 33]], stop_early=False, draws=draws)
    assert np.flatnonzero((taus["run"] == 0) & (taus["lumi"] == 40)).tolist() == expected[1][0].tolist()
    # the random numbers handed in have no part in it
    assert keys(run(folder, tmp_path / "again.arrow", step, seed=9)[0]) == keys(taus)


def test_legacy_uniformity_stops_early(folder, tmp_path, caplog):
    step = dataclasses.replace(STEP, order="legacy", take="first")
    taus, account = run(folder, tmp_path / "out.arrow", step)
    assert account["written"] == len(taus) < account["entries"] == 120
    assert "entries are written, the first bin is exhausted then" in caplog.text
    counts = [int(np.count_nonzero(taus["lumi"] == pt)) for pt in (20, 40)]
    assert [counts[0] == 80, counts[1] == 40].count(True) == 1


def test_legacy_outputs_share_one_stream(folder, tmp_path):
    step = dataclasses.replace(STEP, order="legacy", ensure_uniformity=False)
    one = plan(folder, step)
    draws = LegacyDraws(LegacyStream(step.seed))
    quotas = [[60, 20], [7, 33]]
    legacy_places(quotas, stop_early=False, draws=draws)
    expected = legacy_places(quotas, stop_early=False, draws=draws)
    taus, _ = run(folder, tmp_path / "second.arrow", step, before=[one])
    assert np.flatnonzero((taus["run"] == 0) & (taus["lumi"] == 40)).tolist() == expected[1][0].tolist()


def test_datasets_with_different_branches(folder, tmp_path, caplog):
    (tmp_path / "A").symlink_to(folder / "A")
    (tmp_path / "B").mkdir()
    taus = mock_tuples(5)
    write_tuples(tmp_path / "B/tau_pt_20_eta_0.000.arrow", taus, ["evt", "lumi", "run", "tau_eta"])
    sources = {"all": SourceConfig(file="tau_.*")}
    taus, _ = run(tmp_path, tmp_path / "out.arrow", sources=sources)
    lacking = taus["sampleType"] != 1
    assert np.isnan(taus["tau_pt"][lacking]).tolist() == [True] * 5
    assert "'B' lacks 4 branches" in caplog.text
    own = taus.with_scalars({"mine": np.zeros(len(taus), np.float32)})
    write_tuples(tmp_path / "B/tau_pt_20_eta_0.000.arrow", own, ["evt", "mine"])
    with pytest.raises(InputError, match=r"out: the files of 'A' lack the branches \['mine'\].*knows no value"):
        run(tmp_path, tmp_path / "wrong.arrow", sources=sources)
    assert not (tmp_path / "wrong.arrow").exists()


def test_wrong_requests(folder, tmp_path):
    step = dataclasses.replace(STEP, disabled_branches=("pfcand_.*",))
    with pytest.raises(ConfigError, match=r"disabled_branches: 'pfcand_.*' matches no branch"):
        run(folder, tmp_path / "out.arrow", step)
    longer = plan_merge("out", binned_files({"A/tau_pt_20_eta_0.000.arrow": 61}, folder), {"a": SOURCES["a"]}, STEP)
    with pytest.raises(InputError, match="entries 0 to 61 were asked for, the file has 60"):
        merge(longer, STEP, CONFIG, tmp_path / "out.arrow", rng=np.random.default_rng(1))
    assert not (tmp_path / "out.arrow").exists()


def test_whole_recipe_from_cms_files(tmp_path):
    """Splitting, size list, a weighted file per type, one file of all types."""
    cms = Path(__file__).parents[2] / "data/cms_tools/v1/input"
    config = BinnedConfig(pt_edges=(20, 40, 1000), eta_edges=(0, 2.3))
    for dataset, entries in (("DY", 400), ("QCD", 200)):
        split([InputFile(cms / dataset / "eventTuple_1.root", entries, dataset)], config, tmp_path / dataset)
    files = binned_files(make_size_list({d: tmp_path / d for d in ("DY", "QCD")}).entries, tmp_path)
    first = MergeStepConfig(
        outputs={"x": SOURCES}, pt_edges=config.pt_edges, eta_edges=config.eta_edges, calc_weights=True
    )
    (tmp_path / "by_type").mkdir()
    written = {}
    for i, tau_type in enumerate(("tau", "jet")):
        name = f"{tau_type}_pt_20_eta_0.000"
        made = plan_merge(name, files, {"all": SourceConfig(file=f"{tau_type}_pt_.*")}, first)
        path = tmp_path / f"by_type/{name}.arrow"
        written[tau_type] = merge(made, first, config, path, rng=np.random.default_rng(i))["written"]
    second = dataclasses.replace(first, pt_edges=(20, 1000), calc_weights=False)
    files = binned_files(make_size_list({"by_type": tmp_path / "by_type"}).entries, {"by_type": tmp_path / "by_type"})
    sources = {name: SourceConfig(file=f"{name}_.*") for name in ("tau", "jet")}
    made = plan_merge("training_tauTuple", files, sources, second)
    merge(made, second, config, tmp_path / "training_tauTuple.root", rng=np.random.default_rng(5))
    with open_tuples(tmp_path / "training_tauTuple.root") as file:
        assert len(file.branches) + len(file.other_branches) == 386
        taus = file.read(["trainingWeight", "lepton_gen_match", "tau_pt"])
    assert len(taus) == sum(written.values())
    # the weights of each type still add up to 1 after the second step
    for match in (5, 6):
        mine = taus["lepton_gen_match"] == match
        assert math.isclose(taus["trainingWeight"][mine].astype(float).sum(), 1, rel_tol=1e-5)
