"""Jets beside the pair: cleaning, a model of b-tagging, branches."""

from __future__ import annotations

import numpy as np

from taumltools.config.htt_events import EventJetConfig
from taumltools.htt.events_truth import BOTTOM, CHARM
from taumltools.htt.mock import UNDEFINED
from taumltools.production.clustering import Jets
from taumltools.production.geometry import cartesian, delta_r, invariant_mass

JET_BRANCHES = 2
"""Jets, and b jets, that have branches."""


def tag_b_jets(jets: Jets, flavour: np.ndarray, config: EventJetConfig, rng: np.random.Generator) -> np.ndarray:
    """Which jets are b-tagged: drawn at random by the generated flavour, since the simulation has no secondary vertices.

    The probabilities are constants of the settings; a real tagger's depend on momentum and direction.

    Args:
        jets: reconstructed jets.
        flavour: of each, from :func:`taumltools.htt.events_truth.jet_flavours`.
        config: probabilities and acceptance.
        rng: source of randomness.

    Returns:
        Mask of shape (len(jets),).
    """
    chance = np.full(len(jets), config.b_efficiency["light"])
    chance[flavour == CHARM] = config.b_efficiency["c"]
    chance[flavour == BOTTOM] = config.b_efficiency["b"]
    inside = (jets.pt > config.b_min_pt) & (np.abs(jets.eta) < config.b_max_eta)
    return inside & (rng.random(len(jets)) < chance)


def apart_from_legs(jets: Jets, legs: list[tuple[np.ndarray, np.ndarray]], distance: float) -> np.ndarray:
    """Mask of jets that are not a leg of their event.

    Args:
        jets: reconstructed jets.
        legs: eta and phi of legs by event, shape (n_events,) each; NaN where there is none.
        distance: in (eta, phi).
    """
    event = jets.event
    near = [delta_r(jets.eta, jets.phi, eta[event], phi[event]) <= distance for eta, phi in legs]
    return ~np.any(near, axis=0)


def leading(jets: Jets, mask: np.ndarray, number: int) -> np.ndarray:
    """Row of the jet of a number (0 is the hardest) of each event among those in the mask, -1 for none.

    Args:
        jets: jets, falling in pt inside each event.
        mask: which count.
        number: from 0.

    Returns:
        int64, shape (n_events,).
    """
    rows = np.flatnonzero(mask)
    event = jets.event[rows]
    place = np.arange(len(rows)) - np.searchsorted(event, event)
    found = np.full(jets.n_events, -1, np.int64)
    found[event[place == number]] = rows[place == number]
    return found


def jet_columns(jets: Jets, good: np.ndarray, tagged: np.ndarray) -> dict[str, np.ndarray]:
    """Branches of jets.

    Args:
        jets: reconstructed jets.
        good: mask of those that count in ``njets``.
        tagged: mask of b-tagged ones.

    Returns:
        By name, shape (n_events,): numbers int32, others float32; momenta and masses in GeV, angles in rad.
    """
    columns = {
        "njets": np.bincount(jets.event[good], minlength=jets.n_events).astype(np.int32),
        "nbtag": np.bincount(jets.event[tagged], minlength=jets.n_events).astype(np.int32),
    }
    hardest = [leading(jets, good, number) for number in range(JET_BRANCHES)]
    for number, rows in enumerate(hardest):
        columns |= {f"j{name}_{number + 1}": _values(getattr(jets, name), rows) for name in ("pt", "eta", "phi")}
    for number in range(JET_BRANCHES):
        columns[f"bpt_{number + 1}"] = _values(jets.pt, leading(jets, tagged, number))
    return columns | _dijet(jets, *hardest)


def _values(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values of rows, undefined for -1."""
    found = np.full(len(rows), UNDEFINED, np.float32)
    found[rows >= 0] = values[rows[rows >= 0]]
    return found


def _dijet(jets: Jets, first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
    """Distance in eta and mass of the two hardest jets."""
    both = second >= 0
    one, two = first[both], second[both]
    deta, mass = np.full(len(first), UNDEFINED, np.float32), np.full(len(first), UNDEFINED, np.float32)
    deta[both] = np.abs(jets.eta[one] - jets.eta[two])
    momenta = [cartesian(jets.pt[rows], jets.eta[rows], jets.phi[rows], jets.mass[rows]) for rows in (one, two)]
    mass[both] = invariant_mass(*(a + b for a, b in zip(*momenta, strict=True)))
    return {"jdeta": deta, "mjj": mass}
