"""Merging constants of jobs: against the whole, with rounded numbers, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.features.feature_sums import sum_flat
from taumltools.features.scaling import make_scaling
from taumltools.features.scaling_merge import merge_scaling, read_merged
from tests.unit.features.scaling_case import make_config, make_flat


def entry(mean, std, num, **more):
    return {"mean": mean, "std": std, "lim_min": -5, "lim_max": 5, "sqmean": None, "num": num} | more


def one(*args, **more):
    return {"TauFlat": {"x": {"global": entry(*args, **more)}}}


def merged(*parts):
    return merge_scaling(parts)["TauFlat"]["x"]["global"]


VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20)


@given(st.lists(VALUES, min_size=2, max_size=5))
def test_merged_constants_are_those_of_all_values(parts):
    found = merged(*(one(np.mean(p), np.std(p), len(p), sqmean=np.mean(np.square(p))) for p in parts))
    everything = np.concatenate(parts)
    assert found["mean"] == pytest.approx(everything.mean(), abs=1e-9)
    assert found["num"] == len(everything)
    if everything.std() > 1e-6:
        assert found["std"] == pytest.approx(everything.std(), rel=1e-6, abs=1e-9)


def test_own_files_merge_to_the_measured_whole():
    config, flat = make_config(), make_flat(120)
    parts = [make_scaling(sum_flat(flat.slice(i, i + 40), config), config) for i in (0, 40, 80)]
    whole, found = make_scaling(sum_flat(flat, config), config), merge_scaling(parts)
    for block, features in whole.items():
        for name, cones in features.items():
            for cone, constants in cones.items():
                for key, value in constants.items():
                    wanted = value if isinstance(value, str) else pytest.approx(value, rel=1e-9)
                    assert found[block][name][cone][key] == wanted


def test_rounded_numbers_do_not_give_a_negative_variance():
    # four digits: sqmean - mean² would be 1000000 - 1000² = 0, or below with other roundings
    assert merged(one(1000.0, 0.2, 10, sqmean=999900.0), one(1000.0, 0.4, 10, sqmean=1e6))["std"] == pytest.approx(
        np.sqrt((0.04 + 0.16) / 2)
    )


def test_a_job_with_too_few_values_is_left_out():
    assert merged(one(None, None, 1), one(2.0, 1.0, 5), one(4.0, 1.0, 5))["mean"] == 3
    assert merged(one(None, None, 1), one(None, None, 0))["mean"] is None


def test_constant_values_in_parts_have_no_variance():
    assert merged(one(1.0, 1.0, 5, sqmean=1.0), one(3.0, 1.0, 5, sqmean=9.0))["std"] == 1.0
    assert merged(one(1.0, 1.0, 5, sqmean=1.0), one(5.0, 1.0, 5, sqmean=25.0))["std"] == 2.0


def test_fixed_constants_stay():
    fixed = one(510.0, 490.0, None, lim_min="-1", lim_max=1.0)
    assert merged(fixed, one(510.0, 490.0, None, lim_min=-1.0, lim_max="1"))["mean"] == 510
    assert merged(fixed, fixed)["num"] is None
    counted = merged(one(0, 1, 3, sqmean=2.0), one(0, 1, 1, sqmean=6.0), one(0, 1, 0))
    assert (counted["num"], counted["sqmean"]) == (4, 3.0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (one(1.0, 1.0, 3, lim_max=6), r"TauFlat\.x \(global\): lim_max is 5 in part 0 and 6 in part 1"),
        (one(1.0, 1.0, None), r"TauFlat\.x \(global\): part 1 does not say of how many values"),
        ({"TauFlat": {"y": {"global": entry(1.0, 1.0, 3)}}}, r"differ in TauFlat\.x \(global\), TauFlat\.y"),
        ({"TauFlat": {"x": {"inner": entry(1.0, 1.0, 3)}}}, r"TauFlat\.x \(inner\)"),
        ({"TauFlat": {"x": {"global": {"mean": 1.0, "lim_min": 0}}}}, r"part 1: TauFlat\.x \(global\) lacks"),
        ({"TauFlat": {"x": 3}}, "part 1: TauFlat.x: expected constants"),
    ],
)
def test_parts_that_do_not_fit_are_refused(other, message):
    with pytest.raises(InputError, match=message):
        merge_scaling([one(2.0, 1.0, 3), other])


def test_files_are_found_by_pattern(tmp_path):
    for i, mean in enumerate((1.0, 3.0)):
        (tmp_path / f"job{i}").mkdir()
        (tmp_path / f"job{i}" / "scaling_params.json").write_text(json.dumps(one(mean, 1.0, 4)))
    found, paths = read_merged(str(tmp_path / "*" / "scaling_params.json"))
    assert found["TauFlat"]["x"]["global"]["mean"] == 2
    assert [path.parent.name for path in paths] == ["job0", "job1"]
    alone, _ = read_merged(str(paths[0]))
    assert alone == one(1.0, 1.0, 4)
    with pytest.raises(InputError, match="no such file with scaling constants"):
        read_merged(str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="no scaling constants to merge"):
        merge_scaling([])
