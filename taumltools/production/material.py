"""The tracker as radiator: photon conversions and bremsstrahlung of electrons."""

from __future__ import annotations

import dataclasses

import numpy as np

from taumltools.config.production import MaterialConfig
from taumltools.production.geometry import fold_phi
from taumltools.production.stable import ELECTRON, PHOTON, Stable

MAX_BEND = 0.12
"""Largest azimuth in rad between the two products."""

CONVERSION_SPREAD = 0.02
"""Impact parameters of conversion electrons, cm: they are born in the tracker."""


def radiation_lengths(eta: np.ndarray, config: MaterialConfig) -> np.ndarray:
    """Thickness of the tracker in radiation lengths.

    Examples:
        >>> radiation_lengths(np.array([0.0, 3.0]), MaterialConfig()).round(3).tolist()
        [0.25, 0.646]
    """
    return config.x0_central + config.x0_slope * np.minimum(np.abs(eta), config.max_eta)


def pass_material(particles: Stable, config: MaterialConfig, rng: np.random.Generator) -> Stable:
    """Let photons convert to e+ e- and electrons radiate one photon.

    Args:
        particles: particles at production.
        config: thickness and probabilities.
        rng: source of randomness.

    Returns:
        The particles behind the tracker; a product shares the energy of its parent.
    """
    thickness = radiation_lengths(particles.eta, config)
    u = rng.random(len(particles))
    converts = (particles.code == PHOTON) & (particles.pt > config.conversion_min_pt)
    converts &= (np.abs(particles.eta) < 2.5) & (u < config.conversion * thickness)
    radiates = (particles.code == ELECTRON) & (particles.pt > config.brem_min_pt) & (u < config.brem * thickness)
    rows = np.flatnonzero(converts | radiates)
    conversion = converts[rows]
    n = len(rows)
    kept = np.where(conversion, rng.uniform(0.1, 0.9, n), 1.0 - rng.beta(0.7, 2.2, n)).astype(np.float32)
    sign = np.where(rng.random(n) < 0.5, 1, -1)
    bend = np.minimum(2.0 * config.bend / particles.pt[rows] * rng.random(n), MAX_BEND).astype(np.float32)

    first = {name: column.copy() for name, column in particles.columns().items()}
    second = {name: column[rows] for name, column in particles.columns().items()}
    for name in ("pt", "energy"):
        first[name][rows] *= kept
        second[name] = second[name] * (1 - kept)
    shift = np.where(conversion, sign, particles.charge[rows]) * bend
    first["phi"][rows] += np.where(conversion, 0.5 * shift, 0.0)
    second["phi"] = second["phi"] - np.where(conversion, 0.5, 1.0) * shift
    first["code"][rows] = ELECTRON
    second["code"] = np.where(conversion, ELECTRON, PHOTON).astype(np.int32)
    first["charge"][rows] = np.where(conversion, -sign, particles.charge[rows])
    second["charge"] = np.where(conversion, sign, 0).astype(np.int8)
    first["converted"][rows] |= conversion
    second["converted"] = conversion
    for leg, index in ((first, rows[conversion]), (second, np.flatnonzero(conversion))):
        for name in ("dxy", "dz"):
            leg[name][index] = rng.normal(0.0, CONVERSION_SPREAD, len(index))
        leg["radius"][index] = rng.uniform(3.0, 30.0, len(index))
    for leg in (first, second):
        leg["phi"] = fold_phi(leg["phi"]).astype(np.float32)
    products = dataclasses.replace(particles.take(rows), **second)
    return Stable.merge([dataclasses.replace(particles, **first), products])
