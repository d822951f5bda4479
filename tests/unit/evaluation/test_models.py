"""Stored models of every kind: each scores as the network it was made from."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, GridConfig, ScalingRule
from taumltools.config.identity import plain
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.models import check_name, digest_of, model_identity, open_model, part_files
from taumltools.evaluation.scorers import GridScorer, PartsScorer, RawScorer
from taumltools.training.network import Network
from taumltools.training.preparation import INPUTS_FILE, RUN_FILE
from tests.unit.evaluation.stored_case import candidates, cell_case, store, write_dense_graph
from tests.unit.training.deeptau_case import some_scaling

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = store(tmp_path_factory.mktemp("cells"))
    write_dense_graph(folder / "dense")
    scaling = json.dumps(some_scaling(cell_case()))
    for place in ("dense", "cms"):
        (folder / place).mkdir(exist_ok=True)
    (folder / "dense/scaling.json").write_text(scaling)
    for part in ("inner", "outer", "core"):
        shutil.copyfile(folder / f"export/split/{part}/graph.pb", folder / f"cms/DeepTau_2018v2p5_{part}.pb")
    (folder / "scaling_cms.json").write_text(scaling)
    return folder


KINDS = {
    "trained": Network,
    "trained/model.keras": Network,
    "export": Network,
    "export/saved_model": RawScorer,
    "export/model.onnx": RawScorer,
    "export/split": PartsScorer,
    "dense/graph.pb": GridScorer,
    "cms": PartsScorer,
}


@pytest.mark.parametrize("place", KINDS)
def test_every_format_gives_the_scores_of_the_network(folder: Path, place: str):
    flat = candidates()
    expected = open_model(folder / "trained", cell_case()).scorer.predict(flat)
    scaling = str(folder / "scaling_cms.json") if place == "cms" else ""
    model = open_model(folder / place, cell_case(), scaling)
    assert type(model.scorer) is KINDS[place]
    found = model.scorer.predict(flat, batch_size=7)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 0.01, "the network does look at its inputs"
    assert model.scorer.predict(flat.slice(0, 0)).shape == (0, 4)


@pytest.mark.parametrize("place", ["export/saved_model", "export/model.onnx"])
def test_networks_on_sets_too(tmp_path_factory: pytest.TempPathFactory, place: str):
    folder = store(tmp_path_factory.mktemp("sets"), cells=False)
    expected = open_model(folder / "trained", cell_case(cells=False)).scorer.predict(candidates())
    model = open_model(folder / place, cell_case(cells=False))
    np.testing.assert_allclose(model.scorer.predict(candidates()), expected, atol=1e-5)
    (folder / "export" / INPUTS_FILE).unlink()
    without = open_model(folder / place, cell_case(cells=False))
    np.testing.assert_allclose(without.scorer.predict(candidates()), expected, atol=1e-5)


def test_order_of_features_is_that_of_the_export_not_of_the_settings(folder: Path):
    features = cell_case()
    features.taus.update({name: features.taus.pop(name) for name in ("pt", "eta")})
    assert list(features.taus) == ["mass", "dz", "iso", "pt", "eta"]
    flat = candidates()
    expected = open_model(folder / "trained", cell_case()).scorer.predict(flat)
    np.testing.assert_allclose(
        open_model(folder / "export/model.onnx", features).scorer.predict(flat), expected, atol=1e-5
    )


def test_other_features_are_refused_by_name(folder: Path, tmp_path: Path):
    shutil.copyfile(folder / "export/model.onnx", tmp_path / "model.onnx")
    features = cell_case()
    features.taus.pop("iso")
    with pytest.raises(InputError, match="'taus' has 5 columns in the network, the features give 4"):
        open_model(tmp_path / "model.onnx", features)


def with_changed(features, **taus):
    return dataclasses.replace(
        features, taus=features.taus | {name: FeatureConfig(text) for name, text in taus.items()}
    )


@pytest.mark.parametrize("place", ["trained", "trained/model.keras", "export", "export/model.onnx", "export/split"])
def test_features_of_the_same_names_and_other_values_are_refused(folder: Path, tmp_path: Path, place: str):
    """They were scored without a word, as long as all names were there."""
    for kind in ("trained", "export"):
        shutil.copytree(folder / kind, tmp_path / kind)
        (tmp_path / kind / RUN_FILE).write_text(json.dumps({"features": plain(cell_case())}))
    model = open_model(tmp_path / place, cell_case())
    model.check(cell_case(), "taus.root")
    other = with_changed(cell_case(), pt="tau_pt / 20", mass="tau_mass * 2")
    with pytest.raises(InputError, match=r"taus.root: not the features the network was trained on: taus.pt: 'tau_pt / 20', "
                                         r"not 'tau_pt / 50'; taus.mass: .*: use the features of its training"):  # fmt: skip
        model.check(other, "taus.root")
    model.check(None, "taus.h5")


@pytest.mark.parametrize("place", ["trained", "export/model.onnx"])
def test_grids_of_other_sizes_are_refused_also_where_the_training_is_not_known(folder: Path, place: str):
    features = cell_case()
    features.cells.grids["outer"] = GridConfig(25, 25, 0.042, cone=0.5)
    with pytest.raises(InputError, match=r"taus.h5: .* grid 'outer': 625 cells, not 20"):
        open_model(folder / place, cell_case()).check(features, "taus.h5")


def test_constants_of_other_features_are_refused(folder: Path):
    features = cell_case()
    features.taus["pt"] = FeatureConfig("tau_pt / 50", scaling=ScalingRule("linear", min=20.0, max=1000.0))
    with pytest.raises(InputError, match=r"taus.pt .*made with other features"):
        open_model(folder / "cms", features, str(folder / "scaling_cms.json"))


def test_scaled_networks_need_constants(folder: Path):
    with pytest.raises(ConfigError, match="takes scaled values; name the file of its scaling constants"):
        open_model(folder / "cms", cell_case())


def test_constants_beside_the_parts_are_found(folder: Path, tmp_path: Path):
    shutil.copytree(folder / "cms", tmp_path / "cms")
    shutil.copyfile(folder / "scaling_cms.json", tmp_path / "cms/scaling.json")
    named = open_model(folder / "cms", cell_case(), str(folder / "scaling_cms.json"))
    found = open_model(tmp_path / "cms", cell_case())
    np.testing.assert_array_equal(found.scorer.predict(candidates()), named.scorer.predict(candidates()))


def test_a_single_part_cannot_be_applied(folder: Path):
    with pytest.raises(InputError, match=r"of a network in parts .* name the folder"):
        open_model(folder / "cms/DeepTau_2018v2p5_core.pb", cell_case(), str(folder / "scaling_cms.json"))


def test_parts_are_found_once(folder: Path, tmp_path: Path):
    assert part_files(tmp_path) == {}
    assert set(part_files(folder / "cms")) == {"inner", "outer", "core"}
    shutil.copytree(folder / "cms", tmp_path / "twice")
    shutil.copyfile(folder / "cms/DeepTau_2018v2p5_core.pb", tmp_path / "twice/other_core.pb")
    with pytest.raises(InputError, match="2 files for the part 'core'"):
        part_files(tmp_path / "twice")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("model.pb", b"no graph", "not a frozen graph"),
        ("model.onnx", b"no network", "not a readable ONNX file"),
        ("model.keras", b"no network", "not a readable Keras model"),
        ("model.pt", b"", "no stored network there"),
        ("saved_model.pb", b"x", "not a frozen graph"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes, match: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=match):
        open_model(tmp_path / name, cell_case())


def test_missing_and_empty_places_are_named(tmp_path: Path):
    with pytest.raises(InputError, match="no such model"):
        open_model(tmp_path / "nothing", cell_case())
    with pytest.raises(InputError, match="no stored network there"):
        open_model(tmp_path, cell_case())


def write_model(folder: Path, weights: bytes, config: str, date: str) -> str:
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("model.weights.h5", weights)
        archive.writestr("config.json", config)
        archive.writestr("metadata.json", date)
    return model_identity(folder)


def test_model_identity_follows_weights_and_structure_but_not_the_time_of_training(tmp_path: Path):
    assert model_identity(tmp_path) == tmp_path.name
    first = write_model(tmp_path, b"one", '{"shared_object_id": 12, "units": 3}', "monday")
    assert write_model(tmp_path, b"one", '{"shared_object_id": 99, "units": 3}', "tuesday") == first
    assert write_model(tmp_path, b"two", '{"shared_object_id": 12, "units": 3}', "monday") != first
    assert write_model(tmp_path, b"one", '{"shared_object_id": 12, "units": 4}', "monday") != first
    assert model_identity(tmp_path / "model.keras") == model_identity(tmp_path)


def test_digests_follow_content_and_names(tmp_path: Path):
    (tmp_path / "a.pb").write_bytes(b"one")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.pb").write_bytes(b"one")
    first = digest_of(tmp_path / "folder")
    (tmp_path / "folder/a.pb").rename(tmp_path / "folder/b.pb")
    assert len({first, digest_of(tmp_path / "folder"), digest_of(tmp_path / "a.pb")}) == 3
    assert model_identity(tmp_path / "a.pb") == digest_of(tmp_path / "a.pb")


def test_names_of_models_are_names_of_branches():
    assert check_name("v2p5_new") == "v2p5_new"
    for name in ("2p5", "a-b", "a b", ""):
        with pytest.raises(ConfigError, match="is no name of a model"):
            check_name(name)
