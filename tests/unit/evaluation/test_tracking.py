"""Evaluations in the runs of their networks: what is found in a store of products, and that it is there once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taumltools.evaluation.artefact import save_performance
from taumltools.evaluation.tracking import (
    figures_of,
    find_evaluations,
    import_evaluations,
    leading_areas,
    runs_of_models,
)
from taumltools.store import sidecar_path
from taumltools.training.tracking import RunDescription, start_run
from taumltools.training.tracking.importing import import_logs
from taumltools.training.tracking.stores import open_store

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)  # mlflow 3.17 itself
REGION = {"pt": [20.0, 1000.0], "abs_eta": [0.0, 2.3], "decay_modes": [0]}
OTHER = REGION | {"pt": [20.0, 100.0]}
WIDE, NARROW = "test/net/pt_20_1000_eta_0_2.3_dm_0", "test/net/pt_20_100_eta_0_2.3_dm_0"


def artefact(auc: float = 0.9, score: str = "network", name: str = "net", model: str = "model") -> dict:
    point = {"name": "Loose", "target": 0.8, "threshold": 0.5, "efficiency": {"value": 0.8}, "misid": {"value": None}}
    return {
        "discriminator": name,
        "score": score,
        "model": model,
        "vs": ["jet"],
        "curves": [{"vs": "jet", "region": r, "auc": auc, "auc_error": 0.01} for r in (REGION, OTHER)],
        "working_points": [{"vs": "jet", "region": r, "points": [point]} for r in (REGION, OTHER)],
    }


def product(folder: Path, *inputs: Path, started: str = "2026-01-01T00:00:00+00:00", **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("_json", ".json").replace("_png", ".png")).write_text(text)
    sidecar_path(folder).write_text(json.dumps({"inputs": [{"path": str(p)} for p in inputs], "started": started}))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with a training, its evaluation and plots."""
    campaign = tmp_path / "store" / "demo"
    model = campaign / "Training" / "v1" / "tt" / "model"
    run = start_run(RunDescription(campaign / "log", "tests", "one"))
    run.log_metrics({"val_loss": 0.5}, 1)
    run.finish()
    model.mkdir(parents=True)
    (model / "run.json").write_text(json.dumps({"mlflow": run.ids()}))
    ((_, _, network),) = runs_of_models(tmp_path / "store")
    points = product(campaign / "DeriveWorkingPoints/v1/dd/working_points_net", working_points_json="{}")
    # the store has moved since: what it is found by is the end of the path
    moved = Path("/elsewhere", *points.parts[-5:])
    for name, score in (("net", "network"), ("iso", "-tau_iso")):
        folder = product(
            campaign / f"EvaluatePerformance/v1/ee/performance_{name}", moved, started="2026-01-02T00:00:00+00:00"
        )
        save_performance(folder / "performance.json", artefact(score=score, name=name, model=network))
    shown = Path("/elsewhere", *folder.parts[-5:])
    product(campaign / "PlotROC/v1/pp/roc_vs_jet", shown, roc_png="picture")
    product(campaign / "PlotROC/v1/qq/roc_vs_jet", Path("/elsewhere/demo/EvaluatePerformance/v9/zz/performance_net"))
    return tmp_path / "store"


def test_figures_have_names_of_metrics():
    found = figures_of(artefact())
    assert found[f"{WIDE}/auc_jet"] == found[f"{NARROW}/auc_jet"] == 0.9
    assert found[f"{WIDE}/threshold_jet_Loose"] == 0.5
    assert f"{WIDE}/misid_jet_Loose" not in found, "there is none"
    assert f"{NARROW}/threshold_jet_Loose" not in found, "of the leading region only"
    assert leading_areas(artefact()) == {"test_auc_jet": 0.9}


