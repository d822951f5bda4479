from __future__ import annotations

import json

import numpy as np
import pytest

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import InputError
from taumltools.sampling import counted
from taumltools.sampling.acceptance import AcceptancePlan, GroupPlan
from taumltools.sampling.choose import AcceptedYields, Losses, account, choose
from taumltools.sampling.methods import Spectral, Weighted
from taumltools.sampling.partition import FileRange, InputFile
from taumltools.sampling.spectra import count_spectra
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import TauType, truth_type
from tests.unit.sampling.builders import plan_datasets

N = 4000
EDGES = {"pt_edges": (20, 40, 100, 1000), "eta_edges": (0, 1.2, 2.0)}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("choose") / "taus.arrow"
    write_tuples(path, mock_tuples(N, seed=8), mock_tuples(1).scalars)
    return path


@pytest.fixture(scope="module")
def plan(path):
    config = SamplingConfig(**EDGES, tau_ratio={"tau": 1, "jet": 1, "e": -1})
    return plan_datasets({"a": count_spectra(path, config.spectra)}, config)


def whole(path, **changes):
    return FileRange(InputFile(path, **({"entries": N, "dataset": "a"} | changes)), 0, N)


def run(path, plan, seed=0, **options):
    return choose(whole(path), "all", plan, Spectral(plan, "all"), np.random.default_rng(seed), **options)


def test_account_is_complete(path, plan):
    chosen = run(path, plan)
    lost = chosen.losses
    assert len(chosen) + lost.total == N
    types, eta = truth_type(mock_tuples(N, seed=8)), np.abs(mock_tuples(N, seed=8)["tau_eta"])
    planned = np.isin(types, [TauType.e, TauType.tau, TauType.jet])
    assert lost.not_valid == np.count_nonzero(types == -1)
    assert lost.other_type == np.count_nonzero(types == TauType.mu) > 0
    assert lost.outside == np.count_nonzero(planned & (eta >= 2.0)) > 0
    assert (lost.repeated, lost.other_parity, lost.surplus, lost.not_read) == (0, 0, 0, 0)
    yields = account([chosen], plan, 0)
    assert yields.read == N == yields.total + yields.losses.total


def test_chosen_rows_are_of_planned_types_and_inside(path, plan):
    chosen, tuples = run(path, plan), mock_tuples(N, seed=8)
    assert np.array_equal(chosen.types, truth_type(tuples)[chosen.rows])
    assert set(chosen.types) == {TauType.e, TauType.tau, TauType.jet}
    assert np.all(np.diff(chosen.rows) > 0)
    assert np.abs(tuples["tau_eta"][chosen.rows]).max() < 2.0
    rows, columns, _ = plan.bins(tuples["tau_pt"], np.abs(tuples["tau_eta"]))
    assert np.array_equal(chosen.bins, (rows * 2 + columns)[chosen.rows])


def test_yields_agree_with_the_expectation(path, plan):
    """200 draws: the mean of each bin within five standard errors of q · P · n."""
    runs = [account([run(path, plan, seed)], plan, 0).accepted for seed in range(200)]
    for name in plan.types:
        mean = np.mean([accepted[name] for accepted in runs], axis=0)
        expected = plan.expected(name)
        assert np.all(np.abs(mean - expected) < 5 * np.sqrt(expected / 200) + 1e-9), name


@pytest.mark.parametrize(("p", "what"), [(1.0, "rejected"), (0.0, "accepted")])
def test_candidates_with_a_sure_fate(p, what, path):
    group = GroupPlan(("a",), {"tau": np.full((3, 2), 5)}, {"tau": np.full((3, 2), p)}, {"tau": 1.0}, 30)
    chosen = run(path, AcceptancePlan(EDGES["pt_edges"], EDGES["eta_edges"], {"all": group}))
    assert {"rejected": chosen.losses.rejected, "accepted": len(chosen)}[what] == 0


