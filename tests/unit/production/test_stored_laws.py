"""What one stored column says follows from others: each law is recomputed with plain numpy from the tuple itself."""

from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.simulate import simulate
from taumltools.tuples.schema import INT_MISSING

IDS = {"run", "lumi", "evt"}
PRONGS = {0: 1, 1: 1, 2: 1, 5: 2, 6: 2, 10: 3, 11: 3}
NEUTRINOS = (12, 14, 16)


def p4(pt, eta, phi, mass):
    pt, eta, phi, mass = (np.asarray(x, np.float64) for x in (pt, eta, phi, mass))
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=-1)
    return np.concatenate([momentum, np.sqrt((momentum**2).sum(-1) + mass**2)[..., None]], axis=-1)


def p4_of(t, prefix):
    return p4(*(t[f"{prefix}_{name}"] for name in ("pt", "eta", "phi", "mass")))


def total(collection, values, mask):
    return np.bincount(collection.owner[mask], weights=np.asarray(values, float)[mask], minlength=len(collection))


@pytest.fixture(scope="module")
def t(taus):
    """Entries with a reconstructed tau."""
    return taus.take(np.flatnonzero(taus["tau_index"] >= 0))


@pytest.fixture(scope="module")
def pf(t):
    return t.collections["pfCand"]


@pytest.fixture(scope="module")
def near(t, pf):
    """Distances of candidates from their tau: in eta, in phi, and both."""
    d_eta = pf.columns["eta"].astype(float) - t["tau_eta"][pf.owner]
    d_phi = np.angle(np.exp(1j * (pf.columns["phi"].astype(float) - t["tau_phi"][pf.owner])))
    return d_eta, d_phi, np.hypot(d_eta, d_phi)


@pytest.fixture(scope="module")
def sums(t, pf, near):
    """All isolation sums and strip shapes, from candidates."""
    c, (d_eta, d_phi, distance) = pf.columns, near
    pt, signal, photon = c["pt"], c["tauSignal"] == 1, c["particleType"] == 4
    track = (c["charge"] != 0) & (pt > 0.5) & (np.abs(c["dz"]) < 0.2) & (np.abs(c["dxy"]) < 0.03)
    cone = np.clip(3.0 / t["tau_pt"].astype(float), 0.05, 0.1)[pf.owner]
    out = {}
    for label, radius in (("", 0.5), ("dR03", 0.3)):
        inside = distance < radius
        out[f"chargedIsoPtSum{label}"] = total(pf, pt, track & ~signal & inside)
        out[f"neutralIsoPtSum{label}"] = total(pf, pt, photon & (pt > 0.5) & ~signal & inside)
        out[f"photonPtSumOutsideSignalCone{label}"] = total(pf, pt, photon & signal & inside & (distance > cone))
    shape, isolated = signal & photon & (pt > 0.5), photon & (pt > 0.5) & ~signal & (distance < 0.5)
    for name, mask, value in (
        ("deta_strip", shape, np.abs(d_eta)),
        ("dphi_strip", shape, np.abs(d_phi)),
        ("dr_signal", shape, distance),
        ("dr_iso", isolated, distance),
    ):
        out[f"pt_weighted_{name}"] = total(pf, pt * value, mask) / np.maximum(total(pf, pt, mask), 1e-9)
    return out | {"n_photons": total(pf, np.ones(len(pt)), shape)}


SUMS = ["chargedIsoPtSum", "neutralIsoPtSum", "photonPtSumOutsideSignalCone"]
SHAPES = [f"pt_weighted_{name}" for name in ("deta_strip", "dphi_strip", "dr_signal", "dr_iso")]


@pytest.mark.parametrize("name", [*SUMS, *(f"{name}dR03" for name in SUMS), *SHAPES, "n_photons"])
def test_sums_follow_from_the_stored_candidates(t, sums, name):
    stored = t[f"tau_{name}"].astype(float)
    wrong = ~np.isclose(stored, sums[name], rtol=1e-4, atol=2e-4)
    # a candidate on the rim of a cone may change sides, because the stored axis is rounded to float32
    assert wrong.mean() < 0.002
    assert len(np.unique(stored)) > 5  # not the same everywhere


def test_smaller_cones_hold_less(t):
    for name in SUMS:
        assert np.all(t[f"tau_{name}dR03"] <= t[f"tau_{name}"] * (1 + 1e-6))


