"""What is measured is what the loader of the CMS tools feeds: its own rows, unscaled, give the same constants.

``loader_v2p5.npz`` holds its scaled rows of all filled cells (see test_deeptau_v2p5.py).  The mean of
a feature over the rows that hold an object, brought back to raw values, must be the mean
measured here on the objects that fill cells.  Features are compared that are always defined and
never clipped in those rows: of others the rows do not tell.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from taumltools.config.features import FeaturesConfig
from taumltools.config.scaling import LimitsConfig
from taumltools.errors import InputError
from taumltools.features.feature_sums import sum_flat
from taumltools.features.flat import make_flat, required_branches
from taumltools.features.scaling import check_rules, load_scaling, make_scaling
from taumltools.features.scaling_json import for_cms
from taumltools.tuples.io import open_tuples

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"
VALID = {
    "pfcand_electron": ("egamma", "pfCand_ele_valid"),
    "pfcand_gamma": ("egamma", "pfCand_gamma_valid"),
    "electron": ("egamma", "ele_valid"),
    "pfcand_muon": ("muon", "pfCand_muon_valid"),
    "muon": ("muon", "muon_valid"),
    "pfcand_chHad": ("hadron", "pfCand_chHad_valid"),
    "pfcand_nHad": ("hadron", "pfCand_nHad_valid"),
}
"""Tensor of the loader and flag of each block."""


@pytest.fixture(scope="module")
def config():
    text = (ROOT / "configs" / "features" / "deeptau_v2p5.yaml").read_text()
    return TypeAdapter(FeaturesConfig).validate_python(yaml.safe_load(text))


@pytest.fixture(scope="module")
def reference():
    with np.load(DATA / "loader_v2p5.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def flat(config, reference):
    with open_tuples(DATA / "cms_tools" / "head" / "input" / "DY" / "eventTuple_1.root") as reader:
        return make_flat(reader.read(required_branches(config)), config, keep="all").take(reference["entry"])


@pytest.fixture(scope="module")
def sums(config, flat):
    return sum_flat(flat, config)


@pytest.fixture(scope="module")
def shipped():
    """Constants of DeepTau v2.5 in the form of the CMS tools."""
    return json.loads((DATA / "deeptau_v2p5_scaling.json").read_text())


@pytest.mark.parametrize("grid", ["inner", "outer"])
def test_the_rows_of_the_loader_give_the_same_constants(config, reference, sums, shipped, grid):
    constants, compared = load_scaling(shipped, config), 0
    for block, (component, flag) in VALID.items():
        names = [str(name).split("/")[-1] for name in reference[f"feature_names_{component}"]]
        table = reference[f"{grid}_{component}_feat"]
        held = table[table[:, names.index(flag)] == 1].astype(np.float64)
        for name in config.blocks()[block]:
            measured, entry = sums.table[block][name][grid].sums, constants[block][name][grid]
            assert measured.count + measured.missing + measured.infinite == len(held)
            rows = held[:, names.index(name)]
            clipped = (rows <= entry["lim_min"]).any() or (rows >= entry["lim_max"]).any()
            if not len(rows) or measured.count < len(rows) or clipped:
                continue
            assert (measured.mean - entry["mean"]) / entry["std"] == pytest.approx(rows.mean(), abs=1e-6)
            assert measured.std / entry["std"] == pytest.approx(rows.std(), abs=1e-6)
            compared += 1
    assert compared > {"inner": 40, "outer": 20}[grid]


def test_the_shipped_file_fits_the_shipped_definition(config, shipped):
    check_rules(load_scaling(shipped, config), config)


def test_constants_measured_with_all_features_are_written_and_read(config, sums):
    """The values of this file are random, some are infinite: the limits are opened."""
    scaling = make_scaling(sums, config, LimitsConfig(infinite=1))
    loaded = load_scaling(json.loads(json.dumps(for_cms(scaling), allow_nan=False)), config)
    check_rules(loaded, config)
    whole = load_scaling(scaling, config)
    for block, features in loaded.items():
        for name, entry in features.items():
            cones = whole[block][name]
            assert entry == (cones if "mean" in cones else {grid: cones[grid] for grid in ("inner", "outer")})


def test_the_legacy_cones_are_another_choice_here(config, flat, sums):
    legacy = sum_flat(flat, config, "legacy")
    counts = {
        name: [table.table["pfcand_gamma"]["pfCand_gamma_valid"][grid].sums.count for grid in ("inner", "outer")]
        for name, table in (("fed", sums), ("legacy", legacy))
    }
    # one object a cell is fed, and the outer grid also sees the signal cone; the legacy cones have all, each once
    assert counts["legacy"][0] >= counts["fed"][0] > 0
    assert sum(counts["legacy"]) != sum(counts["fed"])


def test_constants_of_another_definition_are_refused(config, shipped):
    rho = dataclasses.replace(config.taus["rho"].scaling, max=200.0)
    wider = dataclasses.replace(config.taus["rho"], scaling=rho)
    phase2 = dataclasses.replace(config, taus={**config.taus, "rho": wider})
    with pytest.raises(InputError, match=r"taus\.rho \(global\): mean 25, defined as 100"):
        check_rules(load_scaling(shipped, phase2), phase2)
