"""The evaluation as one command: what it runs, what it says, what it leaves in mlflow."""

from __future__ import annotations

import json

import pytest

from tasks.evaluation import EvaluatePerformance, PlotROC
from tasks.evaluation_all import STAGES, Evaluation
from tasks.report import Report
from tasks.tracking import ImportRuns, import_evaluations
from tasks.training import Training
from taumltools.errors import InputError
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.models import model_identity
from taumltools.store import publish
from taumltools.training.tracking import RunDescription, start_run
from taumltools.training.tracking.stores import open_store
from tests.tasks.making import forget_tasks
from tests.tasks.test_evaluation import QUICK, fill, make

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)  # mlflow 3.17 itself
PARAMETERS = {"version": "v1", "campaign": "tiny", "overrides": QUICK}


def trained():
    """A training as it was logged, in the place where it belongs; returns what tells its network."""
    task = Training(**PARAMETERS)
    run = start_run(RunDescription(task.work / "tracking", "tests", "one"))
    run.finish()
    task.path.parent.mkdir(parents=True, exist_ok=True)
    with publish(task.path) as temporary:
        temporary.mkdir()
        (temporary / "run.json").write_text(json.dumps({"mlflow": run.ids()}))
    return model_identity(task.path)


def evaluated(version: str = "v1") -> EvaluatePerformance:
    """An evaluation of that network, from made-up predictions."""
    task = fill(make(EvaluatePerformance, version=version), seed=0)
    for path in task.paths():
        content = json.loads((path / "performance.json").read_text())
        (path / "performance.json").write_text(json.dumps(content | {"model": trained()}))
    return task


def test_given_predictions_are_evaluated_by_all_stages_and_not_taken_for_the_training(tmp_path, capsys):
    mock_predictions(1500, seed=70).write(tmp_path / "scores.h5")
    task = Evaluation(**PARAMETERS, predictions=(str(tmp_path / "scores.h5"),))
    stages = task.requires()
    assert list(stages) == [name for name in STAGES if name != "predictions"]
    assert {stage.predictions for stage in stages.values()} == {(str(tmp_path / "scores.h5"),)}
    task.run()
    assert task.complete()
    assert "/EvaluatePerformance/files/v1/" in capsys.readouterr().out


def test_all_stages_are_asked_for_with_the_same_settings():
    task = Evaluation(**PARAMETERS, workflow="htcondor", site="local-pool", compare=("v0",))
    stages = task.requires()
    assert [type(stage) for stage in stages.values()] == list(STAGES.values())
    for stage in stages.values():
        assert (stage.version, stage.campaign, stage.overrides) == ("v1", "tiny", QUICK)
        assert (stage.workflow, stage.site) == ("htcondor", "local-pool")
    assert stages["ROC curves"].compare == ("v0",)
    assert stages["performance"].identity == EvaluatePerformance(**PARAMETERS).identity
    assert Evaluation(**PARAMETERS).requires()["ROC curves"].identity == PlotROC(**PARAMETERS).identity


def test_it_says_where_products_are_and_brings_numbers_into_the_run(store, capsys):
    task = evaluated()
    for _ in range(2):
        forget_tasks()  # as the next call of law does
        command = Evaluation(**PARAMETERS)
        assert not command.complete(), "it is a command, done each time"
        command.run()
        assert command.complete()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "evaluation of tiny v1"
    assert any(line.split() == ["performance", "4", str(task.folder)] for line in lines)
    (run,) = open_store(str(store / "mlflow")).runs()
    assert set(run.data.metrics) >= {"test_auc_e", "test_auc_mu", "test_auc_jet"}
    assert f"tauml.evaluation.{task.identity}" in run.data.tags


def test_import_runs_takes_evaluations_along(capsys):
    evaluated()
    for made in ("1 new, 0 renewed, 0 as they were", "0 new, 0 renewed, 1 as they were"):
        ImportRuns().run()
        assert f"evaluations in them: {made}" in capsys.readouterr().out


def test_without_an_evaluation_or_a_training_nothing_is_opened(store):
    import_evaluations("tiny", "v1", "")
    trained()
    import_evaluations("tiny", "v1", "")
    assert not (store / "mlflow").exists()


def test_mlflow_that_cannot_be_reached_is_a_warning(caplog):
    evaluated()
    import_evaluations("tiny", "v1", "http://127.0.0.1:9")
    assert "law run ImportRuns --tracking-uri http://127.0.0.1:9" in caplog.text


def test_baseline_of_a_report_is_what_was_made(tmp_path):
    """Not what the settings of now would make of that version."""
    baseline = fill(make(EvaluatePerformance, version="v0"), seed=50)
    plain = Report(**PARAMETERS)
    task = Report(**PARAMETERS | {"overrides": f"{QUICK} training.epochs=7"}, compare_to="v0")
    assert task.baseline == sorted(baseline.paths())
    assert set(baseline.paths()) <= set(task.input_paths())
    folder = Report(**PARAMETERS, compare_to=str(baseline.folder))
    assert folder.baseline == task.baseline
    other = Report(**PARAMETERS, compare_to="tiny:v0")
    assert len({plain.identity, folder.identity, other.identity, task.identity}) == 4
    assert plain.upstream().keys() == task.upstream().keys(), "nothing is run for a baseline"


def test_changed_baseline_moves_the_report():
    fill(make(EvaluatePerformance, version="v0"), seed=50)
    before = Report(**PARAMETERS, compare_to="v0").identity
    path = make(EvaluatePerformance, version="v0").path_of(0) / "performance.json"
    path.write_text(path.read_text().replace('"title": "Network"', '"title": "Old network"'))
    task = Report(**PARAMETERS, compare_to="v0", branch=0)
    assert task.identity != before


def test_baseline_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no EvaluatePerformance of version 'v7' of campaign 'tiny'"):
        _ = Report(**PARAMETERS, compare_to="v7").identity
    with pytest.raises(InputError, match="has no evaluation"):
        _ = Report(**PARAMETERS, compare_to=f"{tmp_path}/odd").identity
