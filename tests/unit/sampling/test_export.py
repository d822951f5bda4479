from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.config.sampling import SpectraConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling import roothist
from taumltools.sampling.acceptance import AcceptancePlan, GroupPlan
from taumltools.sampling.export import (
    read_hashes,
    read_spectra,
    write_acceptance_map,
    write_count_map,
    write_hashes,
    write_spectra,
)
from taumltools.sampling.spectra import Spectra, count_spectra
from taumltools.tuples.truth import NO_TYPE, TauType

DATA = Path(__file__).parents[2] / "data/cms_tools"
GOLDEN = [DATA / name for name in ("head/expected/spectra_DY.root", "v1/expected/spectra_DY.root")]
GOLDEN.append(DATA / "v1/expected/spectra_QCD.root")
SUMS_OF_VALUES = ("fTsumwx", "fTsumwx2", "fTsumwy", "fTsumwy2", "fTsumwxy")


def same_axis(ours, theirs):
    names = ("fNbins", "fXmin", "fXmax", "fName", "fTitle")
    assert {name: ours.member(name) for name in names} == {name: theirs.member(name) for name in names}
    assert np.array_equal(ours.member("fXbins"), theirs.member("fXbins"))


def test_spectra_of_the_cms_tool_are_read():
    expected = count_spectra(DATA / "head/input/DY/eventTuple_1.root", SpectraConfig())
    found = read_spectra(GOLDEN[0])
    assert (found.binning, found.entries, found.not_valid) == (expected.binning, expected.entries, expected.not_valid)
    assert list(found.counts) == list(expected.counts)
    assert all(np.array_equal(found.counts[name], expected.counts[name]) for name in expected.counts)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_spectra_are_written_as_by_the_cms_tool(golden, tmp_path):
    write_spectra(tmp_path / "DY.root", read_spectra(golden))
    with uproot.open(tmp_path / "DY.root") as ours, uproot.open(golden) as theirs:
        assert ours.classnames() == theirs.classnames()
        assert ours.file.compression == theirs.file.compression
        for name in theirs.keys(cycle=False):
            left, right = ours[name], theirs[name]
            assert np.array_equal(left.values(flow=True), right.values(flow=True))
            assert np.array_equal(left.variances(flow=True), right.variances(flow=True))
            for axis in ("fXaxis", "fYaxis"):
                same_axis(left.member(axis), right.member(axis))
            for member, value in right.all_members.items():
                if isinstance(value, int | float | str) and member not in ("@fBits", *SUMS_OF_VALUES):
                    assert left.member(member) == value, (name, member)
            for member in SUMS_OF_VALUES:  # of bin centres instead of values
                if right.has_member(member):
                    assert left.member(member) == pytest.approx(right.member(member), rel=0.1)


def test_rejected_entries_are_a_histogram_filled_with_one(tmp_path):
    write_spectra(tmp_path / "a.root", Spectra.fill(SpectraConfig(), np.full(7, NO_TYPE), np.ones(7), np.ones(7)))
    with uproot.open(tmp_path / "a.root") as file:
        assert file.keys(cycle=False) == ["not_valid"]
        assert file["not_valid"].values(flow=True).tolist() == [0, 7, 0]
    with pytest.raises(InputError, match=r"has no histogram eta_pt_hist_<type>; it holds \['not_valid'\]"):
        read_spectra(tmp_path / "a.root")


binnings = st.builds(
    lambda pt, low, width, eta: SpectraConfig(pt, (low, low + width), eta, (0.0, 2.5)),
    st.integers(1, 12), st.floats(0, 50), st.floats(1, 1000), st.integers(1, 5),
)  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(binning=binnings, seed=st.integers(0, 99), n=st.integers(1, 300))
def test_what_is_written_is_read(binning, seed, n, tmp_path_factory):
    """Under- and overflow included: pt from -10, so that all nine types and all flow bins occur."""
    rng = np.random.default_rng(seed)
    types = np.concatenate([[TauType.data], rng.integers(-1, 9, n)])
    spectra = Spectra.fill(binning, types, rng.uniform(-10, 1200, n + 1), rng.uniform(0, 3, n + 1))
    path = tmp_path_factory.mktemp("spectra") / "a.root"
    write_spectra(path, spectra)
    found = read_spectra(path)
    assert (found.binning, found.entries, found.not_valid) == (binning, n + 1, spectra.not_valid)
    assert list(found.counts) == list(spectra.counts)
    assert all(np.array_equal(found.counts[name], spectra.counts[name]) for name in spectra.counts)


def fake(path, **histograms):
    roothist.write_histograms(path, histograms)
    return path


def two_by_two(contents=1.0, eta=(0, 1, 2), pt=(0, 10, 20), uniform=True):
    x, y = (
        roothist.uniform_axis(n, 2, (e[0], e[-1])) if uniform else roothist.edges_axis(n, e)
        for n, e in (("xaxis", eta), ("yaxis", pt))
    )
    values = np.full((4, 4), contents)
    return roothist.histogram2d("", x, y, values, values)


