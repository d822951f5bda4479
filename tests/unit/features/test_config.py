from pathlib import Path

import pytest
from pydantic import ValidationError

from taumltools.config import load_campaign
from taumltools.config.features import (
    CellsConfig,
    FeatureConfig,
    FeaturesConfig,
    GridConfig,
    ObjectBlock,
    ScalingRule,
    SelectionConfig,
)
from taumltools.features.definition import define
from taumltools.features.flat import make_flat
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.schema import tautuple_schema

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "features").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configurations_work_on_mock_tuples(path):
    config = load_campaign("tiny", f"features={path.stem}").features
    assert list(define(config).taus) == list(config.blocks()["taus"])
    flat = make_flat(mock_tuples(50), config)
    assert len(flat) > 20
    assert {block: list(columns) for block, columns in flat.features().items()} == {
        block: list(features) for block, features in config.blocks().items()
    }
    for name, block in flat.objects.items():
        assert block.counts.max() <= (config.objects[name].max_objects or 10_000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"type": "linear"}, "needs min < max"),
        ({"type": "linear", "min": 2, "max": 1}, "needs min < max"),
        ({"type": "normal", "min": 0, "max": 1}, "belong to linear scaling"),
        ({"type": "normal", "lo": 5, "hi": -5}, "needs lo < hi"),
        ({"type": "log"}, "type"),
    ],
)
def test_wrong_scaling(arguments, message):
    with pytest.raises(ValidationError, match=message):
        ScalingRule(**arguments)


def test_wrong_blocks():
    feature = {"pt": FeatureConfig("tau_pt")}
    with pytest.raises(ValidationError, match="max_objects must not be negative"):
        ObjectBlock(collection="ele", features=feature, max_objects=-1)
    with pytest.raises(ValidationError, match="at least one feature"):
        ObjectBlock(collection="ele", features={})
    with pytest.raises(ValidationError, match="at least one feature"):
        FeaturesConfig(taus={})
    with pytest.raises(ValidationError, match="'tau pt' is not a name"):
        FeaturesConfig(taus={"tau pt": FeatureConfig("tau_pt")})
    with pytest.raises(ValidationError, match="cannot be called 'taus'"):
        FeaturesConfig(taus=feature, objects={"taus": ObjectBlock(collection="ele", features=feature)})


def test_blocks_start_with_taus():
    block = ObjectBlock(collection="ele", features={"pt": FeatureConfig("ele_pt")})
    config = FeaturesConfig(taus={"tau_pt": FeatureConfig()}, objects={"e": block})
    assert list(config.blocks()) == ["taus", "e"]


ONE = {"pt": FeatureConfig("ele_pt"), "eta": FeatureConfig("ele_eta", enabled=False)}
GRIDS = {"inner": GridConfig(11, 11, 0.02), "outer": GridConfig(21, 21, 0.05, cone=0.5)}


def with_cells(features=ONE, max_objects=0, grids=GRIDS, components=None, **changes):
    block = ObjectBlock(collection="ele", features=features, max_objects=max_objects)
    cells = CellsConfig(grids, components or {"egamma": ("e",)}, {"rho": FeatureConfig()})
    return FeaturesConfig(taus={"tau_pt": FeatureConfig()}, objects={"e": block}, cells=cells, **changes)


def test_disabled_features_are_kept_in_the_definition_and_nowhere_else():
    config = with_cells()
    assert {block: list(features) for block, features in config.blocks().items()} == {
        "taus": ["tau_pt"],
        "cell_features": ["rho"],
        "e": ["pt"],
    }
    assert "eta" in config.objects["e"].features
    assert list(define(config).objects["e"].features) == ["pt"]
    with pytest.raises(ValidationError, match="at least one feature"):
        ObjectBlock(collection="ele", features={"eta": FeatureConfig("ele_eta", enabled=False)})


def test_blocks_that_feed_cells_know_their_grids():
    config = with_cells()
    assert [config.grids_of(block) for block in config.blocks()] == [(), ("inner", "outer"), ("inner", "outer")]
    plain = FeaturesConfig(taus={"tau_pt": FeatureConfig()})
    assert plain.grids_of("taus") == ()


