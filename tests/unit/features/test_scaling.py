import dataclasses
import json
import logging

import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, ScalingRule
from taumltools.config.scaling import LimitsConfig
from taumltools.errors import InputError
from taumltools.features.feature_sums import sum_flat
from taumltools.features.flat import FlatTuples, make_flat, write_flat
from taumltools.features.scaling import FeatureSums, check_rules, load_scaling, make_scaling, sum_features
from taumltools.tuples.mock import mock_tuples
from tests.unit.features import scaling_case


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
        sum_features(tmp_path / f"{i}.h5", config).save(tmp_path / f"{i}.npz")
        parts.append(FeatureSums.load(tmp_path / f"{i}.npz"))
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


def measure(values, config, limits=None):
    return make_scaling(sum_flat(column(values), config), config, limits)


def test_feature_without_values(config, caplog):
    with pytest.raises(InputError, match=r"feature taus\.x has no valid value .*\(2 are NaN\)"):
        measure([np.nan, np.nan], one_feature(config))
    with caplog.at_level(logging.WARNING):
        entry = measure([np.nan], one_feature(config, "none"))["taus"]["x"]["global"]
    assert "taus.x has no valid value" in caplog.text
    assert entry["sqmean"] is None


def test_constant_feature_gets_std_one_with_a_warning(config, caplog):
    with caplog.at_level(logging.WARNING):
        entry = measure([3, 3, 3], one_feature(config))["taus"]["x"]["global"]
    assert (entry["mean"], entry["std"]) == (3, 1)
    assert "taus.x is always 3" in caplog.text


def test_nan_and_infinite_values_are_left_out_these_up_to_their_limit(config):
    limits = LimitsConfig(infinite=0.25)
    entry = measure([1, 3, np.nan, np.inf], one_feature(config), limits)["taus"]["x"]["global"]
    assert (entry["mean"], entry["std"], entry["num"]) == (2, 1, 2)
    with pytest.raises(InputError, match=r"taus\.x has 1 infinite values of 2, allowed are 0\.01 of all"):
        measure([1, np.inf], one_feature(config))


def test_nan_has_no_limit_here(config):
    """``features.nan_limit`` is applied to flat tuples, where it is known whether a condition was false."""
    features = {"x": FeatureConfig("tau_dxy", valid="tau_dxy_error > 0", scaling=ScalingRule(type="normal"))}
    conditional = dataclasses.replace(config, taus=features, objects={})
    assert measure([1, 3, *[np.nan] * 98], conditional)["taus"]["x"]["global"]["num"] == 2


def test_all_bad_features_are_named_at_once(config):
    names = [f"x{i}" for i in range(25)]
    many = dataclasses.replace(
        config, taus={name: FeatureConfig("tau_pt", scaling=ScalingRule(type="normal")) for name in names}, objects={}
    )
    flat = FlatTuples({"entry": np.arange(1)}, {name: np.full(1, np.nan, np.float32) for name in names}, {})
    with pytest.raises(InputError) as error:
        make_scaling(sum_flat(flat, many), many)
    assert all(
        f"taus.x{i} has no valid value in the whole training sample (1 are NaN)" in str(error.value) for i in range(20)
    )
    assert "... and 5 more" in str(error.value)


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


GRIDS = scaling_case.make_config()


@pytest.fixture(scope="module")
def with_grids():
    return make_scaling(sum_flat(scaling_case.make_flat(), GRIDS), GRIDS)


def test_features_of_cells_have_constants_for_each_grid(with_grids):
    flat = scaling_case.make_flat()
    assert set(with_grids["muon"]["muon_dxy"]) == {"global", "inner", "outer"}
    for grid in ("inner", "outer"):
        values = scaling_case.values_in(flat, grid, "muon_dxy").astype(np.float64)
        entry = with_grids["muon"]["muon_dxy"][grid]
        assert (entry["mean"], entry["std"]) == pytest.approx((np.nanmean(values), np.nanstd(values)), rel=1e-9)
    assert with_grids["muon"]["muon_dxy"]["inner"] != with_grids["muon"]["muon_dxy"]["outer"]
    assert set(with_grids["cell_features"]["rho"]) == {"inner", "outer"}
    assert set(with_grids["electron"]["ele_rel_pt"]) == {"global"}


