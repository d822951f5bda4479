from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling import shuffle
from taumltools.sampling.acceptance import make_plan
from taumltools.sampling.choose import AcceptedYields
from taumltools.sampling.counted import count_range
from taumltools.sampling.gather import choose_part, enabled_branches, write_part
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.partition import FileRange, InputFile
from taumltools.sampling.repeated import find_in_dataset, without_repeated
from taumltools.sampling.sample import Sample, bin_counts, plan_of_part
from taumltools.sampling.spectra import SPECTRA_BRANCHES
from taumltools.tuples import arrowio, rootread
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import TauType, truth_type
from tests.unit.sampling.builders import counted_files

KEY = ("run", "lumi", "evt", "jet_index", "tau_index")
STORED = [
    *dict.fromkeys(
        [*SPECTRA_BRANCHES, *KEY, "sampleType", "tauType", "jet_pt", "pfCand_pt", "pfCand_charge", "muon_pt"]
    )
]
SIZES = {"a_0": 700, "a_1": 500, "b_0": 900}
REST = ["(?!" + "|".join(["dataset_.*", "trainingWeight", *STORED]) + ")" + ".*"]
EDGES = {"pt_edges": (20, 40, 100, 1000), "eta_edges": (0, 1.2, 2.4), "disabled_branches": REST}
CONFIG = SamplingConfig(**EDGES, lastbin_takeall=True, lastbin_disbalance=10, n_jobs=1)
GROUPED = SamplingConfig(
    **EDGES,
    n_jobs=1,
    groups={"leptons": {"types": ["e", "mu"]}, "taus": {"types": ["tau", "jet"], "datasets": ["a", "b"]}},
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder, files = tmp_path_factory.mktemp("gather"), []
    for seed, (name, size) in enumerate(SIZES.items()):
        path = folder / f"{name}.{'root' if name == 'a_1' else 'arrow'}"
        write_tuples(path, mock_tuples(size, seed=seed), STORED)
        files.append(InputFile(path, size, name[0]))
    return files


def sample_of(files, config=CONFIG, **changes):
    config = replace(config, **changes)
    repeated = {}
    for dataset in sorted({file.dataset for file in files}):
        repeated |= find_in_dataset([file for file in files if file.dataset == dataset], 100, Path("/tmp"))
    used = list(without_repeated(counted_files(files, config), repeated, config))
    return Sample(files, config, repeated, bin_counts(used, config), seed=5), make_plan(used, config)


def choice(files, config=CONFIG, job=0, seed=0, group=None, **changes):
    sample, plan = sample_of(files, config, **changes)
    return choose_part(sample, plan, job=job, group=group, rng=np.random.default_rng([seed, job])), sample


def part(files, tmp_path, config=CONFIG, **options):
    chosen, sample = choice(files, config, **options)
    path = tmp_path / f"part.{sample.config.format}"
    path.unlink(missing_ok=True)
    assert write_part(path, chosen, sample.config, tmp_path) == chosen.yields.total
    with open_tuples(path) as file:
        return file.read(), chosen


def keys(tuples):
    return list(zip(*(tuples[name].tolist() for name in KEY), strict=True))


def by_key():
    """Everything that was put in, by key."""
    rows = {}
    for seed, (name, size) in enumerate(SIZES.items()):
        tuples = mock_tuples(size, seed=seed)
        types = truth_type(tuples)
        for i, key in enumerate(keys(tuples)):
            rows[key] = (name[0], tuples, i, types[i])
    return rows


@pytest.mark.parametrize("config", [CONFIG, GROUPED], ids=["one group", "two groups"])
@pytest.mark.parametrize("memory_mb", [4000, 0.2], ids=["memory", "disk"])
def test_candidates_arrive_whole(inputs, config, memory_mb, tmp_path):
    """Scalars, objects, type and ids of each accepted candidate are those of its input."""
    found, _ = part(inputs, tmp_path, config, memory_mb=memory_mb)
    source, pf = by_key(), found.collections["pfCand"]
    assert len(set(keys(found))) == len(found) > 300
    for row, key in enumerate(keys(found)):
        dataset, tuples, i, tau_type = source[key]
        assert found["tauType"][row] == tau_type
        assert found["dataset_id"][row] == hash_name(dataset)
        assert found["tau_pt"][row] == tuples["tau_pt"][i]
        mine, theirs = pf.slice(row, row + 1), tuples.collections["pfCand"].slice(i, i + 1)
        assert np.array_equal(mine.columns["pt"], theirs.columns["pt"])
        assert np.array_equal(mine.columns["charge"], theirs.columns["charge"])
    assert [p.name for p in tmp_path.iterdir()] == ["part.arrow"]


def test_group_ids(inputs, tmp_path):
    found, _ = part(inputs, tmp_path, GROUPED)
    leptons = np.isin(found["tauType"], [TauType.e, TauType.mu])
    assert np.all(found["dataset_group_id"][leptons] == hash_name("leptons"))
    assert np.all(found["dataset_group_id"][~leptons] == hash_name("taus"))
    assert found["dataset_group_id"].dtype == np.uint64
    assert found["tauType"].dtype == np.int32


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 7])
@pytest.mark.parametrize("method", ["spectral", "quota", "weight"])
@pytest.mark.parametrize("config", [CONFIG, GROUPED], ids=["one group", "two groups"])
def test_parts_read_everything_once(inputs, config, method, n_jobs):
    parts = [choice(inputs, config, job=job, n_jobs=n_jobs, method=method)[0] for job in range(n_jobs)]
    plan, yields = parts[0].plan, AcceptedYields.merge([p.yields for p in parts])
    assert yields.read == sum(SIZES.values()) * len(plan.groups) == yields.total + yields.losses.total
    everything = [(c.where.file.path, row) for p in parts for c in p.chosen for row in c.rows]
    assert len(set(everything)) == len(everything) == yields.total
    for name in plan.types:
        planned = sum(g.counts[name] for g in plan.groups.values() if name in g.counts)
        if method == "weight":
            assert np.array_equal(yields.accepted[name], planned)
        elif method == "quota":
            quota = sum(g.quota(name) for g in plan.groups.values() if name in g.counts)
            assert np.array_equal(yields.accepted[name], quota)
        else:
            expected = plan.expected(name)
            assert np.all(np.abs(yields.accepted[name] - expected) <= 5 * np.sqrt(expected) + 1e-9)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(3)), st.integers(1, 9))
