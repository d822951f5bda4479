from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from taumltools.config.model import ModelConfig
from taumltools.errors import ConfigError
from taumltools.features.scaling import load_scaling
from taumltools.training.batches import Samples
from taumltools.training.layout import InputLayout
from taumltools.training.models import MODELS, build_model
from taumltools.training.network import Network
from tests.unit.training.deeptau_case import random_cells, some_scaling, tiny_features
from tests.unit.training.sets_case import random_sets, set_features

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "model").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_networks_give_probabilities(path):
    config = TypeAdapter(ModelConfig).validate_python(yaml.safe_load(path.read_text()))
    if MODELS[config.name].form == "cells":
        features = tiny_features()
        inputs = random_cells(features, 20, {"inner": 2, "outer": 4})
    else:
        features, inputs = set_features(), random_sets(20)
    network = build_model(config, features, some_scaling(features))
    p = network(inputs).numpy()
    assert p.shape == (20, 4)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-5)


def test_every_shipped_network_is_documented():
    text = (CONFIGS[0].parents[2] / "docs" / "models.md").read_text()
    assert [path.stem for path in CONFIGS if f"`{path.stem}`" not in text] == []


def test_inputs_are_named_as_the_blocks(features, scaling, model, flat):
    network = build_model(model, features, load_scaling(scaling, features))
    layout = {block: list(names) for block, names in features.blocks().items()}
    assert set(network.input) == set(Samples.of(flat.slice(0, 1), layout).batch(np.arange(1)).inputs)


def test_without_objects(features, scaling, model, flat, replace):
    flat_only = replace(features, objects={})
    network = Network.of(build_model(model, flat_only, load_scaling(scaling, flat_only)))
    assert network.layout == InputLayout(("iso", "tau_eta"))
    assert network.predict(flat.slice(0, 3)).shape == (3, 4)


def test_unknown_network(features, scaling, replace, model):
    with pytest.raises(ConfigError, match="no network 'cnn'; known are deepset"):
        build_model(replace(model, name="cnn"), features, load_scaling(scaling, features))
    assert "deepset" in MODELS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"object_units": ()}, "object_units needs at least one positive width"),
        ({"dense_units": (8, 0)}, "dense_units needs"),
        ({"attention_heads": 0}, "attention_heads must be at least 1"),
        ({"dropout": 1.0}, "dropout must be in"),
        ({"activation": "step"}, "activation"),
    ],
)
def test_wrong_sizes(change, message):
    with pytest.raises(ValidationError, match=message):
        ModelConfig(**change)
