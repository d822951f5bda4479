"""Small shuffled samples for the tests of the validation."""

from __future__ import annotations

import numpy as np

from taumltools.config.validation import ValidationConfig
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.validation import Verdict, names_by_hash, validate_counts
from taumltools.sampling.validation_counts import PartCounter
from taumltools.sampling.validation_tables import Counts
from taumltools.tuples.data import Tuples

DATASETS = {"dy": "signal", "tt": "signal", "qcd": "jets", "wjets": "jets", "rare": "jets"}
SHARES = np.array([0.3, 0.15, 0.4, 0.14, 0.01])
NAMES = names_by_hash([*DATASETS, *DATASETS.values()])
SMALL = ValidationConfig(chunks=4)


def entries(rng: np.random.Generator, n: int, per_event: int = 2, lumi: int = 1) -> Tuples:
    """Entries in event order: exact shares of datasets; the candidates of an event are alike."""
    events = -(-n // per_event)

    def each(values):
        return np.repeat(values, per_event)[:n]

    shares = np.diff(np.rint(np.cumsum([0, *SHARES]) * events).astype(int))
    dataset = each(rng.permutation(np.repeat(np.arange(len(DATASETS)), shares)))
    common, eta = each(rng.normal(size=events)), each(rng.uniform(-2.2, 2.2, events))
    return Tuples(
        {
            "run": np.ones(n, np.uint32),
            "lumi": np.full(n, lumi, np.uint32),
            "evt": each(np.arange(events, dtype=np.uint64)),
            "sampleType": np.ones(n, np.int32),
            "tauType": each(rng.choice(4, events, p=[0.1, 0.1, 0.3, 0.5])).astype(np.int32),
            "dataset_id": np.array([hash_name(str(name)) for name in DATASETS], np.uint64)[dataset],
            "dataset_group_id": np.array([hash_name(DATASETS[name]) for name in DATASETS], np.uint64)[dataset],
            "tau_pt": (20 + np.exp(3 + 0.5 * common + 0.5 * rng.normal(size=n))).astype(np.float32),
            "tau_eta": (eta + rng.normal(0, 0.05, n)).astype(np.float32),
            "trainingWeight": np.ones(n, np.float32),
        }
    )


def count(tuples: Tuples, config: ValidationConfig = SMALL, name: str = "part_0", step: int = 3000) -> Counts:
    """Counts of a part, in blocks."""
    counter = PartCounter(name, len(tuples), config, weighted="trainingWeight" in tuples)
    for start in range(0, len(tuples), step):
        counter.add(tuples.slice(start, min(start + step, len(tuples))))
    return counter.result()


def honest(rng: np.random.Generator, parts: int = 3, n: int = 6000, per_event: int = 2) -> list[Tuples]:
    """Parts of whole events, each with its entries permuted."""
    return [entries(rng, n, per_event, lumi).take(rng.permutation(n)) for lumi in range(parts)]


def verdict_of(parts: list[Tuples], config: ValidationConfig = SMALL) -> Verdict:
    """The verdict on parts in memory."""
    counts = (count(tuples, config, f"part_{number}") for number, tuples in enumerate(parts))
    return validate_counts(counts, config, NAMES)
