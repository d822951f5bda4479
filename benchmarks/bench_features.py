"""Flat tuples: evaluating features, writing, reading, summing: ``python benchmarks/bench_features.py``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from taumltools.config import load_campaign
from taumltools.features.feature_sums import sum_features, sum_flat
from taumltools.features.flat import FlatFile, make_flat, write_flat
from taumltools.tuples.mock import mock_tuples

ENTRIES = 10_000
"""Mock candidates with about 20 PF candidates each within the cone."""


def run(entries: int = ENTRIES) -> list[dict]:
    """Measure each step on one core, with the features of the demo.

    Args:
        entries: mock candidates.

    Returns:
        Rows with ``name``, ``value`` and ``unit``.
    """
    config = load_campaign("demo").features
    tuples = mock_tuples(entries)
    rows = []

    def measure(name: str, step: Callable[[], object]) -> object:
        start = time.process_time()
        result = step()
        rows.append({"name": name, "value": round(len(flat) / (time.process_time() - start)), "unit": "taus/s"})
        return result

    flat = make_flat(tuples, config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flat.h5")
        measure("features: evaluate", lambda: make_flat(tuples, config))
        measure("features: write HDF5", lambda: write_flat(path, [flat], config=config))
        with FlatFile(path) as file:
            measure("features: read HDF5", file.read)
        measure("features: exact sums", lambda: sum_features(path, config))
        size = path.stat().st_size / len(flat)
    config = load_campaign("demo", "features=deeptau_v2p5").features
    flat = make_flat(tuples.take(np.arange(entries // 4)), config)
    measure("features: exact sums, v2.5 with both grids", lambda: sum_flat(flat, config))
    rows.append({"name": "features: size of a tau", "value": round(size), "unit": "bytes"})
    return rows


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:<40} {row['value']:>12,} {row['unit']}")
