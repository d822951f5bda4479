"""Plots of the scaling: boxes of changes between snapshots, and ranges of clipping beside quantiles.

Everything drawn is in the numbers of :mod:`taumltools.features.scaling_numbers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.features.scaling_numbers import QUANTITIES, five_numbers
from taumltools.plotstyle import cms_style, new_figure, save_figures

CONE_COLOURS = ("#56B4E9", "#D55E00", "#009E73", "#CC79A7")
"""Cones in their order; safe for colour-blind readers (Okabe and Ito 2008)."""

TITLES = {
    "mean": "Relative change\nof mean",
    "std": "Relative change\nof std. dev.",
    "shift": "Change of mean\n[std. dev.]",
}

FLOOR = 1e-7
"""Changes below are drawn here: zero has no place on a logarithmic axis."""

MAX_TICKS = 12
"""Most steps whose numbers are written below the axis."""

TICKS = (-1000, -100, -10, -5, 0, 5, 10, 100, 1000)
"""Of the network input."""

SHADES = {"5sigma": 0.12, "3sigma": 0.22, "2sigma": 0.38, "1sigma": 0.6}
"""How dark quantiles are, the outermost first."""


def draw_scaling(
    convergence: Mapping[str, Any], ranges: Mapping[str, Any], folder: Path, formats: Sequence[str]
) -> list[Path]:
    """Draw and save all plots.

    Args:
        convergence: of :func:`~taumltools.features.scaling_numbers.convergence`.
        ranges: of :func:`~taumltools.features.scaling_numbers.ranges`.
        folder: where files go; it exists.
        formats: suffixes of files.

    Returns:
        The files: ``convergence``, ``convergence_<block>`` and ``ranges_<block>_<cone>``; no convergence
        for a sample of one snapshot.
    """
    return save_figures(_figures(convergence, ranges), folder, formats)


def _figures(convergence: Mapping[str, Any], ranges: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if convergence["steps"] and convergence["features"]:
        yield "convergence", plot_convergence(convergence)
        for block in dict.fromkeys(feature["block"] for feature in convergence["features"]):
            yield f"convergence_{block}", plot_convergence(convergence, block)
    for block, features in ranges.items():
        for cone in dict.fromkeys(cone for cones in features.values() for cone in cones):
            yield f"ranges_{block}_{cone}", plot_ranges(ranges, block, cone)


def plot_convergence(numbers: Mapping[str, Any], block: str = "") -> Any:
    """Boxes of the changes of all features between snapshots; the last compares the final one with the first.

    Args:
        numbers: of :func:`~taumltools.features.scaling_numbers.convergence`.
        block: a block of features; empty: all.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    features, steps = numbers["features"], numbers["steps"]
    groups: dict[str, list[int]] = {}
    for i, feature in enumerate(features):
        if block in ("", feature["block"]):
            groups.setdefault(feature["cone"], []).append(i)
    with cms_style():
        figure = new_figure(max(8.0, min(0.8 * len(steps) + 3, 16)), 9)
        panels = figure.subplots(len(QUANTITIES), 1, sharex=True)
        figure.subplots_adjust(hspace=0.08)
        for axes, quantity in zip(panels, QUANTITIES, strict=True):
            for colour, (shift, rows) in zip(CONE_COLOURS, _beside(groups), strict=False):
                _draw_boxes(axes, [five_numbers(step[quantity][i] for i in rows) for step in steps], shift, colour)
            axes.set_yscale("log")
            axes.set_ylabel(TITLES[quantity], fontsize=12)
            axes.grid(axis="y", alpha=0.25)
            axes.tick_params(axis="x", which="minor", bottom=False, top=False)
            axes.axvline(len(steps) - 1.5, color="#1B1F24", linestyle=":", linewidth=1.2)
        _finish_steps(panels[-1], steps)
        handles = [
            _patch(colour, cone, rows) for colour, (cone, rows) in zip(CONE_COLOURS, groups.items(), strict=False)
        ]
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2, "ncols": len(groups)}
        panels[0].legend(
            handles=handles, **place, frameon=False, fontsize=12, title=block or "all blocks", alignment="left"
        )
    return figure


def _beside(groups: Mapping[str, list[int]]) -> list[tuple[float, list[int]]]:
    """Groups with their distance from the middle of a step."""
    return [((i - (len(groups) - 1) / 2) * 0.8 / len(groups), rows) for i, rows in enumerate(groups.values())]


def _patch(colour: str, cone: str, rows: list[int]) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, alpha=0.7, label=f"{cone}: {len(rows)} feature{'s' * (len(rows) != 1)}")


