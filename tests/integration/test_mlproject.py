"""Trainings as people start them: by law, and by the client of mlflow through the file MLproject."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import luigi
import pytest
import yaml

from taumltools.training.tracking.stores import open_store
from tests.tasks.making import prepare_training

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),  # mlflow 3.17 itself
]
ROOT = Path(__file__).resolve().parents[2]
SMALL = "model=mini training.epochs=1 training.batch_size=64 seed=5"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    root = tmp_path_factory.mktemp("inputs")
    prepare_training(root, version="v1", campaign="tiny", overrides=SMALL)
    return root


@pytest.fixture
def store(inputs, tmp_path):
    shutil.copytree(inputs, tmp_path / "store")
    return tmp_path / "store"


def environment(store, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "TAUML_", "LAW_"))}
    kept |= {
        "TAUML_STORE": str(store),
        "TAUML_WORKERS": "2",
        "PYTHONPATH": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    scripts = str(Path(sys.executable).parent)
    return kept | {"PATH": f"{scripts}:{kept['PATH']}", "VIRTUAL_ENV": str(Path(scripts).parent)} | variables


def call(store, *command, **variables):
    done = subprocess.run(
        command, cwd=ROOT, env=environment(store, **variables), capture_output=True, text=True, timeout=500
    )
    return done.returncode, done.stdout + done.stderr


def law(store, *arguments):
    command = "source ./setup.sh && law run " + " ".join(f"'{word}'" for word in arguments)
    return call(store, "bash", "-c", command)


def runs(uri):
    return {run.info.run_name: run for run in open_store(uri).runs()}


def test_entry_points_name_tasks_and_options_that_exist():
    entries = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    assert {"main", "train", "scan", "evaluate", "report"} <= set(entries)
    for path in sorted((ROOT / "tasks").glob("*.py")):
        importlib.import_module(f"tasks.{path.stem}")
    for entry in entries.values():
        words = entry["command"].split()
        task = luigi.task_register.Register.get_task_cls(words[words.index("run") + 1])
        options = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
        assert set(re.findall(r"\{(\w+)\}", entry["command"])) == set(entry["parameters"])
        assert options <= {parameter for parameter, _ in task.get_params()}


def test_mlflow_runs_the_project_and_nests_the_trainings(store, tmp_path):
    uri = f"sqlite:///{tmp_path}/tracking/mlflow.db"
    (tmp_path / "tracking").mkdir()
    parameters = {"version": "v1", "campaign": "tiny", "overrides": SMALL}
    options = [word for name, value in parameters.items() for word in ("-P", f"{name}={value}")]
    command = ("mlflow", "run", ".", "-e", "train", *options, "--env-manager", "local", "--experiment-name", "project")
    code, output = call(store, *command, MLFLOW_TRACKING_URI=uri)
    assert code == 0, output[-4000:]
    found = runs(uri)
    assert len(found) == 2
    (outer,) = (run for run in found.values() if "mlflow.project.entryPoint" in run.data.tags)
    (inner,) = (run for run in found.values() if "tauml.run_id" in run.data.tags)
    assert (outer.info.status, inner.info.status) == ("FINISHED", "FINISHED")
    assert outer.data.params["overrides"].strip("'") == SMALL
    assert inner.data.tags["mlflow.parentRunId"] == outer.info.run_id
    assert inner.data.params["training.batch_size"] == "64"
    assert not (store / "mlflow").exists()


def test_several_trainings_of_a_file_and_one_that_fails(store, tmp_path):
    commands = tmp_path / "commands.txt"
    good = "training.learning_rate=1e-3"
    commands.write_text(
        f"# three\n{good}\npython Training_CNN.py training.learning_rate=2e-3\ntraining.learning_rate=1e30\n"
    )
    arguments = ("--version", "v1", "--campaign", "tiny", "--overrides", SMALL, "--input-cmds", str(commands))
    code, output = law(store, "Training", *arguments)
    assert code != 0
    assert "the loss became" in output
    (broken,) = store.glob("tiny/Training/v1/*/work/broken.json")
    assert "the loss became" in json.loads(broken.read_text())["error"]
    commands.write_text("\n".join(commands.read_text().splitlines()[:3]))
    code, output = law(store, "Training", *arguments)
    assert code == 0, output[-4000:]
    found = runs(str(store / "mlflow")).values()
    assert sorted(run.info.status for run in found) == ["FAILED", "FINISHED", "FINISHED"]
    (failed,) = (run for run in found if run.info.status == "FAILED")
    assert "the loss became" in failed.data.tags["tauml.end"]
    assert failed.data.params["training.learning_rate"] == "1e+30"


def test_killed_training_goes_on_as_the_same_run(store):
    arguments = ("--version", "v1", "--campaign", "tiny", "--overrides", f"{SMALL} training.epochs=300")
    command = "source ./setup.sh && exec law run Training " + " ".join(f"'{word}'" for word in arguments)
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=ROOT, env=environment(store), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = store / "tiny/Training/v1"
    until = time.monotonic() + 200
    while time.monotonic() < until and not any(
        '"step": 3' in p.read_text() for p in log.glob("*/work/tracking/*.jsonl")
    ):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
    code, output = law(store, "ImportRuns")
    assert code == 0, output[-4000:]
    (killed,) = runs(str(store / "mlflow")).values()
    assert killed.info.status == "FAILED"
    assert killed.data.tags["tauml.end"].startswith("killed after epoch")
    assert killed.data.params["training.epochs"] == "300"
    code, output = law(store, "Training", *arguments)
    assert code == 0, output[-4000:]
    (resumed,) = runs(str(store / "mlflow")).values()
    assert (resumed.info.status, resumed.info.run_id) == ("FINISHED", killed.info.run_id)
    assert resumed.data.tags["tauml.attempts"] == "2"
    history = open_store(str(store / "mlflow")).client.get_metric_history(resumed.info.run_id, "val_loss")
    assert sorted(metric.step for metric in history) == list(range(1, 301))
    assert not list(log.glob("*/work"))


def test_sweep_by_the_real_scheduler(store):
    arguments = ("--version", "v1", "--campaign", "tiny", "--overrides", SMALL, "--trials", "3", "--round-size", "2")
    sweep = ("--sweep", "training.learning_rate=log(1e-3,1e-2)")
    code, output = law(store, "ScanTraining", *arguments, *sweep)
    assert code == 0, output[-4000:]
    (scan,) = store.glob("tiny/ScanTraining/v1/*/scan.d/scan.json")
    assert len(json.loads(scan.read_text())["trainings"]) == 3
    assert len(runs(str(store / "mlflow"))) == 3
