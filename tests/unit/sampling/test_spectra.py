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
from taumltools.sampling import spectra as module
from taumltools.sampling.spectra import SPECTRA_BRANCHES, Spectra, count_spectra
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import TauType, truth_type

DATA = Path(__file__).parents[2] / "data/cms_tools/head"
COARSE = SpectraConfig(pt_bins=4, pt_range=(20, 100), eta_bins=3, eta_range=(0, 2.4))


def filled(types, pt, eta, binning=COARSE):
    return Spectra.fill(binning, np.array(types), np.array(pt, float), np.array(eta, float))


@pytest.fixture(scope="module")
def mock_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("spectra") / "taus.arrow"
    write_tuples(path, mock_tuples(3000, seed=4), SPECTRA_BRANCHES)
    return path


def test_cms_spectra_are_reproduced_exactly():
    """CreateSpectralHists of CMS on the same file: every fine bin, flow included, of every type."""
    spectra = count_spectra(DATA / "input/DY/eventTuple_1.root", SpectraConfig())
    with uproot.open(DATA / "expected/spectra_DY.root") as file:
        names = {key.removeprefix("eta_pt_hist_") for key in file.keys(cycle=False) if key != "not_valid"}
        assert set(spectra.counts) == names
        for name in names:
            expected = file[f"eta_pt_hist_{name}"].values(flow=True)
            assert np.array_equal(spectra.counts[name].T, expected), name
        assert spectra.not_valid == file["not_valid"].values().sum()
    assert spectra.entries == 200


@pytest.mark.parametrize("sample", ["DY", "QCD"])
def test_cms_spectra_of_2020_are_reproduced_exactly(sample):
    """CreateSpectralHists of November 2020 counts every reconstructed tau, whose type follows lepton_gen_match."""
    folder = DATA.parent / "v1"
    binning = SpectraConfig(pt_bins=4990, pt_range=(10, 5000), eta_bins=25, eta_range=(0, 2.5))
    spectra = count_spectra(folder / f"input/{sample}/eventTuple_1.root", binning)
    with uproot.open(folder / f"expected/spectra_{sample}.root") as file:
        names = {key.removeprefix("eta_pt_hist_") for key in file.keys(cycle=False) if key != "not_valid"}
        assert set(spectra.counts) == names
        for name in names:
            assert np.array_equal(spectra.counts[name].T, file[f"eta_pt_hist_{name}"].values(flow=True)), name
        assert spectra.not_valid == file["not_valid"].values().sum() > 0


def test_stored_sample_type_is_used_unless_another_is_named(tmp_path):
    tuples = mock_tuples(200, seed=6)
    tuples = tuples.take(np.flatnonzero(tuples["genLepton_index"] < 0))
    codes = np.arange(len(tuples), dtype="i4") % 3
    write_tuples(tmp_path / "mixed.arrow", tuples.with_scalars({"sampleType": codes}), SPECTRA_BRANCHES)
    stored = count_spectra(tmp_path / "mixed.arrow", COARSE)
    assert set(stored.counts) == {"jet", "emb_jet", "data"}
    assert set(count_spectra(tmp_path / "mixed.arrow", COARSE, "MC").counts) == {"jet"}


def test_every_entry_is_counted(mock_file):
    spectra = count_spectra(mock_file, SpectraConfig())
    types = truth_type(mock_tuples(3000, seed=4))
    assert spectra.entries == 3000
    assert spectra.not_valid == np.count_nonzero(types == -1)
    assert spectra.entries_by_type == {t.name: np.count_nonzero(types == t) for t in TauType if (types == t).any()}


def test_chunks_do_not_matter(mock_file, monkeypatch):
    expected = count_spectra(mock_file, COARSE)
    monkeypatch.setattr(module, "STEP", 271)
    found = count_spectra(mock_file, COARSE)
    assert (found.entries, found.not_valid, list(found.counts)) == (3000, expected.not_valid, list(expected.counts))
    assert all(np.array_equal(found.counts[t], expected.counts[t]) for t in expected.counts)


def test_rebin_agrees_with_direct_counting(mock_file):
    pt_edges, eta_edges = [20, 30, 45, 1000], [0, 0.6, 1.23, 2.4]
    spectra = count_spectra(mock_file, SpectraConfig())
    tuples = mock_tuples(3000, seed=4)
    types = truth_type(tuples)
    for tau_type in ("e", "mu", "tau", "jet"):
        mine = types == TauType[tau_type]
        pt, eta = tuples["tau_pt"][mine].astype(float), np.abs(tuples["tau_eta"][mine]).astype(float)
        expected = np.histogram2d(pt, eta, bins=[pt_edges, eta_edges])[0]
        assert np.array_equal(spectra.rebin(tau_type, pt_edges, eta_edges), expected)