def test_what_fills_cells_is_standardised_exactly(with_grids):
    """The reason for measuring on what is fed."""
    entry = with_grids["muon"]["muon_rel_pt"]["outer"]
    fed = scaling_case.values_in(scaling_case.make_flat(), "outer", "muon_rel_pt").astype(np.float64)
    scaled = (fed - entry["mean"]) / entry["std"]
    assert (scaled.mean(), scaled.std()) == pytest.approx((0, 1), abs=1e-9)


def test_ranges_by_grid(with_grids):
    deta = with_grids["muon"]["muon_deta"]
    assert [(deta[cone]["mean"], deta[cone]["std"]) for cone in ("inner", "outer")] == [(0, 0.1), (0, 0.5)]
    assert deta["global"]["std"] == 0.5


def test_a_cone_without_any_object_gets_constants_that_change_nothing(caplog):
    flat = scaling_case.make_flat(30)
    empty = dataclasses.replace(
        flat.cells["inner"], objects={"muon": np.full_like(flat.cells["inner"].cell, -1, np.int32)}
    )
    with caplog.at_level(logging.WARNING):
        scaling = make_scaling(sum_flat(dataclasses.replace(flat, cells={**flat.cells, "inner": empty}), GRIDS), GRIDS)
    entry = scaling["muon"]["muon_dxy"]["inner"]
    assert (entry["mean"], entry["std"], entry["num"]) == (0, 1, 0)
    assert "muon.muon_dxy (inner) has no valid value" in caplog.text


def test_loaded_constants_are_by_cone_where_a_block_feeds_cells(with_grids):
    loaded = load_scaling(with_grids, GRIDS)
    assert set(loaded["muon"]["muon_dxy"]) == {"global", "inner", "outer"}
    assert set(loaded["cell_features"]["rho"]) == {"inner", "outer"}
    assert loaded["taus"]["tau_pt"] == {"mean": 510, "std": 490, "lim_min": -1, "lim_max": 1}
    assert load_scaling(loaded, GRIDS) == loaded


def test_constants_for_all_grids_or_for_each_are_needed(with_grids):
    both = {name: dict(cones) for name, cones in with_grids["muon"].items()}
    both["muon_dxy"] = {"global": both["muon_dxy"]["global"]}
    loaded = load_scaling({**with_grids, "muon": both}, GRIDS)["muon"]["muon_dxy"]
    assert loaded["inner"] == loaded["outer"] == loaded["global"]
    both["muon_dxy"] = {"inner": both["muon_rel_pt"]["inner"]}
    with pytest.raises(InputError, match=r"muon\.muon_dxy has the cones \['inner'\], expected \['inner', 'outer'\] or"):
        load_scaling({**with_grids, "muon": both}, GRIDS)


def test_constants_that_contradict_the_definition_are_refused(with_grids):
    check_rules(load_scaling(with_grids, GRIDS), GRIDS)
    changed = json.loads(json.dumps(with_grids))
    changed["muon"]["muon_deta"]["inner"]["std"] = 0.2
    changed["taus"]["tau_mass"]["global"]["lim_max"] = 6
    with pytest.raises(InputError) as error:
        check_rules(load_scaling(changed, GRIDS), GRIDS, "file.json")
    assert "file.json: muon.muon_deta (inner): std 0.2, defined as 0.1: made with other features" in str(error.value)
    assert "taus.tau_mass (global): lim_max 6, defined as 5" in str(error.value)


def test_a_feature_that_is_never_defined_in_one_grid_is_no_error(caplog):
    """In small samples an electron near the axis may be the only one, and its condition false."""
    flat = scaling_case.make_flat(30)
    inner = flat.cells["inner"].objects["muon"]
    first = np.flatnonzero(inner >= 0)[0]
    inner[np.arange(len(inner)) != first] = -1
    owner = np.searchsorted(flat.cells["inner"].offsets, first, side="right") - 1
    flat.objects["muon"].columns["muon_dxy"][flat.objects["muon"].offsets[owner] + inner[first]] = np.nan
    with caplog.at_level(logging.WARNING):
        entry = make_scaling(sum_flat(flat, GRIDS), GRIDS)["muon"]["muon_dxy"]["inner"]
    assert (entry["mean"], entry["std"], entry["num"]) == (0, 1, 0)
    flat.objects["muon"].columns["muon_dxy"][:] = np.nan
    with pytest.raises(InputError, match=r"muon\.muon_dxy has no valid value"):
        make_scaling(sum_flat(flat, GRIDS), GRIDS)
