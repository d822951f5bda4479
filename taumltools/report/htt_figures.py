"""Interactive plots of an event classifier, for the report page and as files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from taumltools.htt.evaluate import Evaluation
from taumltools.report.content import thousands
from taumltools.report.figures import (
    add_hover,
    add_legend,
    add_title,
    float_source,
    new_figure,
    step_outline,
    thin,
    without_zeros,
)

BAR_COLOUR = "#4C6A92"

NARROW = 23
"""Most letters of legends that stand side by side on a telephone."""

LARGEST = 1.0
"""Upper end of scores and efficiencies."""


def density_figure(evaluation: Evaluation, category: int) -> Any:
    """Distribution of the score among the events of one category, by true class.

    Args:
        evaluation: figures.
        category: number of the class that events were assigned to.

    Returns:
        A bokeh figure.
    """
    density = evaluation["densities"][category]
    edges = np.array(density["edges"])
    plot = new_figure("Score", "Density", x_range=(float(edges[0]), LARGEST), height=300)
    add_title(plot, f"Assigned to: {evaluation['classes'][category]['title']}")
    legend, lines = [], []
    for one, values, entries in zip(evaluation["classes"], density["values"], density["entries"], strict=True):
        x, y = step_outline(edges, np.array(values))
        line = plot.line("x", "y", source=float_source(x=x, y=y), color=one["colour"], line_width=2, name=one["title"])
        lines.append(line)
        legend.append((f"{one['title']} ({thousands(entries)})", [line]))
    _add_legend(plot, legend)
    add_hover(plot, lines, [("", "$name"), ("score", "@x{0.00}"), ("density", "@y{0.00}")])
    plot.y_range.start = 0
    return plot


def curves_figure(evaluation: Evaluation, kind: str) -> Any:
    """Curves of every class against all others.

    Args:
        evaluation: figures.
        kind: ``roc`` or ``pr`` (precision against recall).

    Returns:
        A bokeh figure.
    """
    roc = kind == "roc"
    y_label = "Efficiency of the others" if roc else "Purity (precision)"
    limits = (1e-3, LARGEST) if roc else (0.45, 1.02)
    plot = new_figure("Efficiency of the class", y_label, log_y=roc, x_range=(0, LARGEST), y_range=limits, height=380)
    legend, lines = [], []
    for one, curve in zip(evaluation["classes"], evaluation["curves"], strict=True):
        y = np.array(curve["misid" if roc else "precision"])
        columns = thin(np.array(curve["efficiency"]), without_zeros(y) if roc else y, np.array(curve["threshold"]))
        source = float_source(**dict(zip(("x", "y", "t"), columns, strict=True)))
        lines.append(plot.line("x", "y", source=source, color=one["colour"], line_width=2, name=one["title"]))
        area = f"AUC {curve['auc']:.3f}" if roc else f"AP {curve['average_precision']:.3f}"
        legend.append((f"{one['title']}, {area}", [lines[-1]]))
    _add_legend(plot, legend)
    add_hover(
        plot, lines, [("", "$name"), ("score above", "@t{0.000}"), ("efficiency", "@x{0.000}"), (y_label, "@y{0.0000}")]
    )
    return plot


def importance_figure(importance: dict[str, Any]) -> Any:
    """Permutation importance, the largest on top.

    Args:
        importance: of features, as in ``evaluation["importance"]``.

    Returns:
        A bokeh figure.
    """
    order = np.argsort(importance["permutation"])
    names = [importance["features"][i] for i in order]
    values, errors = (np.array(importance[name])[order] for name in ("permutation", "permutation_error"))
    plot = new_figure("Rise of the loss when permuted", "", y_range=names, height=60 + 24 * len(names))
    bars = plot.hbar(y=names, right=values, height=0.62, color=BAR_COLOUR)
    plot.segment(values - errors, names, values + errors, names, line_color="#1b1f24", line_width=1.5)
    plot.ygrid.grid_line_color = None
    plot.yaxis.axis_label = None
    add_hover(plot, [bars], [("", "@y"), ("rise", "@right{0.0000}")])
    return plot


def shap_figure(evaluation: Evaluation) -> Any:
    """Mean absolute SHAP values, stacked by class, the largest sum on top.

    Args:
        evaluation: figures with importance of trees.

    Returns:
        A bokeh figure.
    """
    importance = evaluation["importance"]
    values = np.array(importance["shap"])
    order = np.argsort(values.sum(axis=0))
    names = [importance["features"][i] for i in order]
    plot = new_figure("Mean |SHAP value|", "", y_range=names, height=60 + 24 * len(names))
    legend, bars = [], []
    left = np.zeros(len(names))
    for one, row in zip(evaluation["classes"], values[:, order], strict=True):
        source = float_source(left=left, right=left + row, width=row)
        source.add(names, "feature")
        bar = plot.hbar(
            "feature", left="left", right="right", height=0.62, source=source, color=one["colour"], name=one["title"]
        )
        bars.append(bar)
        legend.append((one["title"], [bar]))
        left = left + row
    _add_legend(plot, legend)
    plot.x_range.start = 0
    plot.ygrid.grid_line_color = None
    plot.yaxis.axis_label = None
    add_hover(plot, bars, [("", "@feature"), ("", "$name"), ("mean |SHAP|", "@width{0.000}")])
    return plot


def _add_legend(plot: Any, entries: list[tuple[str, list[Any]]]) -> None:
    """A legend above the plot, no wider than a telephone."""
    longest = max(len(label) for label, _ in entries)
    add_legend(plot, entries, columns=2 if longest <= NARROW else 1)


def write_pages(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the interactive plots of one sample, each a page that needs nothing else.

    Args:
        evaluation: figures.
        folder: where the pages go; made.

    Returns:
        The files: ``density.html``, ``roc_curve.html``, ``pr_curve.html``, and ``importance.html`` if it is known.
    """
    from bokeh.embed import file_html
    from bokeh.layouts import layout
    from bokeh.resources import INLINE

    found = [density_figure(evaluation, number) for number in range(len(evaluation["classes"]))]
    layouts = {
        "density": layout([found[i : i + 2] for i in range(0, len(found), 2)], sizing_mode="stretch_width"),
        "roc_curve": curves_figure(evaluation, "roc"),
        "pr_curve": curves_figure(evaluation, "pr"),
    }
    if evaluation.get("importance"):
        panels = [importance_figure(evaluation["importance"])]
        panels += [shap_figure(evaluation)] if evaluation["importance"]["shap"] else []
        layouts["importance"] = layout([panels], sizing_mode="stretch_width")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in layouts.items():
        path = folder / f"{name}.html"
        title = f"{name.replace('_', ' ')}, {evaluation['dataset']}"
        path.write_text(file_html(content, INLINE, title), encoding="utf-8")
        paths.append(path)
    return paths
