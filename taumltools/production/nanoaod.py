"""NanoAOD to TauTuple: an entry per reconstructed tau, with what the file knows of it.

Read are the official collections of NanoAOD, version 5 and later.  There are no particle-flow
candidates in them, so that the networks' cells stay empty; scalar branches, leptons near the
tau and CMS's own discriminators are filled.  Which branch comes from which: docs/nanoaod.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.datasets import DatasetConfig
from taumltools.production import nanocolumns
from taumltools.production.genrecord import TAU_TO_HADRONS
from taumltools.production.nanoread import STEP, read_events
from taumltools.production.nanotruth import GEN_JET_CONE, GenObjects, gen_objects, nearest, no_gen_objects
from taumltools.production.selection import GenTaus, select
from taumltools.tuples.data import Tuples
from taumltools.tuples.schema import tautuple_schema

log = logging.getLogger(__name__)

JET_CONE = 0.4
"""Largest distance of the jet of a generated tau that was not reconstructed."""

UNRECONSTRUCTED = {"pt": 15.0, "abs_eta": 2.5}
"""Generated hadronic taus above this visible pt (GeV) and below this |η| are written without reconstructed tau, too."""


@dataclass(frozen=True)
class NanoEntries:
    """Rows of the tuple; -1 stands for "none".

    Attributes:
        event: event of each entry in the batch, int64, ascending.
        tau: row of the reconstructed tau.
        gen: row of the generated lepton.
        gen_jet: row of the generated jet.
        jet: row of the reconstructed jet.
        eta: direction of the tau, or else of the generated lepton, float64.
        phi: rad.
    """

    event: np.ndarray
    tau: np.ndarray
    gen: np.ndarray
    gen_jet: np.ndarray
    jet: np.ndarray
    eta: np.ndarray
    phi: np.ndarray

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: np.ndarray) -> NanoEntries:
        """The given entries (int array or mask)."""
        return NanoEntries(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def convert(
    files: Sequence[str | Path],
    dataset: DatasetConfig,
    events: int | None = None,
    account: dict[str, Any] | None = None,
) -> Iterator[Tuples]:
    """Make tau candidates from NanoAOD files.

    Args:
        files: paths or URLs; a remote file is copied while it is read.
        dataset: type of sample, and what is written.
        events: largest number of events that are read; None for all.
        account: is filled with what was read and left out; complete when the iteration is.

    Yields:
        Tables with the same columns, one per chunk of events; they may be empty.

    Raises:
        InputError: a file cannot be read or lacks branches.
        StoreError: a server does not answer.
    """
    account = {} if account is None else account
    account |= {"events": 0, "taus": 0, "unmatched": 0, "unreconstructed": 0}
    truth = dataset.sample_type != "Data"
    needed = nanocolumns.NEEDED | (nanocolumns.NEEDED_TRUTH if truth else {})
    optional = nanocolumns.OPTIONAL | (nanocolumns.OPTIONAL_TRUTH if truth else {})
    for table, titles in read_events(files, needed, optional, events=events, step=STEP, label="converting"):
        account["events"] += len(table)
        yield make_entries(table, titles, dataset, account)


def make_entries(events: Tuples, titles: dict[str, str], dataset: DatasetConfig, account: dict[str, Any]) -> Tuples:
    """Entries of a batch of events.

    Args:
        events: a batch, as :class:`taumltools.production.nanoread.NanoFile` gives it.
        titles: titles of its branches.
        dataset: type of sample, and what is written.
        account: counts are added to it.

    Returns:
        A table with the branches of the schema that NanoAOD can fill.
    """
    taus = events.collections["Tau"]
    gen = no_gen_objects(len(taus.owner)) if dataset.sample_type == "Data" else gen_objects(events)
    entries = build_entries(events, gen, dataset)
    account["taus"] += len(taus.owner)
    if dataset.require_gen_match:
        matched = (entries.gen >= 0) | (entries.gen_jet >= 0)
        account["unmatched"] += int(np.count_nonzero(~matched))
        entries = entries.take(matched)
    account["unreconstructed"] += int(np.count_nonzero(entries.tau < 0))  # before the selection
    scalars = nanocolumns.scalars(events, titles, entries, gen, dataset.sample_type)
    schema = tautuple_schema()
    columns = {name: scalars[name].astype(schema[name].dtype) for name in schema.scalars if name in scalars}
    table = Tuples(columns, nanocolumns.collections(events, entries.event, entries.eta, entries.phi))
    return select(table, entries.event, GenTaus(gen.event, gen.kind, gen.pt, gen.eta), dataset, account)


def build_entries(events: Tuples, gen: GenObjects, dataset: DatasetConfig) -> NanoEntries:
    """One entry per reconstructed tau, and per generated hadronic tau without one.

    Args:
        events: the batch.
        gen: its generated leptons.
        dataset: whether taus that were not reconstructed are wanted.

    Returns:
        The entries, by event: taus first.
    """
    taus = events.collections["Tau"]
    lost = np.zeros(0, np.int64)
    if dataset.unreconstructed and len(gen):
        wanted = (gen.kind == TAU_TO_HADRONS) & ~gen.seen & (gen.pt > UNRECONSTRUCTED["pt"])
        lost = np.flatnonzero(wanted & (np.abs(gen.eta) < UNRECONSTRUCTED["abs_eta"]))
    event = np.concatenate([taus.owner, gen.event[lost]])
    order = np.argsort(event, kind="stable")
    event = event[order]
    tau = np.concatenate([np.arange(len(taus.owner)), np.full(len(lost), -1)])[order]
    lepton = np.concatenate([gen.of_tau, lost])[order]
    eta = np.concatenate([taus.columns["eta"], gen.eta[lost]])[order].astype(np.float64)
    phi = np.concatenate([taus.columns["phi"], gen.phi[lost]])[order].astype(np.float64)
    gen_jets = events.collections.get("GenJet")
    gen_jet = (
        np.full(len(event), -1, np.int64) if gen_jets is None else nearest(event, eta, phi, gen_jets, GEN_JET_CONE)
    )
    entries = NanoEntries(event, tau, lepton, gen_jet, _jets(events, event, tau, eta, phi), eta, phi)
    return entries.take(~_twins(entries))


def _jets(events: Tuples, event: np.ndarray, tau: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """The jet that the tau was built from, as the file says; of a generated tau the nearest one."""
    jets = events.collections.get("Jet")
    if jets is None:
        return np.full(len(event), -1, np.int64)
    found = nearest(event, eta, phi, jets, JET_CONE)
    index = events.collections["Tau"].columns.get("jetIdx")
    if index is not None:
        own = index[np.maximum(tau, 0)] if len(index) else np.full(len(tau), -1)
        found = np.where(tau < 0, found, np.where(own >= 0, jets.offsets[event] + own, -1))
    return found


def _twins(entries: NanoEntries) -> np.ndarray:
    """Second and further entries of an event with neither tau nor jet, which the tuple's key cannot tell apart."""
    bare = np.flatnonzero((entries.tau < 0) & (entries.jet < 0))
    twin = np.zeros(len(entries), bool)
    twin[np.setdiff1d(bare, bare[np.unique(entries.event[bare], return_index=True)[1]])] = True
    same = np.flatnonzero((entries.tau < 0) & (entries.jet >= 0))  # two generated taus with one jet
    first = same[np.unique(entries.jet[same], return_index=True)[1]]
    twin[np.setdiff1d(same, first)] = True
    if twin.any():
        log.info("%d generated taus without tau share the jet with another one, or have none: left out", twin.sum())
    return twin
