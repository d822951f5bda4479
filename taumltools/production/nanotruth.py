"""Generator truth of NanoAOD: what each tau candidate is, as CMS matched it (``Tau_genPartFlav``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.production.entries import pairs
from taumltools.production.genrecord import PROMPT_ELECTRON, PROMPT_MUON, TAU_TO_ELECTRON, TAU_TO_MUON
from taumltools.production.geometry import delta_r
from taumltools.production.table import offsets_from_counts
from taumltools.tuples.data import Collection, Tuples

HADRONIC = 5
"""``Tau_genPartFlav`` of hadronic taus, whose index points into ``GenVisTau``; others point into ``GenPart``."""

PROMPT, FROM_PROMPT_TAU, LAST_COPY = 1 << 0, 1 << 5, 1 << 13
"""Bits of ``GenPart_statusFlags``."""

KINDS = {(11, PROMPT): PROMPT_ELECTRON, (13, PROMPT): PROMPT_MUON, (11, FROM_PROMPT_TAU): TAU_TO_ELECTRON,
         (13, FROM_PROMPT_TAU): TAU_TO_MUON}  # fmt: skip
"""Kind of a generated lepton by PDG code and origin."""

LEPTON_MASS = {11: 0.000511, 13: 0.10566}
"""Masses in GeV, which NanoAOD does not store for light particles."""

GEN_JET_CONE = 0.4
"""Largest distance of a generated jet to a tau candidate."""


@dataclass(frozen=True)
class GenObjects:
    """Visible generated leptons of a batch of events: prompt and tau-decay e and mu, hadronic taus.

    Attributes:
        kind: 1 e, 2 mu, 3 tau to e, 4 tau to mu, 5 tau to hadrons; int32, shape (n,).
        charge: in units of e, int32.
        pt: visible momentum, GeV, float32; also ``eta``, ``phi`` (rad), ``mass`` (GeV).
        eta: see ``pt``.
        phi: see ``pt``.
        mass: see ``pt``.
        event: event of each, int64, ascending.
        of_tau: row of each reconstructed tau's lepton, -1 for none; int64, shape (taus,).
        seen: mask of those that a reconstructed tau was matched to.
    """

    kind: np.ndarray
    charge: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    event: np.ndarray
    of_tau: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)


def no_gen_objects(taus: int) -> GenObjects:
    """Of data: there are none.

    Args:
        taus: number of reconstructed taus.
    """
    integers, floats = np.zeros(0, np.int32), np.zeros(0, np.float32)
    nothing = np.full(taus, -1, np.int64)
    events, seen = np.zeros(0, np.int64), np.zeros(0, bool)
    return GenObjects(integers, integers, floats, floats, floats, floats, events, nothing, seen)


def light_leptons(particles: Collection) -> np.ndarray:
    """Kinds of generated particles that are light leptons: prompt, or of prompt tau decays.

    Args:
        particles: ``GenPart`` with ``pdgId`` and ``statusFlags``.

    Returns:
        int32: 1 e, 2 mu, 3 tau to e, 4 tau to mu; 0 for all other particles and for copies before the last.
    """
    flags, pdg = particles.columns["statusFlags"], np.abs(particles.columns["pdgId"])
    kind = np.zeros(len(pdg), np.int32)
    for (code, origin), value in KINDS.items():
        chosen = (pdg == code) & ((flags & origin) != 0) & ((flags & LAST_COPY) != 0)
        kind[chosen & (kind == 0)] = value
    return kind


def first_copies(particles: Collection) -> np.ndarray:
    """The first copy of each generated particle: the same particle before it radiated.

    Args:
        particles: ``GenPart`` with ``pdgId`` and ``genPartIdxMother``.

    Returns:
        Rows, int64.

    Examples:
        >>> columns = {"pdgId": np.array([23, 13, 13, 22]), "genPartIdxMother": np.array([-1, 0, 1, 1])}
        >>> first_copies(Collection(np.array([0, 4]), columns)).tolist()
        [0, 1, 1, 3]
    """
    pdg, index = particles.columns["pdgId"], particles.columns["genPartIdxMother"].astype(np.int64)
    mother = np.where(index >= 0, particles.offsets[particles.owner] + index, -1)
    first = np.arange(len(pdg))
    while True:  # one step up for all particles at once; mothers come before their daughters
        up = mother[first]
        copied = (up >= 0) & (up < first) & (pdg[up] == pdg[first])
        if not copied.any():
            return first
        first[copied] = up[copied]


def gen_objects(events: Tuples, *, unmatched: bool = False) -> GenObjects:
    """The leptons that taus were matched to, and all generated hadronic taus.

    Args:
        events: a table with ``Tau``, ``GenPart`` and ``GenVisTau``.
        unmatched: whether light leptons without tau are wanted, too; ``GenPart`` has ``statusFlags`` and
            ``genPartIdxMother`` then.

    Returns:
        The leptons, by event: hadronic taus of ``GenVisTau`` in its order, then those of the taus in their order, then the
        unmatched ones.
    """
    taus, visible, particles = (events.collections[name] for name in ("Tau", "GenVisTau", "GenPart"))
    flavour = taus.columns["genPartFlav"].astype(np.int32)
    index = taus.columns["genPartIdx"].astype(np.int64)
    owner = taus.owner
    hadronic = (flavour == HADRONIC) & (index >= 0)
    light = (flavour > 0) & (flavour < HADRONIC) & (index >= 0)
    rows, kind = particles.offsets[owner[light]] + index[light], flavour[light]
    if unmatched:
        kinds = light_leptons(particles)
        first = first_copies(particles)  # taus are matched to copies of any generation
        more = np.flatnonzero((kinds > 0) & ~np.isin(first, first[rows]))
        rows, kind = np.concatenate([rows, more]), np.concatenate([kind, kinds[more]])
    pdg = particles.columns["pdgId"][rows]
    part = {name: particles.columns[name][rows] for name in ("pt", "eta", "phi")}
    mass = np.select([np.abs(pdg) == code for code in LEPTON_MASS], list(LEPTON_MASS.values()), 0.0)
    n_visible = int(visible.offsets[-1])
    columns = {
        "kind": np.concatenate([np.full(n_visible, HADRONIC), kind]).astype(np.int32),
        "charge": np.concatenate([visible.columns["charge"], -np.sign(pdg)]).astype(np.int32),
        "mass": np.concatenate([visible.columns["mass"], mass]).astype(np.float32),
    }
    columns |= {n: np.concatenate([visible.columns[n], part[n]]).astype(np.float32) for n in part}
    event = np.concatenate([visible.owner, particles.owner[rows]])
    of_tau = np.full(len(flavour), -1, np.int64)
    of_tau[hadronic] = visible.offsets[owner[hadronic]] + index[hadronic]
    of_tau[light] = n_visible + np.arange(np.count_nonzero(light))
    order = np.argsort(event, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    of_tau[of_tau >= 0] = place[of_tau[of_tau >= 0]]
    seen = np.zeros(len(order), bool)
    seen[of_tau[of_tau >= 0]] = True
    return GenObjects(**{n: c[order] for n, c in columns.items()}, event=event[order], of_tau=of_tau, seen=seen)


def nearest(event: np.ndarray, eta: np.ndarray, phi: np.ndarray, table: Collection, radius: float) -> np.ndarray:
    """The nearest object of the same event.

    Args:
        event: event of each reference, int64, shape (n,).
        eta: direction of the references.
        phi: rad.
        table: objects by event, with ``eta`` and ``phi``.
        radius: largest distance.

    Returns:
        Rows of ``table``, -1 where none is near; int64, shape (n,).

    Examples:
        >>> jets = Collection(np.array([0, 2]), {"eta": np.array([0.0, 1.0]), "phi": np.array([0.0, 0.0])})
        >>> nearest(np.array([0, 0]), np.array([0.9, 3.0]), np.array([0.1, 0.0]), jets, 0.4).tolist()
        [1, -1]
    """
    left, right = pairs(event, table.offsets)
    distance = delta_r(table.columns["eta"][right], table.columns["phi"][right], eta[left], phi[left])
    left, right, distance = (x[distance < radius] for x in (left, right, distance))
    order = np.lexsort((distance, left))
    first = np.unique(left[order], return_index=True)[1]
    found = np.full(len(event), -1, np.int64)
    found[left[order][first]] = right[order][first]
    return found


def in_cone(
    event: np.ndarray, eta: np.ndarray, phi: np.ndarray, table: Collection, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """All objects of the same event near to each reference, in their order.

    Args:
        event: as for :func:`nearest`; also ``eta``, ``phi``, ``table``, ``radius``.
        eta: see there.
        phi: see there.
        table: see there.
        radius: see there.

    Returns:
        Offsets by reference, shape (n + 1,), and rows of ``table``.
    """
    left, right = pairs(event, table.offsets)
    close = delta_r(table.columns["eta"][right], table.columns["phi"][right], eta[left], phi[left]) < radius
    return offsets_from_counts(np.bincount(left[close], minlength=len(event))), right[close]
