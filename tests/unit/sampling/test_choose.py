from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import InputError
from taumltools.sampling.acceptance import AcceptancePlan, GroupPlan, make_plan
from taumltools.sampling.choose import AcceptedYields, choose, count_duplicates
from taumltools.sampling.partition import FileRange, InputFile
from taumltools.sampling.spectra import count_spectra
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import TauType, truth_type

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
    return make_plan({"a": count_spectra(path, config.spectra)}, config)


def whole(path, **changes):
    return FileRange(InputFile(path, **({"entries": N, "dataset": "a"} | changes)), 0, N)


def run(path, plan, seed=0):
    return choose(whole(path), "all", plan, np.random.default_rng(seed))


def test_account_is_complete(path, plan):
    chosen = run(path, plan)
    y = chosen.yields
    assert y.read == N == y.not_valid + y.other_type + y.outside + y.rejected + y.total
    types, eta = truth_type(mock_tuples(N, seed=8)), np.abs(mock_tuples(N, seed=8)["tau_eta"])
    planned = np.isin(types, [TauType.e, TauType.tau, TauType.jet])
    assert y.not_valid == np.count_nonzero(types == -1)
    assert y.other_type == np.count_nonzero(types == TauType.mu) > 0
    assert y.outside == np.count_nonzero(planned & (eta >= 2.0)) > 0
    assert y.total == len(chosen.rows)


def test_chosen_rows_are_of_planned_types_and_inside(path, plan):
    chosen, tuples = run(path, plan), mock_tuples(N, seed=8)
    assert np.array_equal(chosen.types, truth_type(tuples)[chosen.rows])
    assert set(chosen.types) == {TauType.e, TauType.tau, TauType.jet}
    assert np.all(np.diff(chosen.rows) > 0)
    assert np.abs(tuples["tau_eta"][chosen.rows]).max() < 2.0


def test_yields_agree_with_the_expectation(path, plan):
    """200 draws: the mean of each bin within five standard errors of q · P · n."""
    rng = np.random.default_rng(3)
    runs = [choose(whole(path), "all", plan, rng).yields.accepted for _ in range(200)]
    for name in plan.type_probability:
        mean = np.mean([accepted[name] for accepted in runs], axis=0)
        expected = plan.expected(name)
        assert np.all(np.abs(mean - expected) < 5 * np.sqrt(expected / 200) + 1e-9), name


def test_candidates_with_probability_one_are_always_accepted(path):
    counts = np.full((3, 2), 5)
    sure = GroupPlan(("a",), {"tau": counts}, {"tau": np.ones((3, 2))})
    plan = AcceptancePlan(EDGES["pt_edges"], EDGES["eta_edges"], {"all": sure}, {"tau": 1.0})
    y = run(path, plan).yields
    assert y.rejected == 0
    never = AcceptancePlan(
        plan.pt_edges,
        plan.eta_edges,
        {"all": GroupPlan(("a",), {"tau": counts}, {"tau": np.zeros((3, 2))})},
        {"tau": 1.0},
    )
    assert run(path, never).yields.total == 0


def test_same_random_numbers_same_choice(path, plan):
    assert np.array_equal(run(path, plan, 1).rows, run(path, plan, 1).rows)
    assert not np.array_equal(run(path, plan, 1).rows, run(path, plan, 2).rows)


def test_numbers_of_one_type_do_not_depend_on_the_plan_of_others(path, plan):
    alone = AcceptancePlan(
        plan.pt_edges,
        plan.eta_edges,
        {"all": GroupPlan(("a",), plan.groups["all"].counts, {"tau": plan.groups["all"].acceptance["tau"]})},
        plan.type_probability,
    )
    both, one = run(path, plan), run(path, alone)
    assert np.array_equal(both.rows[both.types == TauType.tau], one.rows)


def test_range_of_a_file(path, plan):
    part = FileRange(InputFile(path, N, "a"), 1000, 1500)
    chosen = choose(part, "all", plan, np.random.default_rng(0))
    assert chosen.yields.read == 500
    assert 1000 <= chosen.rows.min() <= chosen.rows.max() < 1500


def test_a_file_that_changed_is_refused(path, plan):
    with pytest.raises(InputError, match=r"taus.arrow: has 4000 entries, its spectra say 3999; the file has changed"):
        choose(whole(path, entries=3999), "all", plan, np.random.default_rng(0))


def test_typed_candidates_need_a_finite_pt(plan, tmp_path):
    tuples = mock_tuples(100)
    row = int(np.flatnonzero(truth_type(tuples) == TauType.jet)[0])
    pt = tuples["tau_pt"].copy()
    pt[row] = np.nan
    write_tuples(tmp_path / "bad.arrow", tuples.with_scalars({"tau_pt": pt}), tuples.scalars)
    with pytest.raises(InputError, match=rf"bad.arrow: tau_pt is nan .* entry {row}"):
        choose(FileRange(InputFile(tmp_path / "bad.arrow", 100, "a"), 0, 100), "all", plan, np.random.default_rng(0))


def repeated(tmp_path, name, dataset, copies):
    tuples = Tuples.concatenate([mock_tuples(200, seed=1)] * copies)
    path = tmp_path / name
    write_tuples(path, tuples, mock_tuples(1).scalars)
    return FileRange(InputFile(Path(path), 200 * copies, dataset), 0, 200 * copies)


def test_duplicates_are_counted_within_a_dataset(plan, tmp_path):
    ranges = [repeated(tmp_path, "x.arrow", "a", 1), repeated(tmp_path, "y.arrow", "a", 2)]
    chosen = [choose(r, "all", plan, np.random.default_rng(0)) for r in ranges]
    typed = np.isin(truth_type(mock_tuples(200, seed=1)), [TauType[t] for t in plan.type_probability]).sum()
    assert count_duplicates(chosen[:1]) == 0
    assert count_duplicates(chosen[1:]) == typed
    assert count_duplicates(chosen) == 2 * typed


def test_other_datasets_may_hold_the_same_keys(plan, tmp_path):
    ranges = [repeated(tmp_path, "x.arrow", "a", 1), repeated(tmp_path, "y.arrow", "b", 1)]
    assert count_duplicates([choose(r, "all", plan, np.random.default_rng(0)) for r in ranges]) == 0
    assert count_duplicates([]) == 0


def test_accounts_add_up():
    a = AcceptedYields(10, 1, 2, 3, 1, {"tau": np.array([[3]])}, 2)
    b = AcceptedYields(5, 0, 0, 0, 3, {"tau": np.array([[1]]), "e": np.array([[1]])}, 1)
    total = AcceptedYields.merge([a, b])
    assert total.accepted_total == {"tau": 4, "e": 1}
    assert (total.read, total.total, total.rejected, total.duplicates) == (15, 5, 4, 3)
    assert AcceptedYields.merge([a, b], duplicates=9).duplicates == 9
    assert AcceptedYields.merge([]).read == 0


def test_account_as_json(path, plan):
    content = json.loads(json.dumps(run(path, plan).yields.as_json()))
    assert content["read"] == N
    assert np.array(content["accepted"]["tau"]).shape == (3, 2)
