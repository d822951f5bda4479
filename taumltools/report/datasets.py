"""Sections on datasets and spectra: what was produced, and what mixing made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.sampling import SamplingConfig, SpectraConfig
from taumltools.plotstyle import TYPE_COLOURS, TYPE_NAMES
from taumltools.report.content import Grid, Plot, Section, Table, Text, missing, percent, thousands
from taumltools.report.figures import (
    add_hover,
    add_legend,
    new_figure,
    start_at_zero,
    step_outline,
    without_zeros,
)
from taumltools.report.inputs import ReportInputs
from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.spectra import Spectra, count_spectra
from taumltools.tuples.truth import TAU_TYPES


def load_spectra(files: Mapping[str, Sequence[Path]]) -> dict[str, Spectra]:
    """Spectra by dataset, all files of a dataset together."""
    return {name: Spectra.merge([Spectra.load(Path(p)) for p in paths]) for name, paths in files.items() if paths}


def datasets_section(inputs: ReportInputs) -> Section:
    """Candidates by dataset, sample and truth type."""
    items: list[Any] = []
    for sample, files in (("Training", inputs.train_spectra), ("Test", inputs.test_spectra)):
        spectra = load_spectra(files)
        if spectra:
            items.append(_datasets_table(sample, spectra, inputs))
        else:
            items.append(missing(f"Spectra of the {sample.lower()} sample", "CountSpectra"))
    intro = Text(
        "Tau candidates by what they were reconstructed from. Candidates without a type are too soft or too far "
        "from any generated particle; they are scored but neither trained on nor evaluated."
    )
    return Section("datasets", "Datasets", (intro, *items))


def _datasets_table(sample: str, spectra: dict[str, Spectra], inputs: ReportInputs) -> Table:
    counts = [
        [part.entries, *(part.entries_by_type.get(t, 0) for t in TAU_TYPES), part.not_valid]
        for part in spectra.values()
    ]
    known = inputs.config.datasets
    titles = [known[name].title if name in known else name for name in spectra]
    rows = zip([*titles, "All"], [*counts, [sum(column) for column in zip(*counts, strict=True)]], strict=True)
    cells = tuple((title, *(thousands(count) for count in row)) for title, row in rows)
    heads = ("Dataset", "Candidates", *(TYPE_NAMES[t].capitalize() for t in TAU_TYPES), "No type")
    return Table(heads, cells, caption=f"{sample} sample.", total=True)


def spectra_section(inputs: ReportInputs) -> Section:
    """Spectra by truth type before and after shuffle-and-merge, with planned and achieved yields."""
    before = load_spectra(inputs.train_spectra)
    sampling = inputs.config.sampling
    text = (
        "Mixing accepts candidates with a probability that depends on type, pT and |η|, so that the network sees "
        "the types in the wanted ratio and with the same flat spectrum, and cannot learn from pT what comes from the "
        "datasets."
    )
    if sampling.lastbin_takeall:
        text += f" Above {sampling.pt_edges[-2]:g} GeV there are few candidates: there the spectrum stays as it is."
    items: list[Any] = [Text(text)]
    if before:
        items.append(_spectra_plots("Before mixing", Spectra.merge(list(before.values())), sampling))
    else:
        items.append(missing("Spectra of the training sample", "CountSpectra"))
    after = merged_spectra(inputs.merged, sampling.spectra) if inputs.merged else None
    if after:
        items.append(_spectra_plots("After mixing", after, sampling))
    else:
        items.append(missing("Mixed training tuples", "ShuffleMergeSpectral"))
    items.append(_yields(inputs.plan, after) if inputs.plan else missing("Planned yields", "PlanSampling"))
    return Section("spectra", "Spectra", tuple(items))


def merged_spectra(paths: Sequence[Path], binning: SpectraConfig) -> Spectra:
    """Spectra of the mixed sample, counted from its files."""
    return Spectra.merge([count_spectra(Path(path), binning) for path in paths])


def _spectra_plots(title: str, spectra: Spectra, sampling: SamplingConfig) -> Grid:
    pt_edges, eta_edges = display_edges(sampling.spectra)
    counts = {t: spectra.rebin(t, pt_edges, eta_edges) for t in TAU_TYPES}
    pt = {t: c.sum(axis=1) / np.diff(pt_edges) for t, c in counts.items()}
    eta = {t: c.sum(axis=0) / np.diff(eta_edges) for t, c in counts.items()}
    pt_plot = _spectrum(
        np.array(pt_edges), pt, "pT of the tau candidate [GeV]", "Candidates / GeV", log_x=True, log_y=True
    )
    eta_plot = _spectrum(np.array(eta_edges), eta, "|η| of the tau candidate", "Candidates / unit of |η|")
    return Grid((Plot(pt_plot, title=f"{title}: pT"), Plot(eta_plot, title=f"{title}: |η|")))


def display_edges(binning: SpectraConfig, pt_bins: int = 24, eta_bins: int = 25) -> tuple[list[float], list[float]]:
    """Edges for plots, on edges of the fine binning: about logarithmic in pT, equal in |η|.

    Examples:
        >>> pt, eta = display_edges(SpectraConfig())
        >>> pt[0], pt[-1], len(eta)
        (20.0, 1000.0, 26)
    """
    low, high = binning.pt_range
    width = (high - low) / binning.pt_bins
    ideal = np.geomspace(max(low, width), high, pt_bins + 1)
    steps = np.unique(np.append(0, np.rint((ideal - low) / width)).astype(int))
    eta_steps = np.unique(np.rint(np.linspace(0, binning.eta_bins, eta_bins + 1)).astype(int))
    eta_width = (binning.eta_range[1] - binning.eta_range[0]) / binning.eta_bins
    return [float(low + s * width) for s in steps], [float(binning.eta_range[0] + s * eta_width) for s in eta_steps]


def _spectrum(
    edges: np.ndarray, counts: dict[str, np.ndarray], x: str, y: str, *, log_x: bool = False, log_y: bool = False
) -> Any:
    plot = new_figure(x, y, log_x=log_x, log_y=log_y)
    if not log_y:
        start_at_zero(plot)
    legend, lines = [], []
    for name, values in counts.items():
        xs, ys = step_outline(edges, without_zeros(values) if log_y else values)
        line = plot.line(xs, ys, line_color=TYPE_COLOURS[name], line_width=2, name=TYPE_NAMES[name])
        legend.append((TYPE_NAMES[name], [line]))
        lines.append(line)
    add_legend(plot, legend)
    add_hover(plot, lines, [("", "$name"), (x, "$x{0.[0]}"), (y, "@y{0.[0]}")])
    return plot


def _yields(plan_path: Path, after: Spectra | None) -> Table:
    """What the plan expects, and what the parts that were made hold."""
    plan = AcceptancePlan.load(Path(plan_path))
    made = after.entries_by_type if after else None
    rows = []
    for name, expected in plan.expected_total.items():
        available = sum(int(g.counts[name].sum()) for g in plan.groups.values() if name in g.counts)
        achieved = difference = "–"
        if made is not None:
            achieved = thousands(made.get(name, 0))
            difference = f"{100 * (made.get(name, 0) / expected - 1):+.1f}%" if expected else "–"
        planned = (thousands(available), thousands(round(expected)), percent(expected / max(available, 1)))
        rows.append((TYPE_NAMES.get(name, name).capitalize(), *planned, achieved, difference))
    heads = ("Type", "Available", "Planned", "Acceptance", "Made", "Made / planned − 1")
    caption = (
        "Candidates of the training sample inside of the edges, and how many mixing was planned to and did accept."
    )
    return Table(heads, tuple(rows), caption=caption)
