import dataclasses
import json
import logging

import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, ScalingRule
from taumltools.errors import InputError
from taumltools.features.flat import FlatTuples, make_flat, write_flat
from taumltools.features.scaling import FeatureSums, load_scaling, make_scaling, sum_features
from taumltools.tuples.mock import mock_tuples


@pytest.fixture
def flat(config):
    return make_flat(mock_tuples(300, seed=2), config)


@pytest.fixture
def sums(tmp_path, flat, config):
    write_flat(tmp_path / "all.h5", [flat])
    return sum_features(tmp_path / "all.h5", config)


def test_parts_in_any_order_give_bit_identical_constants(tmp_path, flat, config, sums):
    parts = []
    for i, rows in enumerate(np.array_split(np.random.default_rng(0).permutation(len(flat)), 3)):
        write_flat(tmp_path / f"{i}.h5", [flat.take(rows)])
        sum_features(tmp_path / f"{i}.h5", config).save(tmp_path / f"{i}.json")
        parts.append(FeatureSums.load(tmp_path / f"{i}.json"))
    merged = FeatureSums.merge(parts[::-1])
    assert merged == sums
    assert json.dumps(make_scaling(merged, config)) == json.dumps(make_scaling(sums, config))


def test_objects_are_counted_not_taus(flat, config, sums):
    scaling = make_scaling(sums, config)
    rel_pt = flat.objects["pf"].columns["rel_pt"]
    entry = scaling["pf"]["rel_pt"]["global"]
    assert entry["num"] == len(rel_pt) > len(flat)
    assert entry["mean"] == pytest.approx(rel_pt.mean(dtype=np.float64), rel=1e-9)
    assert entry["std"] == pytest.approx(rel_pt.std(dtype=np.float64), rel=1e-9)
    assert entry["sqmean"] == pytest.approx((rel_pt.astype(np.float64) ** 2).mean(), rel=1e-9)


def test_layout_of_each_scaling_type(config, sums):
    scaling = make_scaling(sums, config)
    assert list(scaling) == ["taus", "pf"]
    linear = scaling["taus"]["tau_pt"]["global"]
    assert (linear["mean"], linear["std"], linear["lim_min"], linear["lim_max"]) == (510, 490, -1, 1)
    none = scaling["pf"]["charge"]["global"]
    assert (none["mean"], none["std"], none["lim_min"], none["lim_max"]) == (0, 1, "-inf", "inf")
    assert scaling["taus"]["prongs"]["global"]["std"] == 1
    assert (scaling["taus"]["sig"]["global"]["lim_min"], scaling["taus"]["sig"]["global"]["lim_max"]) == (-5, 5)
    assert json.loads(json.dumps(scaling, allow_nan=False)) == scaling


def test_load_checks_and_returns_floats(tmp_path, config, sums):
    scaling = make_scaling(sums, config)
    (tmp_path / "s.json").write_text(json.dumps(scaling))
    loaded = load_scaling(tmp_path / "s.json", config)
    assert loaded == load_scaling(scaling, config) == load_scaling(loaded, config)
    assert loaded["pf"]["charge"] == {"mean": 0.0, "std": 1.0, "lim_min": -np.inf, "lim_max": np.inf}


def column(values):
    n = len(values)
    return FlatTuples({"entry": np.arange(n)}, {"x": np.array(values, np.float32)}, {})


def one_feature(config, kind="normal"):
    return dataclasses.replace(config, taus={"x": FeatureConfig("tau_pt", scaling=ScalingRule(type=kind))}, objects={})


def measure(tmp_path, values, config):
    write_flat(tmp_path / "x.h5", [column(values)])
    return make_scaling(sum_features(tmp_path / "x.h5", config), config)


def test_feature_without_values(tmp_path, config, caplog):
    with pytest.raises(InputError, match=r"feature taus\.x has no valid value .*\(2 are NaN\)"):
        measure(tmp_path, [np.nan, np.nan], one_feature(config))
    with caplog.at_level(logging.WARNING):
        entry = measure(tmp_path, [np.nan], one_feature(config, "none"))["taus"]["x"]["global"]
    assert "taus.x has no valid value" in caplog.text
    assert entry["sqmean"] is None


def test_constant_feature_gets_std_one_with_a_warning(tmp_path, config, caplog):
    with caplog.at_level(logging.WARNING):
        entry = measure(tmp_path, [3, 3, 3], one_feature(config))["taus"]["x"]["global"]
    assert (entry["mean"], entry["std"]) == (3, 1)
    assert "taus.x is always 3" in caplog.text


def test_infinite_values_are_refused(tmp_path, config):
    with pytest.raises(InputError, match=r"taus\.x has 1 infinite values"):
        measure(tmp_path, [1, np.inf], one_feature(config))


def test_other_features_are_refused(tmp_path, config, sums):
    other = one_feature(config)
    with pytest.raises(InputError, match=r"no sums of feature taus\.x"):
        make_scaling(sums, other)
    with pytest.raises(InputError, match=r"no feature taus\.x"):
        sum_features(tmp_path / "all.h5", other)
    with pytest.raises(InputError, match=r"no constants for taus\.x"):
        load_scaling(make_scaling(sums, config), other)
    with pytest.raises(InputError, match="differ in"):
        FeatureSums.merge([sums, FeatureSums({"taus": {}})])
    with pytest.raises(InputError, match="no sums to merge"):
        FeatureSums.merge([])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"std": 0}, "std positive"),
        ({"mean": "nan"}, "mean must be finite"),
        ({"lim_min": 6}, "lim_min must be below lim_max"),
        ({"mean": None}, "expected numbers"),
        ({"std": "wide"}, "expected numbers"),
    ],
)
def test_senseless_constants_are_refused(config, sums, change, message):
    scaling = make_scaling(sums, config)
    scaling["taus"]["sig"]["global"] |= change
    with pytest.raises(InputError, match=f"scaling: taus.sig: .*{message}"):
        load_scaling(scaling, config)


def test_other_cones_are_refused(config, sums):
    scaling = make_scaling(sums, config)
    scaling["taus"]["sig"] = {"inner": {}, "outer": {}}
    with pytest.raises(InputError, match=r"has the cones \['inner', 'outer'\], expected \['global'\]"):
        load_scaling(scaling, config)


def test_unreadable_files(tmp_path, config):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(InputError, match="not a readable JSON file"):
        load_scaling(tmp_path / "bad.json", config)
    with pytest.raises(InputError, match="found list"):
        load_scaling(tmp_path / "list.json", config)
    for name in ("bad.json", "list.json", "none.json"):
        with pytest.raises(InputError, match="not a file of feature sums"):
            FeatureSums.load(tmp_path / name)
