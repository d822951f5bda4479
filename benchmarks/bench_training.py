"""Loader alone, training step, prediction: ``python benchmarks/bench_training.py``."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

from taumltools.config import load_campaign
from taumltools.features.flat import FlatTuples, make_flat, write_flat
from taumltools.features.scaling import load_scaling, make_scaling, sum_features
from taumltools.training.loader import Loader
from taumltools.tuples.mock import mock_tuples

ENTRIES = 20_000
"""Mock candidates with about 20 PF candidates each within the cone."""


def run(entries: int = ENTRIES) -> list[dict]:
    """Measure with the features, network and batch size of the demo.

    Args:
        entries: mock candidates.

    Returns:
        Rows with ``name``, ``value`` and ``unit``; loader per CPU second, network per wall second.
    """
    campaign = load_campaign("demo")
    flat = make_flat(mock_tuples(entries), campaign.features)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flat.h5")
        write_flat(path, [flat], config=campaign.features)
        cached = Loader([path], campaign.features, campaign.training)
        streamed = Loader([path], campaign.features, dataclasses.replace(campaign.training, cache_mb=0))
        scaling = make_scaling(sum_features(path, campaign.features), campaign.features)
        rows = [_loader("in memory", cached), _loader("streamed", streamed), *_network(campaign, scaling, cached, flat)]
    return rows


def _rate(name: str, entries: int, seconds: float) -> dict:
    return {"name": name, "value": round(entries / seconds), "unit": "taus/s"}


def _loader(label: str, loader: Loader) -> dict:
    start = time.process_time()
    entries = sum(len(batch) for batch in loader.train_batches(1))
    return _rate(f"loader: {label}", entries, time.process_time() - start)


def _network(campaign: Any, scaling: dict, loader: Loader, flat: FlatTuples) -> list[dict]:
    from taumltools.training.losses import make_loss
    from taumltools.training.models import build_model
    from taumltools.training.network import Network
    from taumltools.training.optimizer import make_optimizer

    model = build_model(campaign.model, campaign.features, load_scaling(scaling, campaign.features))
    model.compile(
        optimizer=make_optimizer(campaign.training),
        loss=make_loss(campaign.training.loss),
        jit_compile=campaign.training.jit_compile,
    )
    batches = list(loader.train_batches(1))
    for batch in batches[:2]:  # compiles
        model.train_on_batch(batch.inputs, batch.target, batch.weight)
    start = time.perf_counter()
    for batch in batches:
        model.train_on_batch(batch.inputs, batch.target, batch.weight)
    rows = [_rate("training step", sum(map(len, batches)), time.perf_counter() - start)]
    network = Network.of(model)
    network.predict(flat.slice(0, 2048))
    start = time.perf_counter()
    network.predict(flat)
    return [*rows, _rate("prediction", len(flat), time.perf_counter() - start)]


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:<40} {row['value']:>12,} {row['unit']}")
