"""Plots of a classifier for papers: PDF in the style of the experiment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.evaluation import StyleConfig
from taumltools.config.htt_training import EventEvaluationConfig
from taumltools.htt.evaluate import Evaluation
from taumltools.plotstyle import cms_style, experiment_label, mathematical, new_figure, save_figures

NORMS = {"true": "of the true class", "pred": "of the chosen class"}
"""What the numbers of a confusion matrix are shares of."""


def draw_pdf(evaluation: Evaluation, config: EventEvaluationConfig, folder: Path) -> list[Path]:
    """Draw all figures of one sample.

    Args:
        evaluation: figures.
        config: texts.
        folder: where PDF files go; made.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return save_figures(_figures(evaluation, config), folder, ["pdf"])


def _figures(evaluation: Evaluation, config: EventEvaluationConfig) -> Iterator[tuple[str, Any]]:
    style = StyleConfig(experiment=config.experiment, label=config.label, energy=config.energy)
    for number, one in enumerate(evaluation["classes"]):
        yield f"density_{one['name']}", plot_density(evaluation, number, style)
    for norm in NORMS:
        yield f"confusion_{norm}", plot_confusion(evaluation, norm, style)
    yield "roc_curve", plot_curves(evaluation, "roc", style)
    yield "pr_curve", plot_curves(evaluation, "pr", style)
    if evaluation.get("importance"):
        yield "importance", plot_importance(evaluation["importance"], style)


def plot_density(evaluation: Evaluation, category: int, style: StyleConfig) -> Any:
    """Distribution of the score among the events of one category, by true class.

    Args:
        evaluation: figures.
        category: number of the class that events were assigned to.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    density = evaluation["densities"][category]
    with cms_style():
        figure = new_figure(7, 6)
        axes = figure.subplots()
        for one, values, entries in zip(evaluation["classes"], density["values"], density["entries"], strict=True):
            label = f"{mathematical(one['title'])} ({entries})"
            axes.stairs(values, density["edges"], color=one["colour"], label=label, linewidth=2, fill=False)
        axes.set(xlim=(density["edges"][0], 1), ylim=(0, None), ylabel="Density")
        title = mathematical(evaluation["classes"][category]["title"])
        axes.set_xlabel(f"Score of {title}, where it is the largest")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.35)
        axes.legend(loc="upper left", frameon=False, ncols=2, fontsize=11)
        experiment_label(axes, style)
    return figure


def plot_confusion(evaluation: Evaluation, norm: str, style: StyleConfig) -> Any:
    """Confusion matrix in percent.

    Args:
        evaluation: figures.
        norm: ``true`` or ``pred``.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    matrix = np.array(evaluation["confusion"][norm])
    titles = [mathematical(one["title"]) for one in evaluation["classes"]]
    with cms_style():
        figure = new_figure(7.5, 6.5)
        axes = figure.subplots()
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(matrix):
            colour = "white" if value > 0.55 else "black"
            axes.text(column, row, f"{100 * value:.1f}", ha="center", va="center", color=colour)
        axes.set(xticks=range(len(titles)), yticks=range(len(titles)), ylabel="True class")
        axes.set_xticklabels(titles, fontsize=12, rotation=20, ha="right", rotation_mode="anchor")
        axes.set_yticklabels(titles, fontsize=12)
        axes.set_xlabel(f"Chosen class (percent {NORMS[norm]})")
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        experiment_label(axes, style)
    return figure


def plot_curves(evaluation: Evaluation, kind: str, style: StyleConfig) -> Any:
    """Curves of every class against all others.

    Args:
        evaluation: figures.
        kind: ``roc`` or ``pr`` (precision against recall).
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    y_name, area = ("misid", "auc") if kind == "roc" else ("precision", "average_precision")
    with cms_style():
        figure = new_figure(7, 6.5)
        axes = figure.subplots()
        for one, curve in zip(evaluation["classes"], evaluation["curves"], strict=True):
            label = f"{mathematical(one['title'])}, {'AUC' if kind == 'roc' else 'AP'} {curve[area]:.3f}"
            axes.plot(curve["efficiency"], curve[y_name], color=one["colour"], label=label)
        if kind == "roc":
            axes.set(yscale="log", ylim=(1e-3, 1), xlabel="Efficiency of the class", ylabel="Efficiency of the others")
        else:
            axes.set(ylim=(0.45, 1.02), xlabel="Efficiency of the class (recall)", ylabel="Purity (precision)")
        axes.set_xlim(0, 1)
        axes.legend(loc="lower right" if kind == "roc" else "lower left", frameon=False, fontsize=12)
        axes.grid(alpha=0.25)
        experiment_label(axes, style)
    return figure


def plot_importance(importance: dict[str, Any], style: StyleConfig) -> Any:
    """Permutation importance of each feature, the largest on top.

    Args:
        importance: as :func:`taumltools.htt.importance.feature_importance` gives it.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    order = np.argsort(importance["permutation"])
    with cms_style():
        figure = new_figure(7, 1.5 + 0.35 * len(order))
        axes = figure.subplots()
        values, errors = (np.array(importance[name])[order] for name in ("permutation", "permutation_error"))
        axes.barh(range(len(order)), values, xerr=errors, color="#4C6A92", ecolor="#1B1F24", height=0.65)
        axes.set_yticks(range(len(order)), [importance["features"][i] for i in order], fontsize=12)
        axes.tick_params(axis="y", which="both", length=0)
        axes.minorticks_off()
        axes.set_xlabel("Rise of the loss when permuted")
        axes.axvline(0, color="#59636e", linewidth=1)
        experiment_label(axes, style)
    return figure
