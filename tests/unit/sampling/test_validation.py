"""The whole validation: honest samples pass, each kind of drift fails, and users learn what and where."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taumltools.config.validation import ValidationConfig
from taumltools.errors import InputError
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.validation import names_by_hash, validate_counts, validate_sample
from taumltools.sampling.validation_series import compare_order, compare_rows
from taumltools.sampling.validation_slices import slices
from taumltools.sampling.validation_tables import Cell
from taumltools.sampling.validation_verdict import describe, legacy_pvalues
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.unit.sampling.validation_samples import DATASETS, NAMES, SMALL, count, honest, verdict_of

BIG = 24_000
FAST = replace(SMALL, chunks=3, variables={"tau_pt": SMALL.variables["tau_pt"]})


@pytest.fixture(scope="module")
def parts():
    return honest(np.random.default_rng(1), parts=4, n=BIG)


def changed(parts, number, change):
    """The sample with one part replaced."""
    return [change(part) if row == number else part for row, part in enumerate(parts)]


def failed_families(verdict):
    return {name for name, family in verdict.families.items() if family.failed}


# ---------------------------------------------------------------- honest samples


@pytest.fixture(scope="module")
def verdicts():
    """A hundred honest samples, half of them with two equal candidates an event."""
    return [
        verdict_of(honest(np.random.default_rng([7, seed]), parts=3, n=2500, per_event=1 + seed % 2), FAST)
        for seed in range(100)
    ]


def test_honest_samples_pass(verdicts):
    assert sum(verdict.passed for verdict in verdicts) >= 99
    assert all(sum(f.tests for f in v.families.values()) > 100 for v in verdicts)


def test_the_error_probability_is_not_far_from_what_is_set(verdicts):
    """At thresholds for 20% at most 20% fail, within the statistics; many fewer would be blind."""
    levels = [
        min(family.smallest * 0.001 / family.threshold for family in verdict.families.values() if family.tests)
        for verdict in verdicts
    ]
    assert 3 <= sum(level < 0.2 for level in levels) <= 35


def test_p_values_of_honest_samples_are_uniform(verdicts):
    """Those of chunks; between parts they are larger, since events are not cut."""
    for test in ("chi2", "ks"):
        values = [s.result.p for v in verdicts for s in v.series if (s.level, s.test) == ("chunk", test)]
        p = np.concatenate(values)
        p = p[np.isfinite(p)]
        assert len(p) > 5000
        for level in (0.5, 0.1, 0.01):
            assert 0.6 < np.mean(p < level) / level < 1.25, (test, level)  # few entries: on the safe side


# ---------------------------------------------------------------- injected drifts


def test_the_reference_passes(parts):
    assert verdict_of(parts).passed


def test_one_dataset_more_frequent_in_one_part(parts):
    def more(part):
        own = np.flatnonzero(part["dataset_id"] == hash_name("dy"))
        rows = np.concatenate([np.arange(len(part)), own[: len(own) // 10]])
        return part.take(np.random.default_rng(0).permutation(rows))

    verdict = verdict_of(changed(parts, 3, more))
    assert "part: shares" in failed_families(verdict)
    worst = verdict.worst(1)[0]
    assert (worst["quantity"], worst["row"]) in {("dataset_id", 3), ("dataset_id", "dy")}


def test_planned_shares_scatter_less_than_random_ones():
    """With events at random, shares of datasets scatter like events; the settings can say so."""
    rng = np.random.default_rng(0)
    parts = [part.take(rng.permutation(len(part))) for part in honest(rng, 4, 8000, per_event=50)]
    for part in parts:  # every event gets a dataset of its own choice
        evt = part["evt"]
        chosen = rng.choice(np.array([hash_name("dy"), hash_name("qcd")], np.uint64), int(evt.max()) + 1)
        part.scalars["dataset_id"] = part.scalars["dataset_group_id"] = chosen[evt.astype(int)]
    assert not verdict_of(parts).passed
    assert verdict_of(parts, replace(SMALL, planned_shares=False)).passed


@pytest.mark.parametrize(
    ("change", "family"),
    [
        (lambda t: t.with_scalars({"tau_pt": t["tau_pt"] * np.float32(1.05)}), "part: spectra"),
        (lambda t: t.with_scalars({"tau_eta": t["tau_eta"] + np.float32(0.15)}), "part: spectra"),
        (lambda t: t.take(np.argsort(t["dataset_id"], kind="stable")), "chunk: composition"),
        (lambda t: t.take(np.argsort(t["tauType"], kind="stable")), "chunk: composition"),
        (lambda t: t.take(np.argsort(t["tau_pt"], kind="stable")), "chunk: spectra"),
        (lambda t: t.take(np.argsort(t["evt"], kind="stable")), "order"),
        (lambda t: t.with_scalars({"sampleType": np.full(len(t), 2, np.int32)}), "part: composition"),
        (lambda t: t.with_scalars({"tauType": np.where(t["tauType"] == 0, 1, t["tauType"])}), "part: composition"),
        (lambda t: t.with_scalars({"trainingWeight": t["trainingWeight"] * 2}), "part: spectra"),
    ],
    ids=["pt", "eta", "by dataset", "by type", "by pt", "by event", "sample type", "types", "weights"],
)
def test_drifts_fail(parts, change, family):
    assert family in failed_families(verdict_of(changed(parts, 2, change)))


def test_pt_of_one_type_only(parts):
    """The slice is named, and the whole hides nothing."""

    def shift(part):
        taus = part["tauType"] == 2
        return part.with_scalars({"tau_pt": np.where(taus, part["tau_pt"] * 1.06, part["tau_pt"]).astype(np.float32)})

    verdict = verdict_of(changed(parts, 1, shift))
    assert verdict.worst(1)[0]["slice"] == "tauType=tau"


def test_a_slow_drift_along_a_part(parts):
    """Too little for each chunk, but not for all of them together."""

    def drift(part):
        slope = (1 + 0.12 * np.arange(len(part)) / len(part)).astype(np.float32)
        return part.with_scalars({"tau_pt": part["tau_pt"] * slope})

    verdict = verdict_of(changed(parts, 0, drift), replace(SMALL, chunks=20))
    assert "chunk: all together" in failed_families(verdict)


def test_a_rare_dataset_in_one_chunk(parts):
    def gather(part):
        rare = part["dataset_id"] == hash_name("rare")
        return part.take(np.concatenate([np.flatnonzero(rare), np.flatnonzero(~rare)]))

    assert "chunk: composition" in failed_families(verdict_of(changed(parts, 0, gather)))


def test_weights_that_left_their_entries(parts):
    """Weights and spectra are as they should be, only not together."""
    good = [p.with_scalars({"trainingWeight": (0.2 + np.exp(-p["tau_pt"] / 60)).astype(np.float32)}) for p in parts]
    assert verdict_of(good).passed

    def mixed(part):
        return part.with_scalars({"trainingWeight": np.random.default_rng(2).permutation(part["trainingWeight"])})

    verdict = verdict_of(changed(good, 2, mixed))
    assert {s["test"] for s in verdict.worst(5)} == {"chi2_weighted"}
    assert failed_families(verdict) >= {"part: spectra"}


def test_order_can_be_left_out(parts):
    in_order = [part.take(np.argsort(part["evt"], kind="stable")) for part in parts]
    assert not verdict_of(in_order).passed
    relaxed = verdict_of(in_order, replace(SMALL, order=False))
    assert relaxed.passed
    assert "order" not in relaxed.families


def test_whole_events_do_not_fail_a_sample():
    """Eight equal candidates an event scatter like an eighth of the entries."""
    config, smallest = replace(SMALL, chunks=1), []
    for seed in range(8):
        verdict = verdict_of(honest(np.random.default_rng(seed), 4, 4000, per_event=8), config)
        assert verdict.passed
        independent = compare_rows(verdict.sample, config, NAMES, level="part")
        smallest.append(np.nanmin(np.concatenate([one.result.p for one in independent])))
    assert max(smallest) < 1e-9  # what would have come of it


# ---------------------------------------------------------------- few parts, few entries, gaps


def test_a_single_part_is_compared_with_itself():
    verdict = verdict_of(honest(np.random.default_rng(3), parts=1))
    assert verdict.passed
    assert {name.partition(":")[0] for name, f in verdict.families.items() if f.tests} == {"chunk", "order", "position"}


def test_two_parts_are_compared_once():
    verdict = verdict_of(honest(np.random.default_rng(3), parts=2), replace(SMALL, chunks=1))
    rows = [s for s in verdict.series if s.level == "part" and s.quantity == "tauType" and s.slice == "all"]
    assert [(s.test, s.against, s.rows) for s in rows if s.rows] == [("chi2", "rest", (0,))]


def test_identical_chunks_give_one(parts):
    once = parts[0].slice(0, 2000)
    counts = count(Tuples.concatenate([once] * 4))
    for one in compare_rows(counts, SMALL, NAMES, level="chunk"):
        assert np.nan_to_num(one.result.p, nan=1) == pytest.approx(1, abs=1e-4), one.test


def test_a_part_without_entries_is_noted(parts):
    verdict = verdict_of([*parts[:3], parts[0].slice(0, 0)])
    assert verdict.passed
    assert verdict.notes == ("part_3 has no entries: nothing of it was tested",)
    assert verdict.entries["part_3"] == 0


def test_chunks_without_entries_are_noted(parts):
    verdict = verdict_of([parts[0], parts[1].slice(0, 3)])
    assert verdict.notes == ("part_1: 1 of 4 chunks have no entries",)


def test_too_few_entries_are_no_pass(parts):
    with pytest.raises(InputError, match=r"6 entries in 2 parts, too few for any test; .*validation\.min_expected"):
        verdict_of([parts[0].slice(0, 3), parts[1].slice(0, 3)])


def test_no_parts():
    with pytest.raises(InputError, match="no parts to validate"):
        validate_counts([], SMALL, {})


def test_thresholds_share_the_error(parts):
    verdict = verdict_of(parts)
    spent = sum(family.threshold * family.tests for family in verdict.families.values())
    assert spent == pytest.approx(SMALL.family_wise_error)


def test_slices_are_not_tested_twice():
    cells = [Cell(1, 10, 2, 1), Cell(1, 10, 3, 1), Cell(2, 20, 3, 1)]
    found = slices(cells, {1: "dy", 2: "qcd", 10: "signal"})
    assert {name: index.tolist() for name, index in found.items()} == {
        "all": [0, 1, 2],
        "tauType=jet": [1, 2],
        "tauType=tau": [0],
        "dataset_group_id=20": [2],
        "dataset_group_id=signal": [0, 1],
    }  # the only sample type is all, and each group is one dataset


# ---------------------------------------------------------------- files


def mock_part(seed: int, n: int = 4000) -> Tuples:
    """Mock entries of two datasets in random order."""
    rng = np.random.default_rng(seed)
    tuples = mock_tuples(n, seed=seed)
    names = np.where(np.arange(n) // 2 % 3 == 0, hash_name("dy"), hash_name("qcd")).astype(np.uint64)
    added = {"dataset_id": names, "dataset_group_id": names, "tauType": rng.integers(0, 4, n).astype(np.int32)}
    return Tuples(tuples.with_scalars(added).scalars).take(rng.permutation(n))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    paths = [folder / f"part_{seed}.{'root' if seed == 1 else 'arrow'}" for seed in range(3)]
    for seed, path in enumerate(paths):
        tuples = mock_part(seed)
        pt = np.nan_to_num(tuples["tau_pt"], nan=-1)
        write_tuples(
            path,
            tuples.with_scalars({"tau_pt": pt}),
            [*Cell._fields, "run", "lumi", "evt", "tau_pt", "tau_eta", "trainingWeight"],
        )
    return paths


def test_files_of_all_formats(files):
    verdict = validate_sample(files, ValidationConfig(), DATASETS)
    assert verdict.passed
    assert list(verdict.entries.values()) == [4000] * 3
    assert {s.slice for s in verdict.series} >= {"all", "dataset_group_id=dy", "dataset_group_id=qcd", "tauType=mu"}


def test_verdict_as_files(files, tmp_path):
    verdict = validate_sample(files, ValidationConfig(chunks=5), DATASETS)
    verdict.save(tmp_path / "out", legacy=True)
    content = json.loads((tmp_path / "out/verdict.json").read_text())
    tests = json.loads((tmp_path / "out/tests.json").read_text())
    assert content["passed"] is True
    assert content["entries"] == 12_000
    assert content["parts"] == {path.name: 4000 for path in files}
    assert content["failed"] == []
    assert (
        content["tests"]
        == sum(test["p"] is not None for test in tests)
        == sum(f["tests"] for f in content["families"].values())
    )
    assert sum(test["p"] is None for test in tests) == sum(f["untested"] for f in content["families"].values())
    assert set(tests[0]) == {
        "level", "test", "quantity", "slice", "against", "part", "row", "statistic", "ndf", "p", "threshold", "passed",
    }  # fmt: skip
    assert all(test["passed"] is (None if test["p"] is None else True) for test in tests)
    p = [test["p"] for test in content["smallest"]]
    assert min(p) == min(test["p"] for test in tests if test["p"] is not None)


def test_legacy_layout(files):
    verdict = validate_sample(files, ValidationConfig(chunks=5), DATASETS)
    tree = legacy_pvalues(verdict.series)
    assert len(tree["tauType"]["pvalues"]) == len(tree["tauType"]["tau"]["tau_pt"]["pvalues"]) == 15
    few = verdict_of([mock_part(0), mock_part(1).slice(0, 30)])
    assert 99 in legacy_pvalues(few.series)["tauType"]["pvalues"]


def test_a_failure_is_explained(parts, tmp_path):
    verdict = verdict_of(changed(parts, 2, lambda t: t.take(np.argsort(t["dataset_id"], kind="stable"))))
    where = tmp_path / "verdict.json"
    with pytest.raises(InputError) as error:
        verdict.require_passed(where)
    text = str(error.value)
    assert "the sample is not well shuffled" in text
    assert "part_2, chunk 0" in text or "part_2, all chunks" in text
    assert "dataset_id" in text
    assert str(where) in text
    verdict.save(tmp_path)
    content = json.loads(where.read_text())
    assert content["passed"] is False
    assert content["failed_tests"] > 0
    assert len(content["failed"]) <= 100
    assert not any(test["passed"] for test in content["failed"])


def test_a_pass_is_silent(files):
    validate_sample(files[:2], ValidationConfig(), DATASETS).require_passed(Path("unused"))


def test_same_names_in_two_folders(files, tmp_path):
    twin = tmp_path / files[0].name
    twin.write_bytes(files[0].read_bytes())
    verdict = validate_sample([files[0], twin], ValidationConfig(chunks=2))
    assert set(verdict.entries) == {str(files[0]), str(twin)}
    with pytest.raises(InputError, match="a part is listed twice"):
        validate_sample([files[0], files[0]], ValidationConfig())


def test_unknown_ids_are_shown_as_numbers(files):
    verdict = validate_sample(files, ValidationConfig(), ["dy"])
    found = {str(row) for s in verdict.series if s.level == "position" for row in s.rows}
    assert found & {"dy", str(hash_name("qcd"))}
    assert "qcd" not in found


def test_damaged_part(files, tmp_path):
    path = tmp_path / "part_9.arrow"
    path.write_bytes(files[0].read_bytes()[:5000])
    with pytest.raises(InputError, match="part_9"):
        validate_sample([files[0], path], ValidationConfig())


def test_names_by_hash():
    assert names_by_hash(["a", "b"]) == {hash_name("a"): "a", hash_name("b"): "b"}


def test_descriptions():
    test = {"level": "part", "test": "ks", "quantity": "tau_pt", "slice": "tauType=tau", "against": "next", "part": ""}
    test |= {"row": 3, "p": 1.23e-9, "threshold": 1e-7}
    assert describe(test) == "part 3: tau_pt in tauType=tau against the next (ks), p = 1.2e-09, threshold 1e-07"
    share = test | {"test": "share", "quantity": "dataset_id", "slice": "dataset_id=dy", "against": "rest"}
    assert describe(share).startswith("part 3: share of dataset_id=dy against the rest (share)")
    chunk = test | {"level": "chunk", "part": "part_1", "row": "all", "against": "all", "slice": "all"}
    assert describe(chunk).startswith("part_1, all chunks: tau_pt (ks)")
    order = test | {"level": "order", "test": "ascents", "part": "part_1", "quantity": "evt", "slice": "all"}
    assert describe(order).startswith("part_1: evt (ascents)")


def test_order_of_a_part_is_part_of_the_series(parts):
    counts = count(parts[0])
    assert {s.test for s in compare_order(counts.order, counts.events, "x")} == {
        "equal_neighbours",
        "same_event",
        "ascents",
    }
