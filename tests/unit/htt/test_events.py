"""Simulated events: what physics says of them, weights, numbers, reproducibility."""

import dataclasses

import numpy as np
import pytest

from taumltools.config.htt import EventSampleConfig
from taumltools.errors import ConfigError, InputError
from taumltools.htt.events import CHUNK_STRIDE, check_samples, simulate_events
from taumltools.htt.mock import UNDEFINED, mock_events
from taumltools.production.geometry import cartesian, delta_r, invariant_mass
from tests.unit.htt.events_case import make_events, make_setup

TT = ("ggH", "VBFH", "bbH", "ZTT", "TT", "QCD")
SIZES = {"ggH": 80, "VBFH": 80, "bbH": 60, "ZTT": 50, "TT": 40, "QCD": 40}


def of(sample, channel="tt"):
    return make_events(channel, sample, SIZES.get(sample, 40) if channel == "tt" else 25)[0]


@pytest.mark.parametrize("sample", TT)
def test_branches_are_those_of_mock_events_and_their_types(sample):
    events, mock = of(sample), mock_events("ggH", 3)
    assert set(mock) <= set(events)
    assert {name: events[name].dtype for name in mock} == {name: values.dtype for name, values in mock.items()}
    assert set(events) - set(mock) == {"iso_1", "iso_2"}
    assert {len(values) for values in events.values()} == {SIZES[sample]}
    assert all(np.isfinite(values).all() for values in events.values())


@pytest.mark.parametrize("sample", TT)
def test_selection_holds(sample):
    events, config = of(sample), make_setup("tt").config
    leg = config.legs["t"]
    assert (events["pt_1"] >= events["pt_2"]).all()
    assert events["pt_2"].min() > leg.min_pt
    assert max(np.abs(events[name]).max() for name in ("eta_1", "eta_2")) < leg.max_eta
    assert events["dr_tt"].min() > config.min_distance
    assert np.isin(events["decayMode_1"], (0, 1, 10, 11)).all()
    assert np.array_equal(events["os"], events["q_1"] * events["q_2"] == -1)
    assert (np.abs(events["q_1"]) == 1).all()
    isolated = (events["iso_1"] < leg.max_isolation) & (events["iso_2"] < leg.max_isolation)
    assert isolated.all() == (sample != "QCD")


@pytest.mark.parametrize(("channel", "sample"), [("tt", "ggH"), ("em", "TT")])
def test_quantities_of_the_pair_follow_from_their_definitions(channel, sample):
    events = of(sample, channel)
    legs = [cartesian(*(events[f"{name}_{i}"].astype(float) for name in ("pt", "eta", "phi", "m"))) for i in (1, 2)]
    total = [a + b for a, b in zip(*legs, strict=True)]
    np.testing.assert_allclose(events["m_vis"], invariant_mass(*total), rtol=1e-4)
    missing = events["puppimet"] * np.exp(1j * events["puppimetphi"].astype(float))
    np.testing.assert_allclose(events["pt_tt"], np.abs(total[0] + 1j * total[1] + missing), rtol=1e-3, atol=1e-2)
    angle = events["phi_1"] - events["puppimetphi"]
    expected = 2 * events["pt_1"] * events["puppimet"] * (1 - np.cos(angle))
    np.testing.assert_allclose(events["mt_1"] ** 2, expected, rtol=1e-3, atol=1e-2)
    distance = delta_r(events["eta_1"], events["phi_1"], events["eta_2"], events["phi_2"])
    np.testing.assert_allclose(events["dr_tt"], distance, rtol=1e-4)


@pytest.mark.parametrize("sample", TT)
def test_jets_are_apart_from_legs_ordered_and_defined_where_they_exist(sample):
    events = of(sample)
    for number in (1, 2):
        there = events["njets"] >= number
        for name in ("jpt", "jeta", "jphi"):
            assert np.array_equal(events[f"{name}_{number}"] != UNDEFINED, there)
        assert np.array_equal(events[f"bpt_{number}"] != UNDEFINED, events["nbtag"] >= number)
        for leg in (1, 2):
            away = delta_r(
                events[f"jeta_{number}"], events[f"jphi_{number}"], events[f"eta_{leg}"], events[f"phi_{leg}"]
            )
            assert (away[there] > 0.5).all()
    both = events["njets"] >= 2
    assert np.array_equal(events["mjj"] != UNDEFINED, both)
    assert (events["jpt_1"] >= events["jpt_2"]).all()
    np.testing.assert_allclose(
        events["jdeta"][both], np.abs(events["jeta_1"] - events["jeta_2"])[both], rtol=1e-4, atol=1e-5
    )


def test_z_lies_below_h_in_both_masses():
    for mass, low, high in (("m_vis", 60, 85), ("m_sv", 75, 110)):
        z, h = np.median(of("ZTT")[mass]), np.median(of("ggH")[mass])
        assert low < z < high
        assert h > z + 8
    assert 105 < np.median(of("ggH")["m_sv"]) < 140
    assert (of("ggH")["m_sv"] >= of("ggH")["m_vis"]).all()


