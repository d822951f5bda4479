from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.acceptance import AcceptancePlan, acceptance_map
from taumltools.sampling.spectra import Spectra, count_spectra
from taumltools.tuples.io import open_tuples
from taumltools.tuples.truth import TauType, truth_branches, truth_type
from tests.unit.sampling.builders import mt19937_64, plan_datasets

DATA = Path(__file__).parents[2] / "data/cms_tools/head"
HEAD_DY = DATA / "input/DY/eventTuple_1.root"

WORKED = {"pt_edges": (20, 50, 100, 1000), "eta_edges": (0, 1.2, 2.4)}
COUNTS = np.array([[1000, 500], [100, 50], [10, 5]])


def spectra_of(config, **counts):
    """Spectra with the given counts per coarse bin of each type, at the bin centres."""
    pt, eta = (np.add(e[:-1], e[1:]) / 2 for e in (np.array(config.pt_edges), np.array(config.eta_edges)))
    parts = [
        (TauType[t], *cell) for t, n in counts.items() for cell in np.ndindex(*np.shape(n)) for _ in range(n[cell])
    ]
    types, i, j = np.array(parts, int).reshape(-1, 3).T
    return Spectra.fill(config.spectra, types, pt[i], eta[j])


def one_type(**changes):
    return SamplingConfig(**(WORKED | {"tau_ratio": {"tau": 1}} | changes))


def test_worked_check_all_bins_flat():
    config = one_type()
    plan = plan_datasets({"DY": spectra_of(config, tau=COUNTS)}, config)
    assert np.allclose(plan.groups["all"].acceptance["tau"], [[0.005, 0.01], [0.05, 0.1], [0.5, 1.0]], rtol=1e-15)
    assert plan.expected_total == {"tau": pytest.approx(30)}
    assert np.allclose(plan.expected("tau"), 5)


@pytest.mark.parametrize(
    ("disbalance", "rows", "total"),
    [(1, [[0.04125, 0.0825], [0.4125, 0.825], [1, 1]], 165 + 15), (100, [[0.05, 0.1], [0.5, 1.0], [1, 1]], 215)],
)
def test_worked_check_last_bin_taken_whole(disbalance, rows, total):
    config = one_type(lastbin_takeall=True, lastbin_disbalance=disbalance)
    plan = plan_datasets({"DY": spectra_of(config, tau=COUNTS)}, config)
    assert np.allclose(plan.groups["all"].acceptance["tau"], rows, rtol=1e-12)
    assert plan.expected_total["tau"] == pytest.approx(total)


def cms_plan(take_all):
    edges = {"pt_edges": (20, 40, 80, 1000), "eta_edges": (0, 1.2, 2.4)}
    groups = {"DY": {"types": ["jet", "e", "mu", "tau"], "datasets": ["DY"]}}
    config = SamplingConfig(
        **edges, lastbin_takeall=take_all, lastbin_disbalance=0.5, enable_emptybin=True, groups=groups
    )
    return plan_datasets({"DY": count_spectra(HEAD_DY, config.spectra)}, config)


@pytest.mark.parametrize("take_all", [False, True])
def test_cms_acceptance_maps_are_reproduced(take_all):
    """ShuffleMergeSpectral of CMS on the same input: counts and acceptance of every bin."""
    plan, folder = cms_plan(take_all), DATA / f"expected/acceptance_takeall_{str(take_all).lower()}"
    group = plan.groups["DY"]
    with uproot.open(folder / "DY.root") as maps, uproot.open(folder / "DY_n.root") as counts:
        for name in ("e", "mu", "tau", "jet"):
            expected = maps[f"{name}_prob"].values().T
            assert np.allclose(group.acceptance[name][: len(expected)], expected, rtol=1e-15, atol=0)
            assert np.array_equal(group.counts[name], counts[f"{name}_entries"].values().T)
            assert len(expected) == 3 - take_all
            assert not take_all or np.all(group.acceptance[name][-1] == 1)


@pytest.mark.parametrize(
    ("take_all", "expected"),
    [
        (False, {"e": 1, "mu": 1, "tau": 0.333333, "jet": 0.2}),
        (True, {"e": 0.727273, "mu": 1, "tau": 0.387097, "jet": 0.263736}),
    ],
)
def test_cms_type_probabilities_are_reproduced(take_all, expected):
    assert cms_plan(take_all).type_probability == pytest.approx(expected, abs=5e-7)


def legacy_uniforms(seed=1234567):
    """The stream of the CMS tool: numbers in [0, 1)."""
    return (number / 2**64 for number in mt19937_64(seed))


def test_legacy_stream():
    stream = legacy_uniforms()
    assert [next(stream) for _ in range(3)] == [0.98514731962224178, 0.76704966279595466, 0.65618102340210704]


