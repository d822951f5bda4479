"""Settings of tuple production: datasets, detector, pile-up, tau reconstruction.

Units everywhere: GeV, cm, rad.  Probabilities and fractions are between 0 and 1.
Each number is a plain model parameter; docs/production.md says what they were tuned to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from taumltools.config.base import settings

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A probability or a share."""

Positive = Annotated[float, Field(gt=0.0)]
"""A number above zero."""

NonNegative = Annotated[float, Field(ge=0.0)]
"""A number that is not negative."""


@settings
class PileupConfig:
    """Simultaneous collisions and the underlying event, both from a pool of soft collisions.

    Attributes:
        mean: mean number of pile-up collisions per event.
        spread: standard deviation of that mean from event to event (the luminosity changes).
        underlying_event: mean number of pool collisions put on the signal vertex; 2 to 2.5 of
            them reproduce multiparton interactions, which the generator then can leave out.
        pool_events: collisions in the pool; 2000 are reused with random rotations and reflections.
        process: Pythia settings of a soft collision; ``SoftQCD:nonDiffractive`` alone starts in
            half a second instead of eight, but its collisions have a third more tracks.
        beam_spot_z: standard deviation of the collision point along the beam in cm.
        beam_spot_xy: the same across the beam in cm.
        vertex_efficiency: probability that a pile-up vertex is reconstructed.
        vertex_resolved: distance in cm from the signal vertex above which a vertex can be told from it.
        pv_resolution_xy: resolution of the signal vertex across the beam in cm.
        pv_resolution_z: the same along the beam in cm.
        track_window: a track belongs to the signal vertex within this distance in z, in cm.
    """

    mean: NonNegative = 20.0
    spread: NonNegative = 4.0
    underlying_event: NonNegative = 2.0
    pool_events: Annotated[int, Field(ge=1)] = 2000
    process: tuple[str, ...] = ("SoftQCD:inelastic = on",)
    beam_spot_z: NonNegative = 3.5
    beam_spot_xy: NonNegative = 0.0015
    vertex_efficiency: Fraction = 0.72
    vertex_resolved: NonNegative = 0.03
    pv_resolution_xy: NonNegative = 0.0010
    pv_resolution_z: NonNegative = 0.0015
    track_window: Positive = 0.1


@settings
class MaterialConfig:
    """The tracker as radiator: photons convert, electrons radiate.

    Attributes:
        x0_central: tracker thickness at eta 0 in radiation lengths, as seen by this model.
        x0_slope: growth of the thickness with abs(eta).
        max_eta: the thickness stays constant above this abs(eta).
        conversion: conversion probability per radiation length.
        conversion_min_pt: softer photons are not converted (their electrons would curl up).
        brem: probability per radiation length that an electron radiates one hard photon.
        brem_min_pt: softer electrons do not radiate.
        bend: typical azimuth in rad between electron and photon, times pt in GeV.
    """

    x0_central: NonNegative = 0.25
    x0_slope: NonNegative = 0.18
    max_eta: Positive = 2.2
    conversion: NonNegative = 0.55
    conversion_min_pt: NonNegative = 1.0
    brem: NonNegative = 2.0
    brem_min_pt: NonNegative = 3.0
    bend: NonNegative = 0.24


@settings
class TrackConfig:
    """Tracks of charged particles.

    Attributes:
        max_eta: acceptance.
        min_pt: softest track kept, GeV.
        efficiency_pt: lower edges in pt (GeV) of the steps of ``efficiency``.
        efficiency: probability that a charged hadron's track is found, by step in pt.
        electron_efficiency: the same for electrons.
        muon_efficiency: the same for muons.
        displaced_radius: particles born beyond this radius (cm) lose half of their tracks.
        last_radius: particles born beyond this radius (cm) leave no track.
        pt_resolution: relative pt resolution of soft central tracks.
        pt_resolution_slope: growth of it per GeV.
        pt_resolution_forward: added in quadrature for abs(eta) > 1.5.
        dxy_asymptotic: resolution of dxy at high pt in cm.
        dxy_scattering: multiple-scattering part of it in cm GeV.
        dz_asymptotic: resolution of dz at high pt in cm.
        dz_scattering: multiple-scattering part of it in cm GeV.
        angle_resolution: resolution of eta and phi.
        details_min_pt: tracks above this pt have uncertainties and chi2 (as in MiniAOD).
    """

    max_eta: Positive = 2.5
    min_pt: NonNegative = 0.15
    efficiency_pt: tuple[float, ...] = (0.0, 0.3, 0.8, 2.0)
    efficiency: tuple[Fraction, ...] = (0.72, 0.86, 0.92, 0.94)
    electron_efficiency: Fraction = 0.94
    muon_efficiency: Fraction = 0.985
    displaced_radius: NonNegative = 2.0
    last_radius: NonNegative = 30.0
    pt_resolution: NonNegative = 0.008
    pt_resolution_slope: NonNegative = 0.00015
    pt_resolution_forward: NonNegative = 0.012
    dxy_asymptotic: NonNegative = 0.0015
    dxy_scattering: NonNegative = 0.0060
    dz_asymptotic: NonNegative = 0.0025
    dz_scattering: NonNegative = 0.0090
    angle_resolution: NonNegative = 0.0005
    details_min_pt: NonNegative = 0.95

    @model_validator(mode="after")
    def _same_steps(self) -> TrackConfig:
        if len(self.efficiency) != len(self.efficiency_pt) or list(self.efficiency_pt) != sorted(self.efficiency_pt):
            raise ValueError(
                f"efficiency has {len(self.efficiency)} steps, efficiency_pt has {len(self.efficiency_pt)}: "
                "give one rising lower edge per step"
            )
        return self


