"""Simulated H->tautau events: from a generator to flat event ntuples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from taumltools.config.htt import EventSampleConfig
from taumltools.config.htt_events import EventProcessConfig, EventSimulationConfig
from taumltools.config.production import ProductionConfig
from taumltools.errors import ConfigError, InputError
from taumltools.htt.events_generate import EventSource, Generated, take_events, worth_simulating
from taumltools.htt.events_jets import apart_from_legs, jet_columns, tag_b_jets
from taumltools.htt.events_legs import Legs, lepton_legs, tau_legs
from taumltools.htt.events_pair import Pairs, choose_pairs, pair_columns
from taumltools.htt.events_truth import NO_MATCH, count_b_jets, jet_flavours, match_legs
from taumltools.production.candidates import Candidates
from taumltools.production.clustering import Jets
from taumltools.production.cones import puppi_weights
from taumltools.production.eventlevel import missing_momentum
from taumltools.production.genrecord import GenLeptons, find_gen_leptons
from taumltools.production.hps import find_taus
from taumltools.production.jets import gen_jets, reconstructed_jets
from taumltools.production.pileup import PileupPool, overlay
from taumltools.production.pythia import Particles, pythia_seed
from taumltools.production.response import detect

CHANNELS = ("tt", "em")
"""Channels that can be simulated."""

CHUNK_STRIDE = 100_000_000
"""Distance of the event numbers of two chunks."""


@dataclass(frozen=True)
class Setup:
    """What all events of a sample share.

    Attributes:
        channel: ``tt`` or ``em``.
        config: selection and stand-ins.
        production: detector, pile-up and reconstruction.
        pileup: pool of soft collisions.
    """

    channel: str
    config: EventSimulationConfig
    production: ProductionConfig
    pileup: PileupPool

    def __post_init__(self) -> None:
        check_channel(self.channel)


def simulate_events(
    name: str, setup: Setup, *, events: int, seed: np.random.SeedSequence, chunk: int = 0, chunks: int = 1
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """One chunk of a sample: events are generated until enough of them are selected.

    Args:
        name: of the sample; its process is ``config.processes[name]``.
        setup: channel, settings, pile-up.
        events: how many selected events are wanted.
        seed: the same seed gives the same content.
        chunk: number of this chunk; event numbers and the luminosity section follow from it.
        chunks: how many chunks share the cross section.

    Returns:
        Branches by name, shape (events,) each, and an account: events tried, generated and simulated, cross section in pb.

    Raises:
        ConfigError: there is no such process, or Pythia refuses a setting.
        InputError: hardly any event is selected.
    """
    process = _process(name, setup.config)
    source = EventSource(name, process, setup.production, pythia_seed(seed))
    rng = np.random.default_rng(seed)
    parts: list[dict[str, np.ndarray]] = []
    tally = Tally()
    while tally.events < events:
        _refuse_hopeless(name, tally, events, setup.config.max_generated)
        batch = source.batch(setup.production.batch_events)
        keep = worth_simulating(batch.particles, setup.channel, process.relaxed, setup.config)
        selected = select_events(take_events(batch.particles, keep), setup, process.relaxed, rng)
        part = _numbered(selected, np.flatnonzero(keep), batch.weight, batch.number + CHUNK_STRIDE * chunk + 1)
        take = tally.add(batch, int(keep.sum()), len(part["evt"]), events)
        parts.append({column: values[:take] for column, values in part.items()})
    columns = {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}
    cross_section = source.cross_section(tally.tried, tally.accepted)
    scale = cross_section * setup.config.luminosity / (tally.tried * chunks)
    columns["weight"] = (columns["weight"] * scale).astype(np.float32)
    head = {"run": np.ones(events, np.uint32), "lumi": np.full(events, chunk + 1, np.uint32)}
    account = dataclasses.asdict(tally) | {"cross_section_pb": cross_section}
    return head | columns, account | {"yield": float(columns["weight"].sum(dtype=np.float64))}


@dataclass
class Tally:
    """What a chunk has so far.

    Attributes:
        events: selected events.
        generated: events that were generated to the end.
        simulated: events that went into the detector.
        tried: sum of weights of all events, those that ended early included.
        accepted: the same of those that were generated to the end.
    """

    events: int = 0
    generated: int = 0
    simulated: int = 0
    tried: float = 0.0
    accepted: float = 0.0

    def add(self, batch: Generated, simulated: int, selected: int, wanted: int) -> int:
        """Count a batch.

        Of the last one only a part is needed; what was tried counts in proportion, so that the weights stay right.

        Args:
            batch: what was generated.
            simulated: how many of its events went into the detector.
            selected: how many were selected.
            wanted: how many selected events the chunk is to have.

        Returns:
            How many of the selected events are taken.
        """
        take = min(selected, wanted - self.events)
        share = take / selected if selected else 1.0
        self.events += take
        self.generated += len(batch.weight)
        self.simulated += simulated
        self.tried += share * batch.tried
        self.accepted += share * float(batch.weight.sum())
        return take


def _refuse_hopeless(name: str, tally: Tally, events: int, most: int) -> None:
    if tally.generated >= most:
        raise InputError(
            f"sample '{name}': {tally.events} of {events} events selected after {tally.generated} were generated; ask for "
            f"fewer in htt.samples.{name}.events, loosen htt.simulation.legs, or raise htt.simulation.max_generated"
        )


def check_samples(samples: Mapping[str, EventSampleConfig], channel: str, config: EventSimulationConfig) -> None:
    """Refuse samples that cannot be simulated.

    Args:
        samples: by name.
        channel: ``tt`` or ``em``.
        config: with the processes.

    Raises:
        ConfigError: names the sample and what is missing, or the channel.
    """
    check_channel(channel)
    if missing := sorted(set(channel) - set(config.legs)):
        raise ConfigError(f"htt.simulation.legs lacks {', '.join(missing)}, which channel '{channel}' needs")
    for name, sample in samples.items():
        _process(name, config)
        if sample.events is None or sample.events < sample.chunks:
            raise ConfigError(f"htt.samples.{name}: {sample.events} events for {sample.chunks} chunks; each needs one")


def check_channel(channel: str) -> None:
    """Refuse channels that are not simulated.

    Raises:
        ConfigError: names those that are.
    """
    if channel not in CHANNELS:
        raise ConfigError(f"htt.channel '{channel}' cannot be simulated; expected one of {', '.join(CHANNELS)}")


def _process(name: str, config: EventSimulationConfig) -> EventProcessConfig:
    if name not in config.processes:
        raise ConfigError(
            f"sample '{name}' cannot be simulated: htt.simulation.processes has {', '.join(config.processes) or 'none'}"
        )
    return config.processes[name]


def _numbered(
    selected: dict[str, np.ndarray], kept: np.ndarray, weight: np.ndarray, first: int
) -> dict[str, np.ndarray]:
    """Events with their numbers and generator weights; ``event`` is their place among those that were kept."""
    place = kept[selected.pop("event")]
    numbers = {"evt": (place + first).astype(np.uint64)}
    return numbers | selected | {"weight": selected["weight"] * weight[place]}


def select_events(particles: Particles, setup: Setup, relaxed: bool, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Detector, reconstruction and selection of generated events.

    Args:
        particles: the event record.
        setup: channel, settings, pile-up.
        relaxed: whether legs are relaxed, see :class:`taumltools.config.htt_events.EventProcessConfig`.
        rng: source of randomness.

    Returns:
        Branches by name for each selected event; ``event`` is its place among those given, ``weight`` the product of the
        rates of relaxed legs.
    """
    production = setup.production
    candidates, _ = overlay(detect(particles, production, rng), setup.pileup, production.pileup, rng)
    primary = candidates.from_primary(production.pileup.track_window)
    jets = reconstructed_jets(candidates, production.jet, window=production.pileup.track_window)
    leptons = find_gen_leptons(particles)
    first, second = find_legs(candidates, primary, jets, leptons, setup, relaxed)
    pair = choose_pairs(first, second, setup.config.min_distance)
    met, met_phi = missing_momentum(candidates, puppi_weights(candidates, primary, production.cone.puppi))
    columns = {"event": pair.event, "weight": first.weight[pair.first] * second.weight[pair.second]}
    columns |= pair_columns(setup.channel, pair, first, second, met, met_phi, setup.config.mass)
    columns |= _jets(pair, first, second, jets, particles, setup, rng)
    return columns | _truth(pair, first, second, particles, leptons, setup)


