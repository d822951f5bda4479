from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.genchain import gen_particles, particle_charge
from taumltools.production.genrecord import find_gen_leptons


def test_charges_agree_with_pythia(particles):
    import pythia8mc

    data = pythia8mc.Pythia("", False).particleData
    codes = np.unique(particles.pdg_id[particles.status > 0])
    assert len(codes) > 15
    expected = [round(data.charge(int(code))) for code in codes]
    assert particle_charge(codes).tolist() == expected


@pytest.mark.parametrize(
    ("code", "charge"), [(213, 1), (20213, 1), (111, 0), (421, 0), (411, 1), (521, 1), (511, 0), (2224, 2), (-15, 1)]
)
def test_charges_of_unstable_particles(code, charge):
    assert particle_charge(np.array([code])).tolist() == [charge]


@pytest.fixture(scope="module")
def chains(particles):
    leptons = find_gen_leptons(particles)
    index = np.array([0, -1, 3])
    return leptons, gen_particles(particles, leptons, index)


def test_entry_without_lepton_has_no_chain(chains):
    _, collection = chains
    assert collection.counts[1] == 0
    assert collection.counts[0] > 3


def test_chain_starts_with_the_boson_and_the_first_copy(chains):
    _, collection = chains
    one = collection.slice(0, 1).columns
    assert one["pdgId"][0] == 25
    assert abs(one["pdgId"][1]) == 15
    assert one["mother"][:2].tolist() == [-1, 0]
    assert one["isFirstCopy"][1] == 1


def test_mothers_stand_before_their_daughters(chains):
    _, collection = chains
    for entry in (0, 2):
        mother = collection.slice(entry, entry + 1).columns["mother"]
        assert np.all(mother[1:] >= 0)
        assert np.all(mother < np.arange(len(mother)))


def test_exactly_one_tau_of_a_chain_is_the_last_copy(chains):
    leptons, collection = chains
    for entry, lepton in ((0, 0), (2, 3)):
        part = collection.slice(entry, entry + 1).columns
        tau = np.abs(part["pdgId"]) == 15
        assert part["isLastCopy"][tau].sum() == 1
        assert part["isFirstCopy"][tau].sum() == 1
        assert part["charge"][tau].tolist() == [leptons.charge[lepton]] * int(tau.sum())


def test_charge_is_conserved_in_the_decay(chains):
    _, collection = chains
    part = collection.slice(0, 1).columns
    tau = int(np.flatnonzero((np.abs(part["pdgId"]) == 15) & (part["isLastCopy"] == 1))[0])
    daughters = part["mother"] == tau
    assert part["charge"][daughters].sum() == part["charge"][tau]
