from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from taumltools.config.features import FeatureConfig, FeaturesConfig, ObjectBlock, ScalingRule
from taumltools.features.definition import define
from taumltools.features.flat import make_flat
from taumltools.tuples.mock import mock_tuples

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "features").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configurations_work_on_mock_tuples(path):
    config = TypeAdapter(FeaturesConfig).validate_python(yaml.safe_load(path.read_text()))
    assert set(define(config).taus) == set(config.taus)
    flat = make_flat(mock_tuples(50), config)
    assert len(flat) > 20
    assert list(flat.taus) == list(config.taus)
    for name, block in flat.objects.items():
        assert block.counts.max() <= config.objects[name].max_objects


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
