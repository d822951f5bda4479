"""Tasks about runs: what they print, write and refuse; the computation is tested in tests/unit/training/tracking."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tasks.tracking import MergeExperiments, ShowResults, TensorBoard, TrackingTask
from taumltools.errors import ConfigError, InputError, StoreError
from taumltools.training.tracking import RunDescription, start_run
from taumltools.training.tracking.importing import import_logs
from taumltools.training.tracking.stores import open_store

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)  # mlflow 3.17 itself
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tracked(store, tmp_path):
    """The default store of mlflow with two runs."""
    for name, loss in (("one", 0.5), ("two", 0.25)):
        run = start_run(RunDescription(tmp_path / "logs" / name, "tests", name))
        run.log_metrics({"loss": 2 * loss, "val_loss": loss}, 1)
        run.finish()
        import_logs([run.directory], open_store(str(store / "mlflow")))
    return store / "mlflow"


def test_results_are_printed_and_written(tracked, tmp_path, capsys):
    task = ShowResults(sort="val_loss", csv=str(tmp_path / "runs.csv"), html=str(tmp_path / "runs.html"))
    task.run()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["two", "one"]
    assert lines[-2:] == [f"written: {tmp_path}/runs.csv", f"written: {tmp_path}/runs.html"]
    assert [row["run"] for row in csv.DictReader((tmp_path / "runs.csv").read_text().splitlines())] == ["two", "one"]
    assert f"Runs in {tracked}" in (tmp_path / "runs.html").read_text()
    ShowResults(csv=str(tmp_path / "runs.csv"), columns=("run",)).run()  # written anew
    assert (tmp_path / "runs.csv").read_text() == "run\none\ntwo\n"


def test_store_that_is_not_there_is_not_made(store):
    with pytest.raises(InputError, match="there is no store of mlflow at"):
        ShowResults().run()
    assert not (store / "mlflow").exists()


def test_merging(tracked, tmp_path, capsys):
    MergeExperiments(sources=(f"mine={tracked}",), target=str(tmp_path / "all"), label_experiments=True).run()
    assert "2 new, 0 renewed, 0 as they were" in capsys.readouterr().out
    assert "tests (mine)" in open_store(str(tmp_path / "all")).experiments()


def test_changing_in_place_takes_the_options_of_the_legacy_program(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlruns = tmp_path / "mlruns"
    store = open_store(mlruns.as_uri())
    identity = store.experiment("cnn")
    store.client.create_run(identity)
    MergeExperiments(
        path_to_mlflow=str(mlruns),
        exp_id=identity,
        new_path_to_mlflow=str(tmp_path / "all"),
        new_exp_id="42",
        new_exp_name="cnn of anna",
    ).run()
    assert (
        f"experiment 42 'cnn of anna', 1 runs: {mlruns}/42, artefacts at file://{tmp_path}/all/42"
        in capsys.readouterr().out
    )
    other = store.experiment("snn")
    with pytest.raises(StoreError, match="has an experiment '42' already"):
        MergeExperiments(path_to_mlflow=str(mlruns), exp_id=other, new_exp_id="42").run()


@pytest.mark.parametrize(
    "options",
    [{}, {"sources": ("a",)}, {"target": "b"}, {"path_to_mlflow": "a", "sources": ("b",), "target": "c"}],
    ids=["nothing", "no target", "no source", "both"],
)
def test_merging_needs_one_of_two_ways(options):
    with pytest.raises(ConfigError, match="expected either --path-to-mlflow and --exp-id"):
        MergeExperiments(**options).run()


def test_labels_are_given_once():
    with pytest.raises(ConfigError, match="two of --sources have the label 'x'"):
        MergeExperiments(sources=("x=a", "x=b"), target="c").run()


def test_tensorboard_prepares_and_says_the_command(tracked, store, capsys):
    TensorBoard().run()
    out = capsys.readouterr().out
    assert "2 runs: one, two" in out
    assert f"tensorboard --logdir {store}/tensorboard --port 6006" in out
    assert sorted(path.name for path in (store / "tensorboard").iterdir()) == ["made_from_mlflow.txt", "one", "two"]


@pytest.mark.slow
def test_tensorboard_is_started_and_shows_the_runs(tracked, store):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from tasks.tracking import TensorBoard; TensorBoard(start=True, port={port}).run()"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert b"one/train" in wait_for(f"http://127.0.0.1:{port}/data/runs", b"one/train")
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def wait_for(address, content):
    until, answer = time.monotonic() + 120, b""
    while content not in answer and time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5) as found:
                answer = found.read()
        except OSError:
            time.sleep(0.5)
    return answer


IMPORT = """
import sys, time
from pathlib import Path
import mlflow, taumltools.training.tracking.stores
from tasks.tracking import ImportRuns
ready, go = map(Path, sys.argv[1:])
ready.touch()
while not go.exists():
    time.sleep(0.001)
ImportRuns().run()
"""


def test_two_imports_into_a_database_that_does_not_exist_yet_wait_for_each_other(store, tmp_path):
    """Real processes, each with its own mlflow, that begin within a millisecond."""
    for name in ("one", "two"):
        run = start_run(RunDescription(store / "tiny/Training/v1" / name / "work/tracking", "tests", name))
        run.log_metrics({"loss": 0.5}, 1)
        run.finish()
    readies = [tmp_path / f"ready{i}" for i in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", IMPORT, str(ready), str(tmp_path / "go")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for ready in readies
    ]
    while not all(ready.exists() for ready in readies) and all(p.poll() is None for p in processes):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    told = sorted(line for output in outputs for line in output.splitlines() if line.startswith("runs of trainings"))
    assert told == [f"runs of trainings: {new} new, 0 renewed, {2 - new} as they were" for new in (0, 2)]
    assert sorted(run.info.run_name for run in open_store(str(store / "mlflow")).runs()) == ["one", "two"]


def test_evaluations_of_events_are_imported_with_the_trainings(store, capsys):
    """The one that is done and the one that was interrupted; each nested under its training."""
    from tasks.tracking import ImportRuns

    train = store / "htt/TrainEvents/v1/aa/model_0"
    runs = {"fold0": start_run(RunDescription(train / "tracking", "htt", "fold0"))}
    parent = runs["fold0"].ids()["run_id"]
    for name, folder in (("train", "evaluation_train"), ("test", "work_1")):
        described = RunDescription(store / "htt/EvaluateEvents/v1/bb" / folder / "tracking", "htt", name, parent=parent)
        runs[name] = start_run(described)
    for run in runs.values():
        run.finish()
    ImportRuns(campaign="htt", version="v1").run()
    assert "runs of trainings: 3 new" in capsys.readouterr().out
    found = {run.info.run_name: run for run in open_store(str(store / "mlflow")).runs()}
    assert found["train"].data.tags["mlflow.parentRunId"] == found["fold0"].info.run_id
    assert found["test"].data.tags["mlflow.parentRunId"] == found["fold0"].info.run_id
    with pytest.raises(InputError, match=r"there are no logs of trainings in .*EvaluateEvents/v2"):
        ImportRuns(version="v2").run()


def test_tasks_that_are_not_filled_in_say_so():
    with pytest.raises(NotImplementedError, match="TrackingTask"):
        TrackingTask().run()
