"""Plots of a validation: where tests fail, and what the distributions look like there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.validation import AxisConfig
from taumltools.plotstyle import cms_style, new_figure, save_figures
from taumltools.sampling.validation_slices import ALL, Distribution, compositions, spectra
from taumltools.sampling.validation_stats import merge_starts
from taumltools.sampling.validation_verdict import Verdict, describe

LABELS = {"tau_pt": r"$\tau$ $p_\mathrm{T}$ [GeV]", "tau_eta": r"$\tau$ $\eta$"}
"""Axis labels of the usual variables; others are labelled by their branch."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7F7F7F", "#1B1F24", "#A6761D")
"""Safe for colour-blind readers (Okabe and Ito 2008), then four more."""

MAX_VALUES = 8
"""Most values of a quantity that are drawn, those with the most entries."""


def draw_validation(verdict: Verdict, names: Mapping[int, str], folder: Path) -> list[Path]:
    """Draw and save all plots of a validation.

    Args:
        verdict: the outcome.
        names: names of datasets and groups by their hash.
        folder: where files go; it exists.

    Returns:
        The files: ``p_values``, ``chunks``, ``composition_<quantity>``, ``spectrum_<variable>``
        and ``failed_<n>`` in the formats of the settings.
    """
    return save_figures(_figures(verdict, names), folder, verdict.config.formats)


def _figures(verdict: Verdict, names: Mapping[int, str]) -> Iterator[tuple[str, Any]]:
    distributions = {
        (entry.quantity, entry.slice): entry
        for entry in (*compositions(verdict.sample, names), *spectra(verdict.sample, verdict.config.weight, names))
    }
    parts = list(verdict.entries)
    yield "p_values", plot_p_values(verdict)
    if verdict.config.chunks > 1:
        yield "chunks", plot_chunks(verdict)
    for (quantity, where), entry in distributions.items():
        if where == ALL and len(parts) > 1:
            if entry.values:
                yield f"composition_{quantity}", plot_composition(entry, parts)
            else:
                yield f"spectrum_{quantity}", plot_spectrum(entry, _axis(verdict, quantity), parts)
    drawn = 0
    for test in verdict.worst():
        tested = distributions.get((test["quantity"], test["slice"]))
        if test["passed"] or test["level"] != "part" or test["row"] == ALL or tested is None or tested.values:
            continue
        if drawn < verdict.config.max_plots:
            yield f"failed_{drawn}", plot_failed(tested, test, _axis(verdict, test["quantity"]))
            drawn += 1


def _axis(verdict: Verdict, variable: str) -> AxisConfig:
    config = verdict.config
    return config.weight_axis if variable == config.weight else config.variables[variable]