def test_quota_is_exact_for_any_order_of_files_and_any_parts(inputs, order, n_jobs):
    files = [inputs[i] for i in order]
    parts = [choice(files, GROUPED, job=job, n_jobs=n_jobs, method="quota")[0] for job in range(n_jobs)]
    yields = AcceptedYields.merge([p.yields for p in parts])
    for name in parts[0].plan.types:
        group = next(g for g in parts[0].plan.groups.values() if name in g.counts)
        assert np.array_equal(yields.accepted[name], group.quota(name))


def test_weights_make_the_spectrum_flat(inputs, tmp_path):
    found, chosen = part(inputs, tmp_path, GROUPED, method="weight")
    weight = found["trainingWeight"]
    assert float(weight.mean()) == pytest.approx(1, rel=1e-5)
    for name in chosen.plan.types:
        mine = found["tauType"] == TauType[name]
        pt, eta = found["tau_pt"][mine], np.abs(found["tau_eta"][mine])
        sums = np.histogram2d(pt, eta, bins=[chosen.plan.pt_edges, chosen.plan.eta_edges], weights=weight[mine])[0]
        assert np.allclose(sums, sums[0, 0], rtol=1e-5)


def test_all_candidates_of_the_last_bin_are_there(inputs):
    chosen, _ = choice(inputs)
    q = chosen.plan.type_probability
    sure = next(name for name, value in q.items() if value == 1.0)
    assert np.array_equal(chosen.yields.accepted[sure][-1], chosen.plan.groups["all"].counts[sure][-1])


def test_yields_describe_the_tuples(inputs, tmp_path):
    found, chosen = part(inputs, tmp_path)
    for name, counts in chosen.yields.accepted.items():
        mine = found["tauType"] == TauType[name]
        pt, eta = found["tau_pt"][mine], np.abs(found["tau_eta"][mine])
        assert np.array_equal(np.histogram2d(pt, eta, bins=[chosen.plan.pt_edges, chosen.plan.eta_edges])[0], counts)


def test_order_is_a_permutation_over_all_files(inputs, tmp_path):
    """Not sorted by dataset, nor neighbours of the input next to each other."""
    found, _ = part(inputs, tmp_path)
    in_a = found["dataset_id"] == hash_name("a")
    share = [half.mean() for half in np.array_split(in_a, 4)]
    assert max(share) - min(share) < 0.25
    assert 0.4 < np.mean(np.diff(found["evt"].astype(int)) > 0) < 0.6


