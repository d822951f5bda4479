"""The v2.5 inputs against what the C++ loader of the CMS tools makes of the same file.

``loader_v2p5.npz`` holds its scaled inputs: 43 numbers per tau candidate, and the rows of all filled
cells of both grids, for 97 candidates.  Entries with a PF candidate of unknown type are left out
there (the loader stops at one); all 97 are compared, in every feature and in every cell.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from taumltools.config.features import FeaturesConfig, SelectionConfig
from taumltools.features.flat import make_flat, required_branches
from taumltools.tuples.io import open_tuples

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"
COMPONENTS = {"egamma": "egamma", "muon": "muon", "hadrons": "hadron"}
GRIDS = ("inner", "outer")
CMS_BLOCKS = {
    "taus": "TauFlat",
    "cell_features": "GridGlobal",
    "pfcand_electron": "PfCand_electron",
    "pfcand_muon": "PfCand_muon",
    "pfcand_chHad": "PfCand_chHad",
    "pfcand_nHad": "PfCand_nHad",
    "pfcand_gamma": "PfCand_gamma",
    "electron": "Electron",
    "muon": "Muon",
}


@pytest.fixture(scope="module")
def config():
    text = (ROOT / "configs" / "features" / "deeptau_v2p5.yaml").read_text()
    return TypeAdapter(FeaturesConfig).validate_python(yaml.safe_load(text))


@pytest.fixture(scope="module")
def reference():
    with np.load(DATA / "loader_v2p5.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def constants():
    return json.loads((DATA / "deeptau_v2p5_scaling.json").read_text())


def read(config, keep):
    config = dataclasses.replace(config, selection=SelectionConfig(require="tau_byDeepTau2017v2p1VSjetraw > -1"))
    with open_tuples(DATA / "cms_tools" / "head" / "input" / "DY" / "eventTuple_1.root") as reader:
        return make_flat(reader.read(required_branches(config)), config, keep=keep)


@pytest.fixture(scope="module")
def flat(config, reference):
    """The candidates of the reference, in its order."""
    return read(config, "all").take(reference["entry"])


def scaled(columns, block, constants, cone):
    """Scaling as the loader does it, in float32; not defined is 0."""
    out = []
    for name, values in columns.items():
        cones = constants[CMS_BLOCKS[block]][name]
        entry = cones.get(cone, cones.get("global"))
        mean, std, low, high = (np.float32(entry[key]) for key in ("mean", "std", "lim_min", "lim_max"))
        out.append(np.nan_to_num(np.clip((values - mean) / std, low, high), nan=0.0, posinf=np.inf, neginf=-np.inf))
    return np.stack(out, axis=1)


def rows_of_cells(flat, config, constants, grid, component):
    """One row per filled cell: repeated values, then the features of the object of each block."""
    cells = flat.cells[grid]
    owner = np.repeat(np.arange(len(flat)), np.diff(cells.offsets))
    parts = [scaled(flat.cell_features, "cell_features", constants, grid)[owner]]
    for name in config.cells.components[component]:
        block = flat.objects[name]
        values = scaled(block.columns, name, constants, grid)
        rank = cells.objects[name]
        none = np.zeros((1, values.shape[1]), np.float32)
        parts.append(np.concatenate([values, none])[np.where(rank >= 0, block.offsets[owner] + rank, -1)])
    return owner, np.concatenate(parts, axis=1)


def differences(names, found, expected):
    """{feature: (values that differ, largest difference)}, beyond two units in the last place of float32."""
    tolerance = 2 * np.spacing(np.maximum(np.abs(expected), 1).astype(np.float32))
    wrong = ~(np.abs(found - expected) <= tolerance)
    largest = np.abs(found - expected).max(axis=0, initial=0)
    return {str(n): (int(w), float(d)) for n, w, d in zip(names, wrong.sum(axis=0), largest, strict=True) if w}


def test_names_and_order_are_those_of_the_network(config, reference):
    blocks = config.blocks()
    assert list(blocks["taus"]) == [name.split("/")[-1] for name in reference["feature_names_TauFlat"]]
    for component, label in COMPONENTS.items():
        used = ("cell_features", *config.cells.components[component])
        names = [name for block in used for name in blocks[block]]
        assert names == [name.split("/")[-1] for name in reference[f"feature_names_{label}"]]
    declared = {"taus": len(config.taus), "cell_features": len(config.cells.features)}
    declared |= {name: len(block.features) for name, block in config.objects.items()}
    assert sorted(declared.values()) == sorted([44, 6, 26, 27, 31, 7, 27, 37, 37])


def test_tau_level_features_agree(config, flat, constants, reference):
    found = scaled(flat.taus, "taus", constants, "global")
    assert found.shape == reference["tau_flat"].shape == (97, 43)
    assert found.dtype == np.float32
    assert differences(flat.taus, found, reference["tau_flat"]) == {}


@pytest.mark.parametrize("grid", GRIDS)
def test_the_same_cells_are_filled(config, flat, reference, grid):
    cells = flat.cells[grid]
    owner = np.repeat(np.arange(len(flat)), np.diff(cells.offsets))
    n_phi = config.cells.grids[grid].n_phi
    found = np.stack([owner, cells.cell // n_phi, cells.cell % n_phi], axis=1)
    for label in COMPONENTS.values():
        np.testing.assert_array_equal(found, reference[f"{grid}_{label}_coord"])
    assert len(found) == {"inner": 112, "outer": 2757}[grid]


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("grid", GRIDS)
def test_every_feature_of_every_cell_agrees(config, flat, constants, reference, grid, component):
    _, found = rows_of_cells(flat, config, constants, grid, component)
    label = COMPONENTS[component]
    expected = reference[f"{grid}_{label}_feat"]
    assert found.shape == expected.shape
    assert differences(reference[f"feature_names_{label}"], found, expected) == {}


def test_the_comparison_sees_cells_with_and_without_each_kind_and_several_objects_in_one(config, flat):
    cells = flat.cells["outer"]
    objects = {name: int(flat.objects[name].offsets[-1]) for name in config.cells.blocks}
    described = {name: int(np.count_nonzero(cells.objects[name] >= 0)) for name in config.cells.blocks}
    for found in described.values():
        assert 0 < found < len(cells.cell)
    assert described["pfcand_gamma"] < objects["pfcand_gamma"]
    assert (flat.cells["inner"].objects["pfcand_chHad"] >= 0).any()


def test_the_same_entries_are_chosen_with_the_same_labels(config, reference):
    """But for one entry without reconstructed tau, which the loader takes for a jet of weight 0."""
    flat = read(config, "labelled")
    consumed = np.isin(flat.index["entry"], reference["consumed_entries"])
    found = dict(zip(flat.index["entry"][consumed].tolist(), flat.index["tau_type"][consumed].tolist(), strict=True))
    labels = reference["label"].argmax(axis=1)
    expected = dict(zip(reference["entry"].tolist(), labels.tolist(), strict=True))
    without_tau = set(expected) - set(found)
    assert len(without_tau) == 1
    (entry,) = without_tau
    assert reference["weight"][reference["entry"] == entry] == 0
    assert expected.pop(entry) == 3
    assert found == expected
    assert set(np.unique(labels)) == {0, 1, 2, 3}
