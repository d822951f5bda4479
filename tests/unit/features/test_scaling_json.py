"""The JSON layout: what the CMS tools write is read, what is written here they can read."""

from __future__ import annotations

import json
import math

import pytest

from taumltools.config.features import CellsConfig, FeatureConfig, FeaturesConfig, GridConfig, ObjectBlock, ScalingRule
from taumltools.errors import InputError
from taumltools.features.feature_sums import sum_flat
from taumltools.features.scaling import check_rules, load_scaling, make_scaling
from taumltools.features.scaling_json import block_of, for_cms, read_scaling
from tests.unit.features.scaling_case import make_config, make_flat

NORMAL = ScalingRule(type="normal")
BY_GRID = ScalingRule(type="linear", grids={"inner": (-0.1, 0.1), "outer": (-0.5, 0.5)})

CONFIG = FeaturesConfig(
    taus={
        "rho": FeatureConfig(scaling=ScalingRule(type="linear", min=0, max=50)),
        "tau_mass": FeatureConfig(scaling=NORMAL),
        "tau_charge": FeatureConfig(),
        "tau_phi": FeatureConfig(enabled=False),
    },
    objects={
        "pfcand_nHad": ObjectBlock(
            "pfCand",
            {
                "pfCand_nHad_valid": FeatureConfig("1"),
                "pfCand_nHad_rel_pt": FeatureConfig("pfCand_pt / tau_pt", scaling=NORMAL),
                "pfCand_nHad_deta": FeatureConfig("pfCand_eta - tau_eta", scaling=BY_GRID),
            },
            max_objects=0,
        )
    },
    cells=CellsConfig(
        grids={"inner": GridConfig(11, 11, 0.02), "outer": GridConfig(21, 21, 0.05, cone=0.5)},
        components={"hadrons": ("pfcand_nHad",)},
        features={"tau_pt": FeatureConfig(scaling=ScalingRule(type="linear", min=20, max=1000))},
    ),
)


def constants(mean, std, limit, **more):
    return {"mean": mean, "std": std, "lim_min": -limit, "lim_max": limit} | more


NOTHING = {"mean": 0, "std": 1, "lim_min": "-inf", "lim_max": "inf"}


def cms_file(**more):
    """In the form of the file of DeepTau v2.5, with its numbers."""
    return {
        "TauFlat": {
            "rho": {"global": {"mean": 25, "std": 25, "lim_min": "-1", "lim_max": "1"}},
            "tau_mass": {"global": constants(0.5762, 0.5293, 5)},
            "tau_charge": {"global": NOTHING},
            "tau_phi": {"global": constants(None, None, 5)},
        },
        "GridGlobal": {"tau_pt": {"global": constants(510.0, 490.0, 1.0, sqmean=None, num=None)}},
        "PfCand_nHad": {
            "pfCand_nHad_valid": {"global": NOTHING},
            "pfCand_nHad_rel_pt": {"inner": constants(0.2553, 0.2687, 5), "outer": constants(0.05398, 0.2929, 5)},
            "pfCand_nHad_deta": {"inner": constants(0.0, 0.1, 1.0), "outer": constants(0.0, 0.5, 1.0)},
        },
    } | more


def test_files_of_the_cms_tools_are_read():
    loaded = load_scaling(cms_file(), CONFIG)
    assert list(loaded) == ["taus", "cell_features", "pfcand_nHad"]
    assert loaded["taus"]["rho"] == {"mean": 25, "std": 25, "lim_min": -1, "lim_max": 1}
    assert loaded["taus"]["tau_charge"]["lim_max"] == math.inf
    assert "tau_phi" not in loaded["taus"]
    assert loaded["cell_features"]["tau_pt"]["inner"] == loaded["cell_features"]["tau_pt"]["outer"]
    rel_pt = loaded["pfcand_nHad"]["pfCand_nHad_rel_pt"]
    assert (rel_pt["inner"]["mean"], rel_pt["outer"]["mean"]) == (0.2553, 0.05398)
    check_rules(loaded, CONFIG)