@pytest.mark.parametrize("take_all", [False, True])
def test_cms_accepts_the_same_candidates(take_all):
    """With the random numbers of the CMS tool (one group: none for its choice), the accepted candidates agree."""
    plan, stream = cms_plan(take_all), legacy_uniforms()
    with open_tuples(HEAD_DY) as file:
        tuples = file.read([*truth_branches(file.branches), "tau_pt", "evt"])
    types, accepted = truth_type(tuples), []
    rows, columns, inside = plan.bins(tuples["tau_pt"], np.abs(tuples["tau_eta"]))
    # The CMS tool types a generated jet without reconstructed tau as jet, spends a number on it, and drops it by pt.
    lost_jet = (tuples["tau_index"] < 0) & (tuples["genLepton_index"] < 0) & (tuples["genJet_index"] >= 0)
    for entry in np.flatnonzero((types >= 0) | lost_jet):
        name = "jet" if lost_jet[entry] else TauType(types[entry]).name
        if next(stream) >= plan.type_probability[name] or not inside[entry]:
            continue
        in_last_bin = take_all and rows[entry] == len(plan.pt_edges) - 2
        if in_last_bin or next(stream) <= plan.groups["DY"].acceptance[name][rows[entry], columns[entry]]:
            accepted.append(entry)
    folder = DATA / f"expected/acceptance_takeall_{str(take_all).lower()}"
    expected = json.loads((folder / "accepted.json").read_text())
    found = {"evt": tuples["evt"], "tau_index": tuples["tau_index"], "tauType": types}
    assert {name: column[accepted].tolist() for name, column in found.items()} == {n: expected[n] for n in found}


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.int64, (3, 2), elements=st.integers(0, 10**6)), st.booleans(), st.floats(0.01, 100))
def test_accepted_spectrum_is_flat(counts, take_all, disbalance):
    config = one_type(lastbin_takeall=take_all, lastbin_disbalance=disbalance)
    flat = counts[:-1] if take_all else counts
    if not flat.any():
        with pytest.raises(ValueError, match="no candidate in the bins that are made flat"):
            acceptance_map(counts, config)
        return
    if take_all and not counts[-2:].any():
        with pytest.raises(ValueError, match="last two pt bins"):
            acceptance_map(counts, config)
        return
    acceptance = acceptance_map(counts, config)
    assert acceptance.min() >= 0
    assert acceptance.max() <= 1
    yields = (counts * acceptance)[: len(flat)][flat > 0]
    assert np.allclose(yields, yields[0])
    if take_all:
        assert yields.size * yields[0] <= disbalance * counts[-2:].sum() * (1 + 1e-12)


def test_composition_follows_the_ratio():
    config = SamplingConfig(**WORKED, tau_ratio={"tau": 2, "jet": 1, "e": -1})
    spectra = spectra_of(config, tau=COUNTS, jet=COUNTS * 3, e=COUNTS)
    plan = plan_datasets({"DY": spectra}, config)
    assert plan.type_probability == pytest.approx({"tau": 1, "jet": 1 / 6, "e": 1})
    assert plan.expected_total["tau"] == pytest.approx(2 * plan.expected_total["jet"])


GROUPS = {"signal": {"types": ["tau"], "datasets": ["H"]}, "rest": {"types": ["tau", "jet"], "datasets": ["QCD"]}}


def grouped():
    config = SamplingConfig(**WORKED, tau_ratio={"tau": 1, "jet": 1}, groups=GROUPS)
    h, qcd = spectra_of(config, tau=COUNTS), spectra_of(config, tau=COUNTS[::-1], jet=COUNTS * 2)
    return {"H": h, "QCD": qcd}, config


def test_groups_have_their_own_acceptance():
    spectra, config = grouped()
    plan = plan_datasets(spectra, config)
    assert plan.groups["signal"].acceptance["tau"][-1, -1] == 1
    assert plan.groups["rest"].acceptance["tau"][0, -1] == 1
    assert set(plan.groups["signal"].acceptance) == {"tau"}
    assert plan.type_probability == pytest.approx({"tau": 1, "jet": 1})
    assert np.allclose(plan.expected("tau"), 10)


def test_probability_of_candidates():
    spectra, config = grouped()
    plan = plan_datasets(spectra, config)
    pt, eta = np.array([20, 49.99, 50, 999, 1000, 19.99, 30, 30]), np.array([0, 1.2, 1.19, 2.39, 1, 1, 2.4, 1])
    expected = [0.005, 0.01, 0.05, 1.0, 0, 0, 0, 0.005]
    assert np.allclose(plan.probability("tau", pt, eta, "signal"), expected)
    assert np.allclose(plan.probability("jet", pt, eta), plan.probability("jet", pt, eta, "rest"))
    with pytest.raises(ConfigError, match=r"type 'tau' is planned in the groups .* name one of them"):
        plan.probability("tau", pt, eta)
    with pytest.raises(ConfigError, match="found 'signal'"):
        plan.probability("jet", pt, eta, "signal")


