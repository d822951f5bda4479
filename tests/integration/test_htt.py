"""Classification of events as people start it: by the client of mlflow through the file MLproject."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taumltools.training.tracking.stores import open_store
from tests.unit.htt.case import SMALL

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),  # mlflow 3.17 itself
]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("entry", "mode"), [("multi", "multi"), ("binary", "binary")])
def test_mlflow_runs_the_project(tmp_path, entry, mode):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "TAUML_", "LAW_"))}
    scripts = str(Path(sys.executable).parent)
    environment |= {
        "TAUML_STORE": str(tmp_path / "store"), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "PATH": f"{scripts}:{environment['PATH']}", "VIRTUAL_ENV": str(Path(scripts).parent), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    overrides = SMALL.replace("htt.training.boosting.num_iterations=25 ", "").strip()
    command = ["mlflow", "run", ".", "-e", entry, "-P", "num_iterations=5", "-P", f"overrides={overrides}"]
    done = subprocess.run(
        [*command, "--env-manager=local"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    runs = list(open_store(f"sqlite:///{tmp_path}/mlflow.db").runs())
    folds = [run for run in runs if "fold" in run.data.params]
    (project,) = [run for run in runs if run not in folds]
    assert project.data.params["num_iterations"] == "5"
    assert sorted(run.data.params["fold"] for run in folds) == ["0", "1"]
    assert {run.data.params["model_param.num_iterations"] for run in folds} == {"5"}
    assert {run.data.params["mode"] for run in folds} == {mode}
    assert {run.data.tags["mlflow.parentRunId"] for run in folds} == {project.info.run_id}
