import keras
import numpy as np
import pytest

from taumltools.errors import ConfigError, StoreError
from taumltools.training import export
from taumltools.training.export import export_network, random_inputs, write_checked
from taumltools.training.models import build_model
from taumltools.training.network import MODEL_FILE
from tests.unit.training.deeptau_case import some_scaling, tiny_features
from tests.unit.training.sets_case import set_features
from tests.unit.training.test_deeptau import tiny
from tests.unit.training.test_set_networks import MODELS, plain_scaling

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


PARTS_OF_DEEPTAU = {"split"} | {
    f"{part}/{name}" for part in ("inner", "outer", "core") for name in ("saved_model", "onnx", "graph")
}


def network(name):
    keras.utils.set_random_seed(2)
    if name == "deeptau":
        return build_model(tiny(0.1), tiny_features(), some_scaling(tiny_features()))
    return build_model(MODELS[name], set_features(), plain_scaling(set_features()))


@pytest.mark.parametrize("name", ["deeptau", *MODELS])
def test_exports_give_what_the_network_gives(name, tmp_path):
    network(name).save(tmp_path / MODEL_FILE)
    differences = export_network(tmp_path, tmp_path / "out")
    assert set(differences) == {"keras", "saved_model", "onnx"} | (PARTS_OF_DEEPTAU if name == "deeptau" else set())
    assert max(differences.values()) < 1e-5
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
    assert {"model.keras", "model.onnx", "saved_model/saved_model.pb"} <= written
    parts = {f"split/{part}/{file}" for part in ("inner", "outer", "core") for file in ("graph.pb", "model.onnx")}
    assert written & parts == (parts if name == "deeptau" else set())


def test_sets_of_a_given_size_are_exported(tmp_path):
    features = set_features(set_size=6)
    model = build_model(MODELS["transformer"], features, plain_scaling(features))
    assert write_checked(model, "onnx", tmp_path) < 1e-5
    assert random_inputs(model, 3, seed=1)["muon_mask"].shape == (3, 6)


def test_what_the_training_was_comes_along(tmp_path):
    network("deepset").save(tmp_path / MODEL_FILE)
    (tmp_path / "run.json").write_text('{"seed": 7}')
    export_network(tmp_path, tmp_path / "out")
    assert (tmp_path / "out" / "run.json").read_text() == '{"seed": 7}'


def test_random_inputs_reach_what_comes_after_the_scaling():
    """Numbers around 0 were all at the same limit where a feature is around 50 in the sample."""
    model = network("deeptau")
    layer = model.get_layer("taus_scaling")
    layer.mean, layer.std = [50.0] * 5, [3.0] * 5
    taus = random_inputs(model, 4000, seed=1)["taus"]
    np.testing.assert_allclose(np.nanmean(taus, axis=0), 50, atol=0.3)
    np.testing.assert_allclose(np.nanstd(taus, axis=0), 3, atol=0.2)


def test_export_that_differs_is_refused(tmp_path, monkeypatch):
    model = network("deepset")
    monkeypatch.setattr(export, "WRITERS", {"off": lambda *_: lambda inputs: np.full((len(inputs["taus"]), 4), 0.5)})
    with pytest.raises(StoreError, match=r"off differs by .* from the network"):
        write_checked(model, "off", tmp_path)
    with pytest.raises(ConfigError, match="no export format 'pdf'; known are off"):
        write_checked(model, "pdf", tmp_path)


@pytest.mark.parametrize("name", ["deeptau", "transformer"])
def test_random_inputs_look_like_real_ones(name):
    model = network(name)
    inputs = random_inputs(model, 40, seed=1)
    assert set(inputs) == {tensor.name for tensor in model.inputs}
    assert np.isnan(inputs["taus"]).any()
    if name == "deeptau":
        assert inputs["inner_cell"].max() == 40 * 9
        assert len(inputs["inner_cell"]) == len(inputs["inner_a"]) == len(inputs["inner_b"])
    else:
        assert set(np.unique(inputs["pf_mask"])) == {0, 1}
        assert inputs["pf_mask"].sum(axis=1).min() == 0
