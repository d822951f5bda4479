"""Trainings on the pool: a job for each line of settings, and one that is killed goes on from its last checkpoint."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import numpy as np
import pytest

from tasks.training import Training
from taumltools.batch.journal import read_events
from taumltools.batch.ledger import Ledger
from taumltools.training.network import load_network
from taumltools.training.tracking.stores import open_store
from tests.condor.flow import LAW, ROOT, environment, kill_session
from tests.tasks.making import forget_tasks, prepare_training

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),  # mlflow 3.17 itself
]
TINY = {"version": "v1", "campaign": "tiny"}
LONG = "training.epochs=60 training.deterministic=true seed=5"
SHORT = "training.epochs=1 training.learning_rate=0.005 seed=5"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with flat tuples and scaling, and a file with the two trainings."""
    (tmp_path / "trainings.txt").write_text(f"# two\n{LONG}\n{SHORT}\n")
    monkeypatch.setenv("TAUML_STORE", str(tmp_path / "store"))
    forget_tasks()
    prepare_training(tmp_path / "store", **TINY, overrides="seed=5")
    yield tmp_path / "store"
    forget_tasks()


def killed_job(pool, work):
    """SIGKILL for the job that has written the first checkpoint."""
    pool.wait_until(lambda: list(work.glob("checkpoints/checkpoint_*.npz")), 180, "the first checkpoint")
    (job,) = [job for job in pool.queue() if job.get("TaumlBranch") == 0]
    os.kill(pool.job_pids(f"{job['ClusterId']}.{job['ProcId']}")[0], signal.SIGKILL)


def epochs(log):
    """Epochs whose figures are in the log of an attempt."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [event["step"] for event in events if event["event"] == "metrics" and "val_loss" in event["metrics"]]


def test_a_killed_training_goes_on_from_its_checkpoint_and_ends_as_one_that_was_not(pool, store, tmp_path, monkeypatch):
    words = ["--version", "v1", "--campaign", "tiny", "--input-cmds", str(tmp_path / "trainings.txt")]
    command = [str(LAW), "run", "tasks.training.Training", *words, "--workflow", "htcondor", "--poll-interval", "0.5s"]
    around = environment(pool, tmp_path, store)
    output = tmp_path / "driver.txt"
    with output.open("w") as told:
        driver = subprocess.Popen(
            command, cwd=ROOT, env=around, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            killed_job(pool, Training(**TINY, overrides=LONG).work)
            assert driver.wait(timeout=300) == 0, output.read_text()[-3000:]
        finally:
            kill_session(driver)

    (journal,) = store.glob("_batch/tiny/Training/v1/*/journal.jsonl")
    attempts = Ledger.replay(read_events(journal)).attempts
    causes = {branch: [one.ending.cause for one in tried] for branch, tried in attempts.items()}
    assert causes == {0: ["killed by a signal", "done"], 1: ["done"]}

    long, short = (Training(**TINY, overrides=line).path for line in (LONG, SHORT))
    first, second = (epochs(path) for path in sorted((long / "tracking").glob("attempt_*.jsonl")))
    assert first[0] == 1
    assert second == list(range(second[0], 61))
    assert 2 <= second[0] <= len(first) + 1, "it began anew, or left epochs out"
    assert len(epochs(*(short / "tracking").glob("attempt_*.jsonl"))) == 1
    runs = {run.data.tags["overrides"]: run for run in open_store(str(store / "mlflow")).runs()}
    assert {overrides: run.info.status for overrides, run in runs.items()} == {LONG: "FINISHED", SHORT: "FINISHED"}

    alone = tmp_path / "alone"
    monkeypatch.setenv("TAUML_STORE", str(alone))
    forget_tasks()
    prepare_training(alone, **TINY, overrides="seed=5")
    here = [str(LAW), "run", "tasks.training.Training", *words[:4], "--overrides", LONG]
    # in a process of its own: TensorFlow does not give up determinism again, and goes without XLA from then on
    done = subprocess.run(here, cwd=ROOT, env=around | {"TAUML_STORE": str(alone)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    never_killed = Training(**TINY, overrides=LONG).path
    for ours, theirs in zip(load_network(long).model.weights, load_network(never_killed).model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