def test_save_and_load(tmp_path):
    plan = plan_datasets(*grouped())
    plan.save(tmp_path / "plan.json")
    loaded = AcceptancePlan.load(tmp_path / "plan.json")
    assert (loaded.pt_edges, loaded.eta_edges) == (plan.pt_edges, plan.eta_edges)
    assert loaded.type_probability == plan.type_probability
    assert loaded.expected_total == plan.expected_total
    for name, group in plan.groups.items():
        assert loaded.groups[name].datasets == group.datasets
        for t in group.acceptance:
            assert np.array_equal(loaded.groups[name].acceptance[t], group.acceptance[t])
            assert np.array_equal(loaded.groups[name].counts[t], group.counts[t])


@pytest.mark.parametrize("text", ["{}", "[1]", "no json"])
def test_load_refuses_what_is_no_plan(text, tmp_path):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(InputError, match=r"plan.json: no usable plan"):
        AcceptancePlan.load(tmp_path / "plan.json")


def test_type_that_does_not_occur():
    config = SamplingConfig(**WORKED, tau_ratio={"tau": 1, "mu": 1})
    with pytest.raises(
        ConfigError, match=r"group 'all' \(DY\): type 'mu' does not occur .*the group has \{'tau': 1665\}"
    ):
        plan_datasets({"DY": spectra_of(config, tau=COUNTS)}, config)


def test_empty_bin_is_an_error_that_names_it():
    config, counts = one_type(), COUNTS.copy()
    counts[1, 0] = 0
    with pytest.raises(ConfigError) as caught:
        plan_datasets({"DY": spectra_of(config, tau=counts)}, config)
    text = str(caught.value)
    assert "type 'tau' has 1 empty bins, e.g. pt 50 to 100 GeV, |η| 0 to 1.2" in text
    assert "sampling.enable_emptybin=true" in text


def test_empty_bin_may_be_allowed(caplog):
    config, counts = one_type(enable_emptybin=True), COUNTS.copy()
    counts[1, 0] = 0
    with caplog.at_level(logging.WARNING):
        plan = plan_datasets({"DY": spectra_of(config, tau=counts)}, config)
    assert "pt 50 to 100 GeV" in caplog.text
    assert np.allclose(plan.expected("tau"), [[5, 5], [0, 5], [5, 5]])


def test_empty_last_bin_does_not_matter_if_it_is_taken_whole():
    config, counts = one_type(lastbin_takeall=True), COUNTS.copy()
    counts[2] = 0
    plan = plan_datasets({"DY": spectra_of(config, tau=counts)}, config)
    assert plan.expected("tau")[-1].tolist() == [0, 0]


def test_nothing_to_scale():
    config = one_type(lastbin_takeall=True, enable_emptybin=True)
    counts = np.zeros_like(COUNTS)
    counts[2] = 4
    with pytest.raises(ConfigError, match="no candidate in the bins that are made flat; choose other pt_edges"):
        plan_datasets({"DY": spectra_of(config, tau=counts)}, config)


def test_underflow_in_eta_counts_for_the_scale_as_in_the_cms_tool():
    config = one_type(eta_edges=(0.6, 1.2, 2.4), lastbin_takeall=True)
    inside = spectra_of(config, tau=COUNTS)
    below = Spectra.fill(config.spectra, np.full(85, 2), np.full(85, 70.0), np.full(85, 0.3))
    plan = plan_datasets({"DY": Spectra.merge([inside, below])}, config)
    assert plan.groups["all"].acceptance["tau"][1, 1] == 1.0
    assert plan_datasets({"DY": inside}, config).groups["all"].acceptance["tau"][1, 1] == pytest.approx(0.825)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            {"a": {"types": ["tau"], "datasets": ["X"]}},
            r"group 'a' takes no file: its datasets are 'X' \(files '.\*'\), the sample has \['H', 'QCD'\]",
        ),
        ({"a": {"types": ["tau"], "datasets": ["H"]}}, r"the datasets \['QCD'\] are in no group"),
        ({"a": {"types": ["tau"]}, "b": {"types": ["tau"], "datasets": ["H"]}}, "both take 'tau' from 'H'"),
    ],
)
def test_groups_and_datasets_must_fit(groups, message):
    config = one_type(groups=groups)
    spectra = spectra_of(config, tau=COUNTS)
    with pytest.raises(ConfigError, match=message):
        plan_datasets({"H": spectra, "QCD": spectra}, config)


def test_one_dataset_may_serve_two_groups_with_different_types():
    groups = {"a": {"types": ["tau"]}, "b": {"types": ["jet"], "datasets": ["H"]}}
    config = SamplingConfig(**WORKED, tau_ratio={"tau": 1, "jet": 1}, groups=groups)
    plan = plan_datasets({"H": spectra_of(config, tau=COUNTS, jet=COUNTS)}, config)
    assert [group.datasets for group in plan.groups.values()] == [("H",), ("H",)]
