"""Speed of the evaluation: ROC curves, whole evaluations, prediction files, plots, the report's plots."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter

from taumltools.config.compose import CONFIG_DIR
from taumltools.config.evaluation import EvaluationConfig
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate
from taumltools.evaluation.plots import plot_roc
from taumltools.evaluation.predictions import Predictions
from taumltools.evaluation.roc import make_roc
from taumltools.plotstyle import save_figure

ROC_ENTRIES = 10_000_000
ENTRIES = 200_000


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        Rows with name, value and unit.
    """
    rng = np.random.default_rng(0)
    is_tau = rng.random(ROC_ENTRIES) < 0.4
    score = (rng.normal(size=ROC_ENTRIES) + 2 * is_tau).astype(np.float32)
    weight = rng.random(ROC_ENTRIES, np.float32)
    plain = _seconds(lambda: make_roc(score, is_tau))
    weighted = _seconds(lambda: make_roc(score, is_tau, weight))
    rows = [
        {"name": f"ROC curve, {ROC_ENTRIES:,} entries", "value": plain, "unit": "s"},
        {"name": f"ROC curve with weights, {ROC_ENTRIES:,} entries", "value": weighted, "unit": "s"},
        {"name": "peak memory of the ROC curves", "value": _peak_mb(), "unit": "MB"},
    ]
    text = (CONFIG_DIR / "evaluation" / "demo.yaml").read_text(encoding="utf-8")
    config = TypeAdapter(EvaluationConfig).validate_python(yaml.safe_load(text))
    predictions = mock_predictions(ENTRIES)
    performance = evaluate(predictions, config, "deeptau")
    seconds = _seconds(lambda: evaluate(predictions, config, "deeptau"))
    rows.append(
        {"name": "evaluation of a network vs e, mu, jet in 3 regions", "value": ENTRIES / seconds, "unit": "entries/s"}
    )
    figure = plot_roc([performance], "jet", performance["curves"][0]["region"], config.style)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for name, work in (
            ("write a prediction file", lambda: predictions.write(path / "p.h5")),
            ("read a prediction file", lambda: Predictions.read(path / "p.h5")),
        ):
            rows.append({"name": name, "value": ENTRIES / _seconds(work), "unit": "entries/s"})
        rows.append({"name": "bytes of a prediction", "value": (path / "p.h5").stat().st_size / ENTRIES, "unit": "B"})
        rows.append(
            {
                "name": "save one ROC plot as PDF",
                "value": _seconds(lambda: save_figure(figure, path / "r.pdf")),
                "unit": "s",
            }
        )
    return rows


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(f"{row['name']:55s} {row['value']:14,.1f} {row['unit']}\n")
