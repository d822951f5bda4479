"""Tasks of the evaluation: working points, numbers, plots of several runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.evaluation import DeriveWorkingPoints, EvaluatePerformance, PlotEfficiency, PlotROC, PlotScores
from taumltools.errors import InputError
from taumltools.evaluation.mock import mock_predictions
from taumltools.store import publish
from tests.tasks.making import forget_tasks

QUICK = "evaluation.style.formats=[png] evaluation.regions.pt=[[20,1000]]"


def make(task_class, **parameters):
    return task_class(**{"version": "v1", "campaign": "tiny", "overrides": QUICK} | parameters)


def fill(task: EvaluatePerformance, seed: int) -> EvaluatePerformance:
    """Predictions of every dataset as if a network had been applied; working points and numbers made from them."""
    applied = task.upstream()["predictions"]
    for number, (name, path) in enumerate(zip(applied.datasets(), applied.paths(), strict=True)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with publish(path) as temporary:
            mock_predictions(1500, seed=seed + number, dataset=name).write(temporary)
    for stage in (task.upstream()["points"], task):
        for branch in range(stage.n_branches()):
            stage.req_branch(branch).run()
    return task


@pytest.fixture
def performance() -> EvaluatePerformance:
    return fill(make(EvaluatePerformance), seed=0)


def test_numbers_use_the_working_points_of_the_task(performance: EvaluatePerformance):
    points = json.loads((performance.upstream()["points"].path_of(0) / "working_points.json").read_text())
    content = json.loads((performance.path_of(0) / "performance.json").read_text())
    stored = {e["vs"]: {p["name"]: p["threshold"] for p in e["points"]} for e in content["working_points"]}
    assert stored == points
    assert type(performance.upstream()["points"]) is DeriveWorkingPoints


def test_plots_of_one_run(performance: EvaluatePerformance):
    for task_class, branch, names in (
        (PlotEfficiency, 1, {"efficiency_vs_jet_tau_eta.png", "efficiency_vs_jet_tau_eta.json"}),
        (PlotScores, 1, {"scores_vs_jet.png", "scores_vs_jet.json"}),
    ):
        task = make(task_class, branch=branch)
        task.run()
        assert names <= {path.name for path in task.path.iterdir()}


def test_several_runs_in_one_plot(performance: EvaluatePerformance, tmp_path: Path):
    fill(make(EvaluatePerformance, version="v0"), seed=50)
    outside = tmp_path / "elsewhere" / "performance.json"
    outside.parent.mkdir()
    outside.write_bytes((performance.path_of(1) / "performance.json").read_bytes())
    task = make(PlotROC, compare=("v0", f"old={outside}", str(outside)), branch=2)
    task.run()
    content = json.loads(next(task.path.glob("*.json")).read_text())
    titles = [series["title"] for series in content["series"]]
    assert titles == [
        "Network",
        "Charged isolation",
        "Network (v0)",
        "Charged isolation (v0)",
        "Charged isolation (old)",
        "Charged isolation (elsewhere)",
    ]
    assert content["reference"] == "Charged isolation"
    assert json.loads(task.path.with_name(task.path.name + ".meta.json").read_text())["inputs"][-1]["path"]


def test_a_changed_file_moves_the_plot(tmp_path: Path):
    paths = []
    for text in ("{}", "{ }"):
        (tmp_path / "performance.json").write_text(text)
        paths.append(make(PlotROC, compare=(str(tmp_path / "performance.json"),), version=f"v{len(text)}").identity)
    assert len({*paths, make(PlotROC).identity}) == 3


def test_missing_file_says_what_is_needed(tmp_path: Path):
    with pytest.raises(InputError, match=r"--compare needs versions, or files performance\.json"):
        _ = make(PlotROC, compare=(f"{tmp_path}/nothing.json",)).identity


def test_another_version_is_drawn_as_it_was_made(performance: EvaluatePerformance):
    """It was evaluated, and even trained, anew with the settings of this command, without a word."""
    fill(make(EvaluatePerformance, version="v0", campaign="demo", overrides=f"{QUICK} seed=3"), seed=50)
    task = make(PlotROC, compare=("before=demo:v0",))
    assert [type(one) for one in task.upstream_tasks()] == [EvaluatePerformance]
    ((name, paths),) = task.others
    assert name == "before"
    assert {path.parents[2].name for path in paths} == {"EvaluatePerformance"}
    assert [path.name for path in paths] == [path.name for path in performance.paths()]
    before = task.identity
    fill(make(EvaluatePerformance, version="v0", campaign="demo", overrides=f"{QUICK} seed=4"), seed=90)
    assert make(PlotROC, compare=("before=demo:v0",), version="v1", branch=1).identity != before


def test_version_that_was_never_evaluated_is_refused(performance: EvaluatePerformance):
    with pytest.raises(
        InputError, match=r"no EvaluatePerformance of version 'v9' of campaign 'tiny'.*there are v1: make it with"
    ):
        _ = make(PlotROC, compare=("v9",)).identity


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Predictions of somebody else's network for two datasets."""
    for number in range(2):
        mock_predictions(1500, seed=70 + number, dataset=f"set{number}").write(tmp_path / f"scores_{number}.h5")
    return tmp_path


def test_predictions_of_any_model_are_evaluated(files: Path, store: Path):
    """Other models could be applied, and their scores not be evaluated."""
    given = {"predictions": (f"{files}/scores_*.h5",)}
    evaluated = make(EvaluatePerformance, **given)
    assert not {type(task).__name__ for task in evaluated.upstream_tasks()} - {"DeriveWorkingPoints"}
    points = evaluated.upstream()["points"]
    for branch in range(evaluated.n_branches()):
        points.req_branch(branch).run()
        evaluated.req_branch(branch).run()
    plots = [make(task_class, **given) for task_class in (PlotROC, PlotEfficiency, PlotScores)]
    for plot in plots:
        plot.req_branch(1).run()
    for stage in (points, evaluated, *plots):
        assert stage.folder.relative_to(store).parts[:3] == ("tiny", type(stage).__name__, "files")
    content = json.loads((evaluated.path_of(1) / "performance.json").read_text())
    assert content["datasets"] == ["set0", "set1"]
    assert content["entries"]["read"] == 3000
    assert [path.name for path in points.req_branch(1).input_paths()] == ["scores_0.h5", "scores_1.h5"]


def test_identity_of_given_predictions_is_their_content(files: Path, monkeypatch):
    def identity(*names):
        forget_tasks()
        return make(EvaluatePerformance, predictions=names).identity

    both = identity(f"{files}/scores_*.h5")
    assert both == identity(f"{files}/scores_0.h5", f"{files}/scores_1.h5")
    monkeypatch.chdir(files)
    assert both == identity("scores_0.h5", "scores_1.h5")
    mock_predictions(1600, seed=3, dataset="set1").write(files / "new.h5")
    (files / "new.h5").replace(files / "scores_1.h5")
    assert len({both, identity("scores_0.h5", "scores_1.h5"), make(EvaluatePerformance).identity}) == 3


def test_given_predictions_that_are_not_there_or_twice_are_refused(files: Path):
    with pytest.raises(InputError, match=r"--predictions: .*/none.h5: there is no such file"):
        _ = make(EvaluatePerformance, predictions=(f"{files}/none.h5",)).identity
    with pytest.raises(InputError, match=r"--predictions: .*/scores_0.h5 is named twice"):
        _ = make(EvaluatePerformance, predictions=(f"{files}/scores_0.h5", f"{files}/scores_*.h5")).identity
