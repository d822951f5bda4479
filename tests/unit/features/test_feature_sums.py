"""Sums and quantiles per cone: against numpy on all values, merged, saved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.features import feature_sums
from taumltools.features.feature_sums import FeatureSums, Measured, sum_features, sum_flat
from taumltools.features.flat import write_flat
from tests.unit.features.scaling_case import make_config, make_flat, values_in

CONFIG, FLAT = make_config(), make_flat(200, seed=4)
WHOLE = sum_flat(FLAT, CONFIG)


def assert_same(measured, values):
    """Mean, deviation and median of a slow computation in float64."""
    finite = values[np.isfinite(values)].astype(np.float64)
    assert measured.sums.count == len(finite) > 0
    assert measured.sums.missing == np.isnan(values).sum()
    assert measured.sums.mean == pytest.approx(finite.mean(), rel=1e-12)
    assert measured.sums.std == pytest.approx(finite.std(), rel=1e-9)
    assert measured.sketch.quantile(0.5) == pytest.approx(np.quantile(finite, 0.5, method="lower"), rel=1 / 256)
    assert (measured.sketch.low, measured.sketch.high) == (finite.min(), finite.max())


def test_each_cone_is_that_of_a_slow_computation():
    table = WHOLE.table
    assert_same(table["taus"]["tau_mass"]["global"], FLAT.taus["tau_mass"])
    for name in ("muon_rel_pt", "muon_dxy"):
        assert_same(table["muon"][name]["global"], FLAT.objects["muon"].columns[name])
        for grid in ("inner", "outer"):
            assert_same(table["muon"][name][grid], values_in(FLAT, grid, name))
    counts = np.diff(FLAT.cells["outer"].offsets)
    assert_same(table["cell_features"]["rho"]["outer"], np.repeat(FLAT.cell_features["rho"], counts))
    assert "global" not in table["cell_features"]["rho"]


def test_infinite_values_are_counted_and_left_out():
    measured = Measured.of(np.float32([1, 3, np.inf, np.nan]))
    assert (measured.sums.infinite, measured.sums.missing, measured.sums.mean, measured.sketch.high) == (1, 1, 2, 3)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 4), min_size=len(FLAT), max_size=len(FLAT)), st.permutations(range(5)))
def test_any_split_in_any_order_gives_bit_identical_sums(part_of, order):
    parts = [sum_flat(FLAT.take(np.flatnonzero(np.array(part_of) == i)), CONFIG) for i in order]
    assert FeatureSums.merge(parts) == WHOLE


@pytest.mark.parametrize("measured_on", ["fed", "legacy"])
def test_a_file_read_in_steps_gives_the_same(tmp_path, monkeypatch, measured_on):
    monkeypatch.setattr(feature_sums, "STEP", 37)
    write_flat(tmp_path / "flat.h5", [FLAT.slice(0, 90), FLAT.slice(90, 200)], config=CONFIG)
    assert sum_features(tmp_path / "flat.h5", CONFIG, measured_on) == sum_flat(FLAT, CONFIG, measured_on)


def test_saved_sums_are_the_same_and_equal_sums_equal_bytes(tmp_path):
    WHOLE.save(tmp_path / "a.npz")
    sum_flat(FLAT.take(np.arange(len(FLAT))[::-1]), CONFIG).save(tmp_path / "b.npz")
    assert FeatureSums.load(tmp_path / "a.npz") == WHOLE
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_sums_of_nothing_can_be_saved(tmp_path):
    nothing = sum_flat(FLAT.slice(0, 0), CONFIG)
    nothing.save(tmp_path / "a.npz")
    assert FeatureSums.load(tmp_path / "a.npz") + WHOLE == WHOLE


def test_labels_name_block_feature_and_cone():
    assert "muon.muon_dxy (inner)" in WHOLE.labels()
    assert len(WHOLE.labels()) == 2 + 3 * 5 + 1 + 2


def test_other_features_or_cones_cannot_be_merged():
    muon = {name: {"global": cones["global"]} for name, cones in WHOLE.table["muon"].items()}
    with pytest.raises(InputError, match=r"differ in \['muon\.muon_deta \(inner\)'"):
        WHOLE + FeatureSums({**WHOLE.table, "muon": muon})
    with pytest.raises(InputError, match="no sums to merge"):
        FeatureSums.merge([])


def test_a_missing_feature_is_named(tmp_path):
    write_flat(tmp_path / "flat.h5", [FLAT])
    del (other := make_flat(5)).objects["muon"].columns["muon_dxy"]
    with pytest.raises(InputError, match=r"flat tuples: no feature muon\.muon_dxy"):
        sum_flat(other, CONFIG)


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 broken"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "sums.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"sums\.npz: not a file of feature sums"):
        FeatureSums.load(tmp_path / "sums.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    for name in ("other.npz", "none.npz"):
        with pytest.raises(InputError, match="not a file of feature sums"):
            FeatureSums.load(tmp_path / name)
