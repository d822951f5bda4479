"""How candidates become inputs: from the network, from its file, from the settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.training.layers import Scaling
from taumltools.training.models import build_model
from taumltools.training.preparation import INPUTS_FILE, Preparation
from tests.unit.training.deeptau_case import (
    no_scaling,
    random_cells,
    some_scaling,
    tiny_features,
    to_dense,
)
from tests.unit.training.sets_case import set_features
from tests.unit.training.test_deeptau import tiny


@pytest.fixture(scope="module")
def model():
    return build_model(tiny(), tiny_features(), some_scaling(tiny_features()))


def assert_same(a: Preparation, b: Preparation):
    assert (a.layout, a.grids) == (b.layout, b.grids)
    assert a.constants.keys() == b.constants.keys()
    for name, constants in a.constants.items():
        for key, values in constants.items():
            np.testing.assert_array_equal(values, b.constants[name][key], err_msg=f"{name}/{key}")


def test_network_file_and_settings_agree(model, tmp_path: Path):
    own = Preparation.of_network(model)
    assert_same(own, Preparation.of_settings(tiny_features(), "cells", some_scaling(tiny_features())))
    own.save(tmp_path / INPUTS_FILE)
    found = Preparation.find(tmp_path / "split" / "core" / "graph.pb")
    assert found is not None
    assert_same(own, found)
    assert Preparation.find(tmp_path.parent / "elsewhere") is None


def test_infinite_limits_survive_the_file(tmp_path: Path):
    own = Preparation.of_settings(tiny_features(), "cells", no_scaling(tiny_features()))
    own.save(tmp_path / INPUTS_FILE)
    assert_same(own, Preparation.load(tmp_path / INPUTS_FILE))
    values = np.float32([[1e30, -1e30, 0, np.nan, 5]])
    np.testing.assert_array_equal(own.scale("taus", values), np.float32([[1e30, -1e30, 0, 0, 5]]))


def test_scaling_is_that_of_the_layer(model):
    own = Preparation.of_network(model)
    raw = random_cells(tiny_features(), 9, {"inner": 2, "outer": 4})
    for layer in (layer for layer in model.layers if isinstance(layer, Scaling)):
        np.testing.assert_allclose(
            own.scale(layer.block, raw[layer.block]), np.asarray(layer(raw[layer.block])), rtol=1e-6, atol=1e-7
        )


def test_grids_are_those_of_a_plain_implementation():
    features = tiny_features()
    inputs = random_cells(features, 9, {"inner": 2, "outer": 4})
    expected = to_dense(features, inputs)
    found = Preparation.of_settings(features, "cells", no_scaling(features)).dense(inputs)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], np.nan_to_num(values), err_msg=name)


def test_labels_name_every_column():
    labels = Preparation.of_settings(tiny_features(), "cells").labels()
    assert labels["input_tau"] == [f"tau_{i}" for i in range(5)]
    assert labels["input_outer_b"] == ["b.b_0", "b.b_1", "b.b_2"]
    assert set(Preparation.of_settings(set_features(), "sets").labels()) == {"taus", "pf", "muon"}


def test_without_constants_and_with_a_damaged_file(tmp_path: Path):
    with pytest.raises(InputError, match="name a file of them with --scaling"):
        Preparation.of_settings(tiny_features(), "cells").scale("taus", np.zeros((1, 5), np.float32))
    (tmp_path / INPUTS_FILE).write_text('{"layout": 3}')
    with pytest.raises(InputError, match=r"inputs\.json: no usable description of inputs"):
        Preparation.find(tmp_path)