def test_jets_tell_the_processes_apart():
    dijet = {name: of(name)["njets"] >= 2 for name in TT}
    vbf, ggh = of("VBFH"), of("ggH")
    assert dijet["VBFH"].mean() > 2 * dijet["ggH"].mean()
    assert np.median(vbf["mjj"][dijet["VBFH"]]) > np.median(ggh["mjj"][dijet["ggH"]])
    assert np.median(vbf["jdeta"][dijet["VBFH"]]) > np.median(ggh["jdeta"][dijet["ggH"]])
    assert of("TT")["nbtag"].mean() > 0.8
    assert max(of(name)["nbtag"].mean() for name in ("ggH", "ZTT", "QCD")) < 0.25
    assert of("bbH")["nbtag"].mean() > of("ggH")["nbtag"].mean()
    assert (of("TT")["gen_nbjets_cut"] > 0).mean() > 0.8
    assert (of("ggH")["gen_nbjets_cut"] > 0).mean() < 0.15


def test_legs_come_from_what_the_channel_says():
    genuine = np.concatenate([of(name)[f"gen_match_{i}"] for name in ("ggH", "VBFH", "ZTT", "TT") for i in (1, 2)])
    assert (genuine == 5).mean() > 0.95
    assert (of("QCD")["gen_match_1"] == 6).mean() > 0.95
    assert of("ggH")["os"].mean() > 0.9


def test_em_events_have_an_electron_and_a_muon():
    events = of("ggH", "em")
    assert np.isin(events["gen_match_1"], (1, 3)).mean() > 0.95
    assert np.isin(events["gen_match_2"], (2, 4)).mean() > 0.95
    assert "decayMode_1" not in events
    assert events["m_1"][0] == pytest.approx(0.000511)
    assert events["m_2"][0] == pytest.approx(0.10566)
    fakes = of("W", "em")
    first, second = fakes["gen_match_1"], fakes["gen_match_2"]
    assert (np.isin(first, (1, 3)) | np.isin(second, (2, 4))).mean() > 0.9
    assert ((first == 6) | (second == 6)).mean() > 0.9
    assert not np.isin(first, (2, 4)).any(), "a muon that was not identified counts as jet taken for an electron"


def test_weights_add_up_to_the_cross_section():
    """The sum is cross section x luminosity x share of selected events, however events are spread over chunks."""
    events, account = make_events("tt", "ggH", 80)
    config = make_setup("tt").config
    expected = 52.2 * 0.0263 * config.luminosity * 80 / account["tried"]
    assert events["weight"].sum() == pytest.approx(expected, rel=1e-3)
    assert account["yield"] == pytest.approx(expected, rel=1e-3)
    assert account["tried"] > account["generated"] > account["simulated"] > account["events"] == 80
    half, _ = simulate_events("ggH", make_setup("tt"), events=40, seed=np.random.SeedSequence(5), chunks=2)
    assert half["weight"].sum() == pytest.approx(expected / 2, rel=0.35)
    assert len(np.unique(of("QCD")["weight"])) > 10


def test_numbers_are_unique_and_chunks_do_not_collide():
    seed = np.random.SeedSequence(9)
    first, second = (
        simulate_events("ggH", make_setup("tt"), events=5, seed=seed, chunk=c, chunks=2)[0] for c in (0, 1)
    )
    assert np.array_equal(second["evt"], first["evt"] + np.uint64(CHUNK_STRIDE))
    assert set(second["lumi"].tolist()) == {2}
    evt = of("ggH")["evt"]
    assert (np.diff(evt.astype(np.int64)) > 0).all()
    assert 0.3 < (evt % 2).mean() < 0.7


def test_same_seed_same_events():
    again, _ = simulate_events("TT", make_setup("tt"), events=10, seed=np.random.SeedSequence(3))
    once, _ = simulate_events("TT", make_setup("tt"), events=10, seed=np.random.SeedSequence(3))
    assert all(np.array_equal(again[name], once[name]) for name in once)
    other, _ = simulate_events("TT", make_setup("tt"), events=10, seed=np.random.SeedSequence(4))
    assert not np.array_equal(once["pt_1"], other["pt_1"])


def test_hopeless_selection_gives_up():
    setup = make_setup("tt")
    config = dataclasses.replace(setup.config, max_generated=300, min_distance=20.0)
    with pytest.raises(InputError, match=r"'ggH': 0 of 5 events selected after 500 were generated"):
        simulate_events("ggH", dataclasses.replace(setup, config=config), events=5, seed=np.random.SeedSequence(1))


def test_what_cannot_be_simulated_is_named():
    config = make_setup("tt").config
    good = {"ggH": EventSampleConfig(events=5)}
    check_samples(good, "tt", config)
    with pytest.raises(ConfigError, match=r"sample 'ZZ' cannot be simulated: htt.simulation.processes has ggH"):
        check_samples({"ZZ": EventSampleConfig(events=5)}, "tt", config)
    with pytest.raises(ConfigError, match=r"htt.channel 'mt' cannot be simulated; expected one of tt, em"):
        check_samples(good, "mt", config)
    with pytest.raises(ConfigError, match=r"legs lacks e, m, which channel 'em'"):
        check_samples(good, "em", config)
    with pytest.raises(ConfigError, match=r"htt.samples.ggH: 5 events for 9 chunks"):
        check_samples({"ggH": EventSampleConfig(events=5, chunks=9)}, "tt", config)
