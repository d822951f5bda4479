"""The loader alone, with the inputs of DeepTau v2.5, beside one that builds dense grids: ``python benchmarks/bench_loader.py``.

The flat tuples are synthetic, with 12 and 35 filled cells and 43 objects per tau candidate, as real ones have.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from taumltools.config import load_campaign
from taumltools.config.features import FeaturesConfig
from taumltools.config.training import TrainingConfig
from taumltools.features.cells import Cells
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.training.batches import Batch
from taumltools.training.layout import Form
from taumltools.training.loader import Loader
from taumltools.training.shapes import CELL_STEP, LENGTH_STEP, padded_size
from taumltools.tuples.data import Collection

ENTRIES = 98_304
"""Candidates: six blocks of a file."""

PART = 8192
"""Candidates made at a time."""

OBJECTS = {
    "pfcand_chHad": 22.0, "pfcand_gamma": 16.0, "pfcand_nHad": 4.0, "pfcand_electron": 0.3, "pfcand_muon": 0.2,
    "electron": 0.4, "muon": 0.3,
}  # fmt: skip
"""Mean number of objects of a candidate."""

CELLS = {"inner": 12.0, "outer": 35.0}
"""Mean number of filled cells of a candidate."""

BATCH = 250
"""Entries of a step, as in the training of DeepTau v2.5."""

STEP_S = 0.01
"""Time of a step of a network that runs elsewhere, as on a GPU."""


def run(entries: int = ENTRIES) -> list[dict]:
    """Measure speed per CPU second, waste of padding, memory over an epoch, and what threads bring.

    Args:
        entries: synthetic candidates.

    Returns:
        Rows with ``name``, ``value`` and ``unit``.
    """
    features = load_campaign("demo", "features=deeptau_v2p5").features
    config = TrainingConfig(batch_size=BATCH, cache_mb=0, window=32_768)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flat.h5")
        write_flat(path, synthetic(features, entries), config=features)
        size = path.stat().st_size / entries
        rows = [{"name": "file, per tau", "value": round(size), "unit": "bytes"}]
        rows += _forms(path, features, config)
        rows += _memory(path, features, config)
        rows += _threads(path, features, config)
    return rows


def synthetic(features: FeaturesConfig, entries: int, seed: int = 1) -> Iterator[FlatTuples]:
    """Flat tuples with the columns of a definition; a third of the features are whole numbers, a quarter often NaN."""
    rng = np.random.default_rng(seed)
    blocks = features.blocks()

    def columns(block: str, size: int) -> dict[str, np.ndarray]:
        made = {name: rng.normal(size=size).astype(np.float32) for name in blocks.get(block, ())}
        for i, column in enumerate(made.values()):
            if i % 3 == 0:
                np.round(column * 5, out=column)
            if i % 4 == 0:
                column[rng.random(size, np.float32) < 0.4] = np.nan
        return made

    for start in range(0, entries, PART):
        n = min(PART, entries - start)
        objects = {}
        for block in features.objects:
            offsets = np.concatenate([[0], np.cumsum(rng.poisson(OBJECTS[block], n))])
            objects[block] = Collection(offsets, columns(block, int(offsets[-1])))
        cells = {name: _cells(rng, objects, grid.n_cells, CELLS[name]) for name, grid in features.cells.grids.items()}
        index = {
            "run": np.ones(n, np.uint32),
            "lumi": np.ones(n, np.uint32),
            "evt": np.arange(start, start + n, dtype=np.uint64),
            "tau_type": rng.integers(0, 4, n).astype(np.int8),
            "tau_pt": rng.uniform(20, 1000, n).astype(np.float32),
            "tau_eta": rng.uniform(-2.5, 2.5, n).astype(np.float32),
        }
        yield FlatTuples(index, columns("taus", n), objects, cell_features=columns("cell_features", n), cells=cells)


def _cells(rng: np.random.Generator, objects: dict[str, Collection], n_cells: int, mean: float) -> Cells:
    """Filled cells; numbers of candidates vary more than a Poisson distribution, as pile-up makes them."""
    n = len(next(iter(objects.values())))
    counts = np.minimum(rng.negative_binomial(6, 6 / (6 + mean), n), n_cells)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    order = rng.random((n, n_cells), np.float32).argsort(axis=1)
    chosen = np.where(np.arange(n_cells) < counts[:, None], order, n_cells)
    chosen.sort(axis=1)
    owner = np.repeat(np.arange(n), counts)
    references = {}
    for name, block in objects.items():
        share = min(OBJECTS[name] / sum(OBJECTS.values()) * 1.2, 1.0)  # some cells hold several kinds
        filled = (block.counts[owner] > 0) & (rng.random(len(owner)) < share)
        references[name] = np.where(filled, rng.integers(0, np.maximum(block.counts[owner], 1)), -1).astype(np.int32)
    return Cells(offsets, chosen[chosen < n_cells].astype(np.uint16), references)


def dense_grids(batch: Batch, features: FeaturesConfig) -> dict[str, np.ndarray]:
    """The same batch as the dense grids that other loaders build, zero where a cell is empty."""
    made = {"taus": batch.inputs["taus"]}
    for grid, cells in features.cells.grids.items():
        number = batch.inputs[f"{grid}_cell"]
        filled = number < len(batch) * cells.n_cells
        for component in features.cells.components:
            rows = batch.inputs[f"{grid}_{component}"]
            values = np.zeros((len(batch) * cells.n_cells, rows.shape[1]), np.float32)
            values[number[filled]] = rows[filled]
            made[f"{grid}_{component}"] = values.reshape(len(batch), cells.n_eta, cells.n_phi, -1)
    return made


def _row(name: str, value: float, unit: str = "taus/s") -> dict:
    return {"name": name, "value": round(value, 2) if value < 100 else round(value), "unit": unit}


def _rate(batches: Iterator[Batch]) -> float:
    start = time.process_time()
    entries = sum(len(batch) for batch in batches)
    return entries / (time.process_time() - start)


def _forms(path: Path, features: FeaturesConfig, config: TrainingConfig) -> list[dict]:
    rows = []
    for form in ("cells", "sets"):
        loader = Loader([path], features, config, form)
        rows.append(_row(f"{form}, streamed", _rate(loader.train_batches(1))))
        kept = Loader([path], features, dataclasses.replace(config, cache_mb=10_000), form)
        rows.append(_row(f"{form}, in memory", _rate(kept.train_batches(1))))
        if form == "cells":
            few = (batch for _, batch in zip(range(60), kept.train_batches(1), strict=False))
            start = time.process_time()
            entries = sum(len(dense_grids(batch, features)["taus"]) for batch in few)
            rows.append(_row("dense grids, in memory", entries / (time.process_time() - start)))
        rows += _padding(kept, form)
    return rows


def _padding(loader: Loader, form: Form) -> list[dict]:
    """Distinct shapes of an epoch, and padded over real rows, for several numbers of sizes per octave."""
    sizes: dict[str, list[int]] = {}
    slots = 0
    for batch in loader.train_batches(1):
        for name, values in batch.inputs.items():
            if form == "cells" and name.endswith("_cell"):
                grid = loader.layout.grids[name.removesuffix("_cell")]
                sizes.setdefault(name, []).append(int((values < len(batch) * grid).sum()))
            if form == "sets" and name.endswith("_mask"):
                sizes.setdefault(name, []).append(int(values.sum(axis=1).max()))
                slots += int(values.sum())
    least = CELL_STEP if form == "cells" else LENGTH_STEP
    rows = []
    for steps in (8, 16, 32):
        padded = {name: [padded_size(size, least, steps) for size in real] for name, real in sizes.items()}
        shapes = len(set(zip(*padded.values(), strict=True)))
        total = sum(map(sum, padded.values()))
        waste = (
            total / sum(map(sum, sizes.values())) - 1 if form == "cells" else 1 - slots / (total * loader.batch_size)
        )
        rows.append(_row(f"{form}, padding, {steps} sizes an octave", 100 * waste, "%"))
        rows.append(_row(f"{form}, shapes, {steps} sizes an octave", shapes, "shapes"))
    return rows


def _memory(path: Path, features: FeaturesConfig, config: TrainingConfig) -> list[dict]:
    """Resident memory while two epochs are streamed."""
    loader = Loader([path], features, config, "cells")
    seen: list[list[float]] = []
    for epoch in (1, 2):
        seen.append([_resident_mb() for step, _ in enumerate(loader.train_batches(1, epoch)) if step % 10 == 0])
    return [_row(f"cells, memory, largest of epoch {i + 1}", max(epoch), "MB") for i, epoch in enumerate(seen)]


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def _threads(path: Path, features: FeaturesConfig, config: TrainingConfig) -> list[dict]:
    """Wall time of the loader alone, and beside a network that takes its time elsewhere."""
    rows = []
    for workers in (0, 1, 2):
        loader = Loader([path], features, dataclasses.replace(config, workers=workers), "cells")
        for label, step in (("alone", 0.0), (f"beside steps of {1000 * STEP_S:.0f} ms", STEP_S)):
            start, entries = time.perf_counter(), 0
            for batch in loader.train_batches(1):
                entries += len(batch)
                time.sleep(step)
            rows.append(_row(f"cells, {workers} threads, {label}, wall", entries / (time.perf_counter() - start)))
    return rows


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:<50} {row['value']:>12,} {row['unit']}")
