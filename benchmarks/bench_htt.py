"""Preprocessing of a million events: ``python benchmarks/bench_htt.py``."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import uproot

from taumltools.config import load_campaign
from taumltools.htt.foldfile import FoldFile
from taumltools.htt.mock import mock_events
from taumltools.htt.predict import load_ensemble, predict_for_evaluation
from taumltools.htt.preprocess import TRANSFORM, preprocess_prediction, preprocess_training
from taumltools.htt.train import train_fold
from taumltools.htt.transform import Transform

EVENTS = 1_000_000
"""Mock events in six samples, before the cuts, which 93% pass."""

SHARES = {"bbH": 1, "ggH": 2, "VBFH": 1, "QCD": 2, "ZTT": 3, "TT": 1}
"""Share of each sample, in tenths."""

BASKET = 50_000
"""Events that are compressed together."""


def write_sample(path: Path, process: str, events: int) -> None:
    """An ntuple in baskets of a usual size."""
    with uproot.recreate(path) as file:
        columns = mock_events(process, events)
        file.mktree("TauCheck", {name: values.dtype for name, values in columns.items()})
        for start in range(0, events, BASKET):
            file["TauCheck"].extend({name: values[start : start + BASKET] for name, values in columns.items()})


def run(events: int = EVENTS) -> list[dict]:
    """Measure each step.

    Args:
        events: before cuts.

    Returns:
        Rows with ``name``, ``value`` and ``unit``.
    """
    config = load_campaign("demo", "htt=demo_tt htt.training.boosting.num_iterations=100").htt
    rows = []

    def note(name: str, value: float, unit: str) -> None:
        rows.append({"name": name, "value": round(value, 2), "unit": unit})

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = {name: [folder / f"{name}.root"] for name in config.samples}
        for name, paths in files.items():
            write_sample(paths[0], name, events * SHARES[name] // 10)
        start = time.perf_counter()
        preprocess_training(config, files, folder / "events")
        note(f"htt: preprocess {events:,} events for training", time.perf_counter() - start, "s")
        note("htt: peak memory so far, ntuples of mock events included", peak(), "MB")
        start = time.perf_counter()
        transform = Transform.load(folder / "events" / TRANSFORM)
        done = preprocess_prediction(config, "ZTT", files["ZTT"], transform, folder / "ZTT.hdf5")
        note("htt: preprocess for prediction", done["events"] / (time.perf_counter() - start), "events/s")
        with FoldFile(folder / "events/train.hdf5") as file:
            entries = len(file)
        for fold in range(2):
            start = time.perf_counter()
            train_fold(folder / "events/train.hdf5", config, fold, folder / f"model_{fold}")
            spent = time.perf_counter() - start
        note(f"htt: train one of 2 folds of {entries:,} events, 100 rounds of trees, one thread", spent, "s")
        start = time.perf_counter()
        ensemble = load_ensemble([folder / "model_0", folder / "model_1"])
        scored = predict_for_evaluation(folder / "events/test.hdf5", ensemble, folder / "test.csv")
        note("htt: score and write CSV", scored["events"] / (time.perf_counter() - start), "events/s")
        assert np.isclose(scored["events"], entries / 4, rtol=0.01)
        note("htt: peak memory", peak(), "MB")
    return rows


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:<80} {row['value']:>12,} {row['unit']}")
