"""NanoAOD to TauTuple: an entry per reconstructed tau, with what the file knows of it.

Read are the official collections of NanoAOD, version 5 and later.  There are no particle-flow
candidates in them, so that the networks' cells stay empty; scalar branches, leptons near the
tau and CMS's own discriminators are filled.  Which branch comes from which: :mod:`taumltools.production.nanocolumns`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.datasets import DatasetConfig
from taumltools.production import nanocolumns
from taumltools.production.genrecord import TAU_TO_HADRONS
from taumltools.production.nanoread import STEP, read_events
from taumltools.production.nanotags import TAGGING, Needs, make_tags
from taumltools.production.nanotruth import GEN_JET_CONE, GenObjects, gen_objects, nearest, no_gen_objects
from taumltools.production.pfnanotruth import gen_leptons
from taumltools.production.probes import MAX_ETA, probe_events
from taumltools.production.selection import GenTaus, choose, take
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

    def join(self, other: NanoEntries) -> NanoEntries:
        """These entries and others, by event: of each event these first."""
        columns = {n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in self.__dataclass_fields__}
        return NanoEntries(**columns).take(np.argsort(columns["event"], kind="stable"))


def wanted(dataset: DatasetConfig) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Branches that are needed, and those that are read if they are there."""
    truth = dataset.sample_type != "Data"
    optional = nanocolumns.OPTIONAL_TRUTH if truth else nanocolumns.OPTIONAL
    tagging = Needs(dataset.selector, truth).fields
    joined = {name: (*optional.get(name, ()), *tagging.get(name, ())) for name in optional | tagging}
    return nanocolumns.NEEDED_TRUTH if truth else nanocolumns.NEEDED, joined


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
    check = Needs(dataset.selector, truth=dataset.sample_type != "Data").check
    for table, titles in read_events(
        files, *wanted(dataset), events=events, step=STEP, label="converting", check=check
    ):
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
    taus, probing = events.collections["Tau"], dataset.selector == "TagAndProbe"
    truth = dataset.sample_type != "Data"
    gen = gen_objects(events, unmatched=probing) if truth else no_gen_objects(len(taus.owner))
    tags = make_tags(events, titles, dataset.selector, gen_leptons(events)) if dataset.selector in TAGGING else None
    entries = build_entries(events, gen, dataset, probe_events(tags) if probing and tags else None)
    account["taus"] += len(taus.owner)
    if probing:
        account["jets"] = account.get("jets", 0) + int(np.count_nonzero((entries.tau < 0) & (entries.gen < 0)))
    if dataset.require_gen_match:
        matched = (entries.gen >= 0) | (entries.gen_jet >= 0)
        account["unmatched"] += int(np.count_nonzero(~matched))
        entries = entries.take(matched)
    account["unreconstructed"] += int(np.count_nonzero((entries.tau < 0) & (entries.gen >= 0)))  # before the selection
    scalars = nanocolumns.scalars(events, titles, entries, gen, dataset.sample_type)
    schema = tautuple_schema()
    table = Tuples({name: scalars[name].astype(schema[name].dtype) for name in schema.scalars if name in scalars})
    rows, more = choose(table, entries.event, GenTaus(gen.event, gen.kind, gen.pt, gen.eta), dataset, account, tags)
    kept = entries.take(rows)
    near = nanocolumns.collections(events, kept.event, kept.eta, kept.phi)
    return Tuples(take(table, entries.event, rows, more).scalars, near)


def build_entries(
    events: Tuples, gen: GenObjects, dataset: DatasetConfig, probes: np.ndarray | None = None
) -> NanoEntries:
    """One entry per reconstructed tau, and per generated hadronic tau without one.

    Args:
        events: the batch.
        gen: its generated leptons.
        dataset: whether taus that were not reconstructed are wanted.
        probes: mask of events in which jets without tau are wanted, too; if given, all generated leptons are.

    Returns:
        The entries, by event: taus first, then generated leptons, then jets.
    """
    taus = events.collections["Tau"]
    lost = _lost(gen, everything=probes is not None) if dataset.unreconstructed else np.zeros(0, np.int64)
    none = np.full(len(lost), -1, np.int64)
    entries = _complete(events, np.concatenate([taus.owner, gen.event[lost]]),
                        tau=np.concatenate([np.arange(len(taus.owner)), none]), gen=np.concatenate([gen.of_tau, lost]),
                        eta=np.concatenate([taus.columns["eta"], gen.eta[lost]]),
                        phi=np.concatenate([taus.columns["phi"], gen.phi[lost]]))  # fmt: skip
    entries = entries.take(~_twins(entries))
    if probes is None:
        return entries
    jets = events.collections["Jet"]
    wanted = probes[jets.owner] & (np.abs(jets.columns["eta"]) < MAX_ETA)
    wanted[entries.jet[entries.jet >= 0]] = False
    free = np.flatnonzero(wanted)
    none = np.full(len(free), -1, np.int64)
    bare = _complete(
        events, jets.owner[free], tau=none, gen=none, eta=jets.columns["eta"][free], phi=jets.columns["phi"][free]
    )
    return entries.join(replace(bare, jet=free))


def _lost(gen: GenObjects, *, everything: bool) -> np.ndarray:
    """Generated leptons without reconstructed tau that get an entry: hadronic taus, or all; taus first, hardest first."""
    if not everything:
        hard = ~gen.seen & (gen.kind == TAU_TO_HADRONS) & (gen.pt > UNRECONSTRUCTED["pt"])
        return np.flatnonzero(hard & (np.abs(gen.eta) < UNRECONSTRUCTED["abs_eta"]))
    lost = np.flatnonzero(~gen.seen & (np.abs(gen.eta) < MAX_ETA))
    order = np.lexsort((-gen.pt[lost], -gen.kind[lost], gen.event[lost]))
    return lost[order]


def _complete(
    events: Tuples, event: np.ndarray, *, tau: np.ndarray, gen: np.ndarray, eta: np.ndarray, phi: np.ndarray
) -> NanoEntries:
    """Entries in the order of the events, with generated and reconstructed jet."""
    order = np.argsort(event, kind="stable")
    event, tau, gen = event[order], tau[order], gen[order]
    eta, phi = eta[order].astype(np.float64), phi[order].astype(np.float64)
    gen_jets = events.collections.get("GenJet")
    gen_jet = (
        np.full(len(event), -1, np.int64) if gen_jets is None else nearest(event, eta, phi, gen_jets, GEN_JET_CONE)
    )
    return NanoEntries(event, tau, gen, gen_jet, _jets(events, event, tau, eta, phi), eta, phi)


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
