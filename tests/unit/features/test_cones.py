"""Which objects are measured in which cone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from taumltools.config.features import FeatureConfig
from taumltools.errors import ConfigError, InputError
from taumltools.features.cones import cones_of, position_features, rows_by_cone
from tests.unit.features.scaling_case import make_config, make_flat, values_in


@pytest.fixture(scope="module")
def config():
    return make_config()


@pytest.fixture(scope="module")
def flat():
    return make_flat(400)


def rows_of(flat, config, measured_on="fed"):
    return {(block, cone): rows for block, cone, rows in rows_by_cone(flat, config, measured_on)}


def test_blocks_that_feed_cells_have_a_cone_per_grid(config):
    assert cones_of(config, "taus") == cones_of(config, "electron") == ("global",)
    assert cones_of(config, "muon") == ("global", "inner", "outer")
    assert cones_of(config, "cell_features") == ("inner", "outer")


def test_fed_are_the_objects_that_fill_cells(config, flat):
    rows = rows_of(flat, config)
    assert rows["taus", "global"] is rows["muon", "global"] is rows["electron", "global"] is None
    for grid in ("inner", "outer"):
        found = flat.objects["muon"].columns["muon_rel_pt"][rows["muon", grid]]
        np.testing.assert_array_equal(found, values_in(flat, grid, "muon_rel_pt"))
        assert 0 < len(found) < flat.objects["muon"].offsets[-1]


def test_values_that_cells_repeat_count_once_a_cell(config, flat):
    rows = rows_of(flat, config)["cell_features", "outer"]
    assert np.bincount(rows, minlength=len(flat)).tolist() == np.diff(flat.cells["outer"].offsets).tolist()


def test_legacy_cones_are_a_disc_with_its_border_and_a_ring_without(config, flat):
    rows = rows_of(flat, config, "legacy")
    inner, outer = [], []
    muons = flat.objects["muon"]
    for tau in range(len(flat)):
        signal = max(3 / max(float(flat.index["tau_pt"][tau]), 30.0), 0.05)
        for row in range(muons.offsets[tau], muons.offsets[tau + 1]):
            distance = math.hypot(muons.columns["muon_deta"][row], muons.columns["muon_dphi"][row])
            if distance <= signal:
                inner.append(row)
            elif distance < 0.5:
                outer.append(row)
    assert rows["muon", "inner"].tolist() == inner
    assert rows["muon", "outer"].tolist() == outer
    assert inner
    assert outer
    assert len(inner) + len(outer) < len(muons.owner)
    assert rows["cell_features", "inner"] is None


def test_an_object_on_the_border_of_the_signal_cone_is_an_inner_one_in_the_legacy_cones(config):
    flat = make_flat(400)
    one = flat.take(np.array([int(np.argmax(flat.objects["muon"].counts > 0))]))
    muons = one.objects["muon"]
    one.index["tau_pt"][:] = 48.0  # radius 0.0625, a number that float32 has
    muons.columns["muon_dphi"][:] = 0.0
    for distance, inner, outer in ((0.0625, True, False), (0.0626, False, True), (0.5, False, False)):
        muons.columns["muon_deta"][:] = distance
        rows = rows_of(one, config, "legacy")
        assert (rows["muon", "inner"].size > 0, rows["muon", "outer"].size > 0) == (inner, outer)


def test_distances_are_found_by_formula_not_by_name(config):
    assert position_features(config, "muon") == ("muon_deta", "muon_dphi")
    block = config.objects["muon"]
    without = {name: item for name, item in block.features.items() if name != "muon_dphi"}
    odd = replace(config, objects={**config.objects, "muon": replace(block, features=without)})
    with pytest.raises(ConfigError, match=r"'dphi\(muon_phi, tau_phi\)' to block 'muon'"):
        position_features(odd, "muon")
    disabled = {**block.features, "muon_deta": FeatureConfig("muon_eta - tau_eta", enabled=False)}
    odd = replace(config, objects={**config.objects, "muon": replace(block, features=disabled)})
    with pytest.raises(ConfigError, match="'muon_eta - tau_eta'"):
        position_features(odd, "muon")


def test_flat_tuples_without_the_grid_are_refused(config, flat):
    with pytest.raises(InputError, match=r"no cells of grid 'inner' \(there are \['outer'\]\)"):
        rows_of(replace(flat, cells={"outer": flat.cells["outer"]}), config)
    bare = {grid: replace(cells, objects={}) for grid, cells in flat.cells.items()}
    with pytest.raises(InputError, match="cells of grid 'inner' have no block 'muon'"):
        rows_of(replace(flat, cells=bare), config)
