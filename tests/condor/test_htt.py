"""Training of event classifiers on the pool: a job per fold."""

from __future__ import annotations

import subprocess

import pytest

from tasks.htt import PreprocessEvents, TrainEvents
from taumltools.batch.journal import read_events
from taumltools.batch.ledger import Ledger
from taumltools.htt.predict import load_ensemble
from taumltools.htt.train import train_fold
from taumltools.training.tracking.stores import open_store
from tests.condor.flow import LAW, ROOT, environment
from tests.tasks.making import forget_tasks, make
from tests.unit.htt.case import SMALL

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),  # mlflow 3.17 itself
]
PARAMETERS = {"version": "v1", "campaign": "demo", "overrides": SMALL.strip()}


@pytest.fixture
def events(tmp_path, monkeypatch):
    """The store with the training sample, made here."""
    monkeypatch.setenv("TAUML_STORE", str(tmp_path / "store"))
    forget_tasks()
    yield make(PreprocessEvents(**PARAMETERS))
    forget_tasks()


def test_a_job_per_fold_gives_the_models_of_a_local_training(pool, events, tmp_path):
    options = [word for name, value in PARAMETERS.items() for word in (f"--{name}", value)]
    command = [str(LAW), "run", "tasks.htt.TrainEvents", *options, "--workflow", "htcondor", "--poll-interval", "0.5s"]
    around = environment(pool, tmp_path, tmp_path / "store")
    done = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    task = TrainEvents(**PARAMETERS)
    (journal,) = (tmp_path / "store").glob("_batch/demo/TrainEvents/v1/*/journal.jsonl")
    attempts = Ledger.replay(read_events(journal)).attempts
    assert {branch: [one.ending.cause for one in tried] for branch, tried in attempts.items()} == {
        0: ["done"], 1: ["done"]
    }  # fmt: skip
    assert len({one.job for tried in attempts.values() for one in tried}) == 2
    assert [model.description.fold for model in load_ensemble(task.paths()).models] == [0, 1]
    for fold, path in enumerate(task.paths()):
        train_fold(events.path / "train.hdf5", task.htt(), fold, tmp_path / f"here_{fold}")
        assert (path / "model.txt").read_bytes() == (tmp_path / f"here_{fold}/model.txt").read_bytes()
    runs = list(open_store(str(tmp_path / "store/mlflow")).runs())
    assert sorted(run.data.params["fold"] for run in runs) == ["0", "1"]
    assert {run.info.status for run in runs} == {"FINISHED"}
