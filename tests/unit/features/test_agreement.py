"""The same names do not make the same features."""

from __future__ import annotations

import dataclasses

import pytest

from taumltools.config.features import CellsConfig, FeatureConfig, FeaturesConfig, GridConfig, ObjectBlock, ScalingRule
from taumltools.config.identity import plain
from taumltools.features.agreement import disagreements, read_definition

GRIDS = {"inner": GridConfig(11, 11, 0.02), "outer": GridConfig(21, 21, 0.05, cone=0.5)}
KNOWN = FeaturesConfig(
    taus={"tau_pt": FeatureConfig(), "dz": FeatureConfig("tau_dz", valid="tau_pt > 30")},
    objects={"pf": ObjectBlock("pfCand", {"pt": FeatureConfig("pfCand_pt / tau_pt")}, max_objects=0)},
    cells=CellsConfig(GRIDS, {"hadrons": ("pf",)}, {"rho": FeatureConfig()}),
)
TAKEN = {"taus": ("tau_pt", "dz"), "cell_features": ("rho",), "pf": ("pt",)}


def changed(taus=None, pf=None, grid=None):
    """The definition with some of its parts replaced."""
    block = dataclasses.replace(KNOWN.objects["pf"], **(pf or {}))
    cells = dataclasses.replace(KNOWN.cells, grids=GRIDS | ({"outer": grid} if grid else {}))
    return dataclasses.replace(KNOWN, taus=KNOWN.taus | (taus or {}), objects={"pf": block}, cells=cells)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (changed(), None),
        (changed(taus={"tau_pt": FeatureConfig("(tau_pt)")}), None),
        (changed(taus={"dz": FeatureConfig("tau_dz", valid="tau_pt>30", scaling=ScalingRule("normal"))}), None),
        (changed(taus={"mass": FeatureConfig("tau_mass")}), None),
        (changed(taus={"tau_pt": FeatureConfig("tau_pt / 2")}), "taus.tau_pt: 'tau_pt / 2', not 'tau_pt'"),
        (changed(taus={"dz": FeatureConfig("tau_dz")}), "taus.dz: valid if no condition, not 'tau_pt > 30'"),
        (changed(pf={"features": {"pt": FeatureConfig("pfCand_pt")}}), "pf.pt: 'pfCand_pt', not 'pfCand_pt / tau_pt'"),
        (changed(pf={"select": "pfCand_fromPV > 0"}), "pf: objects with 'pfCand_fromPV > 0', not no condition"),
        (changed(pf={"order": "pfCand_pt"}), None),
        (changed(pf={"order": "pfCand_dxy"}), "pf: ordered by pfCand_dxy, not by pfCand_pt"),
        (
            changed(grid=GridConfig(25, 25, 0.042, cone=0.5)),
            "grid 'outer': 25 x 25 cells of 0.042 within 0.5, not 21 x 21 cells of 0.05 within 0.5",
        ),
        (
            changed(grid=GridConfig(21, 21, 0.05, without="inner")),
            "grid 'outer': 21 x 21 cells of 0.05 within the signal cone without 'inner', not 21 x 21 cells of 0.05 within 0.5",
        ),
    ],
)
def test_what_differs_is_told(other, expected):
    assert disagreements(TAKEN, GRIDS, KNOWN, other) == ([expected] if expected else [])


def test_what_the_network_does_not_take_may_differ():
    other = changed(taus={"tau_pt": FeatureConfig("tau_pt / 2")}, grid=GridConfig(25, 25, 0.042))
    assert disagreements({"taus": ("dz",), "pf": ("pt",)}, ["inner"], KNOWN, other) == []


@pytest.mark.parametrize(
    ("known", "other", "told"),
    [
        ((40, 0), (40, 0), ""),
        ((40, 0), (0, 0), "at most any number of objects, not 40"),
        ((0, 40), (40, 0), ""),  # of a set of 40 places the network leaves out the rest itself
        ((0, 40), (60, 0), ""),
        ((0, 40), (30, 0), "at most 30 objects, not 40"),
    ],
)
def test_number_of_objects(known, other, told):
    one, two = (
        FeaturesConfig({"tau_pt": FeatureConfig()}, {"pf": ObjectBlock("pfCand", {"pfCand_pt": FeatureConfig()},
                                                                       max_objects=most, set_size=size)})
        for most, size in (known, other)
    )  # fmt: skip
    assert disagreements({"pf": ("pfCand_pt",)}, (), one, two) == ([f"pf: {told}"] if told else [])


def test_objects_of_another_collection():
    other = ObjectBlock("ele", {"pt": FeatureConfig("ele_pt / tau_pt")}, max_objects=0)
    found = disagreements({"pf": ()}, (), KNOWN, dataclasses.replace(KNOWN, objects={"pf": other}, cells=None))
    assert found == ["pf: objects of ele, not of pfCand", "pf: ordered by ele_pt, not by pfCand_pt"]


def test_definitions_come_back_from_plain_types(caplog):
    assert read_definition(plain(KNOWN), "here") == KNOWN
    assert read_definition({}, "here") is None
    assert not caplog.text
    assert read_definition({"taus": {"tau_pt": {"formula": "x"}}}, "file.h5") is None
    assert "file.h5: its definition of features cannot be read, only names are compared" in caplog.text
