"""The decay chain of a generated lepton, as the ``genParticle_*`` collection stores it."""

from __future__ import annotations

import numba as nb
import numpy as np

from taumltools.production.genrecord import MAX_STEPS, GenLeptons, daughter_range
from taumltools.production.geometry import pt_eta_phi
from taumltools.production.pythia import Particles
from taumltools.tuples.data import Collection

CHAIN_LIMIT = 500
"""Most particles in one chain; mother indices are packed in base 1000, so it must stay below that."""


@nb.njit(cache=True)
def _chain(
    row: int, base: int, mother: np.ndarray, daughter1: np.ndarray, daughter2: np.ndarray, out: np.ndarray
) -> int:
    """Rows of one chain (mother, first copy, descendants depth first) with their position's mother; returns the length.

    ``out[:, 0]`` becomes the row in the record, ``out[:, 1]`` the mother's position in the chain (-1 for none).
    """
    stack = np.empty((MAX_STEPS, 2), np.int64)
    n = 0
    if mother[row] > 0:
        out[0, 0], out[0, 1] = base + mother[row], -1
        n = 1
    stack[0, 0], stack[0, 1] = row, n - 1
    size = 1
    while size > 0 and n < len(out):
        size -= 1
        current, parent = stack[size, 0], stack[size, 1]
        out[n, 0], out[n, 1] = current, parent
        n += 1
        for part in range(1, -1, -1):
            low, high = daughter_range(daughter1[current], daughter2[current], part)
            for d in range(high, low - 1, -1):
                if size < MAX_STEPS:
                    stack[size, 0], stack[size, 1] = base + d, n - 1
                    size += 1
    return n


@nb.njit(cache=True)
def _chains(
    first: np.ndarray,
    base: np.ndarray,
    mother: np.ndarray,
    daughter1: np.ndarray,
    daughter2: np.ndarray,
    limit: int,
) -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros(len(first), np.int64)
    rows = np.empty((limit * len(first), 2), np.int64)
    total = 0
    for i in range(len(first)):
        if first[i] < 0:
            continue
        counts[i] = _chain(first[i], base[i], mother, daughter1, daughter2, rows[total : total + limit])
        total += counts[i]
    return counts, rows[:total]


def gen_particles(particles: Particles, leptons: GenLeptons, index: np.ndarray) -> Collection:
    """The ``genParticle_*`` collection of entries.

    Args:
        particles: the event record.
        leptons: the generated leptons.
        index: generated lepton of each entry (row of ``leptons``), -1 for none; shape (n,).

    Returns:
        The chain of each entry: the mother of the first copy, the first copy, then all descendants depth first.
        ``mother`` is the position of the mother, -1 for none; vertices in cm.
    """
    some = index >= 0
    first = np.full(len(index), -1, np.int64)
    base = np.zeros(len(index), np.int64)
    first[some] = leptons.first[index[some]]
    base[some] = particles.offsets[leptons.event[index[some]]]
    p = particles
    counts, links = _chains(first, base, p.mother, p.daughter1, p.daughter2, CHAIN_LIMIT)
    rows, parent = links.T
    offsets = np.zeros(len(index) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    owner_base = np.repeat(base, counts)
    return Collection(offsets, {**_kinematics(p, rows), **_flags(p, rows, owner_base), "mother": parent.copy()})


def _kinematics(p: Particles, rows: np.ndarray) -> dict[str, np.ndarray]:
    pt, eta, phi = pt_eta_phi(p.px[rows], p.py[rows], p.pz[rows])
    columns = {"pt": pt, "eta": eta, "phi": phi, "mass": p.mass[rows]}
    columns |= {f"vtx_{axis}": getattr(p, f"v{axis}")[rows] for axis in "xyz"}
    return {name: column.astype(np.float32) for name, column in columns.items()}


def _flags(p: Particles, rows: np.ndarray, base: np.ndarray) -> dict[str, np.ndarray]:
    pdg_id = p.pdg_id[rows]
    has_mother = p.mother[rows] > 0
    is_first = ~(has_mother & (p.pdg_id[base + p.mother[rows]] == pdg_id))
    first_daughter, last_daughter = p.daughter1[rows], p.daughter2[rows]
    goes_on = (first_daughter > 0) & (p.pdg_id[base + first_daughter] == pdg_id)
    goes_on |= (last_daughter > 0) & (p.pdg_id[base + last_daughter] == pdg_id)
    return {
        "pdgId": pdg_id.astype(np.int32),
        "charge": particle_charge(pdg_id),
        "isFirstCopy": is_first.astype(np.int32),
        "isLastCopy": (~goes_on).astype(np.int32),
    }


def particle_charge(pdg_id: np.ndarray) -> np.ndarray:
    """Electric charge in units of e, rounded to integers, of leptons, bosons, mesons and baryons (int32).

    The quark content is read from the digits of the PDG code; quarks themselves give 0.

    Examples:
        >>> particle_charge(np.array([11, -211, 2212, 111, -24, 3122, 321])).tolist()
        [-1, -1, 1, 0, -1, 0, 1]
    """
    code = np.abs(pdg_id)
    q1, q2, q3 = (code // 1000) % 10, (code // 100) % 10, (code // 10) % 10
    # three times the charge of the quarks
    c1, c2, c3 = (np.where(q % 2 == 0, 2, -1) for q in (q1, q2, q3))
    meson = (code > 100) & (q1 == 0) & (q2 > 0) & (q3 > 0)
    baryon = (code > 1000) & (q1 > 0) & (q2 > 0) & (q3 > 0)
    # of a meson the heavier quark stands first; it is the antiquark if it is down-like
    thrice = np.where(meson, np.where(q2 % 2 == 0, 1, -1) * (c2 - c3), 0)
    thrice = np.where(baryon, c1 + c2 + c3, thrice)
    thrice = np.where(np.isin(code, (11, 13, 15)), -3, thrice)
    thrice = np.where(np.isin(code, (24, 37)), 3, thrice)
    return (np.sign(pdg_id) * thrice // 3).astype(np.int32)
