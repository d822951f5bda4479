"""Speed and yield of the simulation, by dataset.

Usage: ``python benchmarks/bench_production.py [events per dataset]``
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.production.pileup import PileupPool, generate_pileup
from taumltools.production.simulate import simulate
from taumltools.tuples.data import Tuples

DATASET_DIR = Path(__file__).resolve().parents[1] / "configs" / "datasets"
TYPE_NAMES = ("e", "mu", "tau", "jet")


def load_dataset(name: str) -> DatasetConfig:
    """Settings of one dataset from ``configs/datasets``."""
    import yaml

    content = yaml.safe_load((DATASET_DIR / f"{name}.yaml").read_text(encoding="utf-8"))
    return DatasetConfig(**content[name])


def shared_pool(config: ProductionConfig) -> PileupPool:
    """The pile-up pool of a fixed seed."""
    return generate_pileup(config, np.random.SeedSequence(1))


def simulate_all(
    dataset: DatasetConfig, config: ProductionConfig, pool: PileupPool, events: int, *, label: str, seed: int = 5
) -> Tuples:
    """All entries of ``events`` events as one table."""
    parts = simulate(
        dataset,
        config,
        events=events,
        seed=np.random.SeedSequence(seed),
        pileup=pool,
        run=1,
        lumi=1,
        first_event=1,
        label=label,
    )
    return Tuples.concatenate(list(parts))


def selected_by_type(table: Tuples) -> dict[str, int]:
    """Candidates with pt > 20 GeV and abs(eta) < 2.3 by truth type."""
    from taumltools.tuples.truth import truth_type

    chosen = (table["tau_pt"] > 20) & (np.abs(table["tau_eta"]) < 2.3)
    types = truth_type(table)[chosen]
    return {name: int((types == k).sum()) for k, name in enumerate(TYPE_NAMES)}


@contextmanager
def timed_stages() -> Iterator[dict[str, float]]:
    """CPU seconds of each stage while the block runs, by wrapping the functions that the driver calls."""
    from taumltools.production import reconstruction
    from taumltools.production import simulate as driver

    places = [(driver, name) for name in ("generate", "fill")]
    places += [
        (reconstruction, name)
        for name in (
            "find_gen_leptons", "gen_jets", "detect", "overlay", "reconstructed_jets", "find_taus", "puppi_weights",
            "build_entries",
        )
    ]  # fmt: skip
    spent: dict[str, float] = {name: 0.0 for _, name in places}
    originals = [getattr(module, name) for module, name in places]

    def wrap(function: Callable, name: str) -> Callable:
        def timed(*args: object, **kwargs: object) -> object:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] += time.process_time() - start

        return timed

    for (module, name), function in zip(places, originals, strict=True):
        setattr(module, name, wrap(function, name))
    try:
        yield spent
    finally:
        for (module, name), function in zip(places, originals, strict=True):
            setattr(module, name, function)


def stages(dataset: DatasetConfig, config: ProductionConfig, pool: PileupPool, events: int) -> list[dict[str, object]]:
    """Time per event of each stage of the simulation of one dataset."""
    with timed_stages() as spent:
        simulate_all(dataset, config, pool, events, label="stages")
    return [{"name": f"stage {name}", "value": 1e3 * t / events, "unit": "ms/event"} for name, t in spent.items()]


def run(events: int = 1000) -> list[dict[str, object]]:
    """Measure every dataset.

    Args:
        events: events per dataset.

    Returns:
        Rows ``{"name", "value", "unit"}``; times are CPU time of one core, Pythia's start included.
    """
    config = ProductionConfig()
    start = time.process_time()
    pool = shared_pool(config)
    rows: list[dict[str, object]] = [
        {"name": "pile-up pool", "value": len(pool) / (time.process_time() - start), "unit": "events/s"}
    ]
    names = sorted(path.stem for path in DATASET_DIR.glob("*.yaml"))
    simulate_all(load_dataset(names[0]), config, pool, 20, label="warm-up")
    for name in names:
        dataset = load_dataset(name)
        start = time.process_time()
        table = simulate_all(dataset, config, pool, events, label=name)
        seconds = time.process_time() - start
        rows.append({"name": f"{name}: speed", "value": events / seconds, "unit": "events/s"})
        for kind, n in selected_by_type(table).items():
            rows.append({"name": f"{name}: {kind}", "value": n / events, "unit": "candidates/event"})
    rows += stages(load_dataset("ztautau"), config, pool, events)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*rows, {"name": "peak memory", "value": peak, "unit": "MB"}]


if __name__ == "__main__":
    for row in run(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        print(f"{row['name']:28s} {row['value']:10.3f} {row['unit']}")