def same(a, b):
    return a.branches == b.branches and all(
        np.array_equal(a[n], b[n], equal_nan=a[n].dtype.kind == "f") for n in a.branches
    )


def test_result_depends_on_arguments_only(inputs, monkeypatch, tmp_path):
    """Not on other parts, on blocks of files, nor on whether memory or disk is used."""
    expected, _ = part(inputs, tmp_path, job=1, n_jobs=3)
    part(inputs, tmp_path, job=0, n_jobs=3)
    assert same(part(inputs, tmp_path, job=1, n_jobs=3)[0], expected)
    assert not same(part(inputs, tmp_path, job=1, n_jobs=3, seed=1)[0], expected)
    assert same(part(inputs, tmp_path, job=1, n_jobs=3, memory_mb=0.01)[0], expected)
    monkeypatch.setattr(arrowio.ArrowReader, "block", 77)
    monkeypatch.setattr(rootread.RootReader, "block", 33)
    monkeypatch.setattr(shuffle, "STEP", 11)
    assert same(part(inputs, tmp_path, job=1, n_jobs=3)[0], expected)
    assert same(part(inputs, tmp_path, job=1, n_jobs=3, memory_mb=0.02)[0], expected)


def test_root_output_holds_the_same(inputs, tmp_path):
    arrow, _ = part(inputs, tmp_path)
    root, _ = part(inputs, tmp_path, format="root", compression_algo="zlib", compression_level=4)
    assert same(arrow, root)


def test_branch_that_one_file_lacks_is_missing_there(inputs, tmp_path):
    write_tuples(tmp_path / "b.arrow", mock_tuples(900, seed=2), [n for n in STORED if n not in ("jet_pt", "muon_pt")])
    found, _ = part([*inputs[:2], InputFile(tmp_path / "b.arrow", 900, "b")], tmp_path)
    in_b = found["dataset_id"] == hash_name("b")
    assert np.isnan(found["jet_pt"][in_b]).all()
    assert not np.isnan(found["jet_pt"][~in_b]).all()
    assert found.collections["muon"].counts[in_b].sum() == 0


def test_enabled_branches():
    every = enabled_branches([])
    assert every == list(tautuple_schema().branches)
    assert len(enabled_branches(["tau_.*"])) == 711 - sum(n.startswith("tau_") for n in every)
    assert len(enabled_branches(["tau_pt"])) == 710
    with pytest.raises(ConfigError, match="'tau_p' matches no branch; it must match a whole name"):
        enabled_branches(["tau_p"])
    with pytest.raises(ConfigError, match=r"matches \['dataset_id', 'dataset_group_id'\], which sampling itself fills"):
        enabled_branches(["dataset_.*"])


def test_max_entries_is_a_random_choice_of_the_accepted(inputs, tmp_path):
    everything, whole = part(inputs, tmp_path)
    found, chosen = part(inputs, tmp_path, max_entries=100)
    assert len(found) == 100 == chosen.yields.total
    assert chosen.yields.losses.surplus == whole.yields.total - 100
    assert set(keys(found)) <= set(keys(everything))
    assert {int(i) for i in found["dataset_id"]} == {hash_name("a"), hash_name("b")}
    assert len(part(inputs, tmp_path, max_entries=10**6)[0]) == len(everything)


def test_refill_plans_each_part_from_its_own_entries(inputs):
    sample, _ = sample_of(inputs, n_jobs=2)
    plans = [plan_of_part(sample, job) for job in range(2)]
    counts = [sum(int(n.sum()) for n in plan.groups["all"].counts.values()) for plan in plans]
    total = make_plan(counted_files(inputs, sample.config), sample.config)
    assert sum(counts) == sum(int(n.sum()) for n in total.groups["all"].counts.values())
    for tau_type in total.types:
        parts = sum(plan.groups["all"].counts[tau_type] for plan in plans)
        assert np.array_equal(parts, total.groups["all"].counts[tau_type])


def test_refill_counts_of_each_group_its_own_range(inputs):
    """Groups that share a dataset and not its files read different stretches; one took the numbers of the other."""
    groups = {"taus": {"types": ["tau"]}, "jets": {"types": ["jet"], "files": "a_0.*"}}
    ratio = {"tau": 1, "jet": 1}
    sample, _ = sample_of(inputs[:2], SamplingConfig(**EDGES, n_jobs=2, groups=groups, tau_ratio=ratio, enable_emptybin=True,
                                                     unused_datasets="ignore"))  # fmt: skip
    total = make_plan(counted_files(inputs[:2], sample.config), sample.config)
    plans = [plan_of_part(sample, job) for job in range(2)]
    for group, tau_type in (("taus", "tau"), ("jets", "jet")):
        parts = sum(plan.groups[group].counts[tau_type] for plan in plans)
        np.testing.assert_array_equal(parts, total.groups[group].counts[tau_type])
    first = FileRange(inputs[0], 0, 350)
    assert plans[0].groups["jets"].entries == int(count_range(first, sample.config.spectra).with_flow(
        "jet", sample.config.pt_edges, sample.config.eta_edges).sum())  # fmt: skip


