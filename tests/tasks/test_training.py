"""Trainings: one or several, each with the identity it has alone; what is logged, and how it comes into mlflow."""

from __future__ import annotations

import json
import logging
import shutil

import luigi
import pytest
import yaml

from tasks.features import FeatureScaling, ProduceFlatTuples
from tasks.job import load_task, run_branch
from tasks.tracking import ImportRuns, import_runs
from tasks.training import Training
from taumltools.errors import ConfigError, InputError
from taumltools.training.tracking import tracked
from taumltools.training.tracking.stores import open_store
from tests.tasks.making import make, prepare_training

SMALL = "model=mini training.epochs=1 training.batch_size=64 seed=5"
TINY = {"version": "v1", "campaign": "tiny"}


pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)  # mlflow 3.17 itself


def training(**parameters):
    return Training(**TINY, **parameters)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A store with flat tuples of mock candidates and their scaling, as the campaign ``tiny`` would make them."""
    root = tmp_path_factory.mktemp("inputs")
    prepare_training(root, **TINY, overrides=SMALL)
    return root


@pytest.fixture
def filled(inputs, store):
    """The same in the store of the test."""
    shutil.copytree(inputs, store)
    return store


def runs(store):
    return {run.info.run_name: run for run in open_store(str(store / "mlflow")).runs()}


# ---------------------------------------------------------------------- several trainings


def test_one_training_is_what_it_was():
    task = training(overrides=SMALL)
    assert (task.n_branches(), task.members, task.singles) == (1, [], [])
    assert {type(t) for t in task.upstream_tasks()} == {ProduceFlatTuples, FeatureScaling}


def test_each_training_of_several_is_the_one_it_is_alone():
    several = training(overrides="training.epochs=1", models="mini,deepset")
    alone = [training(overrides=f"training.epochs=1 model={name}") for name in ("mini", "deepset")]
    assert several.paths() == [task.path for task in alone]
    assert several.req_branch(1).output().path == str(alone[1].path)
    assert several.req_branch(1).input_paths() == alone[1].input_paths()


def test_line_that_is_added_leaves_the_others_alone():
    lines = ("training.epochs=1", "training.epochs=2")
    before, after = (training(input_cmds=given) for given in (lines, (lines[0], "training.epochs=3", lines[1])))
    assert before.paths() == [after.path_of(0), after.path_of(2)]
    assert before.identity != after.identity


def test_lines_and_models_are_combined():
    task = training(input_cmds=("training.epochs=1", "training.epochs=2"), models="mini, deepset")
    assert task.members == [
        "model=mini training.epochs=1",
        "model=deepset training.epochs=1",
        "model=mini training.epochs=2",
        "model=deepset training.epochs=2",
    ]


def test_trainings_with_the_same_inputs_need_them_once():
    task = training(models="mini,deepset")
    assert [len(tasks) for tasks in task.upstream().values()] == [1, 1]
    other = training(models="mini,deepset", input_cmds=("seed=1", "+features.selection.types=[e,tau,jet]"))
    assert [len(tasks) for tasks in other.upstream().values()] == [2, 2]
    assert other.req_branch(0).requires()["flat"].identity != other.req_branch(2).requires()["flat"].identity


def test_trainings_that_are_the_same_are_refused():
    lines = ("training.epochs=3", "training.epochs=4", "training.epochs=5 training.epochs=3")
    with pytest.raises(ConfigError, match=r"trainings 1 and 3 have the same settings \(training.epochs=3\)"):
        training(input_cmds=lines).n_branches()


def test_wrong_training_is_named():
    task = training(input_cmds=("training.epochs=2", "training.epoch=2"))
    with pytest.raises(ConfigError, match=r"training 2 of 2 \(training.epoch=2\): .*training.epoch"):
        task.n_branches()


def test_file_of_trainings_travels_as_its_content(tmp_path):
    path = tmp_path / "commands.txt"
    path.write_text("model=mini  # small\npython Training_CNN.py training.epochs=3\n")
    parsed = Training.from_str_params({**TINY, "input_cmds": str(path)})
    assert parsed.input_cmds == ("model=mini", "training.epochs=3")
    path.unlink()
    specification = {"module": "tasks.training", "family": "Training", "parameters": parsed.naming_parameters()}
    branch = load_task(json.loads(json.dumps(specification)), 1)
    assert branch.path == parsed.path_of(1)


def test_file_that_cannot_be_read_ends_the_command(tmp_path):
    with pytest.raises(SystemExit, match="expected a text file with a training a line"):
        Training.from_str_params({**TINY, "input_cmds": str(tmp_path / "none")})


def test_jobs_ask_for_the_gpus_that_were_given():
    task = training(models="mini,deepset", gpus=1, workflow="htcondor")
    assert task.job_resources().gpus == 1
    assert training().job_resources().gpus == 0


# ---------------------------------------------------------------------- interruptions, devices


class Interrupted(Exception):  # noqa: N818  # it is none
    """Stands for the end of a process."""


def test_training_that_is_submitted_again_goes_on_from_its_checkpoint(filled, monkeypatch):
    from taumltools.training.fit_model import FitModel

    def stopping(after):
        left, step = iter(range(after)), FitModel.__mro__[1].train_on_batch

        def train_on_batch(*arguments, **options):
            if next(left, None) is None:
                raise Interrupted
            steps.append(1)
            return step(*arguments, **options)

        return train_on_batch

    steps = []
    task = training(overrides=SMALL, checkpoint_minutes=0.0)
    monkeypatch.setattr(FitModel, "train_on_batch", stopping(2), raising=False)
    with pytest.raises(Interrupted):
        task.req_branch(0).run()
    assert not task.path.exists()
    assert len(list((task.work / "checkpoints").glob("*.npz"))) == 2
    monkeypatch.setattr(FitModel, "train_on_batch", stopping(1000), raising=False)
    task.req_branch(0).run()
    entries = sum(json.loads((task.path / "metrics.json").read_text())["entries"]["train"].values())
    assert len(steps) == -(-entries // 64) > 2  # no step was done twice
    assert not task.work.exists()


def test_how_a_training_runs_is_no_part_of_what_it_is():
    how = {"checkpoint_minutes": 1.0, "threads": 3, "gpu": 0, "gpu_memory": 7000}
    assert training(**how).path == training().path
    several = training(models="mini,deepset", **how)
    assert all(getattr(several.singles[1], name) == value for name, value in how.items())
    specification = {"module": "tasks.training", "family": "Training", "parameters": several.naming_parameters()}
    assert load_task(json.loads(json.dumps(specification)), 1).threads == 3


def test_gpu_that_is_not_there_is_refused_before_anything_else(filled):
    with pytest.raises(ConfigError, match="GPU 97: TensorFlow sees"):
        training(overrides=SMALL, gpu=97).req_branch(0).run()


# ---------------------------------------------------------------------- what is logged


def test_runs_are_logged_and_imported(filled):
    several = training(overrides=SMALL, input_cmds=("training.learning_rate=1e-3", "training.learning_rate=2e-3"))
    specification = {"module": "tasks.training", "family": "Training", "parameters": several.naming_parameters()}
    run_branch(load_task(specification, 0))
    assert several.complete() is False
    several.req_branch(1).run()
    assert several.complete()
    assert not (filled / "mlflow").exists()  # jobs leave the store of mlflow alone
    several.trigger_event(luigi.Event.SUCCESS, several)
    found = runs(filled)
    assert sorted(found) == sorted(f"deepset-tiny-v1-{single.identity}" for single in several.singles)
    run = found[f"deepset-tiny-v1-{several.singles[1].identity}"]
    assert run.info.status == "FINISHED"
    assert run.data.params["training.learning_rate"] == "0.002"
    assert run.data.tags["overrides"].endswith("training.learning_rate=2e-3")
    assert run.data.metrics["best_val_loss"] > 0
    assert {d.dataset.name for d in run.inputs.dataset_inputs} == {"flat", "scaling"}
    artifacts = filled / "mlflow" / "artifacts" / run.info.run_id / "artifacts"
    names = {str(p.relative_to(artifacts)) for p in artifacts.rglob("*") if p.is_file()}
    assert {"campaign.yaml", "code.yaml", "data.yaml", "settings.yaml", "metrics.csv", "model/model.keras"} <= names
    flat = yaml.safe_load((artifacts / "data.yaml").read_text())[0]
    assert flat["name"] == "flat"
    assert flat["source"]["files"] == [path.name for path in several.singles[1].upstream()["flat"].paths()]


def test_training_that_continues_another_one_is_nested_under_it(filled):
    first = training(overrides=SMALL)
    make(first)
    second = training(overrides=f"{SMALL} training.start_from={first.path} training.learning_rate=1e-9")
    make(second)
    assert second.path != first.path
    import_runs([*first.log_folders(), *second.log_folders()], "")
    found = runs(filled)
    child, parent = (found[f"deepset-tiny-v1-{task.identity}"] for task in (second, first))
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.metrics["best_val_loss"] == pytest.approx(parent.data.metrics["best_val_loss"], rel=1e-3)


def test_training_that_fails_says_what_it_was(filled):
    task = training(overrides=SMALL)
    task.upstream()["flat"].path_of(0).write_bytes(b"no flat tuple")
    with pytest.raises((InputError, OSError)):
        task.req_branch(0).run()
    task.trigger_event(luigi.Event.FAILURE, task, "error")
    (run,) = runs(filled).values()
    assert run.info.status == "FAILED"
    assert run.data.tags["tauml.end"]
    assert run.data.params["training.batch_size"] == "64"
    assert not task.path.exists()


@pytest.fixture
def logged(filled):
    """A training that wrote its log, and nothing else."""
    task = training(overrides=SMALL)
    with tracked(task.description()) as run:
        run.log_metrics({"loss": 1.0}, 1)
    return task


def test_import_by_hand_finds_all_versions(logged, store, capsys):
    task = ImportRuns()
    task.run()
    assert "1 new, 0 renewed, 0 as they were" in capsys.readouterr().out
    assert task.complete()
    ImportRuns(version="v1", campaign="tiny").run()
    out = capsys.readouterr().out
    assert "0 new, 0 renewed, 1 as they were" in out
    assert f"mlflow ui --backend-store-uri sqlite:///{store}/mlflow/mlflow.db" in out
    with pytest.raises(InputError, match="there are no logs of trainings in"):
        ImportRuns(version="v2").run()


def test_mlflow_that_is_away_is_no_fault_of_the_training(logged, store, caplog):
    (store / "blocked").write_text("a file")
    with caplog.at_level(logging.WARNING):
        import_runs(list(logged.log_folders()), str(store / "blocked"))
    assert "the runs are not in mlflow yet" in caplog.text
    assert "law run ImportRuns --tracking-uri" in caplog.text


def test_store_of_mlflow_can_be_named_by_its_own_variable(store, monkeypatch):
    assert ImportRuns().store_name == str(store / "mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    assert ImportRuns().store_name == "http://localhost:5000"
    assert ImportRuns(tracking_uri="/data/mlflow").store_name == "/data/mlflow"
