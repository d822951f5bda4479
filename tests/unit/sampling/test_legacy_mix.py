from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import ConfigError, InputError
from taumltools.sampling.acceptance import AcceptancePlan, GroupPlan
from taumltools.sampling.legacy_mix import LegacyColumns, legacy_mix, legacy_ranges, legacy_types
from taumltools.sampling.legacy_stream import LegacyStream
from taumltools.sampling.partition import InputFile
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.truth import TRUTH_BRANCHES, TauType, truth_type

LOWEST = float(np.finfo(np.float32).min)
HEAD = Path(__file__).parents[2] / "data/cms_tools/head"


def make_plan(groups, q, pt_edges, eta_edges):
    """A plan from acceptances: group to type to P."""
    return AcceptancePlan(
        tuple(pt_edges),
        tuple(eta_edges),
        {
            name: GroupPlan(
                datasets=(name,),
                counts={t: np.ones_like(p, dtype=np.int64) for t, p in maps.items()},
                acceptance=maps,
                type_probability={t: q[t] for t in maps},
                entries=0,
            )
            for name, maps in groups.items()
        },
    )


def cms_plan(take_all):
    """Acceptance as the CMS tool stored it; q from its yields with equal ratios."""
    folder = HEAD / f"expected/acceptance_takeall_{str(take_all).lower()}"
    maps, yields = {}, {}
    with uproot.open(folder / "DY.root") as prob, uproot.open(folder / "DY_n.root") as entries:
        for name in ("e", "mu", "tau", "jet"):
            stored = prob[f"{name}_prob"].values().T
            maps[name] = np.ones((3, 2))
            maps[name][: len(stored)] = stored
            yields[name] = (maps[name] * entries[f"{name}_entries"].values().T).sum()
    q = {name: min(yields.values()) / value for name, value in yields.items()}
    return folder, make_plan({"DY": maps}, q, (20.0, 40.0, 80.0, 1000.0), (0.0, 1.2, 2.4))


def head_columns():
    with open_tuples(HEAD / "input/DY/eventTuple_1.root") as file:
        tuples = file.read([*TRUTH_BRANCHES, "tau_pt", "evt"])
    types = legacy_types(tuples, truth_type(tuples, "MC"), "MC")
    return tuples, LegacyColumns(types, tuples["tau_pt"], np.abs(tuples["tau_eta"]), tuples["evt"])


@pytest.mark.parametrize("take_all", [False, True])
def test_cms_tool_accepts_the_same_entries_in_the_same_order(take_all):
    folder, plan = cms_plan(take_all)
    tuples, columns = head_columns()
    mixed = legacy_mix({"DY": columns}, plan, {"DY": 200}, lastbin_takeall=take_all)
    expected = json.loads((folder / "accepted.json").read_text())
    found = {"evt": tuples["evt"], "tau_index": tuples["tau_index"], "tauType": columns.types}
    assert {n: x[mixed.entry].tolist() for n, x in found.items()} == {n: expected[n] for n in found}
    assert (mixed.read, mixed.exhausted, mixed.accepted) == ({"DY": 200}, "DY", len(expected["evt"]))


def transcription(groups, plan, weights, *, take_all, seed, max_entries, parity):
    """The main loop of the CMS tool, step by step as it is described."""
    stream = iter(LegacyStream(seed).uniform(5000).tolist())
    names, position, written, n_accepted = sorted(groups), dict.fromkeys(groups, 0), [], 0
    total, edges, etas = sum(weights.values()), plan.pt_edges, plan.eta_edges
    while True:
        group = names[0]
        if len(names) > 1:
            u, reached = next(stream), 0.0
            for group in names:
                reached += weights[group] / total
                if reached >= u:
                    break
        columns, part = groups[group], plan.groups[group]
        while position[group] < len(columns.types):
            i = position[group]
            position[group] += 1
            t = int(columns.types[i])
            if t >= 0 and TauType(t).name in part.acceptance:
                break
        else:
            return written, position, n_accepted, group
        # What is missing is the lowest float in C++.
        name, pt = TauType(t).name, float(np.nan_to_num(columns.pt[i], nan=LOWEST))
        eta = float(np.nan_to_num(columns.abs_eta[i], nan=-LOWEST))
        if next(stream) >= plan.type_probability[name]:
            continue
        if pt <= edges[0] or pt >= edges[-1] or eta >= etas[-1]:
            continue
        if not (take_all and pt >= edges[-2]):
            pt_bin = sum(pt >= edge for edge in edges) - 1
            eta_bin = sum(eta >= edge for edge in etas) - 1
            p = 0.0 if eta_bin < 0 else part.acceptance[name][pt_bin, eta_bin]
            if next(stream) > p:
                continue
        n_accepted += 1
        if parity == 3 or int(columns.evt[i]) % 2 == parity:
            written.append((group, i))
        if n_accepted == max_entries:
            return written, position, n_accepted, None


