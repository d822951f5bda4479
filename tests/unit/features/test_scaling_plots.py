"""What is drawn is what the numbers say; each plot is written in each format."""

from __future__ import annotations

import numpy as np
import pytest

from taumltools.features.feature_sums import FeatureSums, sum_flat
from taumltools.features.scaling import load_scaling, make_scaling
from taumltools.features.scaling_numbers import QUANTITIES, convergence, five_numbers, ranges
from taumltools.features.scaling_plots import FLOOR, MAX_TICKS, draw_scaling, plot_convergence, plot_ranges
from tests.unit.features.scaling_case import make_config, make_flat

CONFIG, FLAT = make_config(), make_flat(90, seed=5)
PARTS = [sum_flat(FLAT.slice(i, i + 30), CONFIG) for i in (0, 30, 60)]


@pytest.fixture(scope="module")
def steps():
    return convergence(PARTS, CONFIG)[0]


@pytest.fixture(scope="module")
def found():
    sums = FeatureSums.merge(PARTS)
    return ranges(sums, load_scaling(make_scaling(sums, CONFIG), CONFIG), CONFIG)


def medians(axes):
    """Heights of the median lines: those inside of boxes, which are darker than whiskers."""
    return sorted(float(line.get_ydata()[0]) for line in axes.lines if line.get_linewidth() == 1.4)


def test_boxes_stand_at_the_medians_of_the_changes(steps):
    figure = plot_convergence(steps)
    cones = {cone: [i for i, f in enumerate(steps["features"]) if f["cone"] == cone] for cone in ("global", "inner")}
    for axes, quantity in zip(figure.axes, QUANTITIES, strict=True):
        drawn = medians(axes)
        assert len(drawn) == 3 * len(steps["steps"])
        for rows in cones.values():
            for step in steps["steps"]:
                wanted = max(five_numbers(step[quantity][i] for i in rows)["median"], FLOOR)
                assert np.isclose(drawn, wanted).any()


def test_the_steps_are_named_and_the_last_one_stands_apart(steps):
    axes = plot_convergence(steps, "muon").axes[-1]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1 → 2", "2 → 3", "1 → 3"]
    assert any(np.allclose(line.get_xdata(), 1.5) for line in axes.lines)


def test_a_block_shows_its_features_only(steps):
    figure = plot_convergence(steps, "taus")
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["global: 1 feature"]
    assert len(medians(figure.axes[0])) == 3


def test_many_steps_have_few_labels(steps):
    many = {**steps, "steps": steps["steps"][:1] * 100}
    assert len(plot_convergence(many).axes[-1].get_xticklabels()) <= MAX_TICKS + 1


def test_a_change_of_zero_is_drawn_at_the_floor(steps):
    still = [{**step, **{q: [0.0] * len(steps["features"]) for q in QUANTITIES}} for step in steps["steps"]]
    assert set(medians(plot_convergence({**steps, "steps": still}).axes[0])) == {FLOOR}


def test_ranges_are_drawn_in_units_of_the_input(found):
    axes = plot_ranges(found, "muon", "inner").axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["muon_rel_pt", "muon_deta", "muon_dphi", "muon_dxy"]
    bars = {(round(bar.get_y() + bar.get_height() / 2), round(bar.get_height(), 2), bar) for bar in axes.patches}
    kept = {y: (bar.get_x(), bar.get_x() + bar.get_width()) for y, height, bar in bars if height == 0.9}
    assert kept[0] == pytest.approx((-5, 5))
    assert kept[1] == pytest.approx((-1, 1))
    row = found["muon"]["muon_rel_pt"]["inner"]
    left, right = ((row["quantiles"]["1sigma"][side] - row["mean"]) / row["std"] for side in ("left", "right"))
    assert any(
        y == 0 and bar.get_x() == pytest.approx(left) and bar.get_x() + bar.get_width() == pytest.approx(right)
        for y, height, bar in bars
        if height == 0.4
    )


def test_suspicious_features_are_marked(found):
    axes = plot_ranges(found, "muon", "inner").axes[0]
    row = found["muon"]["muon_deta"]["inner"]  # the objects of this test fill cells wherever they are
    assert row["suspicious"] == ["left_within", "right_within"]
    colours = {label.get_text(): label.get_color() for label in axes.get_yticklabels()}
    assert colours["muon_deta"] != colours["muon_rel_pt"]
    assert "left within, right within" in [text.get_text() for text in axes.texts]


def test_every_plot_is_written_in_every_format_and_the_same_again(tmp_path, steps, found):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths = draw_scaling(steps, found, tmp_path / folder, ["png", "pdf"])
    names = {path.name for path in paths}
    blocks = ("", "_taus", "_cell_features", "_muon", "_electron")
    wanted = [f"convergence{block}" for block in blocks]
    wanted += ["ranges_taus_global", "ranges_electron_global", "ranges_cell_features_inner"]
    wanted += ["ranges_cell_features_outer", *(f"ranges_muon_{cone}" for cone in ("global", "inner", "outer"))]
    assert names == {f"{name}.{suffix}" for name in wanted for suffix in ("png", "pdf")}
    for path in paths:
        assert path.stat().st_size > 1000
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()


def test_one_snapshot_has_no_convergence(tmp_path, found):
    alone, _ = convergence(PARTS[:1], CONFIG)
    assert not [path for path in draw_scaling(alone, {}, tmp_path, ["png"]) if "convergence" in path.name]
