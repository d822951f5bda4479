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
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import (
    NO_TYPE,
    TAU_TYPES,
    TRUTH_BRANCHES,
    GenMatch,
    LeptonKind,
    TauType,
    delta_phi,
    truth_branches,
    truth_type,
)

CMS = Path(__file__).parents[2] / "data/cms_tools"
HEAD_DY = CMS / "head/input/DY/eventTuple_1.root"
V1 = CMS / "v1/input"


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


@pytest.mark.parametrize("sample_type", [None, "MC", "Embedded"])
def test_only_the_listed_branches_are_needed(sample_type):
    tuples = mock_tuples(100)
    tuples = tuples.take(np.flatnonzero(tuples["genLepton_kind"] > LeptonKind.PROMPT_MUON))
    few = Tuples({name: tuples[name] for name in truth_branches(tuples.branches, sample_type)})
    assert len(few) > 10
    assert np.array_equal(truth_type(few, sample_type), truth_type(tuples, sample_type))


def test_branches_of_a_file():
    current = ["sampleType", *TRUTH_BRANCHES]
    assert truth_branches(tautuple_schema().branches) == current
    assert truth_branches(tautuple_schema().branches, "MC") == list(TRUTH_BRANCHES)
    assert truth_branches([*tautuple_schema().branches, "lepton_gen_match"]) == current
    assert truth_branches(["lepton_gen_match"]) == ["sampleType", "tau_index", "tau_eta", "lepton_gen_match"]
    assert truth_branches([]) == current


def test_cms_file_gives_the_counts_of_the_cms_tool():
    with open_tuples(HEAD_DY) as file:
        types = truth_type(file.read(truth_branches(file.branches)))
    counts = {name: int(np.count_nonzero(types == TauType[name])) for name in TAU_TYPES}
    assert counts == {"e": 36, "mu": 25, "tau": 54, "jet": 82}


def with_codes(*codes, **changes):
    """One entry for each code of ``sampleType``, otherwise as :func:`entry`."""
    return entry(**changes).take(np.zeros(len(codes), int)).with_scalars({"sampleType": np.array(codes, "i4")})


def test_stored_sample_type_decides_entry_by_entry():
    assert truth_type(with_codes(1, 2)).tolist() == [TauType.tau, TauType.emb_tau]
    assert truth_type(with_codes(0, 1, 2, **NO_LEPTON)).tolist() == [TauType.data, TauType.jet, TauType.emb_jet]
    assert truth_type(with_codes(0, 1, 2, **NO_LEPTON, genJet_index=-1)).tolist() == [TauType.data, NO_TYPE, NO_TYPE]


def test_named_sample_type_overrides_the_stored_one():
    assert truth_type(with_codes(0, 2), "MC").tolist() == [TauType.tau] * 2
    assert truth_type(with_codes(0, 1), "Embedded").tolist() == [TauType.emb_tau] * 2
    assert truth_type(with_codes(1, 2, **NO_LEPTON), "Data").tolist() == [TauType.data] * 2


def test_stored_sample_types_that_cannot_be():
    with pytest.raises(
        InputError, match=r"generated leptons in data in 1 of 3 .*row 2 \(sampleType=0, genLepton_kind=5"
    ):
        truth_type(with_codes(1, 2, 0))
    with pytest.raises(
        InputError, match="prompt electron or muon in an embedded sample in 1 of 2 entries, first in row 1"
    ):
        truth_type(with_codes(1, 2, genLepton_kind=2))
    with pytest.raises(InputError, match=r"sampleType outside 0 to 2 in 2 of 3 entries, first in row 1 \(sampleType=3"):
        truth_type(with_codes(1, 3, -1))
    with pytest.raises(InputError, match="'sampleType' was not read: read it too, or say which sample type"):
        truth_type(entry())


OLD_TABLE = {
    GenMatch.ELECTRON: ("e", None, None),
    GenMatch.MUON: ("mu", None, None),
    GenMatch.TAU_ELECTRON: ("e", "emb_e", None),
    GenMatch.TAU_MUON: ("mu", "emb_mu", None),
    GenMatch.TAU: ("tau", "emb_tau", None),
    GenMatch.NO_MATCH: ("jet", "emb_jet", "data"),
}


def old(*matches, tau_index=0):
    columns = {"tau_index": [tau_index] * len(matches), "tau_eta": [0] * len(matches), "lepton_gen_match": matches}
    return Tuples({name: np.array(column, "i4") for name, column in columns.items()})


@pytest.mark.parametrize("match", OLD_TABLE, ids=lambda match: match.name)
def test_table_of_2020(match):
    """GenMatchToTauType of the CMS tools; None is where they stop the program."""
    for sample_type, expected in zip(("MC", "Embedded", "Data"), OLD_TABLE[match], strict=True):
        if expected is None:
            with pytest.raises(InputError, match=rf"in 1 of 1 entries.*lepton_gen_match={int(match)}"):
                truth_type(old(match), sample_type)
        else:
            assert truth_type(old(match), sample_type).tolist() == [TauType[expected]]
            assert truth_type(old(match, tau_index=-1), sample_type).tolist() == [NO_TYPE]


def test_unknown_matches_of_2020():
    for match in (0, 7, -999):
        with pytest.raises(InputError, match=r"lepton_gen_match outside 1 to 6 in 1 of 2 entries, first in row 1"):
            truth_type(old(6, match), "MC")
        assert truth_type(old(6, match), "Data").tolist() == [TauType.data] * 2
        assert truth_type(old(match, tau_index=-1), "MC").tolist() == [NO_TYPE]


@pytest.mark.parametrize(
    ("sample", "expected"), [("DY", {"e": 73, "mu": 36, "tau": 125, "jet": 154}), ("QCD", {"jet": 195})]
)
def test_files_of_2020_give_the_counts_of_the_cms_tool(sample, expected):
    with open_tuples(V1 / sample / "eventTuple_1.root") as file:
        tuples = file.read(truth_branches({*file.branches, *file.other_branches}))
    types = truth_type(tuples)
    assert {t.name: int((types == t).sum()) for t in TauType if (types == t).any()} == expected
    assert np.array_equal(types == NO_TYPE, tuples["tau_index"] < 0)
