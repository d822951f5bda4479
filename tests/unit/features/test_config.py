from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

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

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "features").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configurations_work_on_mock_tuples(path):
    config = TypeAdapter(FeaturesConfig).validate_python(yaml.safe_load(path.read_text()))
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
