"""Plots as files: PDF and PNG as the settings say, and the numbers of each plot as JSON beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from taumltools.config.evaluation import EvaluationConfig
from taumltools.errors import InputError
from taumltools.evaluation.artefact import load_performance, regions_of, to_text
from taumltools.evaluation.plot_data import (
    make_calibration_plot,
    make_confusion_plot,
    make_efficiency_plot,
    make_score_plot,
)
from taumltools.evaluation.plots import draw_calibration, draw_confusion, draw_efficiency, draw_scores
from taumltools.evaluation.roc_data import make_roc_plot
from taumltools.evaluation.roc_plot import draw_roc
from taumltools.plotstyle import TYPE_NAMES, save_figures

Performance = dict[str, Any]


class Content(Protocol):
    """What a plot shows, apart from its drawing."""

    def as_json(self) -> dict[str, Any]:
        """The numbers in plain JSON types."""
        ...


Plots = Iterable[tuple[str, Content, Any]]
"""Names, contents and figures."""


def save_plots(plots: Plots, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write plots with their numbers.

    Args:
        plots: names, contents and figures; one at a time is asked for.
        folder: where files go; it is made if needed.
        formats: suffixes of figures without a dot.

    Returns:
        The files: for each plot the JSON file, then its figures.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, content, figure in plots:
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(to_text(content.as_json()) + "\n", encoding="utf-8")
        paths += save_figures([(name, figure)], folder, formats)
    return paths


def roc_plots(performances: Sequence[Performance], vs: str, config: EvaluationConfig) -> Iterator[tuple[str, Any, Any]]:
    """ROC plots vs one fake type, one for each region in which there is something to draw.

    Args:
        performances: artefacts, the most important one first.
        vs: fake type.
        config: settings of the evaluation.

    Yields:
        Names, contents and figures.
    """
    for region in regions_of(performances, vs):
        try:
            content = make_roc_plot(performances, vs, region)
        except InputError:
            continue  # an empty region is noted in the artefacts
        yield f"roc_vs_{vs}_{region_name(region)}", content, draw_roc(content, config.style)


def efficiency_plots(performance: Performance, config: EvaluationConfig) -> Iterator[tuple[str, Any, Any]]:
    """Efficiency plots of one discriminator, by fake type and variable.

    Args:
        performance: its artefact.
        config: settings of the evaluation.

    Yields:
        Names, contents and figures.
    """
    known = {(entry["vs"], entry["variable"]) for entry in performance["efficiencies"]}
    for vs in performance["vs"]:
        for variable, binning in config.efficiency.items():
            if (vs, variable) in known:
                content = make_efficiency_plot(performance, vs, variable)
                yield f"efficiency_vs_{vs}_{variable}", content, draw_efficiency(content, binning, config.style)


def score_plots(performance: Performance, config: EvaluationConfig) -> Iterator[tuple[str, Any, Any]]:
    """Score distributions of one discriminator, and of a network its calibration and confusion matrix.

    Args:
        performance: its artefact.
        config: settings of the evaluation.

    Yields:
        Names, contents and figures.
    """
    for entry in performance["scores"]:
        vs = entry["vs"]
        content = make_score_plot(performance, vs, TYPE_NAMES[vs])
        yield f"scores_vs_{vs}", content, draw_scores(content, config.style)
    if performance["calibration"]:
        curves = make_calibration_plot(performance)
        yield "calibration", curves, draw_calibration(curves, config.style)
    if performance["confusion"]:
        matrix = make_confusion_plot(performance)
        yield "confusion", matrix, draw_confusion(matrix, config.style)


def named_performances(paths: Sequence[tuple[str, Path]]) -> list[Performance]:
    """Read artefacts of several runs; the title of each says of which run it is.

    Args:
        paths: what to add to the title (nothing if empty), and the artefact.

    Returns:
        The artefacts, in that order.
    """
    performances = []
    for label, path in paths:
        performance = load_performance(path)
        if label:
            performance |= {"title": f"{performance['title']} ({label})"}
        performances.append(performance)
    return performances


def region_name(region: dict[str, Any]) -> str:
    """A region as part of a file name.

    Examples:
        >>> region_name({"pt": [20.0, 100.0], "abs_eta": [0.0, 2.3], "decay_modes": [0, 1, 10]})
        'pt_20_100_eta_0_2.3_dm_0_1_10'
    """
    pt, eta = ("_".join(f"{edge:g}" for edge in region[key]) for key in ("pt", "abs_eta"))
    modes = "_".join(str(mode) for mode in region["decay_modes"])
    datasets = f"{region['datasets']}_" if region.get("datasets") else ""
    return f"{datasets}pt_{pt}_eta_{eta}_dm_{modes}"