@pytest.mark.parametrize(
    ("histograms", "message"),
    [
        ({"other": two_by_two()}, r"a.root: has no histogram eta_pt_hist_<type>; it holds \['other'\]"),
        ({"eta_pt_hist_top": two_by_two()}, r"a.root: eta_pt_hist_top is of no known type; known are e, mu"),
        ({"eta_pt_hist_e": two_by_two(0.5)}, "eta_pt_hist_e holds contents that are no counts"),
        ({"eta_pt_hist_e": two_by_two(-1.0)}, "eta_pt_hist_e holds contents that are no counts"),
        ({"eta_pt_hist_e": two_by_two(np.nan)}, "eta_pt_hist_e holds contents that are no counts"),
        ({"eta_pt_hist_e": two_by_two(uniform=False)}, "eta_pt_hist_e has bins of different widths"),
        ({"eta_pt_hist_e": two_by_two(eta=(-1, 0, 1))}, "eta_pt_hist_e has bins that spectra cannot have"),
        (
            {"eta_pt_hist_e": two_by_two(), "eta_pt_hist_mu": two_by_two(pt=(0, 5, 10))},
            "eta_pt_hist_mu has other bins than eta_pt_hist_e",
        ),
    ],
)
def test_histograms_that_are_no_spectra(histograms, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_spectra(fake(tmp_path / "a.root", **histograms))


def cms_plan(take_all):
    """The plan as the CMS tool stored it, for the names of the types in its order."""
    folder = DATA / f"head/expected/acceptance_takeall_{str(take_all).lower()}"
    types, counts, acceptance = ("e", "mu", "tau", "jet"), {}, {}
    with uproot.open(folder / "DY.root") as maps, uproot.open(folder / "DY_n.root") as entries:
        for name in types:
            counts[name] = entries[f"{name}_entries"].values().T.astype(np.int64)
            acceptance[name] = np.ones((3, 2))
            stored = maps[f"{name}_prob"].values().T
            acceptance[name][: len(stored)] = stored
    q = dict.fromkeys(types, 1.0)
    group = GroupPlan(datasets=("DY",), counts=counts, acceptance=acceptance, type_probability=q, entries=197)
    return folder, AcceptancePlan((20.0, 40.0, 80.0, 1000.0), (0.0, 1.2, 2.4), {"DY": group})


@pytest.mark.parametrize("take_all", [False, True])
def test_acceptance_maps_are_written_as_by_the_cms_tool(take_all, tmp_path):
    folder, plan = cms_plan(take_all)
    write_acceptance_map(tmp_path / "DY.root", plan, "DY", lastbin_takeall=take_all)
    write_count_map(tmp_path / "DY_n.root", plan, "DY")
    for name in ("DY.root", "DY_n.root"):
        with uproot.open(tmp_path / name) as ours, uproot.open(folder / name) as theirs:
            assert ours.classnames() == theirs.classnames()
            for key in theirs.keys(cycle=False):
                assert np.array_equal(ours[key].values(), theirs[key].values())
                assert ours[key].member("fSumw2").member("fN") == theirs[key].member("fSumw2").member("fN")
                if name == "DY_n.root":  # their errors went through a root and a square
                    assert np.allclose(ours[key].variances(), theirs[key].variances(), rtol=1e-14)
                for axis in ("fXaxis", "fYaxis"):
                    same_axis(ours[key].member(axis), theirs[key].member(axis))


@pytest.mark.parametrize("name", ["dataset_hash.json", "datagroup_hash.json"])
def test_hash_tables_of_the_cms_tool(name, tmp_path):
    golden = DATA / "head/expected/acceptance_takeall_true" / name
    assert read_hashes(golden) == {"DY": 10918959937480734963}
    write_hashes(tmp_path / name, ["DY"])
    assert (tmp_path / name).read_text() == golden.read_text()


def test_hash_tables_are_merged(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    write_hashes(first, ["TT", "DY"], existing=tmp_path / "none.json")
    write_hashes(second, ["QCD", "TT"], existing=first)
    assert read_hashes(second) == {
        "TT": 10229932817631443077,
        "DY": 10918959937480734963,
        "QCD": 9072256947540860514,
    }
    assert list(read_hashes(second)) == ["TT", "DY", "QCD"]


def test_names_with_dots(tmp_path):
    path, names = tmp_path / "a.json", ["Run2_v1.2", "Run2_v1.10.x", "DY"]
    write_hashes(path, names)
    assert list(json.loads(path.read_text())) == names
    plain = read_hashes(path)
    write_hashes(path, names, legacy=True)
    content = json.loads(path.read_text())
    assert content == {
        "Run2_v1": {"2": str(plain["Run2_v1.2"]), "10": {"x": str(plain["Run2_v1.10.x"])}},
        "DY": "10918959937480734963",
    }
    assert read_hashes(path) == plain


@pytest.mark.parametrize("names", [["A", "A.b"], ["A.b", "A"], ["A.b", "A.b.c"], ["A", "A.b.c"]])
def test_names_that_cannot_be_nested(names, tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be nested beside a name that is a part of it"):
        write_hashes(tmp_path / "a.json", names, legacy=True)
    assert not (tmp_path / "a.json").exists()
    write_hashes(tmp_path / "a.json", names)
    assert list(read_hashes(tmp_path / "a.json")) == names


@pytest.mark.parametrize("text", ["", "[]", '{"DY": []}', '{"DY": "x"}', '{"DY": null}'])
def test_what_is_no_hash_table(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a.json: no usable hash table"):
        write_hashes(tmp_path / "b.json", ["DY"], existing=tmp_path / "a.json")


def test_hash_of_another_compiler(tmp_path):
    (tmp_path / "a.json").write_text('{"DY": "5"}')
    with pytest.raises(InputError, match=r"a.json: states the hash 5 for 'DY', libstdc\+\+ makes 10918959937480734963"):
        read_hashes(tmp_path / "a.json")
