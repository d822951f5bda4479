from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import ConfigError, InputError
from taumltools.sampling.bins import Bins, bin_name, selected, split_name
from taumltools.tuples.data import Tuples
from taumltools.tuples.truth import TauType

EDGES = st.lists(st.integers(0, 1000), min_size=2, max_size=8, unique=True).map(sorted)


@given(EDGES, EDGES.map(lambda edges: [edge / 1000 for edge in edges]), st.sampled_from(list(TauType)))
def test_names_and_numbers_agree(pt_edges, eta_edges, tau_type):
    bins = Bins(tuple(pt_edges), tuple(eta_edges))
    assert len(bins.names) == len(set(bins.names)) == len(bins)
    pt = np.array([edge for edge in pt_edges[:-1] for _ in eta_edges[:-1]], np.float32)
    eta = np.array(eta_edges[:-1] * (len(pt_edges) - 1))
    numbers = bins.numbers(np.full(len(pt), tau_type), pt, eta)
    # lower edges belong to the bin, so that each lower corner is in its own one
    assert [bins.names[number] for number in numbers] == bins.names_of(tau_type.name)
    for name in bins.names_of(tau_type.name):
        assert split_name(name)[0] == tau_type.name


@given(st.floats(0, 1100, width=32), st.floats(0, 3, width=32))
def test_every_candidate_is_in_the_one_bin_that_holds_it(pt, eta):
    edges, eta_edges = (20, 22.5, 40, 1000), (0, 0.575, 1.15, 2.3)
    number = int(Bins(edges, eta_edges).numbers(np.array([2]), np.float32([pt]), np.float32([eta]))[0])
    inside = [
        (2 * 3 + i) * 3 + j
        for i in range(3)
        for j in range(3)
        if edges[i] <= pt < edges[i + 1] and eta_edges[j] <= eta < eta_edges[j + 1]
    ]
    assert [number] == (inside or [-1])


def test_edges():
    bins = Bins((20, 40, 80), (0, 1.15, 2.3))
    types = np.full(6, TauType.tau)
    pt = np.float32([19.999, 20, 40, 79.999, 80, np.nan])
    assert [bins.names[n] if n >= 0 else "-" for n in bins.numbers(types, pt, np.zeros(6))] == [
        "-", "tau_pt_20_eta_0.000", "tau_pt_40_eta_0.000", "tau_pt_40_eta_0.000", "-", "-",
    ]  # fmt: skip
    # 1.15 as float32 is below 1.15: it is compared in double precision, as the CMS tool does
    assert bins.numbers(types[:2], np.float32([30, 30]), np.float32([1.15, 2.3])).tolist() == [8, 9]


def test_entries_without_type_are_in_no_bin():
    assert Bins((20, 40), (0, 2.3)).numbers(np.array([-1, 0]), np.array([30, 30]), np.zeros(2)).tolist() == [-1, 0]


def test_names_of_the_standard_bins():
    assert bin_name("tau", 20, 0) == "tau_pt_20_eta_0.000"
    assert bin_name("jet", 900, 0.575) == "jet_pt_900_eta_0.575"
    assert split_name("emb_tau_pt_225_eta_1.725") == ("emb_tau", "225", "1.725")


@pytest.mark.parametrize("name", ["other", "summary", "tau_pt_20", "tau_pt_20.5_eta_0.000", "tau_pt_20_eta_0.0"])
def test_other_names_are_no_bins(name):
    assert split_name(name) is None


def test_unknown_types_are_refused():
    with pytest.raises(InputError, match=r"'emb_pt_20_eta_0.000'.*unknown type 'emb'; known types are e, mu, tau"):
        split_name("emb_pt_20_eta_0.000")


@pytest.mark.parametrize(
    ("pt", "eta", "message"),
    [
        ((20.2, 20.4, 30), (0, 2.3), "pt_edges 20.2, 20.4 would give files of the same name.*whole GeV"),
        ((20, 30), (0, 0.0001, 2.3), "eta_edges 0, 0.0001 would .* three decimals"),
    ],
)
def test_names_that_collide_are_refused(pt, eta, message):
    with pytest.raises(ConfigError, match=message):
        Bins(pt, eta)


def test_the_last_edge_has_no_name_and_may_collide():
    assert Bins((20, 30, 30.4), (0, 2.3)).names_of("e") == ["e_pt_20_eta_0.000", "e_pt_30_eta_0.000"]


def test_selection():
    taus = Tuples(
        {
            "tau_index": np.array([0, 0, 0, -1, 0]),
            "tau_dz": np.float32([0.1, -0.1, 0.2, 0.1, np.nan]),
            "tau_decayModeFindingNewDMs": np.array([1, 0, 1, 1, 1]),
        }
    )
    assert selected(taus, ["tau_decayModeFindingNewDMs != 0", "abs(tau_dz) < 0.2"]).tolist() == [1, 0, 0, 0, 0]
    assert selected(taus, []).tolist() == [1, 1, 1, 0, 1]
    assert selected(taus, ["tau_dz != 5"]).tolist() == [1, 1, 1, 0, 0]  # a missing value fulfils nothing
    with pytest.raises(InputError, match="tau_charge"):
        selected(taus, ["tau_charge == 1"])
