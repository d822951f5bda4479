"""The pair of an event, and quantities of the pair and the missing momentum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.config.htt_events import EventMassConfig
from taumltools.htt.events_legs import Legs
from taumltools.htt.events_mass import Momenta, likelihood_mass, visible_mass
from taumltools.production.entries import pairs
from taumltools.production.geometry import delta_r
from taumltools.production.tagging import best_of_event, transverse_mass


@dataclass(frozen=True)
class Pairs:
    """The chosen pair of each selected event.

    Attributes:
        event: event of each pair, int64, ascending; no event twice.
        first: row of the first leg.
        second: row of the second leg, in its own table.
    """

    event: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: np.ndarray) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.event[rows], self.first[rows], self.second[rows])


def choose_pairs(first: Legs, second: Legs, min_distance: float) -> Pairs:
    """The best pair of each event: of the most genuine legs, then of the highest sum of momenta.

    Args:
        first: candidates for the first leg.
        second: for the second; the same table if both legs are of one kind, and the first leg is then the harder one.
        min_distance: in (eta, phi).

    Returns:
        Pairs of events that have one.
    """
    left, right = pairs(first.event, second.offsets)
    good = delta_r(second.eta[right], second.phi[right], first.eta[left], first.phi[left]) > min_distance
    # the same track is no pair; of two taus the harder one comes first, of equally hard ones the one of lower row
    good &= first.row[left] != second.row[right]
    if first is second:
        harder = first.pt[left] > first.pt[right]
        good &= harder | ((first.pt[left] == first.pt[right]) & (left < right))
    left, right = left[good], right[good]
    weight = first.weight[left] * second.weight[right]
    best = best_of_event(first.event[left], first.n_events, -weight, -(first.pt[left] + second.pt[right]))
    event = np.flatnonzero(best >= 0)
    return Pairs(event, left[best[event]], right[best[event]])


def leg_momenta(legs: Legs, rows: np.ndarray, letter: str) -> Momenta:
    """Momenta of some legs of a kind.

    Args:
        legs: all of that kind.
        rows: which, shape (n,).
        letter: the kind in the name of the channel, ``t`` for hadronic taus, ``e`` or ``m``.
    """
    return Momenta(legs.pt[rows], legs.eta[rows], legs.phi[rows], legs.mass[rows], letter != "t")


def pair_columns(
    channel: str,
    pair: Pairs,
    first: Legs,
    second: Legs,
    met: np.ndarray,
    met_phi: np.ndarray,
    mass: EventMassConfig,
) -> dict[str, np.ndarray]:
    """Branches of the legs, the pair and the missing momentum.

    Args:
        channel: letters of the legs.
        pair: the pairs.
        first: table of the first legs.
        second: table of the second legs.
        met: missing transverse momentum of all events, GeV.
        met_phi: its azimuth, rad.
        mass: settings of the estimated mass.

    Returns:
        By name, shape (pairs,): momenta and masses in GeV, angles in rad.
    """
    missing, angle = met[pair.event].astype(np.float64), met_phi[pair.event].astype(np.float64)
    one, two = leg_momenta(first, pair.first, channel[0]), leg_momenta(second, pair.second, channel[1])
    columns: dict[str, np.ndarray] = {}
    whole: dict[str, np.ndarray] = {}
    for number, legs, rows, leg in ((1, first, pair.first, one), (2, second, pair.second, two)):
        columns |= {f"{name}_{number}": getattr(leg, name) for name in ("pt", "eta", "phi")}
        columns |= {f"m_{number}": leg.mass, f"iso_{number}": legs.isolation[rows]}
        columns[f"mt_{number}"] = transverse_mass(leg.pt, leg.phi, missing, angle)
        whole[f"q_{number}"] = legs.charge[rows]
        if not leg.leptonic:
            whole[f"decayMode_{number}"] = legs.mode[rows]
    columns |= {
        "m_vis": visible_mass(one, two),
        "m_sv": likelihood_mass(one, two, missing, angle, mass),
        "pt_tt": total_pt([(one.pt, one.phi), (two.pt, two.phi), (missing, angle)]),
        "puppimet": missing,
        "puppimetphi": angle,
        "dr_tt": delta_r(one.eta, one.phi, two.eta, two.phi),
    }
    whole["os"] = whole["q_1"] * whole["q_2"] < 0
    found = {name: values.astype(np.float32) for name, values in columns.items()}
    return found | {name: values.astype(np.int32) for name, values in whole.items()}


def total_pt(parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Size of the sum of transverse momenta.

    Args:
        parts: size in GeV and azimuth in rad of each.

    Examples:
        >>> float(total_pt([(np.array(3.0), np.array(0.0)), (np.array(4.0), np.array(np.pi / 2))]).round(9))
        5.0
    """
    x = sum(pt * np.cos(phi) for pt, phi in parts)
    y = sum(pt * np.sin(phi) for pt, phi in parts)
    return np.hypot(x, y)
