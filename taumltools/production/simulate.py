"""Produce TauTuple entries of one dataset, batch by batch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.errors import ConfigError
from taumltools.production.pileup import PileupPool
from taumltools.production.pythia import generate, make_generator, pythia_seed
from taumltools.production.reconstruction import reconstruct_batch
from taumltools.production.selection import GenTaus, select
from taumltools.production.tautuple import fill
from taumltools.progress import progress
from taumltools.tuples.data import Tuples

logger = logging.getLogger(__name__)


def batch_sizes(events: int, batch: int) -> list[int]:
    """Sizes of the batches that make up ``events``; all but the last are full.

    Examples:
        >>> batch_sizes(600, 250)
        [250, 250, 100]
    """
    return [min(batch, events - start) for start in range(0, events, batch)]


def simulate(
    dataset: DatasetConfig,
    config: ProductionConfig,
    *,
    events: int,
    seed: np.random.SeedSequence,
    pileup: PileupPool,
    run: int,
    lumi: int,
    first_event: int,
    label: str = "",
    account: dict[str, Any] | None = None,
) -> Iterator[Tuples]:
    """Simulate one dataset.

    Args:
        dataset: process to generate.
        config: detector, pile-up and reconstruction.
        events: events to generate.
        seed: the same seed gives the same content.
        pileup: pool of soft collisions.
        run: number of the run.
        lumi: number of the luminosity section.
        first_event: number of the first event; event i has the number ``first_event + i``.
        label: name of the dataset in messages; its title if empty.
        account: how many entries the dataset's selection left out is added to it.

    Yields:
        One table per batch of ``config.batch_events`` events; all tables have the same
        columns.  A batch without candidates gives a table without rows.

    Raises:
        ConfigError: the dataset is not simulated, or Pythia refuses one of its settings.
        InputError: the process leaves no phase space.
    """
    name = label or dataset.title
    if dataset.source != "pythia":
        raise ConfigError(f"dataset '{name}' comes from '{dataset.source}', only 'pythia' datasets are simulated")
    lines = (*config.generator, *dataset.process, *dataset.generator)
    generator = make_generator(name, lines, energy=config.energy, seed=pythia_seed(seed))
    rng = np.random.default_rng(seed)
    start = first_event
    sizes = batch_sizes(events, config.batch_events)
    for size in progress(sizes, total=len(sizes), label=f"{name}: simulating", unit="batch"):
        particles, weight = generate(generator, size, dataset=name)
        batch = reconstruct_batch(particles, weight, pileup, config, rng)
        leptons = batch.leptons
        gen = GenTaus(leptons.event, leptons.kind, leptons.pt, leptons.eta)
        table = fill(batch, config, run=run, lumi=lumi, first_event=start)
        yield select(table, batch.entries.event, gen, dataset, {} if account is None else account)
        start += size
