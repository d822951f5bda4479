"""Convergence and ranges: against slow computations, and what is marked as suspicious."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, FeaturesConfig, ScalingRule
from taumltools.errors import InputError
from taumltools.features.feature_sums import FeatureSums, sum_flat
from taumltools.features.scaling import load_scaling, make_scaling
from taumltools.features.scaling_numbers import QUANTITIES, convergence, five_numbers, quantile_table, ranges
from taumltools.features.table import FlatTuples
from tests.unit.features.scaling_case import make_config, make_flat

CONFIG, FLAT = make_config(), make_flat(100, seed=2)
PARTS = [sum_flat(FLAT.slice(i, i + 20), CONFIG) for i in range(0, 100, 20)]


def row_of(numbers, *label):
    return [tuple(feature.values()) for feature in numbers["features"]].index(label)


def test_snapshots_are_means_of_all_that_came_before():
    numbers, whole = convergence(PARTS, CONFIG)
    assert numbers["parts"] == [1, 2, 3, 4, 5]
    assert whole == FeatureSums.merge(PARTS)
    row = row_of(numbers, "taus", "tau_mass", "global")
    mass = FLAT.taus["tau_mass"].astype(np.float64)
    means, stds = ([getattr(mass[:n], what)() for n in (20, 40, 60, 80, 100)] for what in ("mean", "std"))
    assert [snapshot[row] for snapshot in numbers["mean"]] == pytest.approx(means)
    assert [snapshot[row] for snapshot in numbers["std"]] == pytest.approx(stds)
    second = numbers["steps"][1]
    assert (second["from"], second["to"]) == (2, 3)
    assert second["mean"][row] == pytest.approx(abs(means[2] - means[1]) / abs(means[1]))
    assert second["std"][row] == pytest.approx(abs(stds[2] - stds[1]) / stds[1])
    assert second["shift"][row] == pytest.approx(abs(means[2] - means[1]) / stds[1])


def test_the_last_step_compares_the_final_with_the_first_snapshot():
    numbers, _ = convergence(PARTS, CONFIG)
    first, last = numbers["mean"][0], numbers["mean"][-1]
    assert [(step["from"], step["to"]) for step in numbers["steps"]] == [(1, 2), (2, 3), (3, 4), (4, 5), (1, 5)]
    assert numbers["steps"][-1]["mean"][0] == pytest.approx(abs(last[0] - first[0]) / abs(first[0]))


@pytest.mark.parametrize(("step", "parts"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (5, [5]), (9, [5])])
def test_steps_of_several_parts_end_with_all(step, parts):
    numbers, whole = convergence(PARTS, CONFIG, step)
    assert numbers["parts"] == parts
    assert len(numbers["steps"]) == (len(parts) if len(parts) > 1 else 0)
    assert whole == FeatureSums.merge(PARTS)


def test_only_measured_features_converge_in_each_of_their_cones():
    numbers, _ = convergence(PARTS, CONFIG)
    names = {(f["feature"], f["cone"]) for f in numbers["features"]}
    assert {("muon_dxy", cone) for cone in ("global", "inner", "outer")} < names
    assert not names & {("tau_pt", "global"), ("muon_deta", "inner"), ("muon_valid", "global")}
    assert len(names) == 1 + 2 * 3 + 1 + 2


def test_changes_that_are_not_defined_are_none_and_json_has_no_nan():
    empty = sum_flat(FLAT.slice(0, 0), CONFIG)
    numbers, _ = convergence([empty, *PARTS], CONFIG)
    assert numbers["mean"][0][0] is None
    assert {numbers["steps"][0][quantity][0] for quantity in QUANTITIES} == {None}
    json.dumps(numbers, allow_nan=False)
    with pytest.raises(InputError, match="no sums"):
        convergence([], CONFIG)


def one(values, rule):
    """Ranges of one feature with these values."""
    config = FeaturesConfig(taus={"x": FeatureConfig("tau_pt", scaling=rule)})
    flat = FlatTuples({"entry": np.arange(len(values))}, {"x": np.float32(values)}, {})
    sums = sum_flat(flat, config)
    found = ranges(sums, load_scaling(make_scaling(sums, config), config), config)
    return found["taus"]["x"]["global"] if found else None


NORMAL_VALUES = np.random.default_rng(3).normal(5, 2, 20_000)


def test_a_normal_distribution_is_not_suspicious():
    row = one(NORMAL_VALUES, ScalingRule(type="normal"))
    assert row["suspicious"] == []
    assert row["clip"] == pytest.approx([-5, 15], abs=0.3)
    assert row["quantiles"]["max"] == np.float32(NORMAL_VALUES).max()


@pytest.mark.parametrize(
    ("values", "rule", "flags"),
    [
        (NORMAL_VALUES, ScalingRule(type="normal", lo=-1, hi=1), ["left_within", "right_within"]),
        (NORMAL_VALUES, ScalingRule(type="linear", min=2, max=30), ["left_within"]),
        (NORMAL_VALUES, ScalingRule(type="linear", min=-5, max=6), ["right_within"]),
        ([0.0] * 90 + list(range(10)), ScalingRule(type="linear", min=0, max=20), ["one_sigma_empty"]),
        (
            [3.0] * 10,
            ScalingRule(type="linear", min=0, max=20),
            ["one_sigma_empty", "two_sigma_empty", "three_sigma_empty", "five_sigma_empty"],
        ),
    ],
)
def test_what_is_suspicious(values, rule, flags):
    assert one(values, rule)["suspicious"] == flags


def test_features_that_are_not_scaled_and_those_without_values_have_no_range():
    assert one([1, 2], ScalingRule()) is None
    linear = ScalingRule(type="linear", min=0, max=1)
    config = FeaturesConfig(taus={"x": FeatureConfig("tau_pt", valid="tau_pt > 0", scaling=linear)})
    flat = FlatTuples({"entry": np.arange(1)}, {"x": np.float32([np.nan])}, {})
    sums = sum_flat(flat, config)
    assert ranges(sums, load_scaling(make_scaling(sums, config), config), config) == {}


def test_ranges_of_cones_that_constants_lack_are_left_out():
    """Files of the CMS tools have no constants for all objects of a block that feeds cells."""
    sums = FeatureSums.merge(PARTS)
    scaling = make_scaling(sums, CONFIG)
    for cones in scaling["muon"].values():
        del cones["global"]
    found = ranges(sums, load_scaling(scaling, CONFIG), CONFIG)
    assert set(found["muon"]["muon_dxy"]) == {"inner", "outer"}


def test_a_limit_that_is_infinite_has_no_end():
    config = replace(CONFIG, taus={"tau_mass": FeatureConfig(scaling=ScalingRule(type="normal", hi=np.inf))})
    sums = sum_flat(FLAT, config)
    row = ranges(sums, load_scaling(make_scaling(sums, config), config), config)["taus"]["tau_mass"]["global"]
    assert row["clip"][1] is None
    assert row["suspicious"] == []


def test_quantiles_in_the_layout_of_the_cms_tools():
    table = quantile_table(FeatureSums.merge(PARTS), CONFIG)
    assert list(table) == ["taus", "cell_features", "muon", "electron"]
    assert table["muon"]["muon_valid"] == {"global": {}, "inner": {}, "outer": {}}
    entry = table["taus"]["tau_mass"]["global"]["0"]
    assert set(entry) == {"median", "min", "max", "1sigma", "2sigma", "3sigma", "5sigma"}
    assert set(entry["1sigma"]) == {"left", "right"}
    assert entry["min"] == FLAT.taus["tau_mass"].min()


def test_boxes():
    box = five_numbers([*range(101), None])
    assert box == {"n": 101, "low": 5, "q1": 25, "median": 50, "q3": 75, "high": 95, "max": 100}
    assert five_numbers([None]) == {"n": 0}
