"""Export of TrainingTuples: grids, other generations of tuples, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.config.features import GridConfig
from taumltools.errors import ConfigError, InputError
from taumltools.features.trainingtuple.make import TREES, TrainingTupleConfig, export_branches, make_trees
from taumltools.features.trainingtuple.source import Source, replacement
from taumltools.features.trainingtuple.table import columns
from taumltools.features.trainingtuple.transform import finite, linear, norm
from taumltools.features.trainingtuple.write import export_training_tuple
from taumltools.tuples.generations import old_branches
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.schema import FLOAT_MISSING, tautuple_schema
from taumltools.tuples.truth import truth_type

DATA = Path(__file__).parents[3] / "data" / "cms_tools" / "v1"
SOURCE = DATA / "input" / "DY" / "eventTuple_1.root"


@pytest.fixture(scope="module")
def old():
    """Entries with the branches of 2020."""
    with open_tuples(SOURCE) as reader:
        return reader.read(export_branches({*reader.branches, *reader.other_branches}))


def test_every_branch_of_the_formulas_exists_in_2020():
    known = {*tautuple_schema().branches, *old_branches()}
    used = set().union(*(column.names for table in ("taus", "cells") for column in columns(table)))
    assert used - known == {"type", "tau_energy"}


def test_cells_are_ordered_from_the_middle_outwards(old):
    trees = make_trees(old, TrainingTupleConfig(), len(old))
    cells, taus = trees["outer_cells"], trees["taus"]
    begin, end = taus["outerCells_begin"], taus["outerCells_end"]
    assert begin[0] == 0
    assert end[-1] == len(cells["eta_index"])
    np.testing.assert_array_equal(begin[1:], end[:-1])
    for first, last in zip(begin[:40], end[:40], strict=True):
        eta, phi = cells["eta_index"][first:last].tolist(), cells["phi_index"][first:last].tolist()
        keys = [(abs(e) + abs(p), e, p) for e, p in zip(eta, phi, strict=True)]
        assert keys == sorted(keys)
    total = sum(cells[f"{kind}_n_total"] for kind in ("pfCand_gamma", "pfCand_chHad", "ele", "muon"))
    assert total.max() > 1


def test_parity_takes_even_or_odd_events(old):
    parts = [make_trees(old, TrainingTupleConfig(parity=p), len(old))["taus"] for p in (0, 1)]
    assert [set((part["evt"] % 2).tolist()) for part in parts] == [{0}, {1}]
    assert sum(len(part["evt"]) for part in parts) == len(old)


def test_weights_count_the_entries_of_the_file_over_the_number_of_types(old):
    weight = make_trees(old, TrainingTupleConfig(weight_factor=2), 1000)["taus"]["trainingWeight"]
    np.testing.assert_allclose(weight, old["trainingWeight"] * 500)


def test_ranges_are_part_of_the_file(tmp_path, old):
    export_training_tuple(SOURCE, tmp_path / "a.root", start=100, stop=130, step=7)
    whole = make_trees(old, TrainingTupleConfig(), len(old))
    with uproot.open(tmp_path / "a.root") as file:
        taus, cells = file["taus"].arrays(library="np"), file["inner_cells"].arrays(library="np")
    np.testing.assert_array_equal(taus["evt"], whole["taus"]["evt"][100:130])
    first = whole["taus"]["innerCells_begin"][100]
    np.testing.assert_array_equal(taus["innerCells_end"], whole["taus"]["innerCells_end"][100:130] - first)
    np.testing.assert_array_equal(cells["rho"], whole["inner_cells"]["rho"][first : first + len(cells["rho"])])


def test_tuples_of_today_have_the_same_columns(tmp_path):
    tuples = mock_tuples(60, seed=2)
    write_tuples(tmp_path / "new.arrow", tuples)
    rows = export_training_tuple(tmp_path / "new.arrow", tmp_path / "new.root")
    assert rows["taus"] == 60
    assert min(rows.values()) > 0
    with uproot.open(tmp_path / "new.root") as file:
        taus = file["taus"].arrays(library="np")
        assert file["inner_cells"].keys() == [column.name for column in columns("cells")]
    reconstructed = tuples["tau_index"] >= 0
    types = truth_type(tuples, "MC")
    for code, name in enumerate(("e", "mu", "tau", "jet")):
        np.testing.assert_array_equal(taus[f"gen_{name}"][reconstructed] == 1, types[reconstructed] == code)
    matched = taus["gen_tau"] == 1
    np.testing.assert_array_equal(taus["lepton_gen_vis_pt"][matched], tuples["genLepton_vis_pt"][matched])
    assert (taus["qcd_gen_pt"] == FLOAT_MISSING).all()
    np.testing.assert_array_equal(taus["jet_has_gen_match"], (tuples["genJet_index"] >= 0).astype(int))


def test_pf_candidates_of_today_have_pdg_ids():
    source = Source(mock_tuples(30))
    kinds, ids = (source.collection("pfCand").columns[name] for name in ("particleType", "pdgId"))
    assert dict(zip(kinds.tolist(), ids.tolist(), strict=True)).items() <= {
        (0, 0), (1, 211), (2, 11), (3, 13), (4, 22), (5, 130), (6, 1), (7, 2)
    }  # fmt: skip
    assert replacement("jetTauMatch") == ()


def test_transforms():
    values = np.float32([np.nan, np.inf, 1e-40, 3, FLOAT_MISSING])
    assert finite(values).tolist() == [0, 0, 0, 3, FLOAT_MISSING]
    assert norm(values, 1.0, 2.0).tolist() == [-0.5, -0.5, -0.5, 1.0, -5.0]
    assert linear(values, 1.0, 5.0, both_signs=False).tolist() == [0, 0, 0, 0.5, 0]
    assert linear(values, 1.0, 5.0, both_signs=True).tolist() == [-1, -1, -1, 0, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inner": GridConfig(10, 10, 0.02)}, "inner: the TrainingTuple has square grids with an odd number of cells"),
        ({"outer": GridConfig(11, 21, 0.05)}, "found 11 x 21"),
        ({"weight_factor": 0}, "weight_factor must be positive"),
        ({"parity": 2}, "parity must be -1"),
    ],
)
def test_wrong_options(arguments, message):
    with pytest.raises(ConfigError, match=message):
        TrainingTupleConfig(**arguments)


def test_bad_ranges_and_names(tmp_path):
    with pytest.raises(InputError, match="entries 400 to the end were asked for, the file has 400"):
        export_training_tuple(SOURCE, tmp_path / "a.root", start=400)
    with pytest.raises(ConfigError, match=r"is a file \.root or \.h5, found '\.txt'"):
        export_training_tuple(SOURCE, tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []
    assert export_training_tuple(SOURCE, tmp_path / "a.root", start=390, stop=10_000)["taus"] == 10


def test_trees_are_complete():
    assert set(make_trees(mock_tuples(3), TrainingTupleConfig(), 3)) == set(TREES)