def test_far_tracks_of_the_cone_are_part_of_the_pileup_sum(t, pf, near):
    """The sum reaches out to 0.8, stored candidates only to 0.5: they are a lower bound."""
    c = pf.columns
    far = (c["charge"] != 0) & (c["pt"] > 0.5) & (np.abs(c["dz"]) >= 0.2) & (near[2] < 0.499)
    inner = total(pf, c["pt"], far)
    assert np.all(inner <= t["tau_puCorrPtSum"] * (1 + 1e-5) + 1e-3)
    share = inner.sum() / t["tau_puCorrPtSum"].sum(dtype=float)
    assert share == pytest.approx((0.5 / 0.8) ** 2, abs=0.06)  # pile-up is flat in area


def test_signal_constituents_make_charge_and_decay_mode(t, pf):
    """Prongs are the hardest charged constituents; electrons beyond them are conversions in strips."""
    c, signal = pf.columns, pf.columns["tauSignal"] == 1
    hadrons = signal & np.isin(c["particleType"], (1, 3))
    needed = np.array([PRONGS[mode] for mode in t["tau_decayMode"]])
    count = total(pf, np.ones(len(signal)), hadrons)
    assert np.all(count <= needed)
    pure = count == needed  # no electron among the prongs
    assert pure.mean() > 0.9
    np.testing.assert_array_equal(total(pf, c["charge"], hadrons)[pure], t["tau_charge"][pure])
    strips = total(pf, np.ones(len(signal)), signal & np.isin(c["particleType"], (2, 4)))
    with_strips = np.isin(t["tau_decayMode"], (1, 2, 6, 11))
    assert np.all(strips[with_strips] > 0)
    assert not strips[~with_strips & pure].any()
    np.testing.assert_array_equal(t["tau_decayModeFinding"], np.isin(t["tau_decayMode"], (0, 1, 2, 10)))