def test_flow_is_kept():
    spectra = filled([2, 2, 2, 2, -1], [10, 30, 500, 30, 30], [0.1, 5.0, 0.1, 0.1, 0.1])
    flow = spectra.with_flow("tau", [20, 60, 100], [0, 0.8, 2.4])
    assert flow.tolist() == [[0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert spectra.rebin("tau", [20, 60, 100], [0, 0.8, 2.4]).sum() == 1
    assert (spectra.entries, spectra.not_valid) == (5, 1)


def test_narrower_coarse_range_puts_the_rest_into_flow():
    spectra = filled([3] * 4, [25, 45, 65, 85], [0.1, 0.9, 1.7, 2.3])
    flow = spectra.with_flow("jet", [40, 80], [0.8, 1.6])
    assert flow.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]


def test_lower_edges_belong_to_a_bin():
    assert filled([0, 0, 0], [20, 40, 99.999], [0, 0.8, 2.3999]).rebin("e", [20, 40, 100], [0, 0.8, 2.4]).tolist() == [
        [1, 0],
        [0, 2],
    ]
    assert filled([0], [100], [0.1]).rebin("e", [20, 100], [0, 2.4]).sum() == 0


def test_types_that_do_not_occur_have_zeros():
    assert filled([2], [30], [0.1]).rebin("mu", [20, 40, 60], [0, 2.4]).tolist() == [[0], [0]]


@pytest.mark.parametrize("edges", [[20, 33, 100], [0, 100], [20, 120], [40, 20], [20]])
def test_incompatible_edges(edges):
    with pytest.raises(ConfigError, match="pt_edges"):
        filled([2], [30], [0.1]).rebin("tau", edges, [0, 2.4])


def test_eta_edges_are_checked_too():
    with pytest.raises(ConfigError, match=r"eta_edges has 1, which is no edge .*3 bins from 0 to 2.4"):
        filled([2], [30], [0.1]).rebin("tau", [20, 40], [0, 1.0])


candidates = st.lists(st.tuples(st.integers(-1, 8), st.floats(0, 200), st.floats(0, 4)), max_size=30)


def same(a, b):
    assert (a.binning, a.entries, a.not_valid, list(a.counts)) == (b.binning, b.entries, b.not_valid, list(b.counts))
    assert all(np.array_equal(a.counts[t], b.counts[t]) for t in a.counts)


@settings(max_examples=50, deadline=None)
@given(candidates, st.integers(0, 30))
def test_merge_equals_counting_together(rows, cut):
    def count(part):
        types, pt, eta = zip(*part, strict=True) if part else ((), (), ())
        return filled(np.array(types, int), pt, eta)

    same(Spectra.merge([count(rows[:cut]), count(rows[cut:])]), count(rows))


@settings(max_examples=25, deadline=None)
@given(candidates)
def test_save_and_load(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("json") / "spectra.json"
    types, pt, eta = zip(*rows, strict=True) if rows else ((), (), ())
    spectra = filled(np.array(types, int), pt, eta)
    spectra.save(path)
    same(Spectra.load(path), spectra)


def test_file_is_compact(mock_file, tmp_path):
    spectra = count_spectra(mock_file, SpectraConfig())
    spectra.save(tmp_path / "s.json")
    assert (tmp_path / "s.json").stat().st_size < 40_000
    assert json.loads((tmp_path / "s.json").read_text())["entries_by_type"] == spectra.entries_by_type


def test_merge_refuses_nothing_and_other_bins():
    with pytest.raises(InputError, match="no spectra to merge"):
        Spectra.merge([])
    with pytest.raises(InputError, match="different bins"):
        Spectra.merge([filled([2], [30], [0]), filled([2], [30], [0], SpectraConfig())])


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"binning": {"pt_bins": 0}}', "{"])
def test_load_refuses_what_is_no_spectrum(text, tmp_path):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(InputError, match=r"s.json: no usable spectra"):
        Spectra.load(tmp_path / "s.json")


def test_load_refuses_missing_files_and_wrong_sums(tmp_path):
    with pytest.raises(InputError, match="FileNotFoundError"):
        Spectra.load(tmp_path / "s.json")
    filled([2, 2], [30, 40], [0, 0]).save(tmp_path / "s.json")
    content = json.loads((tmp_path / "s.json").read_text()) | {"entries": 3}
    (tmp_path / "s.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="counts add up to 2, but entries is 3"):
        Spectra.load(tmp_path / "s.json")


@pytest.mark.parametrize("branch", ["tau_pt", "tau_eta"])
def test_typed_candidates_need_finite_pt_and_eta(branch, tmp_path):
    tuples = mock_tuples(100)
    row = int(np.flatnonzero(truth_type(tuples) == TauType.jet)[3])
    column = tuples[branch].copy()
    column[row] = np.nan
    write_tuples(tmp_path / "bad.arrow", tuples.with_scalars({branch: column}), SPECTRA_BRANCHES)
    with pytest.raises(InputError, match=rf"bad.arrow: {branch} is nan in 1 candidates .* first in entry {row}"):
        count_spectra(tmp_path / "bad.arrow", COARSE)


def test_data_samples_count_as_data(tmp_path):
    tuples = mock_tuples(50)
    gone = {"genLepton_index": np.full(50, -1, "i4"), "genJet_index": np.full(50, -1, "i4")}
    write_tuples(tmp_path / "data.arrow", tuples.with_scalars(gone), SPECTRA_BRANCHES)
    spectra = count_spectra(tmp_path / "data.arrow", COARSE, "Data")
    assert spectra.entries_by_type == {"data": np.count_nonzero(tuples["tau_index"] >= 0)}


def test_empty_files_are_counted(tmp_path):
    write_tuples(tmp_path / "none.arrow", [], SPECTRA_BRANCHES)
    spectra = count_spectra(tmp_path / "none.arrow", COARSE)
    assert (spectra.entries, spectra.not_valid, spectra.counts) == (0, 0, {})