@settings
class CalorimeterConfig:
    """Clusters of photons and neutral hadrons, and what charged particles leave.

    Attributes:
        max_eta: acceptance of the simulation (no forward calorimeter).
        photon_threshold: softest photon cluster in the barrel, energy in GeV.
        photon_threshold_endcap: the same for abs(eta) > 1.48.
        photon_turn_on: width of the threshold in GeV.
        photon_stochastic: photon resolution term that falls with 1/sqrt(E).
        photon_noise: photon resolution term that falls with 1/E.
        photon_constant: constant term of the photon resolution.
        photon_position: resolution of a photon's eta and phi.
        photon_merge: photons closer than this are one cluster.
        hadron_threshold: softest neutral-hadron cluster, energy in GeV (barrel).
        hadron_threshold_endcap: the same for abs(eta) > 1.48.
        hadron_turn_on: width of that threshold in GeV.
        hadron_stochastic: hadron resolution term that falls with 1/sqrt(E).
        hadron_constant: constant term of the hadron resolution.
        hadron_position: resolution of a neutral hadron's eta and phi.
        hadron_absorb: a neutral hadron closer than this to a track is seen only as an excess.
        hadron_absorb_sigma: excess needed, in units of the track's calorimeter resolution.
        mip_fraction: share of charged hadrons that shower only in the HCAL.
        electromagnetic_fraction: share of charged hadrons that give nearly all energy to the ECAL.
        silent_fraction: share of charged hadrons that leave as little as a muon (gaps, punch-through).
        muon_energy: mean energy of a muon in the calorimeters in GeV.
        muon_hard_fraction: share of muons that radiate, or sit on other energy, and look like a shower.
        crack_low: abs(eta) where the gap between ECAL barrel and endcap starts.
        crack_high: where it ends.
        electron_leak: mean HCAL share of electrons.
        electron_spread: relative spread of the ECAL energy over the track momentum of electrons (radiation).
        electron_gap_fraction: share of electrons that hit a gap and lose ECAL energy.
    """

    max_eta: Positive = 3.0
    photon_threshold: NonNegative = 0.8
    photon_threshold_endcap: NonNegative = 2.2
    photon_turn_on: Positive = 0.15
    photon_stochastic: NonNegative = 0.028
    photon_noise: NonNegative = 0.12
    photon_constant: NonNegative = 0.005
    photon_position: NonNegative = 0.0015
    photon_merge: NonNegative = 0.03
    hadron_threshold: NonNegative = 2.8
    hadron_threshold_endcap: NonNegative = 6.0
    hadron_turn_on: Positive = 0.5
    hadron_stochastic: NonNegative = 1.1
    hadron_constant: NonNegative = 0.09
    hadron_position: NonNegative = 0.02
    hadron_absorb: NonNegative = 0.10
    hadron_absorb_sigma: NonNegative = 1.0
    mip_fraction: Fraction = 0.30
    electromagnetic_fraction: Fraction = 0.08
    silent_fraction: Fraction = 0.06
    muon_energy: NonNegative = 3.0
    muon_hard_fraction: Fraction = 0.35
    crack_low: NonNegative = 1.46
    crack_high: NonNegative = 1.558
    electron_leak: Fraction = 0.20
    electron_spread: NonNegative = 0.20
    electron_gap_fraction: Fraction = 0.15


