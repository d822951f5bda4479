"""Simulated samples that the tests of this folder share: small, and made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.production.candidates import Candidates
from taumltools.production.pileup import generate_pileup
from taumltools.production.pythia import generate, make_generator
from taumltools.production.reconstruction import reconstruct_batch
from taumltools.production.simulate import simulate
from taumltools.production.stable import Stable
from taumltools.production.table import offsets_from_counts
from taumltools.tuples.data import Tuples

DATASETS = Path(__file__).resolve().parents[3] / "configs" / "datasets"


@pytest.fixture(scope="session")
def config():
    """The default settings with a small pool."""
    return ProductionConfig(pileup={"pool_events": 300})


@pytest.fixture(scope="session")
def load_dataset():
    def load(name):
        return DatasetConfig(**yaml.safe_load((DATASETS / f"{name}.yaml").read_text(encoding="utf-8"))[name])

    return load


@pytest.fixture(scope="session")
def pool(config):
    return generate_pileup(config, np.random.SeedSequence(1))


@pytest.fixture(scope="session")
def make_tuples(config, pool, load_dataset):
    """Simulate once per dataset and number of events."""
    made = {}

    def make(name, events):
        if (name, events) not in made:
            seed = np.random.SeedSequence(7)
            parts = simulate(
                load_dataset(name),
                config,
                events=events,
                seed=seed,
                pileup=pool,
                run=1,
                lumi=2,
                first_event=1001,
                label=name,
            )
            made[name, events] = Tuples.concatenate(list(parts))
        return made[name, events]

    return make


@pytest.fixture(scope="session")
def taus(make_tuples):
    """H to tau tau, 1500 events."""
    return make_tuples("htautau", 1500)


@pytest.fixture(scope="session")
def particles(config, load_dataset):
    """The event record of 1500 H to tau tau events."""
    lines = (*config.generator, *load_dataset("htautau").process)
    return generate(make_generator("htautau", lines, energy=config.energy, seed=11), 1500, dataset="htautau")[0]


@pytest.fixture(scope="session")
def batch(config, pool, load_dataset):
    """One reconstructed batch of 150 H to tau tau events."""
    lines = (*config.generator, *load_dataset("htautau").process)
    events, weight = generate(make_generator("htautau", lines, energy=config.energy, seed=5), 150, dataset="htautau")
    return reconstruct_batch(events, weight, pool, config, np.random.default_rng(3))


@pytest.fixture(scope="session")
def make_candidates():
    """Candidates of one or more events from (kind, charge, pt, eta, phi) rows."""

    def make(*events, **columns):
        rows = np.array([row for event in events for row in event], float).reshape(-1, 5)
        n = len(rows)
        pt, eta = rows[:, 2], rows[:, 3]
        charged = rows[:, 1] != 0
        defaults = {
            "energy": pt * np.cosh(eta),
            "dxy": np.zeros(n),
            "dz": np.zeros(n),
            "dxy_error": np.where(charged, 0.002, 0.0),
            "dz_error": np.where(charged, 0.003, 0.0),
            "calo_fraction": np.ones(n),
            "hcal_fraction": np.full(n, 0.5),
            "chi2": np.ones(n),
            "vertex_z": np.zeros(n),
        }
        small = {name: np.zeros(n, np.int8) for name in ("n_pixel", "n_strip", "lost_inner", "lepton", "pileup")}
        floats = {"pt": pt, "eta": eta, "phi": rows[:, 4], **defaults}
        everything = {name: values.astype(np.float32) for name, values in floats.items()} | small
        everything |= {"kind": rows[:, 0].astype(np.int8), "charge": rows[:, 1].astype(np.int8)}
        for name, values in columns.items():
            everything[name] = np.asarray(values, everything[name].dtype)
        return Candidates(offsets_from_counts(np.array([len(e) for e in events])), **everything)

    return make


@pytest.fixture(scope="session")
def make_stable():
    """n identical particles of one kind, all in one event."""

    def make(n, *, code, charge, pt=10.0, eta=0.5, radius=0.0):
        floats = {"pt": pt, "eta": eta, "phi": 0.3, "energy": pt * np.cosh(eta), "dxy": 0.0, "dz": 0.0}
        return Stable(
            offsets=np.array([0, n]),
            code=np.full(n, code, np.int32),
            charge=np.full(n, charge, np.int8),
            converted=np.zeros(n, bool),
            radius=np.full(n, radius, np.float32),
            **{name: np.full(n, value, np.float32) for name, value in floats.items()},
        )

    return make
