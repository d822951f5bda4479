"""The table of runs: from logs, with what was evaluated, and where to find them in mlflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from taumltools.evaluation.artefact import save_performance
from taumltools.evaluation.tracking import runs_of_models
from taumltools.report.content import Table, Text
from taumltools.report.inputs import ReportInputs
from taumltools.report.runs import read_runs, runs_section
from tests.unit.evaluation.test_tracking import artefact


def table_of(inputs: ReportInputs) -> Table:
    return next(item for item in runs_section(inputs).items if isinstance(item, Table))


def test_every_training_is_a_row_with_what_differs(inputs: ReportInputs):
    table = table_of(inputs)
    assert table.columns[:5] == ("Run", "Model", "Status", "Minutes", "Parameters")
    assert {"model.dropout", "Validation loss", "Validation AUC jet", "Run id"} <= set(table.columns)
    assert "training.epochs" not in table.columns, "the same in both"
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["Run"] for row in rows] == ["deepset-mock-v1-0a", "deepset-mock-v1-0b"]
    assert [row["model.dropout"] for row in rows] == ["0.1", "0.2"]
    assert [row["Parameters"] for row in rows] == ["1\u202f234", ""]
    assert all(len(row["Run id"]) == 32 for row in rows)
    assert "2 trainings of campaign 'mock', version 'v1', when this page was made" in table.caption


def test_runs_say_how_to_find_them(inputs: ReportInputs):
    facts = dict(runs_section(inputs).items[-1].rows)
    assert facts["Store of mlflow"] == "sqlite:////data/mlflow/mlflow.db"
    assert facts["To look at it"].startswith("mlflow ui --backend-store-uri sqlite:////data")
    assert str(inputs.runs[0]["run_id"]) in facts["To find a run there, search for"]


@pytest.mark.parametrize(
    ("uri", "start"),
    [("http://host:5000", "http://host:5000"), ("sqlite:////d/mlflow.db", "file:///"), ("", "file:///")],
)
def test_names_lead_to_the_server_or_to_the_files(inputs: ReportInputs, uri: str, start: str):
    links = table_of(replace(inputs, tracking_uri=uri)).links
    assert len(links) == 2
    assert all(link.startswith(start) for link in links)


def test_page_says_which_run_it_is_about(inputs: ReportInputs, tmp_path: Path):
    (tmp_path / "run.json").write_text(json.dumps({"mlflow": {"run_name": "deepset-mock-v1-0b"}}))
    assert "about the run deepset-mock-v1-0b" in table_of(replace(inputs, training=tmp_path)).caption
    assert "about the run" not in table_of(inputs).caption


def test_evaluated_networks_have_areas_on_the_test_sample(inputs: ReportInputs, tmp_path: Path):
    log = Path(inputs.runs[1]["folder"])
    copied = tmp_path / Path(*log.parts[-6:])
    copied.mkdir(parents=True)
    for file in log.glob("*.jsonl"):
        (copied / file.name).write_bytes(file.read_bytes())
    model = copied.parents[1] / "model"
    model.mkdir()
    (model / "run.json").write_text(json.dumps({"mlflow": {"run_id": inputs.runs[1]["run_id"]}}))
    ((_, _, network),) = runs_of_models(tmp_path)
    folder = tmp_path / "mock/EvaluatePerformance/v1/ee/performance_net"
    folder.mkdir(parents=True)
    save_performance(folder / "performance.json", artefact(auc=0.87, model=network))
    (row,) = read_runs(tmp_path, "mock", "v1")
    assert row["test_auc_jet"] == 0.87
    assert "Test AUC jet" in table_of(replace(inputs, runs=[row])).columns


def test_no_runs_are_named(inputs: ReportInputs, tmp_path: Path):
    assert read_runs(tmp_path, "mock", "v1") == []
    (note,) = runs_section(replace(inputs, runs=())).items
    assert isinstance(note, Text)
    assert note.note
