import dataclasses

import keras
import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.features.flat import write_flat
from taumltools.features.scaling import load_scaling
from taumltools.training.batches import Batch
from taumltools.training.diagnosis import column_names, suspects
from taumltools.training.fit import train
from taumltools.training.layout import InputLayout
from taumltools.training.models import build_model

CELLS = InputLayout(("pt",), {"pf": ("a", "b"), "ele": ("c",)}, ("rho",), {"egamma": ("pf", "ele")}, {"inner": 9})


@pytest.fixture(scope="module")
def network(features, scaling, model):
    keras.utils.set_random_seed(1)
    return build_model(model, features, load_scaling(scaling, features))


@pytest.fixture
def batch():
    inputs = {"taus": np.ones((4, 2), np.float32), "pf": np.ones((4, 8, 2), np.float32)}
    inputs["pf"][0, 3, 0] = np.nan  # undefined, which is nothing special
    return Batch(inputs | {"pf_mask": np.ones((4, 8), np.float32)}, np.eye(4), np.ones(4))


@pytest.fixture(scope="module")
def layout(features):
    return InputLayout.of(features)


def test_infinite_values_are_named(network, batch, layout):
    batch.inputs["pf"][1, :2, 1] = np.inf
    assert suspects(network, batch, layout) == "infinite values in pf.kind (2 of 32)"


def test_large_values_are_named_as_the_network_sees_them(network, batch, layout):
    batch.inputs["pf"][1, 2, 1] = -3e7
    batch.inputs["taus"][2, 0] = 1e30  # is clipped by its scaling
    assert suspects(network, batch, layout) == "very large values in pf.kind (up to 3e+07 after scaling)"


def test_weights_that_are_not_finite(network, batch, layout):
    batch.weight[2] = np.nan
    assert suspects(network, batch, layout) == "1 weights of candidates are not finite"


def test_nothing_special(network, batch, layout):
    assert suspects(network, batch, layout) == "all features of that batch are in range"


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [
        ("taus", 1, ["taus.pt"]),
        ("inner_egamma", 4, [f"inner_egamma: {n}" for n in ("cell_features.rho", "pf.a", "pf.b", "ele.c")]),
        ("unknown", 2, ["unknown[0]", "unknown[1]"]),
        ("taus", 2, ["taus[0]", "taus[1]"]),
    ],
)
def test_names_of_columns(name, width, expected):
    assert column_names(CELLS, name, width) == expected


def test_a_fit_that_breaks_down_names_step_and_feature(tmp_path, flat, features, scaling, model, training, monkeypatch):
    monkeypatch.setattr("taumltools.training.loader.check_values", lambda *_: None)  # it looks at a part of the sample
    kind = flat.objects["pf"].columns["kind"].copy()
    kind[:] = np.inf
    pf = dataclasses.replace(flat.objects["pf"], columns={**flat.objects["pf"].columns, "kind": kind})
    write_flat(tmp_path / "a.h5", [dataclasses.replace(flat, objects={"pf": pf})])
    with pytest.raises(InputError, match=r"the loss became nan in epoch 1/3, step 1: infinite values in pf.kind"):
        train([tmp_path / "a.h5"], scaling, features, model, training, tmp_path / "out", seed=1)
