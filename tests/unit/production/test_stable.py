from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.stable import NEUTRINOS, stable_particles, visible


def test_neutrinos_and_unstable_particles_are_left_out(particles):
    mask = visible(particles)
    assert not np.isin(np.abs(particles.pdg_id[mask]), NEUTRINOS).any()
    assert np.all(particles.status[mask] > 0)


def test_acceptance(particles):
    stable = stable_particles(particles, max_eta=2.0, min_pt=1.0)
    assert np.abs(stable.eta).max() < 2.0
    assert stable.pt.min() > 1.0
    assert stable.n_events == particles.n_events


def test_prompt_particles_have_no_impact_parameter(particles):
    stable = stable_particles(particles, max_eta=2.5, min_pt=0.5)
    prompt = stable.radius < 1e-9
    assert prompt.mean() > 0.1
    assert np.abs(stable.dxy[prompt]).max() < 1e-6


def test_line_passes_the_production_point(particles):
    """The impact parameter is the distance of the line from the axis, so it never exceeds the radius."""
    stable = stable_particles(particles, max_eta=2.5, min_pt=0.5)
    assert np.all(np.abs(stable.dxy) <= stable.radius * 1.0001 + 1e-6)


def test_pions_of_taus_have_impact_parameters_of_a_hundred_micrometres(particles):
    stable = stable_particles(particles, max_eta=2.5, min_pt=5.0)
    displaced = (stable.code == 211) & (stable.radius > 0.01) & (stable.radius < 2.0)
    assert np.median(np.abs(stable.dxy[displaced])) == pytest.approx(0.006, abs=0.004)
