"""Tags of the selectors ``MuTau`` and ``TagAndProbe``: one lepton of the event, and vetoes on further ones.

Pure functions on the leptons of a batch of events, whatever file they come from.  Cuts are those of the CMS producer;
impact parameters are with respect to the signal vertex, in cm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.production.entries import pairs
from taumltools.production.genrecord import GenLeptons
from taumltools.production.geometry import delta_r, fold_phi
from taumltools.production.nanotruth import nearest
from taumltools.production.table import EventTable
from taumltools.production.tautuple import pick
from taumltools.tuples.data import Collection
from taumltools.tuples.schema import INT_MISSING

NO_TAG, MUON, ELECTRON = 0, 1, 2
"""``tagObj_kind``; 0 is not stored."""


@dataclass(frozen=True)
class Leptons(EventTable):
    """Reconstructed muons or electrons of a batch.

    Attributes:
        offsets: rows of each event.
        pt: GeV, float32; also ``eta``, ``phi`` (rad), ``mass`` (GeV).
        eta: see ``pt``.
        phi: see ``pt``.
        mass: see ``pt``.
        charge: in units of e, int32.
        isolation: relative to pt, corrected for pile-up.
        dxy: transverse impact parameter, cm.
        dz: longitudinal one, cm.
        good: mask of muons of medium quality, or electrons that pass the multivariate identification at 90%.
        loose: mask of loose muons, or electrons that pass the veto identification.
        id: as ``tagObj_id``: 1 loose, 2 medium, 4 tight for muons; 1 for electrons that are ``good``.
    """

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    charge: np.ndarray
    isolation: np.ndarray
    dxy: np.ndarray
    dz: np.ndarray
    good: np.ndarray
    loose: np.ndarray
    id: np.ndarray


@dataclass(frozen=True)
class Cuts:
    """Cuts on a lepton: above ``pt`` (GeV), below the others.

    Attributes:
        pt: transverse momentum, GeV.
        eta: pseudorapidity, without sign.
        isolation: relative isolation.
        dz: longitudinal impact parameter, cm, without sign.
        dxy: transverse one, cm, without sign.
    """

    pt: float
    eta: float
    isolation: float
    dz: float = np.inf
    dxy: float = np.inf


MU_TAU_MUON = Cuts(25.0, 2.1, 0.15, 0.2, 0.045)
"""The muon of ``MuTau``, which is ``good`` too."""

MAX_TRANSVERSE_MASS = 30.0
"""Largest transverse mass of that muon and the missing momentum, GeV."""

MUON_TAG = Cuts(28.0, 2.1, 0.15, 0.2, 0.045)
"""The muon of ``TagAndProbe``, which is ``good`` too."""

ELECTRON_TAG = Cuts(34.0, 2.3, 0.15, 0.2, 0.045)
"""The electron of ``TagAndProbe``, which is ``good`` too."""

EXTRA_MUON, EXTRA_ELECTRON = Cuts(10.0, 2.4, 0.3, 0.2, 0.045), Cuts(10.0, 2.5, 0.3)
"""A further lepton, which is ``good`` too."""

PAIR_MUON, PAIR_ELECTRON = Cuts(15.0, 2.4, 0.3, 0.2, 0.045), Cuts(15.0, 2.5, 0.3)
"""Both leptons of a pair, which are ``loose`` too."""

PAIR_DISTANCE = 0.15
"""Leptons of a pair are further apart than that."""

GEN_CONE = 0.1
"""Largest distance of the generated lepton of a tag."""


@dataclass(frozen=True)
class Tags:
    """The tag of each event of a batch.

    Attributes:
        kind: ``NO_TAG``, ``MUON`` or ``ELECTRON``; int32, shape (events,).
        eta: its direction, NaN without one; also ``phi``.
        phi: rad.
        met: missing transverse momentum of the event, GeV, shape (events,).
        columns: the branches ``tagObj_*`` and ``has_*`` of each event.
    """

    kind: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    met: np.ndarray
    columns: dict[str, np.ndarray]


def passing(leptons: Leptons, cuts: Cuts) -> np.ndarray:
    """Mask of the leptons that pass cuts on momentum, isolation and impact parameters.

    Args:
        leptons: leptons of a batch.
        cuts: the cuts.
    """
    inside = (leptons.pt > cuts.pt) & (np.abs(leptons.eta) < cuts.eta) & (leptons.isolation < cuts.isolation)
    return inside & (np.abs(leptons.dz) < cuts.dz) & (np.abs(leptons.dxy) < cuts.dxy)


def best_of_event(event: np.ndarray, n_events: int, *keys: np.ndarray) -> np.ndarray:
    """The first row of each event in the order of the keys.

    Args:
        event: event of each row, int64, shape (n,).
        n_events: number of events.
        keys: arrays of shape (n,): the lowest of the first wins, then that of the second, and so on; then the first row.

    Returns:
        int64 of shape (n_events,): rows, -1 for events without one.

    Examples:
        >>> event, isolation, pt = np.array([0, 0, 2]), np.array([0.1, 0.1, 0.0]), np.array([30.0, 40.0, 50.0])
        >>> best_of_event(event, 4, isolation, -pt).tolist()
        [1, -1, 2, -1]
    """
    order = np.lexsort((*keys[::-1], event))
    found, first = np.unique(event[order], return_index=True)
    best = np.full(n_events, -1, np.int64)
    best[found] = order[first]
    return best


def best_lepton(leptons: Leptons, mask: np.ndarray) -> np.ndarray:
    """The tag among leptons: that of lowest isolation, then highest pt.

    Args:
        leptons: leptons of a batch.
        mask: which of them may be the tag.

    Returns:
        Row for each event, -1 for none.
    """
    rows = np.flatnonzero(mask)
    best = best_of_event(leptons.event[rows], leptons.n_events, leptons.isolation[rows], -leptons.pt[rows])
    best[best >= 0] = rows[best[best >= 0]]
    return best


def has_further(leptons: Leptons, cuts: Cuts, tag: np.ndarray) -> np.ndarray:
    """Whether an event has a good lepton besides its tag.

    Args:
        leptons: leptons of a batch.
        cuts: what counts as one.
        tag: row of the tag of each event, -1 for none.

    Returns:
        Mask of shape (events,).
    """
    mask = passing(leptons, cuts) & leptons.good
    mask[tag[tag >= 0]] = False
    return np.bincount(leptons.event[mask], minlength=leptons.n_events) > 0


def has_pair(leptons: Leptons, cuts: Cuts) -> np.ndarray:
    """Whether an event has two loose leptons of opposite charge that are not near to each other; the tag may be one.

    Args:
        leptons: leptons of a batch.
        cuts: what counts as one.

    Returns:
        Mask of shape (events,).
    """
    some = leptons.take(passing(leptons, cuts) & leptons.loose)
    left, right = pairs(some.event, some.offsets)
    apart = delta_r(some.eta[left], some.phi[left], some.eta[right], some.phi[right]) > PAIR_DISTANCE
    good = apart & (some.charge[left] + some.charge[right] == 0)
    return np.bincount(some.event[left[good]], minlength=leptons.n_events) > 0


def transverse_mass(pt: np.ndarray, phi: np.ndarray, met: np.ndarray, met_phi: np.ndarray) -> np.ndarray:
    """Transverse mass of a lepton and the missing momentum, GeV: sqrt(2 pt met (1 - cos Δφ)).

    Args:
        pt: of the lepton, GeV.
        phi: of the lepton, rad.
        met: missing transverse momentum, GeV.
        met_phi: its azimuth, rad.

    Examples:
        >>> float(transverse_mass(40.0, 0.0, 40.0, np.pi))
        80.0
    """
    return np.sqrt(2.0 * np.asarray(pt) * met * (1.0 - np.cos(fold_phi(np.asarray(phi) - met_phi))))


def make_tags(
    muons: Leptons, electrons: Leptons, muon: np.ndarray, electron: np.ndarray, met: np.ndarray, gen: GenLeptons
) -> Tags:
    """Everything about the tags of a batch.

    Args:
        muons: all muons.
        electrons: all electrons.
        muon: row of the muon that is the tag of each event, -1 for none.
        electron: the same for electrons; it counts where there is no muon.
        met: missing transverse momentum of each event, GeV.
        gen: generated leptons.

    Returns:
        The tags.  Without one ``tagObj_valid`` and ``tagObj_id`` are 0 and everything else is missing.
    """
    electron = np.where(muon >= 0, -1, electron)
    kind = np.select([muon >= 0, electron >= 0], [MUON, ELECTRON], NO_TAG).astype(np.int32)
    fields = ("pt", "eta", "phi", "mass", "charge", "isolation", "id")
    of_muon, of_electron = (
        pick({name: getattr(table, name) for name in fields}, rows, "")
        for table, rows in ((muons, muon), (electrons, electron))
    )
    tag = {name: np.where(kind == ELECTRON, of_electron[name], of_muon[name]) for name in fields}
    some = kind != NO_TAG
    columns = {f"tagObj_{name}": tag[name] for name in ("pt", "eta", "phi", "mass", "charge")}
    columns |= {
        "tagObj_valid": some.astype(np.int32),
        "tagObj_kind": np.where(some, kind, INT_MISSING).astype(np.int32),
        "tagObj_id": np.where(some, tag["id"], 0).astype(np.uint32),
        "tagObj_iso": tag["isolation"],
        **_generated(tag["eta"], tag["phi"], some, gen),
    }
    vetoes = {
        "has_extramuon": has_further(muons, EXTRA_MUON, muon),
        "has_extraelectron": has_further(electrons, EXTRA_ELECTRON, electron),
        "has_dimuon": has_pair(muons, PAIR_MUON),
        "has_dielectron": has_pair(electrons, PAIR_ELECTRON),
    }
    columns |= {name: np.where(some, mask, INT_MISSING).astype(np.int32) for name, mask in vetoes.items()}
    return Tags(kind, tag["eta"], tag["phi"], met, columns)


def _generated(eta: np.ndarray, phi: np.ndarray, some: np.ndarray, gen: GenLeptons) -> dict[str, np.ndarray]:
    """The generated lepton nearest to each tag."""
    event = np.flatnonzero(some)
    found = np.full(len(some), -1, np.int64)
    table = Collection(gen.offsets, {"eta": gen.eta, "phi": gen.phi})
    found[event] = nearest(event, eta[event], phi[event], table, GEN_CONE)
    return pick({name: getattr(gen, name) for name in ("kind", "pt", "eta", "phi", "mass")}, found, "tagObj_gen")