@settings
class LeptonIdConfig:
    """Identification of electrons and muons, and what is taken for what.

    A particle-flow electron or muon that is missed becomes a charged hadron: that is how
    leptons become tau candidates which the network has to tell from taus.

    Attributes:
        electron_min_pt: softest particle-flow electron, GeV.
        electron: probability that an electron with a track is identified (barrel).
        electron_endcap: the same for abs(eta) > 1.48.
        electron_crack: the same in the ECAL gap.
        conversion: probability that an electron of a photon conversion is recognised, at any pt.
        electron_fake: probability that a charged hadron is taken for an electron.
        electron_fake_electromagnetic: the same for hadrons that showered in the ECAL.
        electron_reco: probability that an electron missed by particle flow is still in the electron collection.
        electron_reco_fake: probability that a charged hadron above ``collection_min_pt`` is in it.
        muon_min_pt: softest particle-flow muon, GeV.
        muon: probability that a muon with a track is identified.
        muon_gap: the same in the gaps of the muon chambers (abs(eta) near 0.25 and 0.85, and above 2.2).
        muon_fake: probability that a charged hadron is taken for a muon.
        muon_fake_silent: the same for hadrons that left little energy.
        muon_reco: probability that a muon missed by particle flow is still in the muon collection.
        muon_reco_fake: probability that a charged hadron above ``collection_min_pt`` is in it.
        collection_min_pt: softest entry of the electron and muon collections, GeV.
    """

    electron_min_pt: NonNegative = 2.0
    electron: Fraction = 0.75
    electron_endcap: Fraction = 0.55
    electron_crack: Fraction = 0.20
    conversion: Fraction = 0.95
    electron_fake: Fraction = 0.006
    electron_fake_electromagnetic: Fraction = 0.25
    electron_reco: Fraction = 0.30
    electron_reco_fake: Fraction = 0.05
    muon_min_pt: NonNegative = 2.0
    muon: Fraction = 0.55
    muon_gap: Fraction = 0.20
    muon_fake: Fraction = 0.003
    muon_fake_silent: Fraction = 0.25
    muon_reco: Fraction = 0.15
    muon_reco_fake: Fraction = 0.03
    collection_min_pt: NonNegative = 3.0


@settings
class JetConfig:
    """Anti-kt jets.

    Attributes:
        radius: distance parameter R.
        min_pt: softest reconstructed jet, GeV (as in MiniAOD).
        gen_min_pt: softest generated jet, GeV (as in MiniAOD).
        max_eta: jets beyond are not attached to an entry.
    """

    radius: Positive = 0.4
    min_pt: NonNegative = 10.0
    gen_min_pt: NonNegative = 8.0
    max_eta: Positive = 2.8


@settings
class HpsConfig:
    """Hadrons plus strips.

    Attributes:
        min_pt: softest tau candidate, GeV.
        max_eta: acceptance of tau candidates.
        seed_min_pt: softest jet that is searched, GeV.
        track_min_pt: softest charged prong, GeV.
        electron_min_pt: softest electron that can be a prong, GeV.
        track_max_dxy: largest abs(dxy) of a prong, cm.
        track_max_dz: largest abs(dz) of a prong, cm.
        strip_min_pt: softest strip, GeV.
        strip_object_min_pt: softest photon or electron in a strip, GeV.
        strip_eta: half-width of the strip window in eta.
        strip_phi: half-width of the strip window in phi.
        cone: signal-cone radius is ``cone / pt``, within ``cone_min`` and ``cone_max``.
        cone_min: smallest signal-cone radius.
        cone_max: largest signal-cone radius.
        mass_windows: ``[lowest, highest, cap]`` in GeV of each decay mode; the highest value grows with
            sqrt(pt / 100 GeV) up to ``cap`` if ``cap`` is above it.
    """

    min_pt: NonNegative = 18.0
    max_eta: Positive = 2.5
    seed_min_pt: NonNegative = 14.0
    track_min_pt: NonNegative = 0.5
    electron_min_pt: NonNegative = 5.0
    track_max_dxy: Positive = 0.15
    track_max_dz: Positive = 0.4
    strip_min_pt: NonNegative = 2.5
    strip_object_min_pt: NonNegative = 0.5
    strip_eta: Positive = 0.05
    strip_phi: Positive = 0.20
    cone: Positive = 3.0
    cone_min: Positive = 0.05
    cone_max: Positive = 0.1
    mass_windows: dict[int, tuple[float, float, float]] = Field(
        default_factory=lambda: {
            0: (-1.0, 1.0, 1.0),
            1: (0.3, 1.3, 4.2),
            2: (0.4, 1.2, 4.0),
            5: (0.0, 1.2, 1.2),
            6: (0.0, 1.2, 4.0),
            10: (0.8, 1.5, 1.5),
            11: (0.9, 1.6, 1.6),
        }
    )

    @field_validator("mass_windows")
    @classmethod
    def _known_modes(cls, value: dict[int, tuple[float, float, float]]) -> dict[int, tuple[float, float, float]]:
        unknown = sorted(set(value) - {0, 1, 2, 5, 6, 10, 11})
        if unknown:
            raise ValueError(f"decay modes {unknown} do not exist; known are 0, 1, 2, 5, 6, 10, 11")
        return value


