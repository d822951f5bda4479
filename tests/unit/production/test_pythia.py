from __future__ import annotations

import numpy as np
import pytest

from taumltools.errors import ConfigError, InputError
from taumltools.production.pythia import MAX_SEED, generate, make_generator, pythia_seed

Z_TO_EE = ("WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", "23:onIfAny = 11", "PartonLevel:MPI = off")


@pytest.fixture(scope="module")
def generator():
    return make_generator("zee", Z_TO_EE, energy=13600.0, seed=3)


def test_exactly_the_events_asked_for(generator):
    particles, weight = generate(generator, 7, dataset="zee")
    assert particles.n_events == 7
    assert weight.tolist() == [1.0] * 7
    assert {len(column) for column in particles.columns().values()} == {len(particles)}


def test_momentum_balances_in_every_event(generator):
    particles, _ = generate(generator, 20, dataset="zee")
    final = particles.status > 0
    px = np.bincount(particles.event[final], weights=particles.px[final])
    energy = np.bincount(particles.event[final], weights=particles.energy[final])
    assert np.abs(px).max() < 1e-3
    assert energy == pytest.approx(np.full(20, 13600.0), rel=1e-6)


def test_production_points_are_in_cm(particles):
    """The fathers of tau decay products fly 0.3 cm on average; in mm it would be ten times that."""
    mother = particles.mother + np.repeat(particles.offsets[:-1], np.diff(particles.offsets))
    of_tau = (np.abs(particles.pdg_id[mother]) == 15) & (particles.status > 0) & (np.abs(particles.pdg_id) == 16)
    flight = np.sqrt(sum(getattr(particles, f"v{axis}")[of_tau] ** 2 for axis in "xyz"))
    assert of_tau.sum() > 2000
    # gamma beta c tau for E = m_H / 2 is 0.31 cm at rest, more with the boost of the Higgs boson
    assert 0.25 < flight.mean() < 1.6
    assert 0.15 < np.median(flight) < 0.6


def test_particles_of_the_collision_itself_start_at_the_origin(particles):
    early = particles.status == -21
    assert early.any()
    assert np.all(particles.vx[early] == 0.0)


def test_refused_line_is_named_with_its_dataset():
    with pytest.raises(ConfigError, match=r"dataset 'zee'.*'Z:nonsense = on'"):
        make_generator("zee", (*Z_TO_EE, "Z:nonsense = on"), energy=13600.0, seed=3)


def test_lines_without_process_are_refused():
    with pytest.raises(ConfigError, match="dataset 'empty': Pythia cannot start"):
        make_generator("empty", ("ProcessLevel:all = on",), energy=13600.0, seed=3)


def test_a_generator_that_gives_up_is_an_input_error():
    class Broken:
        def nextBatch(self, n):  # noqa: N802
            return []

    with pytest.raises(InputError, match="dataset 'x': Pythia produced 0 of 5 events"):
        generate(Broken(), 5, dataset="x")


def test_skipped_events_are_replaced(generator):
    class Skipping:
        def nextBatch(self, n):  # noqa: N802
            return generator.nextBatch(max(n - 2, 1))

    particles, weight = generate(Skipping(), 5, dataset="zee")
    assert particles.n_events == len(weight) == 5


def test_seeds_are_in_the_range_of_pythia_and_differ():
    seeds = {pythia_seed(np.random.SeedSequence(i)) for i in range(200)}
    assert len(seeds) == 200
    assert min(seeds) >= 1
    assert max(seeds) <= MAX_SEED
