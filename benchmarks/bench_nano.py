"""NanoAOD and PFNano to TauTuple: ``python benchmarks/bench_nano.py``.

The real events of tests/data/nano, repeated in one file until there are enough.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import uproot

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.production.nanoaod import convert, make_entries, wanted
from taumltools.production.nanoread import NanoFile
from taumltools.production.pfnano import reconstruct
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import write_tuples

DATA = Path(__file__).resolve().parents[1] / "tests/data/nano"

COLLECTIONS = (
    "Tau", "Jet", "GenJet", "GenPart", "GenVisTau", "Electron", "Muon", "Photon", "IsoTrack", "SV", "PFCands",
    "TrigObj",
)  # fmt: skip


def repeat(source: Path, path: Path, times: int) -> int:
    """Write a file with all events of another one several times.

    Returns:
        Number of events.
    """
    with uproot.open(source) as file, uproot.recreate(path, compression=uproot.ZSTD(1)) as out:
        tree = file["Events"]
        wanted = ("run", "lumi", "event", "PV_", "MET_", "Puppi", "gen", "fixed", "Pileup_", "HLT_IsoMu24")
        single = [branch.name for branch in tree.branches if branch.name.startswith(wanted)]
        arrays = tree.arrays(filter_name=[*single, *(f"{name}_*" for name in COLLECTIONS)], how=dict, library="ak")
        tables: dict[str, Any] = {}
        for name, array in arrays.items():
            prefix, _, field = name.partition("_")
            if array.ndim == 1:
                tables[name] = array
            elif prefix in COLLECTIONS:
                tables.setdefault(prefix, {})[field] = array
        columns = {n: ak.zip(t, depth_limit=2) if isinstance(t, dict) else t for n, t in tables.items()}
        columns = {name: ak.concatenate([column] * times) for name, column in columns.items()}
        out.mktree("Events", {name: column.type for name, column in columns.items()}).extend(columns)
        return len(columns["run"])


def select(path: Path, dataset: DatasetConfig) -> Iterator[Tuples]:
    """Convert with a selector; the titles of branches are those of the original, since the repeated file has none."""
    with NanoFile(DATA / "nano_dy.root", *wanted(dataset)) as original:
        titles = original.titles
    account = dict.fromkeys(("taus", "unmatched", "unreconstructed"), 0)
    with NanoFile(path, *wanted(dataset)) as file:
        for table in file.iterate():
            yield make_entries(table, titles, dataset, account)


def timed(tables: Iterable[Tuples], path: Path, events: int, name: str) -> list[dict]:
    """Convert and write."""
    cpu = time.process_time()
    entries = write_tuples(path, tables)
    cpu = time.process_time() - cpu
    return [
        {"name": f"{name}: events", "value": events / cpu, "unit": "events per CPU second"},
        {"name": f"{name}: taus", "value": entries / cpu, "unit": "taus per CPU second"},
    ]


def run() -> list[dict]:
    """Measure both.

    Returns:
        Rows with ``name``, ``value`` and ``unit``.
    """
    nano = DatasetConfig(title="x", source="nanoaod", files=("x",), require_gen_match=False)
    pfnano = DatasetConfig(title="x", source="pfnano", files=("x",), require_gen_match=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        big, candidates = folder / "nano.root", folder / "pfnano.root"
        events = repeat(DATA / "nano_dy.root", big, 1000)
        dijets = repeat(DATA / "pfnano.root", candidates, 100)
        for _ in convert([big], nano, events=10), reconstruct([candidates], pfnano, ProductionConfig(), events=10):
            next(iter(_))  # compiles the kernels
        rows = timed(convert([big], nano), folder / "a.arrow", events, "NanoAOD")
        for name in ("MuTau", "TagAndProbe"):
            chosen = replace(nano, selector=name)
            rows += timed(select(big, chosen), folder / f"{name}.arrow", events, f"NanoAOD, {name}")
        rows += timed(reconstruct([candidates], pfnano, ProductionConfig()), folder / "b.arrow", dijets, "PFNano")
    rows.append(
        {"name": "peak memory", "value": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, "unit": "MB"}
    )
    return rows


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:32} {row['value']:12.4g} {row['unit']}")