@settings
class ConeConfig:
    """Cones around a tau candidate.

    Attributes:
        constituents: candidates, electrons and muons within this distance are stored.
        isolation: outer radius of the isolation sums.
        isolation_small: the same for the ``dR03`` sums.
        pileup: radius of the pile-up sum that corrects the isolation.
        muon: radius of the muon isolation.
        track_min_pt: softest track in the charged isolation, GeV.
        track_max_dz: largest abs(dz) of it, cm.
        track_max_dxy: largest abs(dxy) of it, cm.
        photon_min_pt: softest photon in the neutral isolation, GeV.
        puppi: radius of the neighbourhood that decides a neutral's PUPPI-like weight.
    """

    constituents: Positive = 0.5
    isolation: Positive = 0.5
    isolation_small: Positive = 0.3
    pileup: Positive = 0.8
    muon: Positive = 0.4
    track_min_pt: NonNegative = 0.5
    track_max_dz: Positive = 0.2
    track_max_dxy: Positive = 0.03
    photon_min_pt: NonNegative = 0.5
    puppi: Positive = 0.4


@settings
class MatchingConfig:
    """What belongs together, by distance (the values of the CMS producer).

    Attributes:
        lepton_tau: largest distance of a generated lepton and a tau candidate.
        lepton_gen_jet: of a generated lepton and a generated jet.
        lepton_jet: of a generated lepton and a jet.
        gen_jet_tau: of a generated jet and a tau candidate.
        gen_jet_jet: of a generated jet and a jet.
        tau_jet: of a tau candidate and a jet.
        keep_unreconstructed: also store generated hadronic taus without tau candidate, so that
            the reconstruction efficiency can be measured.
        unreconstructed_min_pt: softest visible pt of those, GeV (the truth rule needs 15).
        unreconstructed_max_eta: acceptance of those.
    """

    lepton_tau: Positive = 0.2
    lepton_gen_jet: Positive = 0.4
    lepton_jet: Positive = 0.4
    gen_jet_tau: Positive = 0.4
    gen_jet_jet: Positive = 0.4
    tau_jet: Positive = 0.4
    keep_unreconstructed: bool = True
    unreconstructed_min_pt: NonNegative = 15.0
    unreconstructed_max_eta: Positive = 2.5


@settings
class ProductionConfig:
    """How tuples are made from generated events (``configs/production``).

    Attributes:
        energy: centre-of-mass energy of the proton beams in GeV.
        batch_events: events generated and held in memory at a time.
        generator: Pythia settings of all datasets.  ``TauDecays:mode = 3`` keeps the hadronic currents but
            drops the spin correlations, which cost a factor nine; multiparton interactions are off because
            the pool supplies the underlying event.
        pileup: pile-up and underlying event.
        material: conversions and bremsstrahlung.
        track: tracks.
        calorimeter: clusters and calorimeter response.
        lepton_id: electron and muon identification.
        jet: jets.
        hps: tau reconstruction.
        cone: constituents and isolation.
        matching: truth matching and choice of entries.
    """

    energy: Positive = 13600.0
    batch_events: Annotated[int, Field(ge=1)] = 250
    generator: tuple[str, ...] = ("PartonLevel:MPI = off", "TauDecays:mode = 3", "TauDecays:tauPolarization = 0.")
    pileup: PileupConfig = Field(default_factory=PileupConfig)
    material: MaterialConfig = Field(default_factory=MaterialConfig)
    track: TrackConfig = Field(default_factory=TrackConfig)
    calorimeter: CalorimeterConfig = Field(default_factory=CalorimeterConfig)
    lepton_id: LeptonIdConfig = Field(default_factory=LeptonIdConfig)
    jet: JetConfig = Field(default_factory=JetConfig)
    hps: HpsConfig = Field(default_factory=HpsConfig)
    cone: ConeConfig = Field(default_factory=ConeConfig)
    matching: MatchingConfig = Field(default_factory=MatchingConfig)


def chosen(values: Mapping[str, Any]) -> ProductionConfig:
    """Some settings, and all others at their default: for code that reads only the former.

    Args:
        values: sections (``"hps"``) or single settings (``"jet.radius"``) by name.

    Returns:
        The settings.

    Examples:
        >>> chosen({"jet.radius": 0.8}).jet.radius
        0.8
    """
    sections: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        if name:
            sections.setdefault(section, {})[name] = value
        else:
            sections[section] = value
    return ProductionConfig(**sections)