def test_merge_per_entry_makes_a_sample_of_each_group(inputs):
    sample, plan = sample_of(inputs, GROUPED, mode="MergePerEntry", tau_ratio={"tau": 3, "jet": 1, "e": 1, "mu": 2})
    assert max(plan.groups["taus"].type_probability.values()) == 1
    assert max(plan.groups["leptons"].type_probability.values()) == 1
    only = choose_part(sample, plan, job=0, group="leptons", rng=np.random.default_rng(0))
    assert {c.group for c in only.chosen} == {"leptons"}
    assert set(np.concatenate([c.types for c in only.chosen])) == {TauType.e, TauType.mu}
    expected = {t: float(plan.groups["leptons"].expected(t).sum()) for t in ("e", "mu")}
    assert expected["mu"] == pytest.approx(2 * expected["e"])
    refilled = plan_of_part(sample, 0, "leptons")
    assert refilled.groups["leptons"].type_probability == plan.groups["leptons"].type_probability


def test_files_and_plan_must_fit(inputs):
    sample, plan = sample_of(inputs)
    _, other = sample_of(inputs[:2])
    with pytest.raises(ConfigError, match=r"group 'all' has the datasets \['a'\] in the plan, but not \['b'\]"):
        choose_part(sample, other, job=0, rng=np.random.default_rng(0))
    del plan.groups["all"]
    with pytest.raises(ConfigError, match=r"group 'all' has the datasets \[\] in the plan"):
        choose_part(sample, plan, job=0, rng=np.random.default_rng(0))


def test_an_empty_part_is_refused(inputs):
    with pytest.raises(InputError, match=r"part 3 of 20000 accepts none of its \d entries; use fewer parts"):
        choice(inputs, job=3, n_jobs=20000)


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_duplicates_are_counted_and_dropped(inputs, tmp_path, caplog, duplicates):
    write_tuples(tmp_path / "copy.arrow", mock_tuples(900, seed=2), STORED)
    files = [*inputs, InputFile(tmp_path / "copy.arrow", 900, "b")]
    with caplog.at_level(logging.WARNING):
        chosen, _ = choice(files, method="weight", duplicates=duplicates)
    types = truth_type(mock_tuples(900, seed=2))
    assert chosen.yields.duplicates == 900
    assert "900 entries repeat earlier ones" in caplog.text
    assert "dataset 'b': 900 entries in 1 files repeat earlier ones, first in" in caplog.text
    dropped = np.count_nonzero(types >= 0) if duplicates == "drop" else 0
    assert chosen.yields.losses.repeated == dropped
    alone = choice(inputs, method="weight")[0]
    more = int(alone.yields.total * 0) if duplicates == "drop" else chosen.yields.total - alone.yields.total
    assert chosen.yields.total - alone.yields.total == more
    assert (more == 0) == (duplicates == "drop")
    assert alone.yields.duplicates == 0


def test_same_file_twice_is_refused(inputs):
    with pytest.raises(InputError, match="listed more than once"):
        choice([*inputs, inputs[0]], duplicates="keep")


def test_output_can_be_typed_again(inputs, tmp_path):
    found, _ = part(inputs, tmp_path)
    assert np.array_equal(truth_type(found), found["tauType"])


def test_every_part_holds_its_share_of_every_dataset(inputs, tmp_path):
    """Files of all datasets laid end to end gave one part most taus and the other most jets."""
    for job in range(2):
        ids = part(inputs, tmp_path, job=job, n_jobs=2)[0]["dataset_id"]
        assert {int(i) for i in ids} == {hash_name("a"), hash_name("b")}
    assert [choice(inputs, job=job, n_jobs=2)[0].yields.read for job in range(2)] == [1050, 1050]


def test_expected_total_is_close_to_what_is_found(inputs):
    chosen, _ = choice(inputs)
    expected = sum(chosen.plan.expected_total.values())
    assert abs(chosen.yields.total - expected) < 5 * math.sqrt(expected)
