"""Truth type of a tau candidate: which generated object it was reconstructed from."""

from __future__ import annotations

import enum

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.data import Tuples

TAU_TYPES = ("e", "mu", "tau", "jet")
"""The four classes of the identification, in class order."""

NO_TYPE = -1
"""Stands for "no truth type": not matched, too soft, or no reconstructed tau."""

SAMPLE_TYPES = ("Data", "MC", "Embedded")
"""Kinds of samples; the position is the code of the branch ``sampleType``."""

MAX_DR = 0.2
"""Largest distance ΔR between the tau and the visible part of the generated lepton."""

MIN_LEPTON_PT = 8.0
"""Lowest visible pt (GeV) of a generated electron or muon, also from a tau decay."""

MIN_TAU_PT = 15.0
"""Lowest visible pt (GeV) of a hadronically decaying generated tau."""

TRUTH_BRANCHES: tuple[str, ...] = (
    "tau_index",
    "tau_eta",
    "tau_phi",
    "genLepton_index",
    "genLepton_kind",
    "genLepton_vis_pt",
    "genLepton_vis_eta",
    "genLepton_vis_phi",
    "genJet_index",
)
"""Branches :func:`truth_type` needs."""


class TauType(enum.IntEnum):
    """Truth type as stored in the branch ``tauType`` (numbering of the CMS tools)."""

    e = 0
    mu = 1
    tau = 2
    jet = 3
    emb_e = 4
    emb_mu = 5
    emb_tau = 6
    emb_jet = 7
    data = 8


class LeptonKind(enum.IntEnum):
    """Values of the branch ``genLepton_kind``."""

    PROMPT_ELECTRON = 1
    PROMPT_MUON = 2
    TAU_TO_ELECTRON = 3
    TAU_TO_MUON = 4
    TAU_TO_HADRONS = 5
    OTHER = 6


_TYPE_OF_KIND = {
    LeptonKind.PROMPT_ELECTRON: TauType.e,
    LeptonKind.PROMPT_MUON: TauType.mu,
    LeptonKind.TAU_TO_ELECTRON: TauType.e,
    LeptonKind.TAU_TO_MUON: TauType.mu,
    LeptonKind.TAU_TO_HADRONS: TauType.tau,
}
_PROMPT = (LeptonKind.PROMPT_ELECTRON, LeptonKind.PROMPT_MUON)
_TO_EMBEDDED = {TauType.e: TauType.emb_e, TauType.mu: TauType.emb_mu, TauType.tau: TauType.emb_tau}
_TO_EMBEDDED[TauType.jet] = TauType.emb_jet


def delta_phi(phi1: np.ndarray, phi2: np.ndarray) -> np.ndarray:
    """Signed azimuthal distance, wrapped to [-π, π).

    Args:
        phi1: azimuths in rad, any shape.
        phi2: azimuths in rad, same shape.

    Returns:
        ``phi1 - phi2`` in float64.

    Examples:
        >>> round(float(delta_phi(3.1, -3.1)), 3)
        -0.083
    """
    difference = np.asarray(phi1, np.float64) - np.asarray(phi2, np.float64)
    return (difference + np.pi) % (2 * np.pi) - np.pi


def _delta_r(tuples: Tuples) -> np.ndarray:
    d_eta = tuples["tau_eta"].astype(np.float64) - tuples["genLepton_vis_eta"]
    return np.hypot(d_eta, delta_phi(tuples["tau_phi"], tuples["genLepton_vis_phi"]))


def _refuse(bad: np.ndarray, tuples: Tuples, what: str, advice: str) -> None:
    if not bad.any():
        return
    row = int(np.flatnonzero(bad)[0])
    identity = {n: int(tuples[n][row]) for n in ("run", "lumi", "evt", "genLepton_kind") if n in tuples}
    where = ", ".join(f"{name}={value}" for name, value in identity.items())
    raise InputError(f"{what} in {int(bad.sum())} of {len(tuples)} entries, first in row {row} ({where}): {advice}")


def _matched_lepton(tuples: Tuples) -> np.ndarray:
    """True where the tau is close to a generated lepton that is hard enough."""
    kind, vis_pt = tuples["genLepton_kind"], tuples["genLepton_vis_pt"]
    near = (tuples["tau_index"] >= 0) & (tuples["genLepton_index"] >= 0) & (_delta_r(tuples) <= MAX_DR)
    known = np.isin(kind, list(_TYPE_OF_KIND))
    _refuse(near & ~known, tuples, "genLepton_kind outside 1 to 5", "the generator match of this file is not usable")
    return near & (vis_pt >= np.where(kind == LeptonKind.TAU_TO_HADRONS, MIN_TAU_PT, MIN_LEPTON_PT))


def truth_type(tuples: Tuples, sample_type: str = "MC") -> np.ndarray:
    """Truth type of every entry.

    With a generated lepton (``genLepton_index`` >= 0) the tau must be within ΔR <= 0.2 of
    its visible part, which needs pt >= 8 GeV (e, mu) or 15 GeV (hadronic tau); otherwise the
    entry has no type.  Without one, a generated jet makes it ``jet``.  This is the rule of
    the CMS tools with two cases decided here: an entry without reconstructed tau has no
    type, and in data every reconstructed tau is of type ``data`` (the CMS tools give none).

    Args:
        tuples: entries with at least :data:`TRUTH_BRANCHES`.
        sample_type: ``"MC"``, ``"Embedded"`` (emb_* types) or ``"Data"``.

    Returns:
        int8, shape (n,): values of :class:`TauType`, -1 where there is no type.

    Raises:
        InputError: a matched lepton of unknown kind; a matched prompt lepton in an embedded
            sample; a generator match in data; an unknown ``sample_type``.

    Examples:
        >>> from taumltools.tuples.mock import mock_tuples
        >>> sorted(set(truth_type(mock_tuples(200)).tolist()))
        [-1, 0, 1, 2, 3]
    """
    if sample_type not in SAMPLE_TYPES:
        raise InputError(f"unknown sample type '{sample_type}': use one of {', '.join(SAMPLE_TYPES)}")
    types = np.full(len(tuples), NO_TYPE, np.int8)
    reconstructed = tuples["tau_index"] >= 0
    has_lepton = tuples["genLepton_index"] >= 0
    if sample_type == "Data":
        _refuse(has_lepton, tuples, "generated leptons in data", "set the sample type of this dataset to MC")
        types[reconstructed] = TauType.data
        return types
    lepton, kind = _matched_lepton(tuples), tuples["genLepton_kind"]
    if sample_type == "Embedded":
        prompt = lepton & np.isin(kind, _PROMPT)
        _refuse(
            prompt, tuples, "prompt electron or muon in an embedded sample", "embedded samples only hold tau decays"
        )
    for value, tau_type in _TYPE_OF_KIND.items():
        types[lepton & (kind == value)] = tau_type
    types[reconstructed & ~has_lepton & (tuples["genJet_index"] >= 0)] = TauType.jet
    if sample_type == "Embedded":
        for tau_type, embedded in _TO_EMBEDDED.items():
            types[types == tau_type] = embedded
    return types
