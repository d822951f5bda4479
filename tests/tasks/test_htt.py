"""Tasks on H->tautau events: what they read, need and make; the whole chain once."""

from __future__ import annotations

import json
import shutil

import pytest
import uproot

import tasks.store
from tasks.htt import (
    MockEvents,
    PredictEvents,
    PreprocessEvents,
    PreprocessForPrediction,
    TrainEvents,
)
from tasks.htt_events import ProduceEvents
from tasks.htt_report import EvaluateEvents, HttReport
from tasks.report import all_upstream
from taumltools.errors import ConfigError
from tests.tasks.making import assert_states
from tests.tasks.making import make as make_all
from tests.unit.htt.case import SMALL

DATACARDS = {"purpose": "datacards"}

TABLE = [
    # task, parameters, branches, product of branch 0, families of what it needs
    (MockEvents, {}, 6, "bbH.root", set()),
    (PreprocessEvents, {}, 1, "events", {MockEvents}),
    (PreprocessForPrediction, {}, 6, "bbH.hdf5", {MockEvents, PreprocessEvents}),
    (TrainEvents, {}, 2, "model_0", {PreprocessEvents}),
    (PredictEvents, {}, 2, "train.csv", {TrainEvents, PreprocessEvents}),
    (PredictEvents, DATACARDS, 6, "bbH_pred.root", {TrainEvents, PreprocessForPrediction, MockEvents}),
    (EvaluateEvents, {}, 2, "evaluation_train", {PredictEvents, TrainEvents, PreprocessEvents}),
    (HttReport, {}, 1, "htt.html", {EvaluateEvents, PredictEvents, PreprocessEvents, TrainEvents}),
]


def make(task_class, overrides="", **parameters):
    return task_class(version="v1", campaign="demo", overrides=SMALL + overrides, **parameters)


@pytest.mark.parametrize(("task_class", "parameters", "branches", "product", "needs"), TABLE)
def test_task(task_class, parameters, branches, product, needs):
    task = make(task_class, **parameters)
    assert_states(task, branches, product, needs)
    branch = make(task_class, **parameters, branch=branches - 1)
    upstream = {path for one in branch.upstream_tasks() for path in one.paths()}
    assert set(branch.input_paths()) <= upstream


@pytest.mark.parametrize(
    ("overrides", "moved"),
    [
        ("htt.evaluation.bins=7", {EvaluateEvents, HttReport}),
        ("htt.training.boosting.learning_rate=0.3", {TrainEvents, PredictEvents, EvaluateEvents, HttReport}),
        ("htt.training.n_splits=5", {TrainEvents, PredictEvents, EvaluateEvents, HttReport}),
        ("htt.title=other", {HttReport}),
        ("htt.preprocess.train_size=0.5", {task for task, *_ in TABLE} - {MockEvents}),
        ("seed=7", {task for task, *_ in TABLE}),
        ("training.epochs=50", set()),
    ],
)
def test_a_changed_setting_moves_what_depends_on_it_and_nothing_else(overrides, moved):
    found = {
        task
        for task, parameters, *_ in TABLE
        if make(task, overrides, **parameters).folder != make(task, **parameters).folder
    }
    assert found == moved


def test_campaign_without_samples_says_what_to_choose():
    task = PreprocessEvents(version="v1", campaign="demo", overrides="~htt")
    with pytest.raises(ConfigError, match=r"no htt.samples; choose a file of configs/htt"):
        task.upstream()


def test_simulated_events_come_from_the_simulation():
    task = make(
        PreprocessEvents, "htt.source=simulated htt.samples.QCD.chunks=2".replace("htt.samples", "++htt.samples")
    )
    assert [type(one) for one in task.upstream_tasks()] == [ProduceEvents]
    assert [path.name for path in task.event_files()["QCD"]] == ["QCD_0.root", "QCD_1.root"]


def test_files_are_taken_where_they_are():
    files = " ".join(
        f"+htt.samples.{name}.files=[/data/{name}_1.root,/data/{name}_2.root]" for name in make(MockEvents).samples()
    )
    task = make(PreprocessEvents, "htt.source=files " + files)
    assert task.upstream() == {}
    assert task.event_files()["QCD"] == ["/data/QCD_1.root", "/data/QCD_2.root"]
    assert set(make(PredictEvents, "htt.source=files " + files, **DATACARDS).upstream()) == {"models", "prepared"}


def test_a_branch_asks_for_the_events_of_its_own_sample():
    events = make(MockEvents)
    for task, ending in ((PreprocessForPrediction, {}), (PredictEvents, DATACARDS)):
        asked = make(task, **ending, branch=2).input_paths()
        assert [path for path in asked if path.parent == events.folder] == [events.path_of(2)]


def test_samples_that_are_not_predicted_have_no_friend():
    task = make(PredictEvents, "+htt.samples.QCD.predict=false", **DATACARDS)
    assert task.names() == [f"{name}_pred.root" for name in ("bbH", "ggH", "VBFH", "ZTT", "TT")]


@pytest.mark.slow
def test_the_whole_chain_though_the_mirror_of_its_store_is_lost_before_each_task(tmp_path, monkeypatch):
    """Datacards read ntuples, and the report models and side-cars, that they had not asked for."""
    mirror, store = tmp_path / "mirror", tmp_path / "server"
    monkeypatch.setenv("TAUML_STORE", f"file://{store}")
    monkeypatch.setenv("TAUML_MIRROR", str(mirror))
    bring = tasks.store.bring

    def lose_and_bring(paths):
        shutil.rmtree(mirror / "demo", ignore_errors=True)
        bring(paths)

    monkeypatch.setattr(tasks.store, "bring", lose_and_bring)
    report = make(HttReport, workflow="local")
    make_all(report)
    tasks.store.bring(report.paths())
    assert report.path.stat().st_size > 1_000_000
    for needed in [*all_upstream(report), report]:
        assert needed.complete(), needed
    friend = next(store.rglob("ggH_pred.root"))
    with uproot.open(friend) as scored, uproot.open(next(store.rglob("ggH.root"))) as events:
        assert scored["TauCheck"]["evt"].array().tolist() == events["TauCheck"]["evt"].array().tolist()
    meta = json.loads(next(store.rglob("model_1.meta.json")).read_text())
    assert meta["details"]["best_val_logloss"] > 0
    logs = list(store.rglob("attempt_001.jsonl"))
    assert {path.parents[1].name for path in logs} >= {"model_0", "model_1", "evaluation_train", "evaluation_test"}
    start = json.loads(
        (next(store.rglob("evaluation_test")) / "tracking/attempt_001.jsonl").read_text().splitlines()[0]
    )
    fold = json.loads((next(store.rglob("model_0")) / "run.json").read_text())
    assert start["parent"] == fold["run_id"]
