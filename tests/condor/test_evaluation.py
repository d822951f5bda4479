"""The evaluation of a campaign with one command, every stage as jobs of the pool."""

from __future__ import annotations

import json
import subprocess

import pytest

from tasks.apply import ApplyTraining
from tasks.evaluation_all import STAGES
from tasks.training import Training
from taumltools.batch.journal import read_events
from taumltools.batch.ledger import Ledger
from taumltools.evaluation.predictions import Predictions
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.condor.flow import LAW, ROOT, environment
from tests.tasks.making import forget_tasks, place_network

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),  # Keras 3 itself
]
PARAMETERS = {
    "version": "v1",
    "campaign": "tiny",
    "overrides": "training.tracking.enabled=false evaluation.style.formats=[png] evaluation.regions.pt=[[20,1000]]",
}
ENTRIES = 300


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with a network, which need not be trained for that, and with mock candidates as test tuples."""
    monkeypatch.setenv("TAUML_STORE", str(tmp_path / "store"))
    forget_tasks()
    place_network(Training(**PARAMETERS))
    tuples = [path for dataset in ApplyTraining(**PARAMETERS).upstream()["tuples"] for path in dataset.paths()]
    for seed, path in enumerate(tuples):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tuples(path, mock_tuples(ENTRIES, seed=seed))
    yield tmp_path / "store"
    forget_tasks()


def test_all_stages_run_as_jobs(pool, store, tmp_path):
    options = [word for name, value in PARAMETERS.items() for word in (f"--{name}", value)]
    command = [str(LAW), "run", "Evaluation", *options, "--workflow", "htcondor", "--workers", "4"]
    around = environment(pool, tmp_path, store)
    subprocess.run([str(LAW), "index", "--quiet"], cwd=ROOT, env=around, check=True)
    done = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    for what, task_class in STAGES.items():
        task = task_class(**PARAMETERS)
        assert all(path.exists() for path in task.paths()), what
        assert str(task.folder) in done.stdout
        (journal,) = store.glob(f"_batch/tiny/{task_class.__name__}/v1/*/journal.jsonl")
        attempts = Ledger.replay(read_events(journal)).attempts
        assert {branch: [one.ending.cause for one in tried] for branch, tried in attempts.items()} == {
            branch: ["done"] for branch in range(task.n_branches())
        }
    applied = ApplyTraining(**PARAMETERS)
    tuples = [path for dataset in applied.upstream()["tuples"] for path in dataset.paths()]
    assert sum(len(Predictions.read(path)) for path in applied.paths()) == ENTRIES * len(tuples)
    numbers = [
        json.loads((path / "performance.json").read_text()) for path in STAGES["performance"](**PARAMETERS).paths()
    ]
    assert {one["discriminator"] for one in numbers} == set(applied.campaign_config.evaluation.discriminators)
