from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import NO_TYPE, TAU_TYPES, TRUTH_BRANCHES, LeptonKind, TauType, delta_phi, truth_type

HEAD_DY = Path(__file__).parents[2] / "data/cms_tools/head/input/DY/eventTuple_1.root"


def entry(**changes):
    """A hadronic tau decay matched to a reconstructed tau, with some values changed."""
    values = {
        "tau_index": 0,
        "tau_eta": 1.0,
        "tau_phi": 0.5,
        "genLepton_index": 0,
        "genLepton_kind": 5,
        "genLepton_vis_pt": 30.0,
        "genLepton_vis_eta": 1.0,
        "genLepton_vis_phi": 0.5,
        "genJet_index": 0,
    }
    values |= changes
    return Tuples({n: np.array([v], "f4" if isinstance(v, float) else "i4") for n, v in values.items()})


def one(sample_type="MC", **changes):
    return int(truth_type(entry(**changes), sample_type)[0])


NO_LEPTON = {
    "genLepton_index": -1,
    "genLepton_kind": -(2**31),
    "genLepton_vis_pt": float("nan"),
    "genLepton_vis_eta": float("nan"),
    "genLepton_vis_phi": float("nan"),
}


def test_class_order_and_codes():
    assert TAU_TYPES == ("e", "mu", "tau", "jet")
    assert [TauType[name] for name in TAU_TYPES] == [0, 1, 2, 3]
    assert [t.name for t in TauType] == ["e", "mu", "tau", "jet", "emb_e", "emb_mu", "emb_tau", "emb_jet", "data"]


@pytest.mark.parametrize(
    ("kind", "mc", "embedded"),
    [
        (LeptonKind.PROMPT_ELECTRON, TauType.e, "raises"),
        (LeptonKind.PROMPT_MUON, TauType.mu, "raises"),
        (LeptonKind.TAU_TO_ELECTRON, TauType.e, TauType.emb_e),
        (LeptonKind.TAU_TO_MUON, TauType.mu, TauType.emb_mu),
        (LeptonKind.TAU_TO_HADRONS, TauType.tau, TauType.emb_tau),
    ],
)
def test_table_of_matched_leptons(kind, mc, embedded):
    assert one(genLepton_kind=int(kind)) == mc
    if embedded == "raises":
        with pytest.raises(InputError, match=r"prompt electron or muon in an embedded sample .* first in row 0"):
            one("Embedded", genLepton_kind=int(kind))
    else:
        assert one("Embedded", genLepton_kind=int(kind)) == embedded
    with pytest.raises(InputError, match="generated leptons in data"):
        one("Data", genLepton_kind=int(kind))


def test_table_without_lepton():
    assert one(**NO_LEPTON) == TauType.jet
    assert one("Embedded", **NO_LEPTON) == TauType.emb_jet
    assert one("Data", **NO_LEPTON) == TauType.data
    assert one(**NO_LEPTON, genJet_index=-1) == NO_TYPE
    assert one("Embedded", **NO_LEPTON, genJet_index=-1) == NO_TYPE


def test_data_needs_a_reconstructed_tau_and_nothing_else():
    assert one("Data", **NO_LEPTON, genJet_index=-1) == TauType.data
    assert one("Data", **NO_LEPTON, tau_index=-1) == NO_TYPE


@pytest.mark.parametrize("changes", [{}, NO_LEPTON])
def test_no_type_without_reconstructed_tau(changes):
    lost = {"tau_index": -1, "tau_eta": float("nan"), "tau_phi": float("nan")}
    assert one(**changes, **lost) == NO_TYPE
    assert one("Embedded", **changes, **lost) == NO_TYPE


@pytest.mark.parametrize(
    ("kind", "pt", "expected"),
    [
        (1, 8.0, TauType.e),
        (1, 7.999, -1),
        (4, 8.0, TauType.mu),
        (4, 7.999, -1),
        (5, 15.0, TauType.tau),
        (5, 14.999, -1),
    ],
)
def test_pt_thresholds_include_the_edge(kind, pt, expected):
    assert one(genLepton_kind=kind, genLepton_vis_pt=pt) == expected


def test_distance_edge():
    assert one(tau_eta=0.0, genLepton_vis_eta=0.1999) == TauType.tau
    assert one(tau_eta=0.0, genLepton_vis_eta=0.2001) == NO_TYPE
    assert one(genLepton_vis_phi=0.6999) == TauType.tau
    assert one(genLepton_vis_phi=0.7001) == NO_TYPE


def test_a_far_lepton_does_not_become_a_jet():
    assert one(genLepton_vis_eta=-1.0, genJet_index=3) == NO_TYPE


def test_distance_wraps_in_phi():
    assert one(tau_phi=3.14, genLepton_vis_phi=-3.14) == TauType.tau


@pytest.mark.parametrize("kind", [0, 6, 7, -(2**31)])
def test_other_kinds_are_refused_only_when_near(kind):
    with pytest.raises(InputError, match=f"genLepton_kind outside 1 to 5 in 1 of 1 entries.*genLepton_kind={kind}"):
        one(genLepton_kind=kind)
    assert one(genLepton_kind=kind, genLepton_vis_eta=-2.0) == NO_TYPE


def test_refusal_names_the_event():
    tuples = mock_tuples(50)
    kinds = tuples["genLepton_kind"].copy()
    kinds[tuples["genLepton_index"] >= 0] = 6
    with pytest.raises(InputError, match=r"run=1, lumi=1, evt=\d+"):
        truth_type(tuples.with_scalars({"genLepton_kind": kinds}))


def test_unknown_sample_type():
    with pytest.raises(InputError, match="unknown sample type 'mc': use one of Data, MC, Embedded"):
        one("mc")


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_delta_phi_is_wrapped(phi1, phi2):
    difference = float(delta_phi(phi1, phi2))
    assert -np.pi <= difference < np.pi
    assert np.isclose(np.cos(difference), np.cos(phi1 - phi2), atol=1e-9)


def test_each_entry_is_typed_by_itself():
    tuples = mock_tuples(300, seed=3)
    types = truth_type(tuples)
    order = np.random.default_rng(0).permutation(300)
    assert np.array_equal(truth_type(tuples.take(order)), types[order])
    assert types.dtype == np.int8


def test_only_the_listed_branches_are_needed():
    tuples = mock_tuples(100)
    few = Tuples({name: tuples[name] for name in TRUTH_BRANCHES})
    assert np.array_equal(truth_type(few), truth_type(tuples))


def test_cms_file_gives_the_counts_of_the_cms_tool():
    with open_tuples(HEAD_DY) as file:
        types = truth_type(file.read(TRUTH_BRANCHES))
    counts = {name: int(np.count_nonzero(types == TauType[name])) for name in TAU_TYPES}
    assert counts == {"e": 36, "mu": 25, "tau": 54, "jet": 82}
