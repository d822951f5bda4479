"""How plots look: colours, texts, canvas, saving. No numbers are made here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taumltools.config.evaluation import StyleConfig

TYPE_COLOURS = {"e": "#0072B2", "mu": "#009E73", "tau": "#D55E00", "jet": "#CC79A7"}
"""One colour per truth type, everywhere; safe for colour-blind readers (Okabe and Ito 2008)."""

SERIES_COLOURS = ("#1B1F24", "#E69F00", "#56B4E9", "#8C6BB1", "#7F7F7F")
"""Colours of discriminators, in their order; none is the colour of a truth type."""

SERIES_DASHES = ("solid", "dashed", "dotdash", "dotted", "solid")
"""Line styles of discriminators, so that plots also work without colour (names of bokeh)."""

TYPE_NAMES = {"e": "electrons", "mu": "muons", "tau": "genuine taus", "jet": "jets"}
"""What texts call the truth types."""

TYPE_SYMBOLS = {"e": "e", "mu": r"\mu", "tau": r"\tau_\mathrm{h}", "jet": r"\mathrm{jet}"}
"""Mathematical symbols of the truth types, for matplotlib."""

_RC = {
    "font.size": 15,
    "axes.labelsize": 16,
    "xtick.labelsize": 14,
    "ytick.labelsize": 14,
    "legend.fontsize": 13,
    "axes.linewidth": 1.4,
    "lines.linewidth": 2.0,
    "svg.hashsalt": "taumltools",
}


@contextmanager
def cms_style() -> Iterator[None]:
    """CMS style of mplhep inside the ``with`` block; global settings stay untouched outside."""
    import matplotlib as mpl
    import matplotlib.style as mpl_style
    import mplhep

    with mpl.rc_context(), mpl_style.context(mplhep.style.CMS):
        mpl.rcParams.update(_RC)
        yield


def new_figure(width: float, height: float) -> Any:
    """A figure of its own (no pyplot, so nothing stays in memory).

    Args:
        width: in inches.
        height: in inches.

    Returns:
        ``matplotlib.figure.Figure`` that draws with Agg.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def experiment_label(axes: Any, style: StyleConfig) -> None:
    """Put the experiment's name and status at the upper left, the energy at the upper right."""
    text = {"transform": axes.transAxes, "va": "bottom"}
    name = axes.text(0, 1.01, style.experiment, fontsize=18, fontweight="bold", **text)
    place = {"xycoords": name, "xytext": (6 if style.experiment else 0, 0), "textcoords": "offset points"}
    axes.annotate(style.label, (1, 0), va="bottom", fontsize=15, style="italic", **place)
    axes.text(1, 1.01, style.energy, ha="right", fontsize=15, **text)


def mathematical(label: str) -> str:
    r"""A label with symbols that every font of matplotlib draws.

    Examples:
        >>> mathematical("τ pT [GeV]")
        '$\\tau$ $p_\\mathrm{T}$ [GeV]'
        >>> mathematical("t t\u0304")
        't $\\bar{\\mathrm{t}}$'
    """
    symbols = {"τ": r"$\tau$", "η": r"$\eta$", "φ": r"$\phi$", "pT": r"$p_\mathrm{T}$", "π0": r"$\pi^0$"}
    for text, symbol in symbols.items():
        label = label.replace(text, symbol)
    # fonts put the bar of an antiparticle beside its letter
    return re.sub("(.)\u0304", r"$\\bar{\\mathrm{\1}}$", label)


def region_text(region: dict[str, Any]) -> list[str]:
    """What a region is, one line per variable, for matplotlib."""
    ranges = (_range(r"p_\mathrm{T}", region["pt"], r"\ \mathrm{GeV}", 20, 1000), _eta(region))
    modes = ", ".join(str(mode) for mode in region["decay_modes"])
    datasets = [region["datasets"]] if region.get("datasets") else []
    return [*(f"${line}$" for line in ranges), f"decay modes {modes}", *datasets]


def _range(symbol: str, limits: Sequence[float], unit: str, lowest: float, highest: float) -> str:
    low, high = limits
    if low <= lowest and high < highest:
        return f"{symbol} < {high:g}{unit}"
    if high >= highest:
        return f"{symbol} > {low:g}{unit}"
    return f"{low:g} < {symbol} < {high:g}{unit}"


def _eta(region: dict[str, Any]) -> str:
    low, high = region["abs_eta"]
    return rf"|\eta| < {high:g}" if low <= 0 else rf"{low:g} < |\eta| < {high:g}"


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a short logarithmic axis: 1, 2 and 5 times powers of ten, over two decades only powers.

    Args:
        low: lower end, above zero.
        high: upper end.

    Returns:
        Ticks from the lower to the upper end.

    Examples:
        >>> log_ticks(0.1, 1.5)
        [0.1, 0.2, 0.5, 1.0]
        >>> log_ticks(0.001, 3)
        [0.001, 0.01, 0.1, 1.0]
    """
    digits = (1, 2, 5) if high < 100 * low else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = (float(f"{digit}e{power}") for power in powers for digit in digits)
    return [tick for tick in ticks if low <= tick <= high]


def save_figures(figures: Iterable[tuple[str, Any]], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write figures, each in several formats.

    Args:
        figures: names and matplotlib figures; one at a time is asked for.
        folder: where files go; it exists.
        formats: suffixes without a dot.

    Returns:
        The files.
    """
    paths = []
    for name, figure in figures:
        for suffix in formats:
            paths.append(folder / f"{name}.{suffix}")
            save_figure(figure, paths[-1])
    return paths


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure; the same content gives the same bytes.

    Args:
        figure: the matplotlib figure.
        path: file with suffix ``.pdf`` or ``.png`` (or another one matplotlib knows).
    """
    dates = {".pdf": {"CreationDate": None, "Producer": None}, ".png": {"Software": None}, ".svg": {"Date": None}}
    with cms_style():
        figure.savefig(path, bbox_inches="tight", metadata=dates.get(Path(path).suffix))
