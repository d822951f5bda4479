"""Scans: which trainings they need, that a sweep goes on where it stopped, and what they leave."""

from __future__ import annotations

import json
import math

import pytest

from tasks.scan import ScanTraining
from tasks.training import Training
from taumltools.errors import ConfigError, InputError

TINY = {"version": "v1", "campaign": "tiny"}
SWEEP = "training.learning_rate=log(1e-4,1e-1) training.batch_size=choice(64,128)"


def scan(**parameters):
    return ScanTraining(**TINY, **parameters)


def train(trainings, limit=math.inf):
    """Put the figures of trainings where the real ones would be; the loss is lowest for a learning rate of 0.01.

    Those with a learning rate above the limit break down.
    """
    for single, path in zip(trainings.singles, trainings.paths(), strict=True):
        if single.setting("training").learning_rate > limit:
            single.work.mkdir(parents=True, exist_ok=True)
            single.broken_file.write_text(json.dumps({"error": "the loss became nan"}))
            continue
        path.mkdir(parents=True, exist_ok=True)
        loss = (math.log10(single.setting("training").learning_rate) + 2) ** 2
        (path / "metrics.json").write_text(json.dumps({"val_loss": loss, "val_auc_jet": 1 / (1 + loss)}))


def drive(task, stop=None):
    """What luigi does: run, make what is asked for, run again from the beginning; returns how often."""
    made = 0
    while True:
        for needed in task.run():
            if not needed.complete():
                if made == stop:
                    return made
                train(needed)
                made += 1
                break
        else:
            return made


def test_grid_needs_all_combinations():
    task = scan(grid="training.learning_rate=1e-3,1e-2 training.epochs=1,3", overrides="model=mini")
    (trainings,) = task.upstream_tasks()
    assert trainings.n_branches() == 4
    alone = Training(**TINY, overrides="model=mini training.learning_rate=1e-2 training.epochs=1")
    assert trainings.path_of(2) == alone.path


def test_grid_is_compared():
    task = scan(grid="training.learning_rate=1e-3,1e-2,3e-2")
    train(task.upstream()["trainings"])
    assert drive(task.req_branch(0)) == 0
    content = json.loads((task.path / "scan.json").read_text())
    assert content["best"]["overrides"] == "training.learning_rate=1e-2"
    assert task.complete()


def test_sweep_goes_on_where_it_stopped():
    task = scan(sweep=SWEEP, trials=9, round_size=3)
    branch = task.req_branch(0)
    assert drive(branch, stop=2) == 2
    assert not task.complete()
    assert drive(branch) == 1
    content = json.loads((task.path / "scan.json").read_text())
    rows = content["trainings"]
    assert 6 <= len(rows) <= 9
    assert content["best"]["value"] == min(row["val_loss"] for row in rows)


def test_a_sweep_that_is_run_again_goes_on_without_trials_that_broke_down():
    """It asked for the same trial for ever."""
    task = scan(sweep=SWEEP, trials=6, round_size=3)
    branch = task.req_branch(0)
    for _ in range(10):
        needed = next((one for one in branch.run() if not one.complete()), None)
        if needed is None:
            break
        train(needed, limit=0.005)
        assert needed.complete() or any(single.broken() for single in needed.singles)
    rows = json.loads((task.path / "scan.json").read_text())["trainings"]
    broken = [row for row in rows if "broken" in row]
    assert 0 < len(broken) < len(rows) <= 6
    assert all(float(row["training.learning_rate"]) > 0.005 for row in broken)
    best = json.loads((task.path / "scan.json").read_text())["best"]
    assert best["value"] == min(row["val_loss"] for row in rows if "broken" not in row)


def test_a_grid_that_is_run_again_is_compared_without_what_broke_down():
    task = scan(grid="training.learning_rate=1e-3,1e-2,3e-2")
    path, identity = task.path, task.identity
    train(task.upstream()["trainings"], limit=0.02)
    again = scan(grid="training.learning_rate=1e-3,1e-2,3e-2")
    assert (again.path, again.identity) == (path, identity)
    needed = again.req_branch(0).requires()["trainings"]
    assert again.workflow_requires()["trainings"] == needed
    assert needed.complete()
    assert drive(again.req_branch(0)) == 0
    rows = json.loads((path / "scan.json").read_text())["trainings"]
    assert [row.get("broken") for row in rows] == [None, None, "the loss became nan"]
    assert "the loss became nan" in (path / "scan.csv").read_text()


def test_grids_that_broke_down_altogether_are_explained():
    task = scan(grid="training.learning_rate=1e-3,1e-2")
    train(task.upstream()["trainings"], limit=0)
    with pytest.raises(InputError, match=r"all 2 trainings of the grid broke down, e.g. .*: the loss became nan"):
        task.req_branch(0).requires()


def test_trainings_run_where_they_are_told_to_and_the_scan_here():
    task = scan(grid="training.epochs=1,3", workflow="htcondor", gpus=1, max_memory=4000)
    assert task.effective_workflow == "local"
    (trainings,) = task.upstream_tasks()
    assert (trainings.effective_workflow, trainings.job_resources().gpus) == ("htcondor", 1)
    assert trainings.job_resources().max_memory == 4000
    assert all(getattr(t, "gpus", 0) != 1 for t in trainings.upstream_tasks())


def test_devices_and_checkpoints_are_those_of_the_trainings_and_no_part_of_the_identity():
    how = {"gpu": 1, "gpu_memory": 7000, "threads": 3, "checkpoint_minutes": 2.0, "tracking_uri": "/data/mlflow"}
    for kind in ({"grid": "training.epochs=1,3"}, {"sweep": SWEEP}):
        task = scan(**kind, **how)
        single = task.trainings(("training.epochs=1",)).singles[0]
        assert {name: getattr(single, name) for name in how} == how
        assert task.identity == scan(**kind).identity
        assert task.path == scan(**kind).path
        assert single.path == scan(**kind).trainings(("training.epochs=1",)).singles[0].path


def test_what_is_compared_by_is_part_of_the_identity():
    assert (
        len({scan(grid="training.epochs=1,3", **x).identity for x in ({}, {"metric": "val_auc_jet"}, {"gpus": 1})}) == 2
    )
    assert scan(sweep=SWEEP).identity != scan(sweep=SWEEP, trials=3).identity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected either --grid or --sweep"),
        ({"grid": "training.epochs=1,3", "sweep": SWEEP}, "expected either --grid or --sweep"),
        ({"sweep": "training.epochs=1,3"}, "'training.epochs=1,3' is no range of a setting"),
        ({"sweep": SWEEP, "trials": 0}, "have to be at least 1"),
        ({"grid": "training.epoch=1,3"}, r"training 1 of 2 \(training.epoch=1\)"),
    ],
)
def test_wrong_scans_are_explained(options, message):
    with pytest.raises(ConfigError, match=message):
        scan(**options).identity  # noqa: B018