BY_GRID = ScalingRule(type="linear", grids={"inner": (-0.1, 0.1), "outer": (-0.5, 0.5)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"components": {"egamma": ("photon",)}}, "component 'egamma': no block 'photon'; known are e"),
        ({"components": {"egamma": ()}}, "components at least one block"),
        ({"grids": {}}, "at least one grid"),
        ({"max_objects": 40}, "set max_objects of 'e' to 0"),
        ({"grids": {"one": GridConfig(3, 3, 0.1, without="two")}}, "grid 'one': without names no other grid"),
        (
            {"grids": {"one": GridConfig(3, 3, 0.1)}, "features": {"pt": FeatureConfig("ele_pt", scaling=BY_GRID)}},
            "one",
        ),
    ],
)
def test_wrong_cells(arguments, message):
    with pytest.raises(ValidationError, match=message):
        with_cells(**arguments)


def test_scaling_by_grid_belongs_to_blocks_of_cells():
    with pytest.raises(
        ValidationError, match=r"taus\.tau_eta: scaling by grid names .*, the grids of this block are none"
    ):
        FeaturesConfig(taus={"tau_eta": FeatureConfig(scaling=BY_GRID)})


@pytest.mark.parametrize("types", [(), ("tau", "tau"), ("taus",)])
def test_wrong_types_of_the_selection(types):
    with pytest.raises(ValidationError, match="types"):
        SelectionConfig(types=types)


def test_variants_of_deeptau_have_the_widths_of_their_networks():
    def widths(name):
        config = load_campaign("tiny", f"features={name}").features
        blocks = {block: len(features) for block, features in config.blocks().items()}
        components = config.cells.components.values()
        return blocks["taus"], [blocks["cell_features"] + sum(blocks[b] for b in used) for used in components]

    assert widths("deeptau_v2p5") == widths("deeptau_phase2_contv2p5") == (43, [86, 64, 38])
    assert widths("deeptau_phase2") == (43, [93, 70, 44])


def test_phase_2_changes_ranges_grid_and_times_only():
    base, changed = (load_campaign("tiny", f"features={n}").features for n in ("deeptau_v2p5", "deeptau_phase2"))
    assert changed.taus["rho"].scaling.max == changed.cells.features["rho"].scaling.max == 200
    assert changed.taus["tau_eta"].scaling.min == -3
    assert (changed.cells.grids["outer"].n_eta, changed.cells.grids["outer"].size) == (25, 0.042)
    assert changed.cells.grids["inner"] == base.cells.grids["inner"]
    new = {name for block, features in changed.blocks().items() for name in set(features) - set(base.blocks()[block])}
    assert {name for name in new if "gamma" in name} == {"pfCand_gamma_hasTimeDetails"}
    assert len(new) == 2 + 3 * 4 + 1


def test_the_other_count_of_prongs_is_available_by_name():
    loader, counted = (load_campaign("tiny", f"features={n}").features for n in ("deeptau_v2p5", "deeptau_v2p5_prongs"))
    values = [make_flat(mock_tuples(100), config).taus["tau_n_charged_prongs"] for config in (loader, counted)]
    assert (values[1] - values[0] == 1).all()
    assert {**loader.taus, "tau_n_charged_prongs": 0} == {**counted.taus, "tau_n_charged_prongs": 0}


def test_the_variant_for_simulation_leaves_out_what_the_simulation_does_not_fill():
    """And the tracks of photons: simulated photons do not convert."""
    whole, part = (load_campaign("tiny", f"features={n}").features for n in ("deeptau_v2p5", "deeptau_simulation"))
    definition, schema = define(whole), tautuple_schema()
    features = {"taus": definition.taus, "cell_features": definition.cells.features}
    features |= {name: block.features for name, block in definition.objects.items()}
    gone = {f"{b}.{name}" for b, items in whole.blocks().items() for name in items if name not in part.blocks()[b]}
    unfilled = {
        feature.label
        for items in features.values()
        for feature in items.values()
        if any(not schema[branch].simulated for branch in feature.names)
    }
    assert gone - unfilled == {
        f"pfcand_gamma.pfCand_gamma_{name}"
        for name in ("dxy", "dxy_sig", "dz", "dz_sig", "track_chi2_ndof", "track_ndof")
    }
    assert unfilled <= gone
