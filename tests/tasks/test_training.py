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
from tests.tasks.making import forget_tasks, make, prepare_training

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
    with pytest.raises(ConfigError, match=r"(?s)training 2 of 2 \(training.epoch=2\): .*training.epoch: unknown"):
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


# ---------------------------------------------------------------------- domain adaptation

HEADS = "model.adversarial=true ++training.adversarial.k2=2 ++training.adversarial.samples.data.rows=8"


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """A control region as files: mock candidates, those of data with another isolation."""
    from taumltools.config import load_campaign
    from taumltools.features.flat import FlatTuples, make_flat, write_flat
    from taumltools.tuples.mock import mock_tuples

    folder = tmp_path_factory.mktemp("control")
    features = load_campaign("tiny").features
    for name, seed, factor in (("data_0", 20, 3.0), ("data_1", 21, 3.0), ("dy", 22, 1.0)):
        flat = make_flat(mock_tuples(120, seed=seed), features)
        taus = flat.taus | {"tau_chargedIsoPtSum": factor * flat.taus["tau_chargedIsoPtSum"]}
        write_flat(folder / f"{name}.h5", [FlatTuples(flat.index, taus, flat.objects)], config=features)
    return folder


def adapted(region, more=""):
    samples = f"data:{{data:true,files:[{region}/data_*.h5]}},dy:{{files:[{region}/dy.h5],rows:8}}"
    return training(overrides=f"{SMALL} training.adversarial={{samples:{{{samples}}}}} {HEADS} {more}")


def test_network_with_a_second_head_is_trained_and_delivered_without_it(filled, region):
    from taumltools.features.flat import FlatFile
    from taumltools.training.network import load_network

    task = adapted(region, "training.epochs=2")
    task.req_branch(0).run()
    history = json.loads((task.path / "history.json").read_text())
    names = {"adv_loss", "adv_accuracy", "mean_grad_class", "mean_grad_adv"}
    assert names | {"val_adv_loss", "val_adv_accuracy", "val_adv_auc", "val_auc_jet"} <= set(history)
    assert all(len(values) == 2 for values in history.values())
    metrics = json.loads((task.path / "metrics.json").read_text())
    assert metrics["control_entries"]["train"]["data"] > 2 * metrics["control_entries"]["validation"]["data"] > 0
    network = load_network(task.path)
    assert len(network.model.outputs) == 1
    assert not [layer.name for layer in network.model.layers if "_adv" in layer.name]
    assert network.model.count_params() == metrics["parameters"]
    with FlatFile(task.upstream()["flat"].paths()[0]) as file:
        assert network.predict(file.read(0, 50)).shape == (50, 4)
    import_runs(list(task.log_folders()), "")
    (run,) = runs(filled).values()
    assert run.data.params["training.adversarial.k2"] == "2.0"
    assert run.data.metrics["best_val_adv_auc"] == pytest.approx(metrics["val_adv_auc"])
    assert {d.dataset.name for d in run.inputs.dataset_inputs} == {"flat", "scaling", "control data", "control dy"}


def test_adaptation_that_is_killed_goes_on_and_ends_as_one_that_was_not(filled, region, monkeypatch):
    """The same weights, slots of both optimizers and figures; SIGKILL, bit by bit: tests/unit/training/test_resume.py."""
    import numpy as np

    from taumltools.training.adversarial import AdversarialModel
    from taumltools.training.fit_model import variables_of

    step, ends = AdversarialModel.fit_batch, {}

    def run(name, stop=0):
        count = iter(range(1, 10_000))

        def fit_batch(model, batch):
            if next(count) == stop:
                raise Interrupted
            out = step(model, batch)
            ends[name] = model
            return out

        monkeypatch.setattr(AdversarialModel, "fit_batch", fit_batch)
        task = training(overrides=adapted(region, "training.epochs=2").overrides,
                        checkpoint_minutes=0.0)  # fmt: skip
        task.req_branch(0).run()
        return json.loads((task.path / "history.json").read_text()), variables_of(ends[name])

    with pytest.raises(Interrupted):
        run("parts", stop=5)
    history, variables = run("parts")
    forget_tasks()
    shutil.rmtree(filled / "tiny" / "Training")
    whole, expected = run("whole")
    for name in set(whole) - {"wall_s"}:
        assert history[name] == pytest.approx(whole[name], rel=1e-3, abs=1e-5)
    assert len(expected) == len(variables) > 20
    for name, value in expected.items():
        np.testing.assert_allclose(variables[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_datasets_of_a_control_region_are_made_first(store, tmp_path):
    from tasks.features import ProduceControlTuples
    from taumltools.features.flat import FlatFile
    from taumltools.tuples.io import write_tuples
    from taumltools.tuples.mock import mock_tuples

    write_tuples(tmp_path / "mutau.root", mock_tuples(60, seed=3))
    overrides = (
        f"model=mini +datasets.mutau={{title:x,source:tautuple,files:[{tmp_path}/mutau.root]}} +samples.control={{mutau:{{}}}} "
        "model.adversarial=true training.adversarial={samples:{data:{data:true,dataset:mutau},dy:{dataset:mutau}}} "
        "'+training.adversarial.selection={types:[tau,jet],require:\"tau_pt > 25\"}'"
    )
    task = training(overrides=overrides)
    needed = task.upstream()
    assert set(needed) == {"flat", "scaling", "control_mutau"}
    control = needed["control_mutau"]
    assert isinstance(control, ProduceControlTuples)
    assert task.control_paths() == {"data": control.paths(), "dy": control.paths()}
    make(control)
    with FlatFile(control.path) as file:
        index = file.read_index()
    assert set(index["tau_type"].tolist()) <= {2, 3}
    assert index["tau_pt"].min() > 25
    other = training(overrides=overrides.replace("tau_pt > 25", "tau_pt > 30"))
    assert other.identity != task.identity
    assert other.upstream()["flat"].identity == needed["flat"].identity


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("model.adversarial=true", "needs a control region: .* training.adversarial.samples"),
        ("training.adversarial={samples:{data:{data:true,files:[a]}}}", "samples has none of simulation"),
        ("training.adversarial={samples:{dy:{files:[a]}}}", "samples has none of data"),
        ("training.adversarial={samples:{dy:{},data:{data:true,files:[a]}}}", "samples.dy: .*expected either files"),
        (
            "training.adversarial={samples:{dy:{files:[a],rows:0},data:{data:true,files:[a]}}}",
            "rows must be at least 1",
        ),
        (
            "training.adversarial={samples:{dy:{files:[a]},data:{data:true,files:[a]}}}",
            "the network has no second head",
        ),
    ],
)
def test_wrong_settings_of_domain_adaptation_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        training(overrides=f"model=mini {overrides}").identity  # noqa: B018


def test_control_region_that_is_not_there_is_refused_before_the_fit(filled, region):
    task = adapted(region, "training.adversarial.samples.dy.files=[/nowhere/dy.h5]")
    with pytest.raises(InputError, match=r"training.adversarial.samples.dy.files: nothing is called /nowhere/dy.h5"):
        task.req_branch(0).run()
    assert not task.path.exists()
