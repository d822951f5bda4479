"""Generated events of one process: only those that have a chance to be selected, with the number of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from taumltools.config.htt_events import EventProcessConfig, EventSimulationConfig
from taumltools.config.production import ProductionConfig
from taumltools.production.genrecord import (
    PROMPT_ELECTRON,
    PROMPT_MUON,
    TAU_TO_ELECTRON,
    TAU_TO_HADRONS,
    TAU_TO_MUON,
    GenLeptons,
    find_gen_leptons,
)
from taumltools.production.pythia import Particles, generate, make_generator
from taumltools.production.table import offsets_from_counts

GEN_KINDS = {
    "t": (TAU_TO_HADRONS,),
    "e": (PROMPT_ELECTRON, TAU_TO_ELECTRON),
    "m": (PROMPT_MUON, TAU_TO_MUON),
}
"""Kinds of generated leptons that a leg can come from, by letter of the channel."""

ETA_MARGIN = 0.1
"""Generated legs may be that far outside of the acceptance of reconstructed ones."""

PB_PER_MB = 1e9


def take_events(particles: Particles, keep: np.ndarray) -> Particles:
    """The record of some events, which are numbered anew.

    Args:
        particles: the event record.
        keep: mask of shape (n_events,).
    """
    counts = np.diff(particles.offsets)
    rows = np.repeat(keep, counts)
    return Particles(offsets_from_counts(counts[keep]), **{n: c[rows] for n, c in particles.columns().items()})


def has_generated_legs(leptons: GenLeptons, channel: str, config: EventSimulationConfig) -> np.ndarray:
    """Events with a generated lepton for each leg, near or inside the acceptance.

    Args:
        leptons: generated leptons.
        channel: ``tt`` or ``em``.
        config: thresholds of the legs.

    Returns:
        Mask of shape (n_events,).
    """
    wanted = np.ones(leptons.n_events, np.bool_)
    for letter in set(channel):
        leg = config.legs[letter]
        good = np.isin(leptons.kind, GEN_KINDS[letter]) & (leptons.pt > config.gen_share * leg.min_pt)
        good &= np.abs(leptons.eta) < leg.max_eta + ETA_MARGIN
        wanted &= np.bincount(leptons.event[good], minlength=leptons.n_events) >= channel.count(letter)
    return wanted


@dataclass(frozen=True)
class Generated:
    """Some events.

    Attributes:
        particles: the event record.
        weight: of each event, float64.
        tried: sum of weights of all events behind them, those that ended early included.
        number: how many of the events that were generated to the end came before the first of these.
    """

    particles: Particles
    weight: np.ndarray
    tried: float
    number: int


class EventSource:
    """A generator of one process that counts what it tried.

    Args:
        name: of the sample, for messages.
        process: what is generated.
        production: common settings of Pythia.
        seed: of Pythia, 1 to 900,000,000.

    Raises:
        ConfigError: Pythia refuses a setting.
    """

    def __init__(self, name: str, process: EventProcessConfig, production: ProductionConfig, seed: int) -> None:
        self.name, self.process = name, process
        self.veto = _lepton_veto(process.hard_leptons, process.hard_lepton_pt) if process.hard_leptons else None
        lines = (*production.generator, *process.process)
        self.generator = make_generator(name, lines, energy=production.energy, seed=seed, hooks=self.veto)
        self._number = 0

    def batch(self, n: int) -> Generated:
        """The next ``n`` events that did not end early."""
        before = self.veto.tried if self.veto else 0
        particles, weight = generate(self.generator, n, dataset=self.name)
        tried = float(self.veto.tried - before) if self.veto else float(weight.sum())
        first, self._number = self._number, self._number + n
        return Generated(particles, weight, tried, first)

    def cross_section(self, tried: float, accepted: float) -> float:
        """Cross section in pb that belongs to ``tried``, the sum of weights of all events.

        Args:
            tried: sum of weights of all events so far.
            accepted: the same of those that did not end early.
        """
        if self.process.cross_section is not None:
            return self.process.cross_section * self.process.branching
        # the cross section that Pythia gives is that of the events that did not end early
        return float(self.generator.infoPython().sigmaGen()) * PB_PER_MB * tried / accepted


def _lepton_veto(leptons: int, min_pt: float) -> Any:
    """A hook of Pythia that ends events with too few hard leptons before hadronisation; ``tried`` counts all."""
    import pythia8mc

    class LeptonVeto(pythia8mc.UserHooks):
        """Ends events with too few hard leptons."""

        def __init__(self) -> None:
            super().__init__()
            self.tried = 0

        def canVetoPartonLevel(self) -> bool:  # noqa: N802 (Pythia's name)
            return True

        def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
            self.tried += 1
            found = 0
            for i in range(event.size() - 1, 0, -1):
                particle = event[i]
                if particle.idAbs() in (11, 13, 15) and particle.isFinal() and particle.pT() > min_pt:
                    found += 1
            return found < leptons

    return LeptonVeto()


def worth_simulating(particles: Particles, channel: str, relaxed: bool, config: EventSimulationConfig) -> np.ndarray:
    """Events that go into the detector: all, or those with generated legs near the cuts.

    Args:
        particles: the event record.
        channel: ``tt`` or ``em``.
        relaxed: whether jets are taken for legs; then all events go.
        config: the cuts.

    Returns:
        Mask, shape (n_events,).
    """
    if relaxed:
        return np.ones(particles.n_events, np.bool_)
    return has_generated_legs(find_gen_leptons(particles), channel, config)
