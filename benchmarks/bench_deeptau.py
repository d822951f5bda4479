"""DeepTau v2.5 on filled cells and on dense grids, side by side: ``python benchmarks/bench_deeptau.py``.

Both networks have the same widths and see the same batches, at the occupancy of real tuples.  Each has a
process of its own, and they take turns step by step, so that other load on the machine meets both alike.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

FILLED = {"inner": 12, "outer": 35}
"""Mean number of filled cells per tau candidate."""

BATCH = 250
STEPS = 6
WORK = {"step": "training step", "predict": "prediction"}
"""What is measured, and how the table calls it."""

ROOT = Path(__file__).resolve().parents[1]


def run(batch: int = BATCH, steps: int = STEPS) -> list[dict]:
    """Measure training steps and predictions.

    Args:
        batch: tau candidates per step.
        steps: steps and predictions of each network after one that compiles.

    Returns:
        Rows with ``name``, ``value`` and ``unit``; times are medians, memory is what a process needs at most
        beyond what it has after its imports.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for form in ("sparse", "dense"):
        pipes[form], child = context.Pipe()
        processes.append(context.Process(target=_work, args=(form, batch, child)))
        processes[-1].start()
    seconds = {work: _take_turns(pipes, work, steps) for work in WORK}
    memory = {}
    for form, pipe in pipes.items():
        pipe.send("stop")
        memory[form] = pipe.recv()
    for process in processes:
        process.join()
    return _rows(seconds, memory, batch)


def _take_turns(pipes: dict[str, Connection], work: str, steps: int) -> dict[str, float]:
    """Median seconds of a piece of work by form, after one that compiles; memory is measured after all of it."""
    times: dict[str, list[float]] = {form: [] for form in pipes}
    for _ in range(steps + 1):
        for form, pipe in pipes.items():
            pipe.send(work)
            times[form].append(pipe.recv())
    return {form: statistics.median(values[1:]) for form, values in times.items()}


def _rows(seconds: dict[str, dict[str, float]], memory: dict[str, float], batch: int) -> list[dict]:
    rows = []
    for form in memory:
        for work, title in WORK.items():
            rows += [
                {"name": f"{form}: {title} of {batch}", "value": seconds[work][form], "unit": "s"},
                {"name": f"{form}: {title}", "value": batch / seconds[work][form], "unit": "taus/s"},
            ]
        rows.append({"name": f"{form}: memory", "value": memory[form], "unit": "MB"})
    ratios = {title: seconds[work]["dense"] / seconds[work]["sparse"] for work, title in WORK.items()}
    return [
        *rows,
        *({"name": f"{title}: time, dense / sparse", "value": ratio, "unit": ""} for title, ratio in ratios.items()),
        {"name": "memory, sparse / dense", "value": memory["sparse"] / memory["dense"], "unit": ""},
    ]


def _work(form: str, batch: int, pipe: Connection) -> None:
    """A process: make the network, then one piece of work per message."""
    work, before = _prepare(form, batch)
    while (wanted := pipe.recv()) in work:
        start = time.perf_counter()
        work[wanted]()
        pipe.send(time.perf_counter() - start)
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6 - before)


def _prepare(form: str, batch: int) -> tuple[dict[str, Callable[[], Any]], float]:
    """What a network can do, and MB in use before there was one."""
    sys.path.insert(0, str(ROOT))
    from taumltools.config.model import ModelConfig
    from taumltools.training.losses import make_loss
    from taumltools.training.models import build_model
    from tests.unit.training import deeptau_case as case
    from tests.unit.training import dense_deeptau

    before = _resident()
    features = case.v2p5_features()
    inputs = case.random_cells(features, batch, FILLED)
    if form == "dense":
        inputs = case.to_dense(features, inputs)
        model = dense_deeptau.dense_v2p5()
    else:
        model = build_model(ModelConfig(name="deeptau"), features, case.no_scaling(features))
    import keras

    model.compile(optimizer=keras.optimizers.Nadam(1e-3), loss=make_loss("tau_crossentropy_v2"), jit_compile=False)
    target = np.eye(4, dtype=np.float32)[np.random.default_rng(2).integers(0, 4, batch)]
    weight = np.ones(batch, np.float32)
    return {
        "predict": lambda: model.predict_on_batch(inputs),
        "step": lambda: model.train_on_batch(inputs, target, weight),
    }, before


def _resident() -> float:
    """MB of memory this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:<40} {row['value']:>12,.4g} {row['unit']}")