def test_hadron_only_taus_are_the_sum_of_their_prongs(t, pf):
    c, signal = pf.columns, pf.columns["tauSignal"] == 1
    parts = p4(c["pt"], c["eta"], c["phi"], np.full(len(signal), 0.13957))
    summed = np.stack([total(pf, parts[:, k], signal) for k in range(4)], axis=1)
    chosen = np.isin(t["tau_decayMode"], (0, 5, 10))
    assert chosen.sum() > 200
    np.testing.assert_allclose(summed[chosen], p4_of(t, "tau")[chosen], rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("name", ["dxy", "dz", "dxy_error", "dz_error"])
def test_track_of_the_tau_is_its_leading_candidate(t, pf, name):
    lead = pf.columns["tauLeadChargedHadrCand"] == 1
    stored = pf.columns[name][lead]
    known = np.isfinite(stored)
    assert known.mean() > 0.99
    np.testing.assert_allclose(t[f"tau_{name}"][known], stored[known], rtol=1e-6)


def test_leading_candidate_is_the_hardest_prong(t, pf):
    c = pf.columns
    prongs = (c["tauSignal"] == 1) & np.isin(c["particleType"], (1, 3))
    hardest = np.zeros(len(t))
    np.maximum.at(hardest, pf.owner[prongs], c["pt"][prongs])
    assert np.all(c["pt"][c["tauLeadChargedHadrCand"] == 1] >= hardest)


def test_impact_point_vertex_and_flight_are_one_geometry(t, pf):
    lead = pf.columns["tauLeadChargedHadrCand"] == 1
    eta, phi = (pf.columns[name][lead].astype(float) for name in ("eta", "phi"))
    away = np.stack([t[f"tau_dxy_pca_{x}"].astype(float) - t[f"pv_{x}"] for x in "xyz"])
    np.testing.assert_allclose(np.hypot(away[0], away[1]), np.abs(t["tau_dxy"]), atol=1e-5)
    np.testing.assert_allclose(away[0] * np.cos(phi) + away[1] * np.sin(phi), 0.0, atol=1e-5)
    np.testing.assert_allclose(away[2], t["tau_dz"], atol=1e-5)
    np.testing.assert_allclose(np.abs(t["tau_ip3d"]), np.hypot(t["tau_dxy"], t["tau_dz"] / np.cosh(eta)), rtol=1e-4)
    has = t["tau_hasSecondaryVertex"] == 1
    assert 0.1 < has.mean() < 0.5
    np.testing.assert_array_equal(has, t["tau_decayMode"] >= 5)
    for x in "xyz":
        np.testing.assert_array_equal(np.isfinite(t[f"tau_sv_{x}"]), has)
        flight = (t[f"tau_sv_{x}"].astype(float) - t[f"pv_{x}"])[has]
        np.testing.assert_allclose(flight, t[f"tau_flightLength_{x}"][has], atol=2e-5)


def test_association_impact_and_vertex_of_candidates(t, pf):
    c, charged = pf.columns, pf.columns["charge"] != 0
    primary, pv_z = c["fromPV"] == 3, t["pv_z"][pf.owner]
    np.testing.assert_array_equal(primary, c["pvAssociationQuality"] == 7)
    assert np.all(charged[primary])
    assert np.abs(c["dz"][primary]).max() < 0.1
    for name in ("dz", "dxy", "hasTrackDetails"):
        assert not c[name][~charged].any()
    elsewhere = c["fromPV"] == 0
    np.testing.assert_array_equal(c["vertex_z"][~elsewhere], pv_z[~elsewhere])
    # a track belongs to the vertex it points to
    to_own = np.abs(c["dz"] + pv_z - c["vertex_z"])[elsewhere]
    assert np.median(to_own) < 0.05 < np.median(np.abs(c["dz"][elsewhere]))


def test_index_is_the_candidate_of_the_event(make_tuples):
    """Unique inside an entry, and the same candidate in every entry of an event."""
    t = make_tuples("qcd", 250)
    pf = t.collections["pfCand"]
    event, index = t["evt"][pf.owner].astype(np.int64), pf.columns["index"].astype(np.int64)
    assert index.min() >= 0
    assert len(np.unique(pf.owner * 100_000 + index)) == len(index)
    _, first, back = np.unique(event * 100_000 + index, return_index=True, return_inverse=True)
    assert len(first) < 0.99 * len(index)  # cones do overlap
    for name in ("pt", "eta", "phi", "charge", "particleType", "dz", "puppiWeight"):
        np.testing.assert_array_equal(pf.columns[name], pf.columns[name][first][back])
    # candidates of an event are numbered by falling pt
    assert np.all(np.diff(pf.columns["pt"])[np.diff(pf.owner) == 0] <= 0)


@pytest.mark.parametrize("dataset", [("htautau", 1500), ("qcd", 250)])
def test_daughters_make_the_jet(make_tuples, dataset):
    t = make_tuples(*dataset)
    pf = t.collections["pfCand"]
    c, daughter = pf.columns, pf.columns["jetDaughter"] == 1
    has_jet = t["jet_index"] >= 0
    number = total(pf, np.ones(len(daughter)), daughter)
    assert not number[~has_jet].any()
    assert np.all(number[has_jet] <= t["jet_nConstituents"][has_jet])
    # jets that lie inside the stored cone as a whole; the others have daughters that are not stored
    whole = has_jet & (number == t["jet_nConstituents"])
    assert whole.sum() > 0.3 * has_jet.sum()
    parts = p4(c["pt"], c["eta"], c["phi"], c["mass"])
    summed = np.stack([total(pf, parts[:, k], daughter) for k in range(4)], axis=1)
    np.testing.assert_allclose(summed[whole], p4_of(t, "jet")[whole], rtol=2e-4, atol=0.02)
    charged = total(pf, np.ones(len(daughter)), daughter & (c["charge"] != 0))
    np.testing.assert_array_equal(charged[whole], t["jet_chargedMultiplicity"][whole])
    multiplicity = t["jet_chargedMultiplicity"] + t["jet_neutralMultiplicity"]
    np.testing.assert_array_equal(multiplicity[has_jet], t["jet_nConstituents"][has_jet])
    energy = {kind: total(pf, parts[:, 3], daughter & (c["particleType"] == kind)) for kind in range(1, 6)}
    all_energy = np.maximum(sum(energy.values()), 1e-9)
    for kind, name in ((4, "neutralEm"), (5, "neutralHadron")):
        # stored momenta have the mass of particle flow, which shifts the energy of soft candidates a little
        off = np.abs(energy[kind] / all_energy - t[f"jet_{name}EnergyFraction"])[whole]
        assert np.quantile(off, 0.99) < 0.01
        assert off.max() < 0.05


def test_energies_of_generated_jets_by_species_are_the_jet(taus):
    t = taus.take(np.flatnonzero(taus["genJet_index"] >= 0))
    species = ("chargedEm", "neutralEm", "muon", "chargedHadron", "neutralHadron")
    energies = [t[f"genJet_{name}Energy"].astype(float) for name in species]
    np.testing.assert_allclose(sum(energies), p4_of(t, "genJet")[:, 3], rtol=1e-3)
    np.testing.assert_allclose(t["genJet_emEnergy"], energies[0] + energies[1], rtol=1e-5)
    np.testing.assert_allclose(t["genJet_hadEnergy"], energies[3] + energies[4], rtol=1e-5)
    for name, energy in zip(species, energies, strict=True):
        np.testing.assert_array_equal(energy > 0, t[f"genJet_{name}Multiplicity"] > 0)


@pytest.mark.parametrize(("absent", "dataset"), [("genLepton", ("qcd", 250)), ("tau", ("htautau", 1500))])
def test_columns_of_an_absent_object_are_all_missing(make_tuples, absent, dataset):
    """Nothing leaks in from row 0 or from the last object of the table."""
    t = make_tuples(*dataset)
    none = t[f"{absent}_index"] < 0
    assert none.any()
    for name in t.scalars:
        if name.startswith(f"{absent}_") and name != f"{absent}_index":
            column = t[name][none]
            assert (np.isnan(column) if column.dtype.kind == "f" else column == INT_MISSING).all(), name


class Chain:
    """The stored decay chain of one entry."""

    def __init__(self, collection, entry):
        rows = slice(collection.offsets[entry], collection.offsets[entry + 1])
        columns = {name: column[rows] for name, column in collection.columns.items()}
        self.code, self.charge, self.mother = (columns[k] for k in ("pdgId", "charge", "mother"))
        self.p4 = p4(*(columns[k] for k in ("pt", "eta", "phi", "mass")))
        self.last = columns["isLastCopy"] == 1

    def daughters(self, i):
        return np.flatnonzero(self.mother == i)

    def visible(self, i):
        daughters = self.daughters(i)
        if not len(daughters):
            return self.p4[i] * (abs(self.code[i]) not in NEUTRINOS)
        return sum(self.visible(d) for d in daughters)

    @property
    def lepton(self):
        """Last copy of the generated lepton."""
        return np.flatnonzero(np.isin(np.abs(self.code), (11, 13, 15)) & self.last)[0]


@pytest.fixture(scope="module")
def chains(taus):
    """Entries and chains of the first 200 generated leptons."""
    entries = np.flatnonzero(taus["genLepton_index"] >= 0)[:200]
    return entries, [Chain(taus.collections["genParticle"], entry) for entry in entries]


def test_visible_momentum_follows_from_the_stored_chain(taus, chains):
    entries, chains = chains
    visible = np.array([chain.visible(chain.lepton) for chain in chains])
    np.testing.assert_allclose(visible, p4_of(taus, "genLepton_vis")[entries], rtol=1e-3, atol=5e-3)
    np.testing.assert_array_equal([c.charge[c.lepton] for c in chains], taus["genLepton_charge"][entries])


def test_decays_conserve_momentum_energy_and_charge(chains):
    checked = 0
    for chain in chains[1]:
        for i in range(len(chain.code)):
            daughters = chain.daughters(i)
            hadron_or_tau = abs(chain.code[i]) > 100 or (abs(chain.code[i]) == 15 and chain.last[i])
            if not len(daughters) or not hadron_or_tau:
                continue
            scale = max(chain.p4[i, 3], 1.0)
            np.testing.assert_allclose(chain.p4[daughters].sum(axis=0), chain.p4[i], atol=2e-3 * scale)
            assert chain.charge[daughters].sum() == chain.charge[i]
            checked += 1
    assert checked > 200


def test_vertices_are_a_thinned_poisson_of_the_true_number(taus, config):
    _, first = np.unique(taus["evt"], return_index=True)
    npv, npu = taus["npv"][first].astype(float), taus["npu"][first].astype(float)
    assert npu.mean() == pytest.approx(config.pileup.mean, abs=5 * config.pileup.spread / np.sqrt(len(first)))
    expected = 1 + config.pileup.vertex_efficiency * npu
    pull = (npv - expected) / np.sqrt(expected - 1)
    assert np.abs(pull.mean()) < 5 / np.sqrt(len(pull)) + 0.1  # a tenth: vertices too close to be told apart
    assert pull.std() == pytest.approx(1.0, abs=0.12)


def test_numbers_of_run_and_event_change_nothing_else(load_dataset, config, pool):
    made = []
    for numbers in ({"run": 1, "lumi": 1, "first_event": 1}, {"run": 3, "lumi": 77, "first_event": 5_000_000_001}):
        seed = np.random.SeedSequence(5)
        made += list(simulate(load_dataset("ztautau"), config, events=25, seed=seed, pileup=pool, **numbers))
    one, two = made
    assert len(one) > 5
    different = {n for n in one.branches if not np.array_equal(one[n], two[n], equal_nan=one[n].dtype.kind == "f")}
    assert different == IDS
    np.testing.assert_array_equal(two["evt"] - one["evt"], np.uint64(5_000_000_000))
