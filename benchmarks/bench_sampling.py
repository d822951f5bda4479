"""Counting, planning and gathering a mixed sample: ``python benchmarks/bench_sampling.py``."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from taumltools.config.sampling import SamplingConfig
from taumltools.sampling.acceptance import make_plan
from taumltools.sampling.gather import InputFile, gather_part
from taumltools.sampling.spectra import Spectra, count_spectra
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples

FILES, ENTRIES = 4, 10_000
"""Mock candidates in all 711 branches: a few seconds, and several record batches a file."""


def run(files: int = FILES, entries: int = ENTRIES) -> list[dict]:
    """Measure the three steps on Arrow files.

    Args:
        files: number of input files.
        entries: mock candidates per file.

    Returns:
        Rows with ``name``, ``value`` and ``unit``.
    """
    config = SamplingConfig(lastbin_takeall=True, lastbin_disbalance=100, enable_emptybin=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"taus_{i}.arrow") for i in range(files)]
        for seed, path in enumerate(paths):
            write_tuples(path, mock_tuples(entries, seed=seed))
        start = time.perf_counter()
        spectra = Spectra.merge([count_spectra(path, config.spectra) for path in paths])
        counted = time.perf_counter()
        spectra.save(Path(folder, "spectra.json"))
        saved = time.perf_counter()
        plan = make_plan({"mock": spectra}, config)
        planned = time.perf_counter()
        inputs = [InputFile(path, entries, "mock") for path in paths]
        part = gather_part(inputs, plan, job=0, n_jobs=1, rng=np.random.default_rng(0))
        gathered = time.perf_counter()
        write_tuples(Path(folder, "part.arrow"), part.tuples)
        written = time.perf_counter()
        size = Path(folder, "spectra.json").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    total, accepted = files * entries, len(part.tuples)
    return [
        {"name": "count spectra", "value": total / (counted - start), "unit": "taus/s"},
        {"name": "spectra file", "value": size / 1e3, "unit": "kB"},
        {"name": "make the plan", "value": planned - saved, "unit": "s"},
        {"name": "gather: read", "value": total / (gathered - planned), "unit": "taus/s"},
        {"name": "gather: accepted", "value": accepted / (gathered - planned), "unit": "taus/s"},
        {"name": "gather and write: read", "value": total / (written - planned), "unit": "taus/s"},
        {"name": "size of the part in memory", "value": part.tuples.nbytes / 1e6, "unit": "MB"},
        {"name": "peak memory of the process", "value": peak, "unit": "MB"},
    ]


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:36} {row['value']:12.4g} {row['unit']}")
