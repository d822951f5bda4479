"""Options of the CMS producer: which entries and branches are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from taumltools.config.datasets import DatasetConfig
from taumltools.errors import ConfigError, InputError
from taumltools.production.nanoaod import convert
from taumltools.production.selection import GenTaus, pt_sieve, select, two_gen_taus, uniform_of_key, written_branches
from taumltools.tuples.data import Tuples
from taumltools.tuples.schema import tautuple_schema

NANO = Path(__file__).parents[2] / "data/nano/nano_dy.root"
NOBODY = GenTaus(*(np.zeros(0, np.int64) for _ in range(4)))


def dataset(**options):
    return DatasetConfig(title="x", source="nanoaod", files=("x",), **options)


def table(n, **columns):
    base = {
        "run": np.ones(n, np.uint32), "lumi": np.ones(n, np.uint32), "evt": np.arange(n, dtype=np.uint64),
        "jet_index": np.zeros(n, np.int32), "tau_index": np.zeros(n, np.int32), "tau_pt": np.full(n, 40, np.float32),
        "genLepton_index": np.full(n, -1, np.int32), "genLepton_kind": np.full(n, -1, np.int32),
        "genJet_index": np.zeros(n, np.int32), "entry_index": np.zeros(n, np.int32), "total_entries": np.ones(n, np.int32),
    }  # fmt: skip
    return Tuples(base | {name: np.asarray(value, base[name].dtype) for name, value in columns.items()})


def test_without_options_nothing_changes():
    taus = table(5)
    account = {}
    assert select(taus, np.arange(5), NOBODY, dataset(), account) is taus
    assert account == {}


def test_neither_generated_nor_reconstructed_tau():
    taus = table(4, tau_index=[0, -1, -1, 3], genLepton_kind=[-1, 5, 1, -1])
    account = {}
    kept = select(taus, np.zeros(4, np.int64), NOBODY, dataset(require_gen_or_reco_tau=True), account)
    assert kept["evt"].tolist() == [0, 1, 3]
    assert kept["entry_index"].tolist() == [0, 1, 2]
    assert kept["total_entries"].tolist() == [3, 3, 3]
    assert account == {"neither_gen_nor_reco_tau": 1}


def test_tau_jet_tag():
    taus = table(4, genLepton_index=[-1, 0, -1, -1], genJet_index=[-1, -1, 0, -1], jet_index=[-1, -1, -1, 2])
    kept = select(taus, np.arange(4), NOBODY, dataset(selector="TauJetTag"), {})
    assert kept["evt"].tolist() == [1, 2, 3]


def test_gen_tau_tau_wants_two_and_no_more():
    gen = GenTaus(
        np.array([0, 0, 1, 1, 1, 2, 2, 3, 3]), np.array([5, 5, 5, 5, 5, 5, 1, 5, 5]),
        np.array([20, 11, 20, 20, 20, 20, 20, 20, 9.9]), np.array([2.4, -2.4, 0, 0, 0, 0, 0, 0, 0]),
    )  # fmt: skip
    assert two_gen_taus(gen, 5).tolist() == [True, False, False, False, False]
    kept = select(table(5), np.array([0, 0, 1, 3, 4]), gen, dataset(selector="genTauTau"), {})
    assert kept["evt"].tolist() == [0, 1]


def test_sieve_follows_its_formula():
    n = 200_000
    rng = np.random.default_rng(1)
    taus = table(n, tau_pt=rng.uniform(20, 100, n), evt=rng.integers(0, 2**40, n))
    kept = pt_sieve(taus)
    pt = taus["tau_pt"]
    assert kept[pt >= 80].all()
    for low, high in ((20, 25), (40, 45), (60, 65), (75, 80)):
        mine = (pt >= low) & (pt < high)
        expected = np.exp(0.05 * (pt[mine] - 80)).mean()
        assert kept[mine].mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / mine.sum()))


def test_sieve_keeps_generated_leptons_and_drops_what_has_no_tau():
    taus = table(4, tau_index=[-1, -1, 0, 0], genLepton_index=[0, -1, 1, -1], tau_pt=[np.nan, np.nan, 20, 500])
    assert pt_sieve(taus).tolist() == [True, False, True, True]


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(20)), cut=st.integers(0, 20))
def test_sieve_does_not_depend_on_order_or_jobs(order, cut):
    taus = table(20, tau_pt=np.linspace(20, 90, 20), evt=np.arange(20) * 7)
    whole = pt_sieve(taus)
    shuffled = taus.take(np.array(order))
    parts = [pt_sieve(shuffled.slice(0, cut)), pt_sieve(shuffled.slice(cut, 20))]
    assert np.concatenate(parts).tolist() == whole[np.array(order)].tolist()


def test_random_numbers_of_keys_are_uniform_and_independent_of_neighbours():
    n = 100_000
    u = uniform_of_key(table(n))  # event numbers 0, 1, 2, ...
    assert np.histogram(u, 20, (0, 1))[0] == pytest.approx(np.full(20, n / 20), abs=5 * np.sqrt(n / 20))
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 5 / np.sqrt(n)
    assert len(set(u.tolist())) == n
    other = uniform_of_key(table(n, tau_index=np.ones(n)))
    assert abs(np.corrcoef(u, other)[0, 1]) < 5 / np.sqrt(n)


def test_branches_by_regular_expressions():
    names = list(tautuple_schema().branches)
    assert written_branches(dataset()) is None
    assert written_branches(dataset(disabled_branches=("photon_.*",))) == [
        n for n in names if not n.startswith("photon_")
    ]
    assert written_branches(dataset(enabled_branches=("tau_.*", "evt"), disabled_branches=("tau_by.*",))) == [
        n for n in names if n == "evt" or (n.startswith("tau_") and not n.startswith("tau_by"))
    ]
    with pytest.raises(ConfigError, match="disabled_branches: 'tau' matches no branch"):
        written_branches(dataset(disabled_branches=("tau",)))
    with pytest.raises(ConfigError, match="leave no branch to write"):
        written_branches(dataset(enabled_branches=("evt",), disabled_branches=("e.*",)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"selector": "mutau"}, "'genTauTau', 'TauJetTag', 'MuTau' or 'TagAndProbe'"),
        ({"disabled_branches": ("(",)}, "is no regular expression"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(options, message):
    with pytest.raises(ValidationError, match=message):
        dataset(**options)


def test_selector_without_tags_is_a_clear_error():
    with pytest.raises(InputError, match="selector 'MuTau' needs the tags of the events"):
        select(table(1), np.zeros(1, np.int64), NOBODY, dataset(selector="MuTau"), {})


def test_on_real_events():
    account = {}
    tables = convert([NANO], dataset(selector="genTauTau", require_gen_match=False), account=account)
    taus = Tuples.concatenate(list(tables))
    everything = Tuples.concatenate(list(convert([NANO], dataset(require_gen_match=False))))
    assert len(taus) + account["not_gen_tau_tau"] == len(everything)
    assert 0 < len(taus) < len(everything)
    for event in set(taus["evt"].tolist()):
        mine = taus["evt"] == event
        assert taus["entry_index"][mine].tolist() == list(range(mine.sum()))
