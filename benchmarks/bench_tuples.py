"""Reading and writing TauTuples with all 711 branches: ``python benchmarks/bench_tuples.py``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from taumltools.tuples.data import Tuples
from taumltools.tuples.io import COMPRESSIONS, open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import TRUTH_BRANCHES

ENTRIES = 20_000
"""Mock candidates: enough for one full block of ROOT baskets and some seconds in all."""

CASES = ((".root", "zstd"), (".root", "lz4"), (".arrow", "lz4"), (".arrow", "zstd"))


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def _read(path: Path, branches: Sequence[str] | None = None) -> Tuples:
    with open_tuples(path) as file:
        return file.read(branches)


def run(entries: int = ENTRIES) -> list[dict]:
    """Measure both formats.

    Args:
        entries: number of mock candidates.

    Returns:
        Rows with ``name``, ``value`` and ``unit``.
    """
    seconds, tuples = _timed(lambda: mock_tuples(entries))
    rows = [
        {"name": "mock tuples", "value": entries / seconds, "unit": "taus/s"},
        {"name": "size in memory", "value": tuples.nbytes / entries, "unit": "bytes/tau"},
    ]
    with tempfile.TemporaryDirectory() as folder:
        for suffix in COMPRESSIONS:  # imports and caches of the libraries are not what is measured
            write_tuples(Path(folder, f"warm{suffix}"), tuples.slice(0, 10), ["tau_pt", "pfCand_pt"])
            _read(Path(folder, f"warm{suffix}"))
        for suffix, compression in CASES:
            path, name = Path(folder, f"taus{suffix}"), f"{suffix[1:]} {compression}"
            fixed, _ = _timed(lambda path=path, c=compression: write_tuples(path, tuples.slice(0, 1), compression=c))
            write, _ = _timed(lambda path=path, c=compression: write_tuples(path, tuples, compression=c))
            read, _ = _timed(lambda path=path: _read(path))
            truth, _ = _timed(lambda path=path: _read(path, TRUTH_BRANCHES))
            rows += [
                {"name": f"{name}: file of one tau", "value": fixed, "unit": "s"},
                {"name": f"{name}: write (without that)", "value": entries / (write - fixed), "unit": "taus/s"},
                {"name": f"{name}: read", "value": entries / read, "unit": "taus/s"},
                {"name": f"{name}: read truth branches", "value": entries / truth, "unit": "taus/s"},
                {"name": f"{name}: size", "value": path.stat().st_size / entries, "unit": "bytes/tau"},
            ]
        few = Path(folder, "missing.root")
        write_tuples(few, Tuples({"tau_pt": tuples["tau_pt"]}))
        rows.append(
            {"name": "root zstd: 710 missing branches", "value": few.stat().st_size / entries, "unit": "bytes/tau"}
        )
    return rows


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:36} {row['value']:12.4g} {row['unit']}")
