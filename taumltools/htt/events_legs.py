"""Reconstructed legs: hadronic taus, electrons and muons, and what is taken for one in relaxed samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.config.htt_events import LegConfig
from taumltools.config.production import ProductionConfig
from taumltools.production import candidates as pf
from taumltools.production.candidates import Candidates
from taumltools.production.hps import TauCandidates
from taumltools.production.isolation import muon_isolation, tau_isolation
from taumltools.production.table import EventTable, offsets_from_counts
from taumltools.production.taucolumns import signal_cone

DECAY_MODES = (0, 1, 10, 11)
"""Decay modes of taus that analyses use."""

PILEUP_SHARE = 0.2
"""Neutral momentum from pile-up in the isolation cone of a tau, as share of the charged one in the wider cone."""

LEPTONS = {"e": pf.ELECTRON, "m": pf.MUON}
"""Kinds of candidates by letter of the channel."""


@dataclass(frozen=True)
class Legs(EventTable):
    """Candidates for a leg.

    Attributes:
        pt: GeV, float64; also ``eta``, ``phi`` (rad) and ``mass`` (GeV).
        eta: see ``pt``.
        phi: see ``pt``.
        mass: see ``pt``.
        charge: in units of e, int32.
        mode: decay mode of a tau, -1 for electrons and muons; int32.
        isolation: of taus in GeV, of others relative to pt.
        row: of the candidate, or the leading one of a tau; int64.
        weight: rate of misidentification of a relaxed one, else 1.
    """

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    charge: np.ndarray
    mode: np.ndarray
    isolation: np.ndarray
    row: np.ndarray
    weight: np.ndarray


def combined_isolation(charged: np.ndarray, neutral: np.ndarray, pileup: np.ndarray) -> np.ndarray:
    """Isolation of a tau in GeV: charged + max(0, neutral - 0.2 pileup), the sums of the tau tuples.

    It is the cut-based isolation of before the neural networks, and stands in for them.

    Examples:
        >>> combined_isolation(np.array([1.0]), np.array([3.0]), np.array([10.0])).tolist()
        [2.0]
    """
    isolation: np.ndarray = charged + np.maximum(neutral - PILEUP_SHARE * pileup, 0.0)
    return isolation


def tau_legs(
    taus: TauCandidates, candidates: Candidates, production: ProductionConfig, leg: LegConfig, *, relaxed: bool
) -> Legs:
    """Hadronic taus.

    Args:
        taus: tau candidates.
        candidates: all particle-flow candidates.
        production: cones of the isolation.
        leg: thresholds.
        relaxed: ask for no isolation, and weight by its rate.

    Returns:
        Those inside the acceptance.
    """
    inside = (taus.pt > leg.min_pt) & (np.abs(taus.eta) < leg.max_eta) & np.isin(taus.mode, DECAY_MODES)
    chosen = taus.take(inside & (np.abs(taus.charge) == 1))
    sums = tau_isolation(chosen, candidates, production.cone, signal_cone(chosen.pt, production.hps))
    isolation = combined_isolation(sums["chargedIsoPtSum"], sums["neutralIsoPtSum"], sums["puCorrPtSum"])
    legs = Legs(
        chosen.offsets,
        **{name: getattr(chosen, name) for name in ("pt", "eta", "phi", "mass", "charge", "mode")},
        isolation=isolation.astype(np.float64),
        row=chosen.lead,
        weight=np.full(len(chosen), leg.fake_rate if relaxed else 1.0),
    )
    return legs.take(legs.isolation < (leg.fake_isolation if relaxed else leg.max_isolation))


def lepton_legs(
    letter: str,
    candidates: Candidates,
    primary: np.ndarray,
    production: ProductionConfig,
    leg: LegConfig,
    *,
    relaxed: bool,
) -> Legs:
    """Electrons or muons.

    Args:
        letter: ``e`` or ``m``.
        candidates: all particle-flow candidates.
        primary: mask of tracks of the signal vertex.
        production: cone of the isolation.
        leg: thresholds.
        relaxed: take charged hadrons too, weighted by the rate at which they are misidentified.

    Returns:
        Those inside the acceptance and isolated.
    """
    c = candidates
    inside = primary & (c.pt > leg.min_pt) & (np.abs(c.eta) < leg.max_eta)
    real = inside & (c.kind == LEPTONS[letter])
    rows = np.flatnonzero(real | (inside & (c.kind == pf.HADRON)) if relaxed else real)
    isolation = muon_isolation(rows, c, primary, production.cone.muon).astype(np.float64)
    kept = isolation < np.where(real[rows], leg.max_isolation, leg.fake_isolation)
    rows, isolation = rows[kept], isolation[kept]
    return Legs(
        offsets_from_counts(np.bincount(c.event[rows], minlength=c.n_events)),
        **{name: getattr(c, name)[rows].astype(np.float64) for name in ("pt", "eta", "phi")},
        mass=np.full(len(rows), pf.MASSES[LEPTONS[letter]], np.float64),
        charge=c.charge[rows].astype(np.int32),
        mode=np.full(len(rows), -1, np.int32),
        isolation=isolation,
        row=rows,
        weight=np.where(real[rows], 1.0, leg.fake_rate),
    )