def plot_p_values(verdict: Verdict) -> Any:
    """Fraction of tests at least as unlikely as p, for each family: the diagonal for an honest sample.

    Args:
        verdict: the outcome.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    by_family: dict[str, list[np.ndarray]] = {}
    for one in verdict.series:
        by_family.setdefault(one.family, []).append(one.result.p[np.isfinite(one.result.p)])
    low = min([1e-3, *(family.threshold / 100 for family in verdict.families.values())])
    most = max(family.tests for family in verdict.families.values())
    with cms_style():
        figure = new_figure(8, 6.5)
        axes = figure.subplots()
        for colour, (name, parts) in zip(COLOURS, sorted(by_family.items()), strict=False):
            p = np.sort(np.concatenate(parts))
            if not len(p):
                continue
            family = verdict.families[name]
            rank = np.arange(1, len(p) + 1) / (len(p) + 1)
            text = f"{name} ({len(p):,})" + (f", {family.failed:,} fail" if family.failed else "")
            axes.plot(rank, np.maximum(p, low), "o", ms=3, color=colour, label=text, rasterized=True, clip_on=False)
            axes.plot([rank[0] / 1.5, rank[0] * 1.5], [family.threshold] * 2, color=colour, lw=3)
        axes.plot([1e-9, 1], [1e-9, 1], color="black", lw=1)
        axes.set(xscale="log", yscale="log", xlabel="Fraction of tests", ylabel="p-value")
        axes.set(xlim=(0.5 / (most + 1), 1.3), ylim=(low / 3, 2))  # room for whole points at both ends
        legend = {"title": "Family (tests); bars: thresholds", "title_fontsize": 12, "frameon": False}
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=2, **legend)
        _title(axes, verdict)
    return figure


def _title(axes: Any, verdict: Verdict) -> None:
    entries = sum(verdict.entries.values())
    text = f"{entries:,} entries in {len(verdict.entries)} parts"
    axes.text(0, 1.01, text, transform=axes.transAxes, va="bottom", fontsize=14)
    word, colour = ("passed", "#009E73") if verdict.passed else ("failed", "#D55E00")
    axes.text(1, 1.01, word, transform=axes.transAxes, va="bottom", ha="right", fontsize=15, color=colour)


def plot_chunks(verdict: Verdict) -> Any:
    """Smallest p-value of each chunk against the rest of its part, in units of the threshold.

    Args:
        verdict: the outcome.

    Returns:
        ``matplotlib.figure.Figure``: chunks from left to right, parts from top to bottom.
    """
    numbers = {name: row for row, name in enumerate(verdict.entries)}
    smallest = np.full((len(numbers), verdict.config.chunks), np.nan)
    for one in verdict.series:
        if one.level == "chunk" and one.against == "rest":
            ratio = np.maximum(one.result.p, 1e-300) / verdict.families[one.family].threshold
            row = smallest[numbers[one.part]]
            row[: len(ratio)] = np.fmin(row[: len(ratio)], ratio)
    with cms_style():
        figure = new_figure(8, min(3 + 0.35 * len(numbers), 14))
        axes = figure.subplots()
        shown = axes.imshow(np.log10(smallest), cmap="RdBu", vmin=-6, vmax=6, aspect="auto", interpolation="nearest")
        if not np.isfinite(smallest).any():
            axes.text(0.5, 0.5, "no test could be made", transform=axes.transAxes, ha="center", va="center")
        bar = figure.colorbar(shown, ax=axes, extend="both")
        bar.set_label(r"$\log_{10}$(smallest p / threshold)")
        axes.set(xlabel="Chunk of the part", xticks=_whole(verdict.config.chunks))
        _name_rows(axes, list(numbers))
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        _title(axes, verdict)
    return figure


def _whole(size: int) -> list[int]:
    """At most about 20 whole numbers from 0."""
    return list(range(0, size, 1 + size // 20))


def _name_rows(axes: Any, parts: list[str]) -> None:
    """Names of parts on the y axis where there is room, else their numbers."""
    rows = _whole(len(parts))
    labels = [part if len(parts) <= 20 and len(part) <= 20 else str(row) for row, part in enumerate(parts)]
    axes.set_yticks(rows, [labels[row] for row in rows])


def plot_composition(entry: Distribution, parts: list[str]) -> Any:
    """Share of each value by part, relative to its share in the sample.

    Args:
        entry: distribution of a quantity with values, a row per part.
        parts: names of the parts.

    Returns:
        ``matplotlib.figure.Figure``; bars are statistical.
    """
    order = np.argsort(entry.counts.sum(0))[::-1][:MAX_VALUES]
    total = entry.counts.sum(1)
    with cms_style():
        figure = new_figure(9, 5)
        axes = figure.subplots()
        for position, (number, colour) in enumerate(zip(order, COLOURS, strict=False)):
            counts = entry.counts[:, number]
            share = counts.sum() / total.sum()
            x = np.arange(len(parts)) + 0.6 * ((position + 0.5) / len(order) - 0.5)
            with np.errstate(divide="ignore", invalid="ignore"):
                change = 100 * (counts / total / share - 1)
                error = 100 * np.sqrt(share * (1 - share) / total) / share
            label = f"{entry.values[number]} ({100 * share:.2g}%)"
            axes.errorbar(x, change, error, fmt="o", ms=4, color=colour, label=label)
        axes.axhline(0, color="black", lw=1)
        ticks = _whole(len(parts))
        named = len(parts) <= 6 and max(map(len, parts)) <= 16
        axes.set_xticks(ticks, [parts[row] if named else str(row) for row in ticks])
        axes.tick_params(axis="x", which="minor", length=0)
        axes.set(xlabel="Part", ylabel="Share relative to the sample [%]", xlim=(-0.5, len(parts) - 0.5))
        axes.legend(title=entry.quantity, title_fontsize=12, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def _edges(axis: AxisConfig) -> np.ndarray:
    """Edges of the fine bins, with one bin of their width for what is below and above."""
    low, high = axis.limits
    steps = np.arange(-1, axis.bins + 2) / axis.bins
    return low * (high / low) ** steps if axis.log else low + (high - low) * steps


def _merged(counts: np.ndarray, axis: AxisConfig, most: int) -> tuple[np.ndarray, np.ndarray]:
    """About equally filled bins, and their edges without the empty ends."""
    pooled = counts.sum(0)
    starts = merge_starts(pooled, max(pooled.sum() / most, 1))
    edges, filled = _edges(axis), np.flatnonzero(pooled)
    borders = np.append(edges[starts], edges[filled[-1] + 1])
    borders[0] = edges[filled[0]]
    return np.add.reduceat(counts, starts, axis=1), borders


def plot_spectrum(entry: Distribution, axis: AxisConfig, parts: list[str]) -> Any:
    """Spectrum of the sample, and below how far each part deviates from the others in each bin.

    Args:
        entry: distribution of a variable, a row per part.
        axis: its fine bins.
        parts: names of the parts.

    Returns:
        ``matplotlib.figure.Figure``; colours are deviations in standard deviations.
    """
    counts, edges = _merged(entry.counts, axis, 40)
    total, rows = counts.sum(0), counts.sum(1, keepdims=True)
    expected = rows * total / total.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls = (counts - expected) / np.sqrt(expected * (1 - rows / total.sum()))
    with cms_style():
        figure = new_figure(8, 5.5 + min(0.3 * len(parts), 8))
        ratios = [3, 1 + min(0.2 * len(parts), 4)]
        above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": ratios, "hspace": 0.08})
        above.stairs(total / np.diff(edges) / total.sum(), edges, color="black", lw=2)
        above.set(ylabel="Density of the sample", **_height(axis))
        shown = below.pcolormesh(edges, np.arange(len(parts) + 1) - 0.5, pulls, cmap="RdBu_r", vmin=-5, vmax=5)
        bar = figure.colorbar(shown, ax=[above, below], extend="both")
        bar.set_label("(part − expected) / standard deviation")
        below.set(xlabel=LABELS.get(entry.quantity, entry.quantity), xlim=(edges[0], edges[-1]))
        below.invert_yaxis()
        below.tick_params(axis="y", which="minor", length=0)
        _name_rows(below, parts)
        _scale(below, axis)
    return figure


def _height(axis: AxisConfig) -> dict[str, Any]:
    """Spectra in logarithmic bins fall steeply, others begin at zero."""
    return {"yscale": "log"} if axis.log else {"ylim": (0, None)}


def _scale(axes: Any, axis: AxisConfig) -> None:
    """A logarithmic axis where the bins are, with plain numbers at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    if axis.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def plot_failed(entry: Distribution, test: Mapping[str, Any], axis: AxisConfig) -> Any:
    """Spectrum of a part whose test failed, and of what it was compared with.

    Args:
        entry: distribution of the variable in the slice of the test, a row per part.
        test: the test.
        axis: the fine bins.

    Returns:
        ``matplotlib.figure.Figure`` with the ratio below.
    """
    row = test["row"]
    other = entry.counts[row + 1] if test["against"] == "next" else entry.counts.sum(0) - entry.counts[row]
    counts, edges = _merged(np.stack([entry.counts[row], other]), axis, 40)
    density = counts / np.diff(edges) / counts.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = density[0] / density[1]
        error = ratio * np.sqrt(1 / counts[0] + 1 / counts[1])
    names = (f"part {row}", f"part {row + 1}" if test["against"] == "next" else "other parts")
    with cms_style():
        figure = new_figure(8, 7)
        above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1], "hspace": 0.08})
        for values, name, colour in zip(density, names, ("#D55E00", "black"), strict=True):
            above.stairs(values, edges, label=name, color=colour, lw=2)
        above.set(ylabel="Density", **_height(axis))
        above.legend(frameon=False)
        above.set_title(describe(test), fontsize=12, loc="left")
        middle = np.sqrt(edges[1:] * edges[:-1]) if axis.log else (edges[1:] + edges[:-1]) / 2
        below.errorbar(middle, ratio, error, fmt="o", ms=4, color="#D55E00")
        below.axhline(1, color="black", lw=1)
        label = LABELS.get(entry.quantity, entry.quantity)
        below.set(xlabel=label, ylabel="Ratio", xlim=(edges[0], edges[-1]))
        _scale(below, axis)
    return figure
