"""ApplyTraining on the campaign and on files from outside, with one model and with several; CompareInputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import uproot

from tasks.apply import ApplyTraining, CompareInputs, named
from tasks.production import ProduceTuples
from tasks.training import Training
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.predictions import Predictions
from taumltools.features.flat import make_flat
from taumltools.training.export import write_checked
from taumltools.training.preparation import INPUTS_FILE, Preparation
from taumltools.training.trained_on import TRAINED_ON_FILE, TrainedOn
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.tasks.making import place_network, prepare_training

LAW, ROOT = Path(sys.executable).with_name("law"), Path(__file__).resolve().parents[2]
TINY = {"version": "v1", "campaign": "tiny", "overrides": "model=mini"}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def apply(**parameters) -> ApplyTraining:
    return ApplyTraining(**TINY | parameters)


@pytest.fixture
def trained() -> Path:
    """A network in the place of the training; it need not be trained for that."""
    return place_network(Training(**TINY))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "tuples"
    folder.mkdir()
    for seed in range(2):
        write_tuples(folder / f"taus_{seed}.root", mock_tuples(40, seed=seed))
    return folder


def scores(path: Path) -> np.ndarray:
    return Predictions.read(path).outputs


def test_files_from_outside_need_only_the_network(trained: Path, files: Path):
    task = apply(input=(f"{files}/*.root", f"first={files}/taus_0.root"))
    assert task.datasets() == ["tuples", "first"]
    assert [type(one) for one in task.upstream_tasks()] == [Training]
    for branch in range(2):
        task.req_branch(branch).run()
    both, first = (Predictions.read(path) for path in task.paths())
    assert (len(both), len(first)) == (80, 40)
    np.testing.assert_array_equal(both.outputs[:40], first.outputs)
    evt = np.concatenate([mock_tuples(40, seed=seed)["evt"] for seed in range(2)])
    np.testing.assert_array_equal(both.columns["evt"], evt)
    side_car = json.loads(task.paths()[1].with_name(task.paths()[1].name + ".meta.json").read_text())
    assert [Path(one["path"]).name for one in side_car["inputs"]][-1] == "taus_0.root"


def test_several_models_with_friends_inputs_and_the_old_layout(trained: Path, files: Path, tmp_path: Path):
    from taumltools.training.network import load_network

    network = load_network(trained).model
    (tmp_path / "export").mkdir()
    write_checked(network, "onnx", tmp_path / "export")
    Preparation.of_network(network).save(tmp_path / "export" / INPUTS_FILE)
    row = int(np.flatnonzero(mock_tuples(40)["tau_index"] >= 0)[0])
    task = apply(
        input=(f"{files}/taus_0.root",),
        models=("own=v1", f"onnx={tmp_path}/export/model.onnx"),
        friend="copy",
        layout="legacy",
        save_inputs=(str(row),),
        branch=0,
    )
    task.run()
    assert {path.name for path in task.path.iterdir()} == {"own.h5", "onnx.h5", "friends", "inputs"}
    own, onnx = (pd.read_hdf(task.path / f"{name}.h5", "predictions") for name in ("own", "onnx"))
    np.testing.assert_allclose(own, onnx, atol=1e-5)
    with uproot.open(task.path / "friends/taus_0.root") as file:
        np.testing.assert_allclose(file["scores"]["onnx_tau"].array(library="np"), own["node_tau"], atol=1e-5)
    assert len(list((task.path / "inputs/own").iterdir())) == 1


def test_network_of_another_version_is_taken_as_it_was_trained(trained: Path, files: Path):
    """A typing error in its name was a new training."""
    inputs = (f"{files}/taus_0.root",)
    other = apply(version="v2", models=("before=v1",), input=inputs, overrides="model=mini training.learning_rate=0.01")
    assert list(other.upstream_tasks()) == []
    assert other.model_paths() == {"before": trained}
    own = apply(models=("own=v1", "named=tiny:v1"), input=inputs)
    assert {type(task) for task in own.upstream_tasks()} == {Training}
    assert own.model_paths() == {"own": trained, "named": trained}
    with pytest.raises(InputError, match=r"no Training of version 'v9' of campaign 'tiny'.*there are v1: make it with"):
        _ = apply(models=("own=v9",), input=inputs).identity


def test_test_datasets_with_a_model_from_outside(trained: Path):
    task = apply(models=(f"outside={trained}",), branch=0)
    tuples = task.upstream()["tuples"][0]
    assert all(isinstance(one, ProduceTuples) for one in task.upstream_tasks())
    assert task.requires() == {"tuples": tuples}
    for number, path in enumerate(tuples.paths()):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tuples(path, mock_tuples(30, seed=number))
    task.run()
    assert task.path.name == f"scores_{task.datasets()[0]}.d"
    assert len(scores(task.path / "outside.h5")) == 30 * len(tuples.paths())


def test_training_events_are_refused_unless_forced(trained: Path, files: Path):
    features = Training(**TINY).setting("features")
    TrainedOn.of([make_flat(mock_tuples(40, seed=1), features).index]).save(trained / TRAINED_ON_FILE)
    with pytest.raises(InputError, match=r"network was trained on \d+ of the \d+ candidates in .*taus_1\.root"):
        apply(input=(str(files),), branch=0).run()
    apply(input=(f"{files}/taus_0.root",), branch=0).run()
    forced = apply(input=(str(files),), allow_training_events=True, branch=0)
    forced.run()
    assert len(scores(forced.path)) == 80
    details = json.loads(forced.path.with_name(forced.path.name + ".meta.json").read_text())["details"]
    assert details["training_events"]["network"] > 10


def test_a_training_remembers_its_candidates(store: Path):
    prepare_training(store, **TINY)
    task = Training(**TINY | {"overrides": "model=mini training.epochs=1 training.tracking.enabled=false"}, branch=0)
    task.run()
    features = task.setting("features")
    sketch = TrainedOn.load(task.path / TRAINED_ON_FILE)
    flat = make_flat(mock_tuples(150, seed=0), features)
    assert sketch.known(flat.index).all()
    assert sketch.entries == len(flat) * len(task.upstream()["flat"].paths()) or sketch.entries > len(flat)


def test_options_move_the_product_and_defaults_do_not(trained: Path, tmp_path: Path):
    plain = apply().identity
    assert apply(layout="plain", allow_training_events=False).identity == plain
    assert apply().path_of(0).name.startswith("predictions_")
    (tmp_path / "model.onnx").write_bytes(b"one")
    changed = [apply(models=(f"a={tmp_path}/model.onnx",)).identity]
    (tmp_path / "model.onnx").write_bytes(b"two")
    changed += [
        apply(models=(f"a={tmp_path}/model.onnx",), layout="plain", version="v2").identity,
        apply(layout="legacy").identity,
        apply(friend="file").identity,
        apply(save_inputs=("1",)).identity,
        apply(allow_training_events=True).identity,
        apply(models=("a=v1",)).identity,
        apply(input=("x.root",)).identity,
    ]
    assert len({plain, *changed}) == 9


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        ({"models": ("a=/no/such/graph.pb",)}, InputError, r"--models: a=/no/such/graph\.pb: there is no such file"),
        ({"models": ("a=v1", "a=v2")}, ConfigError, "give every model a name of its own"),
        ({"models": ("2=v1",)}, ConfigError, "'2' is no name of a model"),
        ({"input": ("/a/x.root", "/b/x.root")}, ConfigError, "two items are called 'x'"),
    ],
)
def test_wrong_options_are_named(parameters: dict, error: type, match: str):
    with pytest.raises(error, match=match):
        _ = apply(**parameters).identity


def test_names_of_items():
    assert named(("a=b", "c", "d=root://host//e=f")) == [("a", "b"), ("", "c"), ("d", "root://host//e=f")]


def test_scores_compared_with_branches_on_the_command_line(tmp_path: Path):
    """Its option was called as one of law's own, which took the name of a branch for a range of numbers."""
    from taumltools.evaluation.mock import mock_predictions

    mock_predictions(50).write(tmp_path / "a.h5")
    words = ["--version", "v1", "--campaign", "tiny", "--first", str(tmp_path / "a.h5"), "--score-branches", "tau_pt"]
    command = [str(LAW), "run", "tasks.apply.CompareInputs", *words, "--overrides", "evaluation.style.formats=[png]"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"LAW_HOME": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "values differ by more than 1e-05" in done.stdout + done.stderr


def test_comparison_of_scores(tmp_path: Path):
    from taumltools.evaluation.mock import mock_predictions

    for name, separation in (("a", 2.5), ("b", 2.4)):
        mock_predictions(50, separation=separation).write(tmp_path / f"{name}.h5")
    options = {**TINY, "overrides": "evaluation.style.formats=[png]", "first": str(tmp_path / "a.h5")}
    task = CompareInputs(**options, second=str(tmp_path / "b.h5"), branch=0)
    task.run()
    assert {"comparison.json", "comparison.txt", "scores_vs_jet.png"} <= {path.name for path in task.path.iterdir()}
    before = task.identity
    mock_predictions(51).write(tmp_path / "b.h5")
    changed = CompareInputs(**options, second=str(tmp_path / "b.h5"), tolerance=2e-5)
    assert changed.identity != before
    with pytest.raises(InputError, match="there is no such file or folder to compare"):
        _ = CompareInputs(**options, second=str(tmp_path / "c.h5")).identity
