"""Settings of the simulation of H->tautau events (``htt.simulation``): processes, legs, jets, b-tagging, masses.

Units: GeV, pb, 1/pb.  Probabilities are between 0 and 1.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, model_validator

from taumltools.config.base import settings
from taumltools.config.production import Fraction, NonNegative, Positive


@settings
class EventProcessConfig:
    """What is generated for one sample.

    Attributes:
        process: Pythia settings, forced decays among them.
        cross_section: of the process without forced decays, in pb; null: what Pythia finds, forced decays included.
        branching: share of the forced decays, by which ``cross_section`` is multiplied.
        hard_leptons: electrons, muons and taus above ``hard_lepton_pt`` after the parton shower; events with
            fewer end there, before hadronisation, and are counted.
        hard_lepton_pt: their smallest transverse momentum in GeV.
        relaxed: legs are jets: what is only like a leg counts as one, with the rate of misidentification as weight, and
            no generated leg is asked for.
        weighted: Pythia biases the phase space, and events have weights.
    """

    process: tuple[str, ...]
    cross_section: Positive | None = None
    branching: Fraction = 1.0
    hard_leptons: Annotated[int, Field(ge=0)] = 0
    hard_lepton_pt: NonNegative = 0.0
    relaxed: bool = False
    weighted: bool = False

    @model_validator(mode="after")
    def _weights_are_known(self) -> EventProcessConfig:
        if not self.process:
            raise ValueError("process is empty: name at least one Pythia process, e.g. 'HiggsSM:gg2H = on'")
        if self.weighted and self.hard_leptons:
            raise ValueError(
                "hard_leptons: the weights of events that end early are not known, so not with weighted=true"
            )
        if self.cross_section is None and self.branching != 1.0:
            raise ValueError("branching: the cross section of Pythia includes forced decays, so leave it at 1")
        return self


@settings
class LegConfig:
    """What counts as a leg of the pair.

    Attributes:
        min_pt: transverse momentum in GeV.
        max_eta: abs(eta).
        max_isolation: highest isolation: of taus the sum of momenta in GeV, of electrons and muons relative to pt.
        fake_rate: of relaxed samples: share of candidates without isolation (taus), or of charged hadrons (electrons and
            muons), that pass as a leg.
        fake_isolation: of relaxed samples: highest isolation of such a candidate.
    """

    min_pt: Positive
    max_eta: Positive
    max_isolation: Positive
    fake_rate: Fraction = 1.0
    fake_isolation: Positive = 1e9


@settings
class EventJetConfig:
    """Jets beside the pair.

    Attributes:
        min_pt: softest jet that counts in ``njets``, GeV.
        distance: jets nearer to a leg are the leg.
        b_min_pt: softest jet that can be b-tagged, GeV; also of generated b jets.
        b_max_eta: acceptance of b-tagging; also of generated b jets.
        b_efficiency: probability of a tag by flavour of the jet: ``b``, ``c``, ``light``.
    """

    min_pt: Positive = 30.0
    distance: Positive = 0.5
    b_min_pt: Positive = 20.0
    b_max_eta: Positive = 2.4
    b_efficiency: dict[Literal["b", "c", "light"], Fraction] = field(
        default_factory=lambda: {"b": 0.75, "c": 0.15, "light": 0.01}
    )

    @model_validator(mode="after")
    def _all_flavours(self) -> EventJetConfig:
        if missing := {"b", "c", "light"} - set(self.b_efficiency):
            raise ValueError(f"b_efficiency lacks {', '.join(sorted(missing))}")
        return self


@settings
class EventMassConfig:
    """The estimate of the mass of the pair with its neutrinos, see :mod:`taumltools.htt.events_mass`.

    Attributes:
        met_resolution: of each component of the missing transverse momentum, GeV.
        power: masses m are weighted by 1 / m**power.
        points: points of the grid in each visible share.
    """

    met_resolution: Positive = 15.0
    power: NonNegative = 2.0
    points: Annotated[int, Field(ge=10)] = 30


def _legs() -> dict[str, LegConfig]:
    return {
        "t": LegConfig(min_pt=30.0, max_eta=2.1, max_isolation=2.5, fake_rate=0.025),
        "e": LegConfig(min_pt=15.0, max_eta=2.4, max_isolation=0.15, fake_rate=0.004, fake_isolation=2.0),
        "m": LegConfig(min_pt=15.0, max_eta=2.4, max_isolation=0.2, fake_rate=0.004, fake_isolation=2.0),
    }


@settings
class EventSimulationConfig:
    """How events are simulated (``htt.source: simulated``).

    Attributes:
        luminosity: that weights are scaled to, 1/pb.
        legs: by letter of the channel: ``t`` hadronic tau, ``e`` electron, ``m`` muon.
        min_distance: of the legs in (eta, phi).
        gen_share: events go into the detector only if each leg has a generated one above this share of its ``min_pt``.
        jet: jets and b-tagging.
        mass: estimate of the mass.
        max_generated: events after which a chunk gives up.
        processes: by name of the sample.
    """

    luminosity: Positive = 10_000.0
    legs: dict[Annotated[str, Field(pattern="^[tem]$")], LegConfig] = field(default_factory=_legs)
    min_distance: NonNegative = 0.5
    gen_share: NonNegative = 0.75
    jet: EventJetConfig = field(default_factory=EventJetConfig)
    mass: EventMassConfig = field(default_factory=EventMassConfig)
    max_generated: Annotated[int, Field(ge=1)] = 2_000_000
    processes: dict[str, EventProcessConfig] = field(default_factory=dict)
