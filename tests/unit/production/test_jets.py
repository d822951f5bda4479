from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.production import JetConfig
from taumltools.production.genchain import particle_charge
from taumltools.production.jets import gen_jet_content, gen_jets, jet_content, reconstructed_jets


def test_tracks_of_other_vertices_are_left_out(make_candidates):
    row = (1, 1, 30.0, 0.0, 0.0)
    c = make_candidates([row] * 3, dz=[0.0, 2.0, 0.2], vertex_z=[0, 2.0, 0.2], pileup=[0, 1, 1])
    jets = reconstructed_jets(c, JetConfig(), window=0.1)
    assert jets.members.tolist() == [0]


def test_neutral_pileup_stays_in(make_candidates):
    c = make_candidates([(1, 1, 30.0, 0.0, 0.0), (4, 0, 5.0, 0.1, 0.0)], pileup=[0, 1], vertex_z=[0.0, 5.0])
    jets = reconstructed_jets(c, JetConfig(), window=0.1)
    assert jets.members.tolist() == [0, 1]
    assert jets.pt[0] == pytest.approx(35.0, rel=0.01)


def test_content_of_reconstructed_jets(make_candidates):
    c = make_candidates([(1, 1, 30.0, 0.0, 0.0), (4, 0, 10.0, 0.1, 0.0), (5, 0, 10.0, 0.0, 0.1)])
    content = jet_content(reconstructed_jets(c, JetConfig(), window=0.1), c)
    assert content["nConstituents"].tolist() == [3]
    assert content["chargedMultiplicity"].tolist() == [1]
    assert content["neutralMultiplicity"].tolist() == [2]
    assert content["neutralEmEnergyFraction"][0] == pytest.approx(0.2, abs=0.01)
    assert content["neutralHadronEnergyFraction"][0] == pytest.approx(0.2, abs=0.01)


def test_generated_jets_hold_visible_final_particles_only(particles):
    jets = gen_jets(particles, JetConfig())
    _, rows = jets.owner
    assert np.all(particles.status[rows] > 0)
    assert not np.isin(np.abs(particles.pdg_id[rows]), (12, 14, 16)).any()
    assert jets.pt.min() > 8.0


def test_energies_of_generated_jets_add_up(particles):
    jets = gen_jets(particles, JetConfig())
    content = gen_jet_content(jets, particles, particle_charge(particles.pdg_id))
    total = content["emEnergy"] + content["hadEnergy"] + content["muonEnergy"]
    assert total == pytest.approx(jets.energy, rel=1e-4)
    n = sum(content[f"{k}Multiplicity"] for k in ("chargedEm", "neutralEm", "muon", "chargedHadron", "neutralHadron"))
    assert n.tolist() == (jets.last - jets.first).tolist()