def _draw_boxes(axes: Any, boxes: list[dict[str, Any]], shift: float, colour: str) -> None:
    known = [(x + shift, box) for x, box in enumerate(boxes) if box["n"]]
    if not known:
        return
    floored = [{key: max(value, FLOOR) for key, value in box.items()} for _, box in known]
    stats = [
        {
            "whislo": b["low"],
            "q1": b["q1"],
            "med": b["median"],
            "q3": b["q3"],
            "whishi": b["high"],
            "fliers": [b["max"]],
        }
        for b in floored
    ]
    axes.bxp(
        stats,
        positions=[x for x, _ in known],
        widths=0.22,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.7, "linewidth": 0.8},
        medianprops={"color": "#1B1F24", "linewidth": 1.4},
        whiskerprops={"linewidth": 0.9},
        capprops={"linewidth": 0.9},
        flierprops={"marker": ".", "markersize": 4, "markeredgecolor": colour},
    )


def _finish_steps(axes: Any, steps: Sequence[Mapping[str, Any]]) -> None:
    every = -(-(len(steps) - 1) // MAX_TICKS) or 1
    shown = [*range(0, len(steps) - 1, every), len(steps) - 1]
    labels = [f"{steps[i]['from']} → {steps[i]['to']}" for i in shown]
    axes.set_xticks(shown, labels, rotation=0 if len(shown) < 7 else 45, fontsize=12)
    axes.set_xlim(-0.6, len(steps) - 0.4)
    axes.set_xlabel("Parts of the sample (last: first and final snapshot)", fontsize=13)


def plot_ranges(numbers: Mapping[str, Any], block: str, cone: str) -> Any:
    """What clipping keeps of each feature and where its quantiles are, in units of the network input.

    Args:
        numbers: of :func:`~taumltools.features.scaling_numbers.ranges`.
        block: a block of features.
        cone: one of its cones.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    rows = [(name, cones[cone]) for name, cones in numbers[block].items() if cone in cones]
    with cms_style():
        figure = new_figure(9, 0.36 * len(rows) + 2.2)
        axes = figure.subplots()
        for y, (_, row) in enumerate(rows):
            _draw_range(axes, y, row)
        axes.set_xscale("symlog", linthresh=10, linscale=2)
        axes.set_xlim(-1000, 1000)
        axes.set_xticks(TICKS, [f"{tick}".replace("-", "−") for tick in TICKS])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=10)
        axes.tick_params(axis="y", which="both", length=0)
        axes.tick_params(axis="x", which="minor", bottom=False, top=False)
        for label, (_, row) in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_color("#D55E00" if row["suspicious"] else "#1B1F24")
        axes.set_xlabel("(value − mean) / std. dev.", fontsize=13)
        _explain_ranges(axes, f"{block}, {cone}")
    return figure


def _draw_range(axes: Any, y: int, row: Mapping[str, Any]) -> None:
    def scaled(value: float | None, end: float) -> float:
        return float(np.clip((value - row["mean"]) / row["std"], -1000, 1000)) if value is not None else end

    low, high = scaled(row["clip"][0], -1000), scaled(row["clip"][1], 1000)
    axes.barh(y, high - low, 0.9, left=low, color="#56B4E9", alpha=0.45, linewidth=0)
    for name, shade in SHADES.items():
        left, right = (scaled(row["quantiles"][name][side], 0) for side in ("left", "right"))
        axes.barh(y, right - left, 0.4, left=left, color=str(1 - shade), linewidth=0)
    median = scaled(row["quantiles"]["median"], 0)
    axes.plot([median, median], [y - 0.35, y + 0.35], color="#1B1F24", linewidth=1.6)
    ends = [scaled(row["quantiles"][key], 0) for key in ("min", "max")]
    axes.plot(ends, [y, y], linestyle="none", marker="|", markersize=5, color="#1B1F24", markeredgewidth=0.8)
    if row["suspicious"]:
        axes.annotate(
            ", ".join(row["suspicious"]).replace("_", " "),
            (1.01, y),
            xycoords=("axes fraction", "data"),
            fontsize=9,
            va="center",
            color="#D55E00",
        )


def _explain_ranges(axes: Any, title: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color="#56B4E9", alpha=0.45, label="kept by clip")]
    handles += [Patch(color=str(1 - shade), label=f"{name[0]}σ quantiles") for name, shade in reversed(SHADES.items())]
    handles += [Line2D([], [], color="#1B1F24", linewidth=1.6, label="median; ticks: min, max")]
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2, "ncols": 3}
    axes.legend(handles=handles, **place, frameon=False, fontsize=10, title=title, title_fontsize=12, alignment="left")