def test_same_random_numbers_same_choice(path, plan, monkeypatch):
    assert np.array_equal(run(path, plan, 1).rows, run(path, plan, 1).rows)
    assert not np.array_equal(run(path, plan, 1).rows, run(path, plan, 2).rows)
    expected = run(path, plan, 1)
    monkeypatch.setattr(counted.typed_chunks, "__defaults__", ((), 97))
    assert np.array_equal(run(path, plan, 1).rows, expected.rows)


def test_numbers_of_one_type_do_not_depend_on_the_plan_of_others(path, plan):
    both, g = run(path, plan), plan.groups["all"]
    only = GroupPlan(("a",), g.counts, {"tau": g.acceptance["tau"]}, g.type_probability, g.entries)
    one = run(path, AcceptancePlan(plan.pt_edges, plan.eta_edges, {"all": only}))
    assert np.array_equal(both.rows[both.types == TauType.tau], one.rows)


def test_range_of_a_file(path, plan):
    part = FileRange(InputFile(path, N, "a"), 1000, 1500)
    chosen = choose(part, "all", plan, Weighted(), np.random.default_rng(0))
    assert len(chosen) + chosen.losses.total == 500
    assert 1000 <= chosen.rows.min() <= chosen.rows.max() < 1500


def test_parity_comes_after_the_acceptance(path, plan):
    """Even and odd parts are together what is accepted without parity."""
    both, evt = run(path, plan), mock_tuples(N, seed=8)["evt"]
    even, odd = run(path, plan, parity=0), run(path, plan, parity=1)
    assert np.all(evt[even.rows] % 2 == 0)
    assert np.all(evt[odd.rows] % 2 == 1)
    assert sorted([*even.rows, *odd.rows]) == both.rows.tolist()
    assert even.losses.other_parity == len(odd) > 0


def test_repeated_entries_are_left_out(path, plan):
    drop = np.arange(0, N, 3)
    all_kept = choose(whole(path), "all", plan, Weighted(), np.random.default_rng(0))
    kept = choose(whole(path), "all", plan, Weighted(), np.random.default_rng(0), repeated=drop)
    assert kept.rows.tolist() == [row for row in all_kept.rows.tolist() if row % 3]
    types = truth_type(mock_tuples(N, seed=8))
    assert kept.losses.repeated == np.isin(types[drop], [TauType.e, TauType.tau, TauType.jet]).sum()
    assert len(kept) + kept.losses.total == N


def test_a_file_that_changed_is_refused(path, plan):
    with pytest.raises(InputError, match=r"taus.arrow: has 4000 entries, its spectra say 3999; the file has changed"):
        choose(whole(path, entries=3999), "all", plan, Weighted(), np.random.default_rng(0))


def test_typed_candidates_need_a_finite_pt(plan, tmp_path):
    tuples = mock_tuples(100)
    row = int(np.flatnonzero(truth_type(tuples) == TauType.jet)[0])
    pt = tuples["tau_pt"].copy()
    pt[row] = np.nan
    write_tuples(tmp_path / "bad.arrow", tuples.with_scalars({"tau_pt": pt}), tuples.scalars)
    where = FileRange(InputFile(tmp_path / "bad.arrow", 100, "a"), 0, 100)
    with pytest.raises(InputError, match=rf"bad.arrow: tau_pt is nan .* entry {row}"):
        choose(where, "all", plan, Weighted(), np.random.default_rng(0))


def test_accounts_add_up_and_survive_json():
    a = AcceptedYields(10, Losses(1, 2, 0, 3, 1), {"tau": np.array([[3]])}, 2)
    b = AcceptedYields(5, Losses(rejected=2, surplus=1), {"tau": np.array([[1]]), "e": np.array([[1]])}, 1)
    total = AcceptedYields.merge([a, b])
    assert total.accepted_total == {"tau": 4, "e": 1}
    assert (total.read, total.total, total.losses.rejected, total.duplicates) == (15, 5, 3, 3)
    assert total.read == total.total + total.losses.total
    assert AcceptedYields.merge([]).read == 0
    again = AcceptedYields.from_json(json.loads(json.dumps(total.as_json())))
    assert again.as_json() == total.as_json()
    assert again.accepted["tau"].dtype == np.int64
