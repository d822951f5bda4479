"""Flat tuples of DeepTau v2.5 and the export to the columns of 2020, beside the C++ producer.

    python benchmarks/bench_flat.py

The input are the 200 candidates of a file that CMS's own classes wrote (45 PF candidates each), drawn
again and again, with every float changed by up to 1%, so that nothing repeats and files compress as
usual.  Each step runs in a process of its own, on one core.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.io import open_tuples, write_tuples

ENTRIES = 30_000
"""Candidates."""

SOURCE = Path(__file__).parents[1] / "tests/data/cms_tools/head/input/DY/eventTuple_1.root"

CPP_RATE = 1_700
"""taus/s of TrainingTupleProducer of the CMS tools (one thread, quiet 2-core machine, LZ4 in and out, 45 PF candidates)."""

STEP = """
import json, re, sys, time
from taumltools.config import load_campaign
from taumltools.features.flat import produce_flat
from taumltools.features.trainingtuple.write import export_training_tuple
source, target, entries = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = load_campaign("tiny", "features=deeptau_v2p5").features
work = export_training_tuple if target.endswith("root") else lambda s, t, **range: produce_flat(s, t, config, **range)
work(source, target, stop=100)
start, wall = time.process_time(), time.perf_counter()
work(source, target, stop=entries)
used, wall = time.process_time() - start, time.perf_counter() - wall
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]  # getrusage also counts the parent's memory
print(json.dumps([used, wall, int(peak) / 1e3]))
"""


def resampled(entries: int) -> Tuples:
    """Candidates of the file, drawn at random, with floats that never repeat."""
    rng = np.random.default_rng(1)
    with open_tuples(SOURCE) as reader:
        drawn = reader.read()
    drawn = drawn.take(rng.integers(0, len(drawn), entries))

    def changed(column: np.ndarray) -> np.ndarray:
        return (
            (column * rng.uniform(0.99, 1.01, len(column))).astype(column.dtype) if column.dtype.kind == "f" else column
        )

    collections = {
        prefix: Collection(c.offsets, {name: changed(column) for name, column in c.columns.items()})
        for prefix, c in drawn.collections.items()
    }
    return Tuples({name: changed(column) for name, column in drawn.scalars.items()}, collections)


def _measure(source: Path, target: Path, entries: int) -> tuple[float, float, float]:
    command = [sys.executable, "-c", STEP, str(source), str(target), str(entries)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout))


def run(entries: int = ENTRIES) -> list[dict]:
    """Measure.

    Args:
        entries: candidates.

    Returns:
        Rows with ``name``, ``value`` and ``unit``.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tuples = resampled(entries)
        for suffix in ("arrow", "root"):
            write_tuples(Path(folder, f"a.{suffix}"), tuples)
        for suffix, target, label in (("arrow", "h5", "v2.5"), ("root", "h5", "v2.5"), ("arrow", "root", "2020")):
            path = Path(folder, f"flat.{target}")
            used, wall, memory = _measure(Path(folder, f"a.{suffix}"), path, entries)
            name = f"flat tuples {label} from {suffix}"
            rows += [
                {"name": f"{name}, CPU", "value": entries / used, "unit": "taus/s"},
                {"name": f"{name}, wall", "value": entries / wall, "unit": "taus/s"},
                {"name": f"{name}, CPU, over C++ ({CPP_RATE})", "value": entries / used / CPP_RATE, "unit": ""},
                {"name": f"{name}, peak memory", "value": memory, "unit": "MB"},
                {"name": f"{name}, size", "value": path.stat().st_size / entries, "unit": "bytes/tau"},
            ]
        few = _measure(Path(folder, "a.arrow"), Path(folder, "few.h5"), entries // 3)[2]
        rows.append({"name": "peak memory with a third of the entries", "value": few, "unit": "MB"})
    return rows


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:58} {row['value']:12,.4g} {row['unit']}")