EDGES = {"pt_edges": (20.0, 30.1, 50.0, 100.3), "eta_edges": (0.3, 1.2, 2.3)}
PTS = np.array([*EDGES["pt_edges"], 10, 25, 40, 60, 150, np.nan], np.float32)
ETAS = np.array([*EDGES["eta_edges"], 0.1, 0.5, 1.5, 2.35, np.nan], np.float32)
TYPES = {"A": ("tau",), "B": ("tau", "jet", "e"), "C": ("jet", "mu")}


def random_case(seed, names, n):
    """Groups with values on and off the edges, and a plan for them."""
    rng = np.random.default_rng(seed)
    q = {"tau": 1.0, "jet": 0.4, "e": 0.7, "mu": 0.9}
    maps = {g: {t: rng.choice([0.0, 0.3, 0.8, 1.0], (3, 2)) for t in TYPES[g]} for g in names}
    plan = make_plan(maps, q, **EDGES)
    groups = {
        g: LegacyColumns(rng.integers(-1, 5, m), rng.choice(PTS, m), rng.choice(ETAS, m), rng.integers(0, 2**63, m))
        for g, m in zip(names, rng.integers(0, n, len(names)), strict=True)
    }
    weights = {g: int(w) for g, w in zip(names, rng.integers(1, 1000, len(names)), strict=True)}
    return groups, plan, weights


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    names=st.permutations("ABC").flatmap(lambda p: st.integers(1, 3).map(lambda k: p[:k])),
    take_all=st.booleans(),
    max_entries=st.none() | st.integers(1, 40),
    parity=st.sampled_from([0, 1, 3]),
)
def test_is_what_the_description_says(seed, names, take_all, max_entries, parity):
    groups, plan, weights = random_case(seed, names, 400)
    options = {"seed": seed, "max_entries": max_entries, "parity": parity}
    mixed = legacy_mix(groups, plan, weights, lastbin_takeall=take_all, **options)
    written, read, accepted, exhausted = transcription(groups, plan, weights, take_all=take_all, **options)
    assert [(mixed.groups[g], e) for g, e in zip(mixed.group.tolist(), mixed.entry.tolist(), strict=True)] == written
    assert (mixed.accepted, mixed.exhausted) == (accepted, exhausted)
    for name in groups:  # entries without wanted type are only looked at together with the next candidate
        assert mixed.read[name] == read[name]


def one_candidate(pt, abs_eta, *, take_all=False, p=1.0):
    plan = make_plan({"A": {"tau": np.full((3, 2), p)}}, {"tau": 1.0}, **EDGES)
    columns = LegacyColumns(np.array([2]), np.array([pt]), np.array([abs_eta]), np.array([1]))
    return legacy_mix({"A": columns}, plan, {"A": 1}, lastbin_takeall=take_all).accepted


@pytest.mark.parametrize(
    ("pt", "abs_eta", "accepted"),
    [
        (20.0, 1.0, 0),
        (20.001, 1.0, 1),
        (30.1, 1.0, 1),
        (np.float32(100.3), 1.0, 0),  # above 100.3 in single precision
        (100.3, 1.0, 0),
        (100.2, 1.0, 1),
        (40.0, 2.3, 0),
        (40.0, np.float32(2.3), 1),  # below 2.3 in single precision
        (40.0, 0.3, 1),
        (40.0, 0.2, 0),  # P is 0 below the first edge
        (np.nan, np.nan, 0),
    ],
)
def test_edges(pt, abs_eta, accepted):
    assert one_candidate(pt, abs_eta) == accepted


def test_last_bin_is_taken_whole_also_below_the_first_edge_in_eta():
    assert one_candidate(60.0, 0.2, take_all=True, p=0.0) == 1
    assert one_candidate(50.0, 1.0, take_all=True, p=0.0) == 1
    assert one_candidate(49.9, 1.0, take_all=True, p=0.0) == 0
    assert one_candidate(60.0, 2.3, take_all=True, p=0.0) == 0


def test_first_group_that_runs_out_ends_the_job():
    groups, plan, _ = random_case(5, ["A", "B"], 400)
    short = {"A": LegacyColumns(*(c[:3] for c in vars(groups["A"]).values())), "B": groups["B"]}
    mixed = legacy_mix(short, plan, {"A": 1, "B": 1})
    assert mixed.exhausted == "A"
    assert mixed.read["A"] == 3
    assert mixed.read["B"] < len(groups["B"].types)


