"""Speed of the evaluation: ROC curves, working points and efficiencies of many entries, prediction files, plots."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter

from taumltools.config.compose import CONFIG_DIR
from taumltools.config.evaluation import EvaluationConfig
from taumltools.evaluation.derive import derive_to_folder
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate, evaluate_to_folder
from taumltools.evaluation.plots import plot_roc
from taumltools.evaluation.predictions import Predictions
from taumltools.evaluation.roc import make_roc
from taumltools.plotstyle import save_figure

ROC_ENTRIES = 10_000_000
ENTRIES = 200_000
PART = 1_000_000  # entries of a prediction file of the large evaluation


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _config() -> EvaluationConfig:
    text = (CONFIG_DIR / "evaluation" / "demo.yaml").read_text(encoding="utf-8")
    return TypeAdapter(EvaluationConfig).validate_python(yaml.safe_load(text))


def _write(folder: Path, number: int) -> None:
    predictions = mock_predictions(PART, seed=number, dataset=f"mock_{number}")
    predictions.columns["evt"] += np.uint64(number * PART)
    predictions.write(folder / f"{number}.h5")


def _derive(folder: Path) -> dict[str, float]:
    points = replace(_config().working_points, required={"e": "VVVLoose", "mu": "VLoose", "jet": "VVVLoose"})
    config = replace(_config(), working_points=points)
    seconds = _seconds(lambda: derive_to_folder(sorted(folder.glob("*.h5")), config, "deeptau", folder / "w"))
    return {"seconds": seconds, "cpu": time.process_time(), "mb": _peak_mb()}


def _evaluate(folder: Path) -> dict[str, float]:
    paths, out = sorted(folder.glob("*.h5")), folder / "e"
    seconds = _seconds(lambda: evaluate_to_folder(paths, _config(), "deeptau", out, folder / "w"))
    return {"seconds": seconds, "cpu": time.process_time(), "mb": _peak_mb()}


def _roc_curves(_folder: Path) -> dict[str, float]:
    rng = np.random.default_rng(0)
    is_tau = rng.random(ROC_ENTRIES) < 0.4
    score = (rng.normal(size=ROC_ENTRIES) + 2 * is_tau).astype(np.float32)
    weight = rng.random(ROC_ENTRIES, np.float32)
    plain = _seconds(lambda: make_roc(score, is_tau))
    return {"plain": plain, "weighted": _seconds(lambda: make_roc(score, is_tau, weight)), "mb": _peak_mb()}


def _apart(part: str, folder: Path) -> dict[str, float]:
    """In a process of its own, so that the peak memory is that of this work alone."""
    done = subprocess.run([sys.executable, __file__, part, str(folder)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _row(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit}


def _large() -> list[dict[str, Any]]:
    """Everything of one network for many entries, files included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        curves = _apart("roc", folder)
        for number in range(ROC_ENTRIES // PART):
            _write(folder, number)
        derived, evaluated = _apart("derive", folder), _apart("evaluate", folder)
    entries = f"{ROC_ENTRIES:,} entries"
    return [
        _row(f"ROC curve, {entries}", curves["plain"], "s"),
        _row(f"ROC curve with weights, {entries}", curves["weighted"], "s"),
        _row("peak memory of the ROC curves", curves["mb"], "MB"),
        _row(f"working points with required ones, {entries}, from files", derived["seconds"], "s"),
        _row("peak memory of working points", derived["mb"], "MB"),
        _row(f"ROC curves, rates, efficiencies vs e, mu, jet, {entries}, from files", evaluated["seconds"], "s"),
        _row("peak memory of that", evaluated["mb"], "MB"),
        _row("working points and evaluation together", derived["seconds"] + evaluated["seconds"], "s"),
        _row(
            "processor time of that, which other work on the machine does not lengthen",
            derived["cpu"] + evaluated["cpu"],
            "s",
        ),
    ]


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        Rows with name, value and unit.
    """
    rows, config = _large(), _config()
    predictions = mock_predictions(ENTRIES)
    performance = evaluate(predictions, config, "deeptau")
    seconds = _seconds(lambda: evaluate(predictions, config, "deeptau"))
    rows.append(_row("evaluation of a network vs e, mu, jet in 4 regions", ENTRIES / seconds, "entries/s"))
    figure = plot_roc([performance], "jet", performance["curves"][0]["region"], config.style)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for name, work in (
            ("write a prediction file", lambda: predictions.write(path / "p.h5")),
            ("read a prediction file", lambda: Predictions.read(path / "p.h5")),
        ):
            rows.append(_row(name, ENTRIES / _seconds(work), "entries/s"))
        rows.append(_row("bytes of a prediction", (path / "p.h5").stat().st_size / ENTRIES, "B"))
        rows.append(_row("save one ROC plot as PDF", _seconds(lambda: save_figure(figure, path / "r.pdf")), "s"))
    return rows


PARTS = {"roc": _roc_curves, "derive": _derive, "evaluate": _evaluate}

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(PARTS[sys.argv[1]](Path(sys.argv[2]))))
    else:
        for row in run():
            sys.stdout.write(f"{row['name']:75s} {row['value']:14,.1f} {row['unit']}\n")
