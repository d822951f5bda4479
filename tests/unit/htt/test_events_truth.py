import dataclasses

import numpy as np
import pytest

from taumltools.config.htt_events import EventProcessConfig
from taumltools.htt.events_generate import EventSource, take_events
from taumltools.htt.events_truth import BOTTOM, CHARM, has_quark, heavy_hadrons, match_legs
from taumltools.production.genrecord import GenLeptons
from taumltools.production.pythia import Particles
from tests.unit.htt.events_case import make_setup


def make_particles(*events):
    """Record from (code, mother) rows; everything else is of no interest."""
    rows = np.array([row for event in events for row in event]).reshape(-1, 2)
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in events])])
    zero = np.zeros(len(rows))
    blank = {f.name: zero for f in dataclasses.fields(Particles) if f.name not in ("offsets", "pdg_id", "mother")}
    return Particles(offsets, pdg_id=rows[:, 0], mother=rows[:, 1], **blank)


# the system line, a quark, an excited B, the B, a D, a kaon; a second event with a D
RECORD = make_particles([(90, 0), (5, 0), (513, 1), (511, 2), (-411, 3), (321, 4)], [(90, 0), (421, 0)])


def test_last_hadrons_of_a_flavour():
    assert heavy_hadrons(RECORD, BOTTOM).tolist() == [3]
    assert heavy_hadrons(RECORD, CHARM).tolist() == [4, 7]


@pytest.mark.parametrize(
    ("code", "quark", "expected"), [(541, 5, True), (541, 4, False), (4122, 4, True), (4, 4, False)]
)
def test_quarks_by_the_digits_of_the_code(code, quark, expected):
    assert has_quark(np.array([code, -code]), quark).tolist() == [expected] * 2


def test_events_that_are_taken_keep_their_rows():
    taken = take_events(RECORD, np.array([False, True]))
    assert taken.n_events == 1
    assert taken.pdg_id.tolist() == [90, 421]
    assert len(take_events(RECORD, np.zeros(2, bool))) == 0


def test_legs_match_the_nearest_generated_lepton_that_is_hard_enough():
    kind, pt = np.array([5, 5, 1]), np.array([40.0, 14.0, 30.0])
    eta, phi = np.array([0.0, 1.0, -1.0]), np.array([3.1, 0.0, 0.5])
    rest = {
        f.name: np.zeros(3, int)
        for f in dataclasses.fields(GenLeptons)
        if f.name not in ("offsets", "kind", "pt", "eta", "phi")
    }
    leptons = GenLeptons(np.array([0, 2, 3]), kind=kind, pt=pt, eta=eta, phi=phi, **rest)
    event = np.array([0, 0, 1, 1])
    found = match_legs(event, np.array([0.05, 1.0, -1.0, 0.0]), np.array([-3.1, 0.0, 0.45, 3.1]), leptons)
    assert found.tolist() == [5, 6, 1, 6]


def test_veto_counts_what_it_ends_and_the_cross_section_stays():
    """Pythia's cross section with the veto, scaled to all that was tried, is that without it."""
    setup = make_setup("em")
    lines = setup.config.processes["ggH"].process
    found = {}
    for leptons in (0, 2):
        process = EventProcessConfig(lines, hard_leptons=leptons, hard_lepton_pt=40.0 if leptons else 0.0)
        source = EventSource("ggH", process, setup.production, 7)
        batch = source.batch(300)
        assert batch.particles.n_events == 300
        found[leptons] = (batch.tried, source.cross_section(batch.tried, 300.0))
    assert found[0][0] == 300
    assert found[2][0] > 330
    assert found[2][1] == pytest.approx(found[0][1], rel=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"process": ()}, "process is empty"),
        ({"process": ("a",), "weighted": True, "hard_leptons": 2}, "weights of events that end early"),
        ({"process": ("a",), "branching": 0.5}, "leave it at 1"),
    ],
)
def test_processes_that_cannot_be_normalised_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EventProcessConfig(**settings)
