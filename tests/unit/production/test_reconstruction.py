from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.reconstruction import reconstruct_batch


def test_all_parts_describe_the_same_events(batch):
    for part in (batch.leptons, batch.gen_jets, batch.candidates, batch.jets, batch.taus):
        assert part.n_events == batch.particles.n_events
    assert len(batch.weight) == len(batch.collisions.mean) == batch.particles.n_events
    assert len(batch.primary) == len(batch.puppi) == len(batch.candidates)


def test_members_of_a_jet_are_of_its_event(batch):
    jet, row = batch.jets.owner
    assert np.array_equal(batch.jets.event[jet], batch.candidates.event[row])


def test_members_of_a_jet_fall_in_pt(batch):
    jet, row = batch.jets.owner
    inside = np.diff(jet) == 0
    assert np.all(np.diff(batch.candidates.pt[row])[inside] <= 0)


def test_taus_are_of_the_event_of_their_jet_and_constituents(batch):
    taus = batch.taus
    assert np.array_equal(batch.jets.event[taus.jet], taus.event)
    assert np.array_equal(batch.candidates.event[taus.lead], taus.event)
    tau, slot = np.nonzero(taus.signal >= 0)
    assert np.array_equal(batch.candidates.event[taus.signal[tau, slot]], taus.event[tau])


def test_partners_of_an_entry_are_of_its_event(batch):
    e = batch.entries
    for name, table in (
        ("lepton", batch.leptons),
        ("gen_jet", batch.gen_jets),
        ("tau", batch.taus),
        ("jet", batch.jets),
    ):
        index = getattr(e, name)
        some = index >= 0
        assert some.any(), name
        assert np.array_equal(table.event[index[some]], e.event[some])
        assert len(set(index[some])) == some.sum(), f"a {name} is in two entries"


def test_every_tau_with_a_generated_partner_has_an_entry(batch):
    """The exclusive assignment may lose a few of the taus that share a generated jet, not more."""
    from taumltools.production.entries import pairs
    from taumltools.production.geometry import delta_r

    matched = np.zeros(len(batch.taus), bool)
    for table, limit in ((batch.leptons, 0.2), (batch.gen_jets, 0.4)):
        left, right = pairs(batch.taus.event, table.offsets)
        distance = delta_r(batch.taus.eta[left], batch.taus.phi[left], table.eta[right], table.phi[right])
        matched[left[distance < limit]] = True
    written = np.isin(np.arange(len(matched)), batch.entries.tau)
    assert not np.any(written & ~matched)
    assert written.sum() >= 0.98 * matched.sum()


def test_reproducible(batch, config, pool):
    again = reconstruct_batch(batch.particles, batch.weight, pool, config, np.random.default_rng(3))
    assert np.array_equal(again.taus.pt, batch.taus.pt)
    assert np.array_equal(again.puppi, batch.puppi)
    assert again.entries.tau.tolist() == batch.entries.tau.tolist()


def test_number_of_jets_is_plausible(batch):
    """Pile-up jets above 20 GeV are rare after charged-hadron subtraction at 20 collisions."""
    hard = (batch.jets.pt > 20) & (np.abs(batch.jets.eta) < 2.5)
    assert hard.sum() / batch.particles.n_events == pytest.approx(2.6, abs=0.9)