def find_legs(
    candidates: Candidates, primary: np.ndarray, jets: Jets, leptons: GenLeptons, setup: Setup, relaxed: bool
) -> tuple[Legs, Legs]:
    """Candidates for the first and the second leg; twice the same table for two taus.

    Args:
        candidates: all particle-flow candidates.
        primary: mask of tracks of the signal vertex.
        jets: reconstructed jets.
        leptons: generated leptons; relaxed legs are none of them.
        setup: channel and settings.
        relaxed: whether legs are relaxed.
    """
    production, legs = setup.production, setup.config.legs
    if setup.channel == "tt":
        taus = find_taus(candidates, jets, production.hps)
        found = without_leptons(tau_legs(taus, candidates, production, legs["t"], relaxed=relaxed), leptons)
        return found, found
    electrons, muons = (
        without_leptons(lepton_legs(one, candidates, primary, production, legs[one], relaxed=relaxed), leptons)
        for one in ("e", "m")
    )
    return electrons, muons


def without_leptons(legs: Legs, leptons: GenLeptons) -> Legs:
    """Legs without relaxed ones that are in truth a generated lepton, e.g. a muon that was not identified."""
    genuine = match_legs(legs.event, legs.eta, legs.phi, leptons) != NO_MATCH
    return legs.take(~(genuine & (legs.weight < 1.0)))


def _jets(
    pair: Pairs, first: Legs, second: Legs, jets: Jets, particles: Particles, setup: Setup, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    config = setup.config.jet
    places = []
    for legs, rows in ((first, pair.first), (second, pair.second)):
        eta, phi = np.full(jets.n_events, np.nan), np.full(jets.n_events, np.nan)
        eta[pair.event], phi[pair.event] = legs.eta[rows], legs.phi[rows]
        places.append((eta, phi))
    apart = apart_from_legs(jets, places, config.distance)
    good = apart & (jets.pt > config.min_pt) & (np.abs(jets.eta) < setup.production.jet.max_eta)
    tagged = apart & tag_b_jets(jets, jet_flavours(jets, particles), config, rng)
    return {name: values[pair.event] for name, values in jet_columns(jets, good, tagged).items()}


def _truth(
    pair: Pairs, first: Legs, second: Legs, particles: Particles, leptons: GenLeptons, setup: Setup
) -> dict[str, np.ndarray]:
    config = setup.config.jet
    generated = gen_jets(particles, setup.production.jet)
    b_jets = count_b_jets(generated, particles, min_pt=config.b_min_pt, max_eta=config.b_max_eta)
    return {
        "gen_match_1": match_legs(pair.event, first.eta[pair.first], first.phi[pair.first], leptons),
        "gen_match_2": match_legs(pair.event, second.eta[pair.second], second.phi[pair.second], leptons),
        "gen_nbjets_cut": b_jets[pair.event],
    }
