"""Cells of grids against a slow loop over candidates, objects and cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.config.features import GridConfig
from taumltools.features.grid import OUTSIDE, Positions, cell_numbers, fill_cells, signal_cone

INNER = GridConfig(n_eta=11, n_phi=11, size=0.02)
OUTER = GridConfig(n_eta=21, n_phi=21, size=0.05, cone=0.5)


def positions(entries, taus):
    """Positions from lists of (eta, phi) by entry and (pt, eta, phi) of the tau candidates."""
    flat = np.array([direction for entry in entries for direction in entry], np.float32).reshape(-1, 2)
    offsets = np.cumsum([0, *map(len, entries)]).astype(np.int64)
    columns = np.array(taus, np.float32).reshape(-1, 3)
    return Positions.of(offsets, (flat[:, 0], flat[:, 1]), tuple(columns.T))


def radius(grid, pt):
    return grid.cone or max(3 / max(pt, 30.0), 0.05)


def axis(distance, number, size):
    """Index along one axis, or None: as the reference of the geometry words it."""
    if abs(distance) > number * size / 2:
        return None
    if number % 2:
        index = int(math.copysign(math.floor(abs(distance) / size + 0.5), distance)) + number // 2
    else:
        index = math.floor(distance / size) + number // 2
    return index if 0 <= index < number else None


def slow_cells(grid, entries, taus, without=None):
    """{(entry, cell): position of its first object}."""
    found = {}
    for entry, (objects, (pt, tau_eta, tau_phi)) in enumerate(zip(entries, taus, strict=True)):
        for rank, (eta, phi) in enumerate(objects):
            d_eta = float(np.float32(eta)) - float(np.float32(tau_eta))
            d_phi = float(np.float32(phi)) - float(np.float32(tau_phi))
            if d_phi > math.pi:
                d_phi -= 2 * math.pi
            if d_phi <= -math.pi:
                d_phi += 2 * math.pi
            distance = float(np.hypot(d_eta, d_phi))
            pt32 = float(np.float32(pt))
            if distance >= radius(grid, pt32) or (without and distance < radius(without, pt32)):
                continue
            i_eta, i_phi = axis(d_eta, grid.n_eta, grid.size), axis(d_phi, grid.n_phi, grid.size)
            if i_eta is not None and i_phi is not None:
                found.setdefault((entry, i_eta * grid.n_phi + i_phi), rank)
    return found


def as_dict(cells, block):
    owner = np.repeat(np.arange(len(cells)), np.diff(cells.offsets))
    return {(int(i), int(c)): int(r) for i, c, r in zip(owner, cells.cell, cells.objects[block], strict=True) if r >= 0}


ANGLE = st.floats(-3.125, 3.125, width=32)
NEAR = st.floats(-0.625, 0.625, width=32)
GRIDS = st.builds(
    GridConfig,
    n_eta=st.integers(1, 12),
    n_phi=st.integers(1, 12),
    size=st.sampled_from([0.02, 0.05, 0.042, 0.1]),
    cone=st.sampled_from([0.0, 0.3, 0.5]),
)


@st.composite
def candidates(draw):
    """Tau candidates and two blocks of objects near them; some objects lie on borders of cells."""
    taus = draw(st.lists(st.tuples(st.floats(5, 200, width=32), st.floats(-2.5, 2.5, width=32), ANGLE), max_size=4))
    steps = st.sampled_from([0.0, 0.01, 0.025, 0.05, -0.05, 0.11, -0.525])
    blocks = []
    for _ in range(2):
        entries = []
        for _, eta, phi in taus:
            shifts = draw(st.lists(st.tuples(NEAR | steps, NEAR | steps), max_size=8))
            moved = [(eta + a, phi + b) for a, b in shifts]
            entries.append(
                [(a, b - 2 * math.pi if b > math.pi else b + 2 * math.pi if b < -math.pi else b) for a, b in moved]
            )
        blocks.append(entries)
    return taus, blocks


@settings(max_examples=150, deadline=None)
@given(GRIDS, candidates(), st.booleans())
def test_cells_are_those_of_a_slow_loop(grid, case, leave_out):
    taus, blocks = case
    without = INNER if leave_out else None
    named = {f"block_{i}": positions(entries, taus) for i, entries in enumerate(blocks)}
    cells = fill_cells(grid, len(taus), named, without)
    expected = [slow_cells(grid, entries, taus, without) for entries in blocks]
    assert [as_dict(cells, name) for name in named] == expected
    owner = np.repeat(np.arange(len(cells)), np.diff(cells.offsets))
    filled = list(zip(owner.tolist(), cells.cell.tolist(), strict=True))
    assert filled == sorted({key for one in expected for key in one})


def test_middle_cell_of_an_odd_grid_is_centred_and_has_half_a_cell_on_each_side():
    found = positions([[(0.0, 0.0), (0.0099, 0.0), (0.0101, 0.0), (-0.0101, 0.0), (0.0, 0.0301)]], [(30, 0, 0)])
    assert cell_numbers(found, INNER).tolist() == [60, 60, 71, 49, 62]


def test_borders_of_an_even_grid_run_through_the_tau_and_its_upper_edge_is_outside():
    grid = GridConfig(n_eta=4, n_phi=4, size=0.125, cone=1.0)
    found = positions([[(0.0, 0.0), (-0.125, -0.0625), (-0.25, 0.0), (0.25, 0.0), (0.2, 0.2)]], [(30, 0, 0)])
    assert cell_numbers(found, grid).tolist() == [10, 5, 2, OUTSIDE, 15]


def test_cones_are_strict():
    grid = GridConfig(n_eta=21, n_phi=21, size=0.05, cone=0.25)
    found = positions([[(0.25, 0.0), (0.2499, 0.0)]], [(30, 0, 0)])
    assert cell_numbers(found, grid)[0] == OUTSIDE
    assert cell_numbers(found, grid)[1] != OUTSIDE


def test_distance_in_phi_is_wrapped_once():
    found = positions([[(0.0, -3.13)]], [(30, 0, 3.13)])
    assert cell_numbers(found, INNER).tolist() == [61]


def test_without_leaves_the_cone_of_another_grid_out():
    found = positions([[(0.05, 0.0), (0.15, 0.0)]], [(30, 0, 0)])
    assert (cell_numbers(found, OUTER) != OUTSIDE).tolist() == [True, True]
    assert (cell_numbers(found, OUTER, INNER) != OUTSIDE).tolist() == [False, True]


def test_the_first_object_of_a_cell_describes_it():
    found = positions([[(0.2, 0.0), (0.201, 0.0)], [], [(0.2, 0.001)]], [(30, 0, 0)] * 3)
    cells = fill_cells(OUTER, 3, {"muon": found})
    assert cells.offsets.tolist() == [0, 1, 1, 2]
    assert cells.objects["muon"].tolist() == [0, 0]


@pytest.mark.parametrize("tau", [(-999, -999, -999), (np.nan, np.nan, np.nan)])
def test_candidates_without_tau_have_no_cells(tau):
    cells = fill_cells(OUTER, 1, {"muon": positions([[(0.0, 0.0)]], [tau])})
    assert len(cells) == 1
    assert len(cells.cell) == 0


def test_signal_cone_shrinks_from_30_to_60_gev():
    assert signal_cone(np.float32([10, 30, 40, 60, 500])).tolist() == [0.1, 0.1, 0.075, 0.05, 0.05]


def test_borders_are_decided_in_double_precision():
    # in float32 the difference is 0.5 exactly; that of the float32 numbers in float64 is not
    eta, tau_eta = np.float32(0.7), np.float32(0.2)
    distance = float(eta) - float(tau_eta)
    found = positions([[(eta, 0.0)]], [(30, tau_eta, 0)])
    assert np.float32(eta - tau_eta) == np.float32(0.5)
    assert (cell_numbers(found, OUTER)[0] == OUTSIDE) == (distance >= 0.5)
