"""Truth type of a tau candidate: which generated object it was reconstructed from."""

from __future__ import annotations

import enum
from collections.abc import Container

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
"""Branches :func:`truth_type` needs of files from 2021 on, besides ``sampleType``; see :func:`truth_branches`."""

OLD_TRUTH_BRANCHES: tuple[str, ...] = ("tau_index", "tau_eta", "lepton_gen_match")
"""The same for files of 2020 (``tau_eta`` only so that both lists have it)."""


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


class GenMatch(enum.IntEnum):
    """Values of the branch ``lepton_gen_match`` of 2020; up to ``TAU`` those of :class:`LeptonKind`."""

    ELECTRON = 1
    MUON = 2
    TAU_ELECTRON = 3
    TAU_MUON = 4
    TAU = 5
    NO_MATCH = 6


_NO_MATCH, _REFUSED = 0, -2
_TYPES = np.array(
    [
        [NO_TYPE, *[_REFUSED] * 5, TauType.data],
        [NO_TYPE, TauType.e, TauType.mu, TauType.e, TauType.mu, TauType.tau, TauType.jet],
        [NO_TYPE, _REFUSED, _REFUSED, TauType.emb_e, TauType.emb_mu, TauType.emb_tau, TauType.emb_jet],
    ],
    np.int8,
)
"""Truth type by code of the sample type and :class:`GenMatch`; match 0 stands for "not usable"."""


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
    names = ("run", "lumi", "evt", "sampleType", "genLepton_kind", "lepton_gen_match")
    where = ", ".join(f"{name}={int(tuples[name][row])}" for name in names if name in tuples)
    raise InputError(f"{what} in {int(bad.sum())} of {len(tuples)} entries, first in row {row} ({where}): {advice}")


def _lepton_match(tuples: Tuples, simulated: np.ndarray) -> np.ndarray:
    """Match of every reconstructed tau, from ``genLepton_*`` and ``genJet_index`` (2021 and later).

    In data any generated lepton counts, near or not: there must be none.
    """
    has_lepton, reconstructed = tuples["genLepton_index"] >= 0, tuples["tau_index"] >= 0
    kind, vis_pt = tuples["genLepton_kind"], tuples["genLepton_vis_pt"]
    near = simulated & reconstructed & has_lepton & (_delta_r(tuples) <= MAX_DR)
    known = (kind >= LeptonKind.PROMPT_ELECTRON) & (kind <= LeptonKind.TAU_TO_HADRONS)
    _refuse(near & ~known, tuples, "genLepton_kind outside 1 to 5", "the generator match of this file is not usable")
    hard = vis_pt >= np.where(kind == LeptonKind.TAU_TO_HADRONS, MIN_TAU_PT, MIN_LEPTON_PT)
    no_match = reconstructed & ~has_lepton & (~simulated | (tuples["genJet_index"] >= 0))
    match = np.where(no_match, GenMatch.NO_MATCH, np.where(near & hard, kind, _NO_MATCH))
    return np.where(has_lepton & ~simulated, GenMatch.ELECTRON, match)


def _old_match(tuples: Tuples, simulated: np.ndarray) -> np.ndarray:
    """Match of every reconstructed tau, from ``lepton_gen_match`` (2020), which includes all conditions."""
    match, reconstructed = tuples["lepton_gen_match"], tuples["tau_index"] >= 0
    known = (match >= GenMatch.ELECTRON) & (match <= GenMatch.NO_MATCH)
    bad = simulated & reconstructed & ~known
    _refuse(bad, tuples, "lepton_gen_match outside 1 to 6", "the generator match of this file is not usable")
    return np.where(reconstructed, np.where(known, match, GenMatch.NO_MATCH), _NO_MATCH)


def _sample_codes(tuples: Tuples, sample_type: str | None) -> np.ndarray:
    """Position in :data:`SAMPLE_TYPES` for every entry."""
    if sample_type is not None:
        if sample_type not in SAMPLE_TYPES:
            raise InputError(f"unknown sample type '{sample_type}': use one of {', '.join(SAMPLE_TYPES)}")
        return np.full(len(tuples), SAMPLE_TYPES.index(sample_type))
    if "sampleType" not in tuples:
        raise InputError("the branch 'sampleType' was not read: read it too, or say which sample type the entries have")
    codes = tuples["sampleType"]
    _refuse((codes < 0) | (codes >= len(SAMPLE_TYPES)), tuples, "sampleType outside 0 to 2", "name the sample type")
    return codes


def truth_branches(available: Container[str], sample_type: str | None = None) -> list[str]:
    """Branches that must be read for :func:`truth_type`.

    Args:
        available: all branches of the file; ``genLepton_*`` are preferred to the
            ``lepton_gen_match`` of 2020.
        sample_type: as for :func:`truth_type`; one that is named makes ``sampleType`` needless.

    Returns:
        Branch names.  Where the file has neither generation's, those of today, so that
        reading says what is missing.

    Examples:
        >>> truth_branches({"tau_index", "tau_eta", "lepton_gen_match"}, "MC")
        ['tau_index', 'tau_eta', 'lepton_gen_match']
    """
    old = "lepton_gen_match" in available and "genLepton_kind" not in available
    return [*(["sampleType"] if sample_type is None else []), *(OLD_TRUTH_BRANCHES if old else TRUTH_BRANCHES)]


def truth_type(tuples: Tuples, sample_type: str | None = None) -> np.ndarray:
    """Truth type of every entry.

    With a generated lepton (``genLepton_index`` >= 0) the tau must be within ΔR <= 0.2 of
    its visible part, which needs pt >= 8 GeV (e, mu) or 15 GeV (hadronic tau); otherwise the
    entry has no type.  Without one, a generated jet makes it ``jet``.  Files of 2020 have
    the result of their own rule in ``lepton_gen_match``, where "no match" is ``jet``.  This
    is what the CMS tools do, with two cases decided here: an entry without reconstructed tau
    has no type, and in data every reconstructed tau is of type ``data`` (the CMS tools of
    2021 and later give none).

    Args:
        tuples: entries with at least the branches of :func:`truth_branches`.
        sample_type: ``"MC"``, ``"Embedded"`` (emb_* types) or ``"Data"``; None means what the
            branch ``sampleType`` says, entry by entry.

    Returns:
        int8, shape (n,): values of :class:`TauType`, -1 where there is no type.

    Raises:
        InputError: a matched lepton of unknown kind; a matched prompt lepton in an embedded
            sample; a generator match in data; an unknown sample type.

    Examples:
        >>> from taumltools.tuples.mock import mock_tuples
        >>> sorted(set(truth_type(mock_tuples(200)).tolist()))
        [-1, 0, 1, 2, 3]
    """
    codes = _sample_codes(tuples, sample_type)
    simulated = codes != SAMPLE_TYPES.index("Data")
    old = "lepton_gen_match" in tuples and "genLepton_kind" not in tuples
    types = _TYPES[codes, (_old_match if old else _lepton_match)(tuples, simulated)]
    refused = types == _REFUSED
    _refuse(refused & ~simulated, tuples, "generated leptons in data", "set the sample type of this dataset to MC")
    advice = "embedded samples only hold tau decays"
    _refuse(refused, tuples, "prompt electron or muon in an embedded sample", advice)
    return types
