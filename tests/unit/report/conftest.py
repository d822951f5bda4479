"""All inputs of a report, made with the real classes of every stage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from taumltools.config.campaign import CampaignConfig
from taumltools.config.compose import CONFIG_DIR
from taumltools.evaluation.artefact import save_performance
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate
from taumltools.features.flat import make_flat, write_flat
from taumltools.features.scaling import make_scaling, sum_features
from taumltools.report.datasets import load_spectra
from taumltools.report.inputs import ReportInputs
from taumltools.report.runs import read_runs
from taumltools.sampling.spectra import count_spectra
from taumltools.training.tracking import RunDescription, start_run
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.unit.sampling.builders import plan_datasets

DATASETS = {"ztautau": "Z → ττ", "qcd": "Jets"}


def group(section: str, name: str) -> dict:
    return yaml.safe_load((CONFIG_DIR / section / f"{name}.yaml").read_text())


def make_config() -> CampaignConfig:
    content = {
        "title": "Mock campaign",
        "seed": 1,
        "datasets": {name: {"title": title, "process": ["x"]} for name, title in DATASETS.items()},
        "samples": {sample: {name: {"events": 100} for name in DATASETS} for sample in ("train", "test")},
        "production": {},
        "sampling": {"enable_emptybin": True, "pt_edges": [20, 40, 100, 1000], "eta_edges": [0, 1.2, 2.4]},
        "features": group("features", "demo"),
        "model": {},
        "training": {},
        "evaluation": group("evaluation", "demo"),
        "report": group("report", "default") | {"max_rows": 2000},
    }
    return TypeAdapter(CampaignConfig).validate_python(content)


def make_training(folder: Path) -> Path:
    folder.mkdir()
    epochs = np.arange(1, 11)
    fall = np.exp(-epochs / 3)
    history = {"epoch": epochs, "loss": 0.5 + fall, "categorical_accuracy": 0.9 - 0.4 * fall, "val_loss": 0.55 + fall}
    history |= {"val_categorical_accuracy": 0.88 - 0.4 * fall, "learning_rate": 0.002 * fall, "wall_s": 12 + 0 * fall}
    history |= {f"val_auc_{vs}": top - 0.1 * fall for vs, top in (("e", 0.97), ("mu", 0.99), ("jet", 0.98))}
    (folder / "history.json").write_text(json.dumps({name: list(map(float, v)) for name, v in history.items()}))
    metrics = {"best_epoch": 10, "val_loss": 0.585, "entries": {"train": {"jet": 5100}, "validation": {"e": 900}}}
    metrics |= {"parameters": 47236, "wall_s": 120.0}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "run.json").write_text(
        json.dumps({"mlflow": {"experiment_id": "3", "run_id": "0123456789abcdef"}, "features": {}})
    )
    return folder


def make_performance(folder: Path, config: CampaignConfig, entries: int, seed: int = 3) -> list[Path]:
    predictions = mock_predictions(entries, seed=seed)
    paths = []
    for name in config.evaluation.discriminators:
        paths.append(folder / name / "performance.json")
        paths[-1].parent.mkdir(parents=True)
        save_performance(paths[-1], evaluate(predictions, config.evaluation, name))
    return paths


def make_runs(store: Path) -> list[dict]:
    """Logs of two trainings that differ in a setting, one of them ended, as trainings write them."""
    for number, (identity, dropout) in enumerate((("0a", 0.1), ("0b", 0.2))):
        log = store / "mock" / "Training" / "v1" / identity / "work" / "tracking"
        tags = {"model": "deepset", "version": "v1"}
        run = start_run(RunDescription(log, "mock", f"deepset-mock-v1-{identity}", tags))
        run.log_params({"model": {"dropout": dropout}, "training": {"epochs": 1}})
        run.log_metrics({"loss": 0.5, "val_loss": 0.4 - 0.1 * number}, 1)
        if number == 0:
            run.log_summary({"best_val_loss": 0.4, "best_val_auc_jet": 0.9, "parameters": 1234}, 1)
        run.finish()
    return read_runs(store, "mock", "v1")


def make_resources() -> list[dict]:
    tasks = {"ProduceTuples": 5, "CountSpectra": 5, "PlanSampling": 1, "ShuffleMergeSpectral": 2, "Training": 1}
    return [
        {
            "task": task,
            "branch": branch,
            "wall_s": 90.0 / (i + 1) + branch,
            "peak_rss_mb": 300.0 + 150 * i + branch,
            "host": "node1",
            "started": f"2026-11-22T12:{i:02d}:{branch:02d}+00:00",
            "packages": {"numpy": "2.4.0", "keras": "3.15.0"},
            "code": {"commit": "0123456789abcdef0123", "dirty": False},
        }
        for i, (task, branches) in enumerate(tasks.items())
        for branch in range(branches)
    ]


def make_inputs(folder: Path, *, tuples: int = 1500, predictions: int = 6000) -> ReportInputs:
    config = make_config()
    spectra: dict[str, dict[str, list[Path]]] = {"train": {}, "test": {}}
    merged = []
    for seed, (sample, name) in enumerate((s, n) for s in spectra for n in DATASETS):
        taus = mock_tuples(tuples, seed=seed)
        path = folder / f"{sample}_{name}.arrow"
        write_tuples(path, taus)
        found = count_spectra(path, config.sampling.spectra)
        spectra[sample][name] = [folder / f"spectra_{sample}_{name}.json"]
        found.save(spectra[sample][name][0])
        if sample == "train":
            merged.append(path)
    plan_datasets(load_spectra(spectra["train"]), config.sampling).save(folder / "plan.json")
    flat = folder / "flat_0.h5"
    write_flat(flat, [make_flat(mock_tuples(tuples, seed=9), config.features)], config=config.features)
    scaling = make_scaling(sum_features(flat, config.features), config.features)
    (folder / "scaling.json").write_text(json.dumps(scaling))
    return ReportInputs(
        campaign="mock",
        version="v1",
        config=config,
        train_spectra=spectra["train"],
        test_spectra=spectra["test"],
        plan=folder / "plan.json",
        merged=merged,
        flat=[flat],
        scaling=folder / "scaling.json",
        training=make_training(folder / "model"),
        performance=make_performance(folder, config, predictions),
        resources=make_resources(),
        runs=make_runs(folder / "store"),
        tracking_uri="sqlite:////data/mlflow/mlflow.db",
        tracking_command="mlflow ui --backend-store-uri sqlite:////data/mlflow/mlflow.db",
    )


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    return make_inputs(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def compared(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    """The same with a baseline, which has other candidates."""
    folder = tmp_path_factory.mktemp("baseline")
    return replace(inputs, baseline=make_performance(folder, inputs.config, 5000, seed=8), baseline_name="v0")
