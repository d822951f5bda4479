from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.genrecord import (
    PROMPT_ELECTRON,
    PROMPT_MUON,
    TAU_TO_ELECTRON,
    TAU_TO_HADRONS,
    TAU_TO_MUON,
    daughter_range,
    find_gen_leptons,
)
from taumltools.production.pythia import Particles
from taumltools.production.table import offsets_from_counts


def record(*lines, event_sizes=None):
    """Particles from (pdg id, status, mother, daughter1, daughter2, px) rows; massless along x."""
    table = np.array(lines, float)
    px, zero = table[:, 5], np.zeros(len(table))
    ints = {name: table[:, k].astype(np.int32) for k, name in enumerate(("pdg_id", "status", "mother"))}
    ints |= {name: table[:, k].astype(np.int32) for k, name in ((3, "daughter1"), (4, "daughter2"))}
    floats = dict.fromkeys(("py", "pz", "mass", "vx", "vy", "vz"), zero)
    return Particles(
        offsets_from_counts(np.array(event_sizes or [len(table)])), **ints, px=px, energy=np.abs(px), **floats
    )


SYSTEM = (90, -11, 0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("daughters", "expected"),
    [((0, 0), []), ((4, 0), [4]), ((4, 4), [4]), ((4, 6), [4, 5, 6]), ((6, 4), [6, 4])],
)
def test_conventions_for_daughters(daughters, expected):
    found = []
    for part in range(2):
        low, high = daughter_range(*daughters, part)
        found += list(range(low, high + 1))
    assert found == expected


def test_tau_with_copies_radiation_and_a_pi0():
    """Radiation of an earlier copy is not visible decay; the photons of the pi0 are."""
    leptons = find_gen_leptons(
        record(
            SYSTEM,
            (23, -22, 0, 2, 3, 0.0),
            (15, -23, 1, 4, 5, 50.0),
            (-11, 1, 1, 0, 0, 50.0),
            (15, -51, 2, 6, 8, 45.0),
            (22, 1, 2, 0, 0, 5.0),
            (16, 1, 4, 0, 0, 10.0),
            (-211, 1, 4, 0, 0, 20.0),
            (111, -91, 4, 9, 10, 15.0),
            (22, 1, 8, 0, 0, 10.0),
            (22, 1, 8, 0, 0, 5.0),
        )
    )
    assert leptons.kind.tolist() == [TAU_TO_HADRONS, PROMPT_ELECTRON]
    assert leptons.pt.tolist() == [35.0, 50.0]
    assert leptons.charge.tolist() == [-1, 1]
    assert (leptons.first[0], leptons.last[0]) == (2, 4)
    assert (leptons.n_charged[0], leptons.n_pi0[0]) == (1, 1)


def test_electron_of_a_tau_is_the_taus_and_not_prompt_itself():
    leptons = find_gen_leptons(
        record(
            SYSTEM,
            (24, -22, 0, 2, 3, 0.0),
            (-15, -23, 1, 4, 6, 40.0),
            (16, 1, 1, 0, 0, 40.0),
            (-16, 1, 2, 0, 0, 10.0),
            (-11, 1, 2, 0, 0, 20.0),
            (12, 1, 2, 0, 0, 10.0),
        )
    )
    assert leptons.kind.tolist() == [TAU_TO_ELECTRON]
    assert leptons.pt.tolist() == [20.0]


def test_pions_of_a_kaon_are_no_prongs_but_visible():
    leptons = find_gen_leptons(
        record(
            SYSTEM,
            (23, -22, 0, 2, 2, 0.0),
            (15, -23, 1, 3, 5, 40.0),
            (16, 1, 2, 0, 0, 10.0),
            (-211, 1, 2, 0, 0, 10.0),
            (310, -91, 2, 6, 7, 20.0),
            (211, 1, 5, 0, 0, 12.0),
            (-211, 1, 5, 0, 0, 8.0),
        )
    )
    assert leptons.n_charged.tolist() == [1]
    assert leptons.pt.tolist() == [30.0]


@pytest.mark.parametrize("mother", [511, 15, 22, 21])
def test_lepton_of_a_hadron_tau_photon_or_nothing_is_not_prompt(mother):
    leptons = find_gen_leptons(record(SYSTEM, (mother, -22, 0, 2, 2, 0.0), (13, 1, 1, 0, 0, 30.0)))
    assert 13 not in [abs(code) for code in leptons.kind]
    assert PROMPT_MUON not in leptons.kind


def test_rows_count_from_the_start_of_their_event():
    one = [SYSTEM, (23, -22, 0, 2, 2, 0.0), (13, 1, 1, 0, 0, 30.0)]
    leptons = find_gen_leptons(record(*one, *one, event_sizes=[3, 3]))
    assert leptons.first.tolist() == [2, 5]
    assert leptons.event.tolist() == [0, 1]


def test_events_without_leptons_give_an_empty_table():
    leptons = find_gen_leptons(record(SYSTEM, SYSTEM, event_sizes=[1, 1]))
    assert len(leptons) == 0
    assert leptons.n_events == 2


def plain_visible(particles, base, row):
    """The slow way: recursion over daughters."""
    if particles.status[row] > 0:
        invisible = abs(particles.pdg_id[row]) in (12, 14, 16)
        return np.zeros(2) if invisible else np.array([particles.px[row], particles.energy[row]])
    first, last = particles.daughter1[row], particles.daughter2[row]
    daughters = range(first, last + 1) if last >= first else ([first, last] if last > 0 else [first])
    return sum((plain_visible(particles, base, base + d) for d in daughters), np.zeros(2))


def test_visible_momentum_agrees_with_a_recursive_sum(particles):
    leptons = find_gen_leptons(particles)
    px, energy = leptons.pt * np.cos(leptons.phi), np.hypot(leptons.pt * np.cosh(leptons.eta), leptons.mass)
    for i in range(0, len(leptons), 50):
        base = particles.offsets[leptons.event[i]]
        assert [px[i], energy[i]] == pytest.approx(plain_visible(particles, base, leptons.last[i]), rel=1e-6, abs=1e-5)


def test_every_event_has_its_two_taus(particles):
    assert np.all(np.diff(find_gen_leptons(particles).offsets) == 2)


def test_branching_fractions(particles):
    """PDG: e 0.178, mu 0.174, hadrons 0.648."""
    kind = find_gen_leptons(particles).kind
    tolerance = 4 * np.sqrt(0.2 / len(kind))
    for code, fraction in ((TAU_TO_ELECTRON, 0.178), (TAU_TO_MUON, 0.174), (TAU_TO_HADRONS, 0.648)):
        assert (kind == code).mean() == pytest.approx(fraction, abs=tolerance)


def test_hadronic_modes(particles):
    """Shares of hadronic decays: one prong 0.18, with one pi0 0.40, three prongs 0.16."""
    leptons = find_gen_leptons(particles)
    hadronic = leptons.kind == TAU_TO_HADRONS
    prongs, pi0 = leptons.n_charged[hadronic], leptons.n_pi0[hadronic]
    for n_prongs, n_pi0, fraction in ((1, 0, 0.18), (1, 1, 0.40), (3, 0, 0.16)):
        assert ((prongs == n_prongs) & (pi0 == n_pi0)).mean() == pytest.approx(fraction, abs=0.045)
    assert set(np.unique(prongs)) <= {1, 3, 5}
