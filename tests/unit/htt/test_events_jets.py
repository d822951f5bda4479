import numpy as np
import pytest

from taumltools.config.htt_events import EventJetConfig
from taumltools.htt.events_jets import apart_from_legs, jet_columns, leading, tag_b_jets
from taumltools.htt.mock import UNDEFINED
from taumltools.production.clustering import Jets


def make_jets(*events):
    """Jets of events from (pt, eta, phi) rows, massless."""
    rows = np.array([row for event in events for row in event], float).reshape(-1, 3)
    pt, eta, phi = rows.T
    zero = np.zeros(len(rows), np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in events])]).astype(np.int64)
    return Jets(offsets, pt, eta, phi, np.zeros(len(rows)), pt * np.cosh(eta), zero, zero, zero)


JETS = make_jets([(90, 2.0, 0.1), (60, -1.5, 3.0), (35, 0.0, 1.0)], [], [(50, 1.0, 0.0)])


def test_columns_of_two_one_and_no_jets():
    every = np.ones(4, bool)
    columns = jet_columns(JETS, every, np.array([False, True, False, True]))
    assert columns["njets"].tolist() == [3, 0, 1]
    assert columns["nbtag"].tolist() == [1, 0, 1]
    assert columns["jpt_1"].tolist() == [90, UNDEFINED, 50]
    assert columns["jpt_2"].tolist() == [60, UNDEFINED, UNDEFINED]
    assert columns["bpt_1"].tolist() == [60, UNDEFINED, 50]
    assert columns["bpt_2"].tolist() == [UNDEFINED] * 3
    assert columns["jdeta"].tolist() == [3.5, UNDEFINED, UNDEFINED]
    mass = np.sqrt(2 * 90 * 60 * (np.cosh(3.5) - np.cos(2.9)))
    assert columns["mjj"].tolist() == pytest.approx([mass, UNDEFINED, UNDEFINED])


def test_leading_counts_only_what_the_mask_has():
    assert leading(JETS, np.array([False, True, True, True]), 0).tolist() == [1, -1, 3]
    assert leading(JETS, np.array([False, True, True, True]), 1).tolist() == [2, -1, -1]


def test_jets_at_a_leg_are_the_leg_also_across_the_seam_of_phi():
    nan = np.nan
    legs = [
        (np.array([-1.5, nan, nan]), np.array([-3.1, nan, nan])),
        (np.array([nan, nan, 1.3]), np.array([nan, nan, 0.2])),
    ]
    assert apart_from_legs(JETS, legs, 0.5).tolist() == [True, False, True, False]


def test_tags_have_the_rates_of_their_flavour_inside_the_acceptance():
    n = 30_000
    jets = make_jets([(40, 0.0, 0.0)] * n)
    config = EventJetConfig(b_efficiency={"b": 0.7, "c": 0.2, "light": 0.02})
    flavour = np.arange(n) % 3 * 2 + (np.arange(n) % 3 == 2)  # 0, 2, 5
    flavour[flavour == 2] = 4
    tagged = tag_b_jets(jets, flavour, config, np.random.default_rng(1))
    for code, rate in ((5, 0.7), (4, 0.2), (0, 0.02)):
        assert tagged[flavour == code].mean() == pytest.approx(rate, abs=0.015)
    outside = make_jets([(19, 0.0, 0.0), (40, 2.5, 0.0)])
    sure = EventJetConfig(b_efficiency=dict.fromkeys(("b", "c", "light"), 1.0))
    assert not tag_b_jets(outside, np.full(2, 5), sure, np.random.default_rng(1)).any()


def test_rates_of_all_flavours_are_needed():
    with pytest.raises(ValueError, match="b_efficiency lacks c, light"):
        EventJetConfig(b_efficiency={"b": 0.7})