def test_empty_regions_have_no_area():
    bare = artefact()
    bare["curves"] = [curve | {"missing": "no fakes", "auc": None} for curve in bare["curves"]]
    assert leading_areas(bare) == {}
    assert set(figures_of(bare)) == {f"{WIDE}/threshold_jet_Loose", f"{WIDE}/efficiency_jet_Loose"}
    assert leading_areas(bare | {"curves": [], "working_points": []}) == {}


def test_an_evaluation_is_found_with_its_plots_and_working_points(root: Path):
    (found,) = find_evaluations(root)
    assert (found.campaign, found.version, found.identity) == ("demo", "v1", "ee")
    assert list(runs_of_models(root)) == [("demo", "v1", found.model)]
    assert set(found.files) == {
        "performance_net/performance.json",
        "performance_iso/performance.json",
        "working_points_net/working_points.json",
        "roc_vs_jet/roc.png",
    }
    assert found.metrics["test_auc_jet"] == 0.9
    assert not [name for name in found.metrics if "iso" in name], "figures of the network only"
    assert find_evaluations(root, version="v2") == []


def runs(store) -> list:
    return list(store.runs())


def test_import_can_be_repeated(root: Path, tmp_path: Path):
    store = open_store(str(tmp_path / "mlflow"))
    assert import_evaluations(root, store).made == [], "the training is not there yet"
    import_logs([root / "demo" / "log"], store)
    assert import_evaluations(root, store).made == ["one"]
    again = import_evaluations(root, store)
    assert (again.made, again.renewed, again.unchanged) == ([], [], ["one"])
    assert import_logs([root / "demo" / "log"], store).unchanged == ["one"], "the training is as it was"
    (run,) = runs(store)
    assert run.data.metrics["test_auc_jet"] == 0.9
    assert run.data.metrics[f"{WIDE}/threshold_jet_Loose"] == 0.5
    assert run.data.metrics["val_loss"] == 0.5
    names = [a.path for a in store.client.list_artifacts(run.info.run_id, "evaluation/ee/performance_net")]
    assert names == ["evaluation/ee/performance_net/performance.json"]
    assert len(store.client.get_metric_history(run.info.run_id, "test_auc_jet")) == 1


def test_broken_import_is_taken_up_again(root: Path, tmp_path: Path):
    store = open_store(str(tmp_path / "mlflow"))
    import_logs([root / "demo" / "log"], store)
    import_evaluations(root, store)
    (run,) = runs(store)
    store.client.delete_tag(run.info.run_id, "tauml.evaluation.ee")
    assert import_evaluations(root, store).made == ["one"]
    assert len(store.client.get_metric_history(run.info.run_id, "test_auc_jet")) == 1


def test_of_several_evaluations_the_last_one_gives_the_figures(root: Path, tmp_path: Path):
    store = open_store(str(tmp_path / "mlflow"))
    import_logs([root / "demo" / "log"], store)
    import_evaluations(root, store)
    earlier = product(root / "demo/EvaluatePerformance/v1/aa/performance_net", started="2026-01-01T12:00:00+00:00")
    (network,) = {one.model for one in find_evaluations(root)}
    save_performance(earlier / "performance.json", artefact(auc=0.7, model=network))
    assert import_evaluations(root, store).made == ["one"]
    (run,) = runs(store)
    assert run.data.metrics["test_auc_jet"] == 0.9, "imported later, but made before"
    assert {a.path for a in store.client.list_artifacts(run.info.run_id, "evaluation")} == {
        "evaluation/aa",
        "evaluation/ee",
    }


def test_new_plots_renew_the_evaluation(root: Path, tmp_path: Path):
    store = open_store(str(tmp_path / "mlflow"))
    import_logs([root / "demo" / "log"], store)
    import_evaluations(root, store)
    shown = Path("/elsewhere/demo/EvaluatePerformance/v1/ee/performance_net")
    product(root / "demo/PlotScores/v1/ss/scores_net", shown, scores_png="picture")
    assert import_evaluations(root, store).renewed == ["one"]