def test_max_entries_counts_before_parity():
    groups, plan, weights = random_case(7, ["B"], 9000)
    everything = legacy_mix(groups, plan, weights)
    odd = legacy_mix(groups, plan, weights, max_entries=20, parity=1)
    assert (odd.accepted, odd.exhausted) == (20, None)
    expected = [e for e in everything.entry[:20].tolist() if groups["B"].evt[e] % 2]
    assert odd.entry.tolist() == expected
    assert 0 < len(expected) < 20


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        ({"A": 1}, {}, r"groups \['A', 'B'\], plan \['A', 'B'\] and weights \['A'\] do not fit"),
        ({"A": 1, "B": 1, "C": 1}, {}, "do not fit"),
        ({"A": 0, "B": 0}, {}, r"found \{'A': 0, 'B': 0\}; count them again"),
        ({"A": 2, "B": -1}, {}, "count them again"),
        ({"A": 1, "B": 1}, {"parity": 2}, "parity 2 is unknown; use 0"),
        ({"A": 1, "B": 1}, {"max_entries": 0}, "max_entries is 0; use 1 or more"),
    ],
)
def test_what_does_not_fit(weights, options, message):
    groups, plan, _ = random_case(1, ["A", "B"], 10)
    with pytest.raises(ConfigError, match=message):
        legacy_mix(groups, plan, weights, **options)


def test_a_million_candidates_in_seconds():
    groups, plan, weights = random_case(1, ["A", "B", "C"], 400)
    many = {n: LegacyColumns(*(np.resize(c, 700_000) for c in vars(g).values())) for n, g in groups.items()}
    start = time.process_time()
    mixed = legacy_mix(many, plan, dict.fromkeys(weights, 1))
    assert time.process_time() - start < 5
    assert sum(mixed.read.values()) > 700_000


def files(*entries):
    return [InputFile(Path(f"f{i}.root"), n, "DY") for i, n in enumerate(entries)]


def as_pairs(ranges):
    """First and last (file, entry), both inclusive."""
    number = [int(r.file.path.stem[1:]) for r in ranges]
    return (number[0], ranges[0].start), (number[-1], ranges[-1].stop - 1)


def test_worked_check_of_the_partition():
    inputs = files(10, 7, 5)
    expected = [((0, 0), (0, 4)), ((0, 5), (0, 9)), ((1, 0), (1, 4)), ((1, 5), (2, 2))]
    assert [as_pairs(legacy_ranges(inputs, job, 4)) for job in range(4)] == expected
    assert as_pairs(legacy_ranges(inputs, 3, 4, overflow_job=True)) == ((1, 5), (2, 4))
    assert as_pairs(legacy_ranges(inputs, 2, 4, overflow_job=True)) == expected[2]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 40), st.booleans())
def test_jobs_have_the_same_size_and_follow_each_other(entries, n_jobs, overflow):
    total, inputs = sum(entries), files(*entries)
    if total < n_jobs:
        with pytest.raises(ConfigError, match=f"{total} entries cannot be split into {n_jobs} jobs"):
            legacy_ranges(inputs, 0, n_jobs)
        return
    everything = [(f.path.name, e) for f in inputs for e in range(f.entries)]
    parts = [legacy_ranges(inputs, job, n_jobs, overflow_job=overflow) for job in range(n_jobs)]
    covered = [(r.file.path.name, e) for part in parts for r in part for e in range(r.start, r.stop)]
    assert covered == everything[: total if overflow else total // n_jobs * n_jobs]
    assert {sum(map(len, part)) for part in parts[:-1]} <= {total // n_jobs}


def test_ranges_of_more_entries_than_32_bits_hold():
    assert sum(map(len, legacy_ranges(files(2**31, 2**31), 0, 2))) == 2**31


@pytest.mark.parametrize("job", [-1, 4])
def test_no_such_job(job):
    with pytest.raises(ConfigError, match=f"part {job} of 4"):
        legacy_ranges(files(10), job, 4)


def test_partition_checks_the_files():
    with pytest.raises(InputError, match="listed more than once"):
        legacy_ranges([*files(3), *files(3)], 0, 2)


def truth_columns(**columns):
    return Tuples({name: np.array(values) for name, values in columns.items()})


@pytest.mark.parametrize(("sample", "code", "expected"), [("MC", 1, 3), ("Embedded", 2, 7), ("Data", 0, 8)])
def test_jet_without_reconstructed_tau_has_a_type(sample, code, expected):
    """Columns: no tau with jet; with lepton; without jet; with tau."""
    tuples = truth_columns(
        tau_index=[-1, -1, -1, 0], genLepton_index=[-1, 0, -1, -1], genJet_index=[0, 0, -1, 0], sampleType=[code] * 4
    )
    types = np.array([-1, -1, -1, expected])
    assert legacy_types(tuples, types, sample).tolist() == [expected, -1, -1, expected]
    assert legacy_types(tuples, types).tolist() == [expected, -1, -1, expected]
    assert types.tolist() == [-1, -1, -1, expected]


def test_data_has_no_type():
    tuples = truth_columns(tau_index=[0, 1], genLepton_index=[-1, -1], genJet_index=[-1, -1], sampleType=[0, 0])
    assert legacy_types(tuples, np.array([8, 8]), "Data").tolist() == [-1, -1]