def test_files_without_cones_are_read():
    flat = {name: cones["global"] for name, cones in cms_file()["TauFlat"].items()}
    loaded = load_scaling(cms_file(TauFlat=flat), CONFIG)
    assert loaded == load_scaling(cms_file(), CONFIG)


def test_the_older_name_of_the_global_block_is_read():
    data = cms_file()
    data["GridGlobalFeatures"] = data.pop("GridGlobal")
    assert load_scaling(data, CONFIG) == load_scaling(cms_file(), CONFIG)
    assert block_of(data, "nothing") is None


def test_a_file_without_rho_is_refused_by_name():
    """As scaling_params_v1.json, which cannot be used with the features of DeepTau v2.5."""
    data = cms_file()
    del data["TauFlat"]["rho"]
    with pytest.raises(InputError, match=r"no constants for taus\.rho: made with other features"):
        load_scaling(data, CONFIG)


def test_a_file_of_another_feature_set_is_refused_by_names():
    data = {"PfCand": {"pfCand_pt": {"global": constants(1.791, 14.75, 5)}}}
    with pytest.raises(InputError, match=r"taus\.rho, taus\.tau_mass, taus\.tau_charge, cell_features\.tau_pt, pfcand"):
        load_scaling(data, CONFIG)


def test_null_of_an_enabled_feature_is_refused_by_name():
    data = cms_file()
    data["TauFlat"]["tau_mass"]["global"]["std"] = None
    with pytest.raises(InputError, match=r"taus\.tau_mass: expected numbers mean, std, lim_min, lim_max"):
        load_scaling(data, CONFIG)


@pytest.mark.parametrize("entry", [3, {}, [], {"inner": 3, "outer": 4}, None])
def test_entries_of_no_known_form_are_refused_by_name(entry):
    data = cms_file()
    data["TauFlat"]["tau_mass"] = entry
    with pytest.raises(InputError, match=r"taus\.tau_mass"):
        load_scaling(data, CONFIG)


def test_ranges_of_another_definition_are_refused_by_name():
    """A Phase-2 file has the names of v2.5 and other ranges."""
    data = cms_file(GridGlobal={"tau_pt": {"global": constants(100.0, 100.0, 1.0)}})
    with pytest.raises(InputError, match=r"cell_features\.tau_pt \(inner\): mean 100, defined as 510"):
        check_rules(load_scaling(data, CONFIG), CONFIG)


def accepted_by_cms(data, blocks_of_cells):
    """The rule of the reader of the CMS tools: `global` alone, or `inner` and `outer` alone; numbers, or strings of infinity."""
    for block, features in data.items():
        for cones in features.values():
            assert set(cones) == {"global"} or (block in blocks_of_cells and set(cones) == {"inner", "outer"})
            for entry in cones.values():
                for key in ("mean", "std", "lim_min", "lim_max"):
                    assert entry[key] in ("inf", "-inf") or isinstance(entry[key], int | float)


def test_what_is_written_for_the_cms_tools_is_in_their_form():
    config = make_config()
    scaling = make_scaling(sum_flat(make_flat(), config), config)
    written = json.loads(json.dumps(for_cms(scaling), allow_nan=False))
    assert list(written) == ["TauFlat", "GridGlobal", "Muon", "Electron"]
    accepted_by_cms(written, {"GridGlobal", "Muon"})
    back = load_scaling(written, config)
    ours = load_scaling(scaling, config)
    for name, cones in back["muon"].items():
        assert cones == {grid: ours["muon"][name][grid] for grid in ("inner", "outer")}
    assert back["taus"] == ours["taus"]


def test_other_grids_cannot_be_written_for_the_cms_tools():
    with pytest.raises(InputError, match=r"muon\.x has the grids \['far', 'near'\]; the CMS tools know"):
        for_cms({"muon": {"x": {"near": NOTHING, "far": NOTHING}}})


def test_reading_a_file(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(cms_file()))
    assert read_scaling(tmp_path / "s.json") == cms_file()
