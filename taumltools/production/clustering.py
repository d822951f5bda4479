"""Anti-kt clustering of flat particles, event by event, with fastjet."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from taumltools.production.geometry import invariant_mass, pt_eta_phi
from taumltools.production.table import EventTable, offsets_from_counts


@dataclass(frozen=True)
class Jets(EventTable):
    """Jets with their constituents, falling in pt inside each event.

    Attributes:
        pt: GeV, float64; also ``eta``, ``phi`` (rad), ``mass`` (GeV) and ``energy`` (GeV).
        eta: see ``pt``.
        phi: see ``pt``.
        mass: see ``pt``.
        energy: see ``pt``.
        first: first row of ``members`` of each jet, int64.
        last: row behind its last one, int64.
        members: rows of the clustered table, ascending for each jet, int64; not a column of jets.
    """

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    energy: np.ndarray
    first: np.ndarray
    last: np.ndarray
    members: np.ndarray

    @classmethod
    def column_names(cls) -> list[str]:
        """Names of the columns that have one row per jet."""
        return ["pt", "eta", "phi", "mass", "energy", "first", "last"]

    def take(self, rows: np.ndarray) -> Jets:
        """The given jets; ``members`` stays whole."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        counts = np.bincount(self.event[index], minlength=self.n_events)
        columns = {n: c[index] for n, c in self.columns().items()}
        return Jets(offsets_from_counts(counts), members=self.members, **columns)

    @property
    def owner(self) -> tuple[np.ndarray, np.ndarray]:
        """Jet of each constituent, and the constituent's row, as two arrays."""
        lengths = self.last - self.first
        jet = np.repeat(np.arange(len(self)), lengths)
        rows = np.repeat(self.first - offsets_from_counts(lengths)[:-1], lengths) + np.arange(len(jet))
        return jet, self.members[rows]


@contextmanager
def silent_stdout() -> Iterator[None]:
    """Drop what compiled code writes to standard output."""
    sys.stdout.flush()
    saved = os.dup(1)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(sink)
        os.close(saved)


@functools.cache
def silence_banner() -> None:
    """Let fastjet print its banner, which it does once per process, into nothing."""
    import awkward as ak
    import fastjet

    with silent_stdout():
        one = ak.Array([[{"px": 1.0, "py": 0.0, "pz": 0.0, "E": 1.0}]])
        list(fastjet.ClusterSequence(one, fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)).inclusive_jets())


def cluster(
    offsets: np.ndarray,
    momenta: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    *,
    radius: float,
    min_pt: float,
) -> Jets:
    """Cluster the particles of each event.

    Args:
        offsets: rows of each event, int64, shape (n_events + 1,).
        momenta: px, py, pz, E in GeV of each row.
        radius: distance parameter of anti-kt.
        min_pt: softest jet kept in GeV.

    Returns:
        The jets; ``members`` are rows of the input.
    """
    import awkward as ak
    import fastjet

    n_events = len(offsets) - 1
    if offsets[-1] == 0:
        empty = np.zeros(0)
        none = np.zeros(0, np.int64)
        return Jets(np.zeros(n_events + 1, np.int64), empty, empty, empty, empty, empty, none, none, none)
    silence_banner()
    record = ak.zip(dict(zip(("px", "py", "pz", "E"), momenta, strict=True)), depth_limit=1)
    counts = np.diff(offsets)
    sequence = fastjet.ClusterSequence(
        ak.unflatten(record, counts), fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    )
    found = sequence.inclusive_jets(min_pt=min_pt)
    members = sequence.constituent_index(min_pt=min_pt)
    n_jets = ak.to_numpy(ak.num(found))
    lengths = ak.to_numpy(ak.flatten(ak.num(members, axis=2))).astype(np.int64)
    event = np.repeat(np.arange(n_events), n_jets)
    inner = ak.to_numpy(ak.flatten(members, axis=None)).astype(np.int64)
    rows = inner + np.repeat(offsets[:-1][event], lengths)
    return _build(n_events, event, [ak.to_numpy(ak.flatten(found[k])) for k in ("px", "py", "pz", "E")], lengths, rows)


def _build(n_events: int, event: np.ndarray, p4: list[np.ndarray], lengths: np.ndarray, members: np.ndarray) -> Jets:
    pt, eta, phi = pt_eta_phi(p4[0], p4[1], p4[2])
    edges = offsets_from_counts(lengths)
    members = members[np.lexsort((members, np.repeat(np.arange(len(lengths)), lengths)))]
    order = np.lexsort((-pt, event))
    columns = {"pt": pt, "eta": eta, "phi": phi, "mass": invariant_mass(*p4), "energy": p4[3]}
    columns |= {"first": edges[:-1], "last": edges[1:]}
    return Jets(
        offsets_from_counts(np.bincount(event, minlength=n_events)),
        members=members,
        **{name: column[order] for name, column in columns.items()},
    )
