"""What plots of one discriminator show: efficiencies, score distributions, calibration, confusion."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.artefact import array, rounded

Performance = dict[str, Any]


@dataclass(frozen=True)
class EfficiencySeries:
    """Efficiency at one working point in bins.

    Attributes:
        name: of the working point.
        edges: bin edges, float64, shape (k + 1,).
        value: efficiency, float64, shape (k,); NaN without entries.
        low: lower limits of the 68% intervals, float64, shape (k,).
        high: upper limits, float64, shape (k,).
        entries: effective entries, float64, shape (k,).
    """

    name: str
    edges: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    entries: np.ndarray


@dataclass(frozen=True)
class EfficiencyPlot:
    """Efficiencies of all working points against a variable.

    Attributes:
        title: of the discriminator.
        vs: fake type.
        variable: branch.
        taus: of genuine taus, loosest working point first.
        fakes: of fakes.
    """

    title: str
    vs: str
    variable: str
    taus: tuple[EfficiencySeries, ...]
    fakes: tuple[EfficiencySeries, ...]

    def as_json(self) -> dict[str, Any]:
        """The numbers in plain JSON types."""
        found: dict[str, Any] = {"title": self.title, "vs": self.vs, "variable": self.variable}
        for key in ("taus", "fakes"):
            found[key] = [
                {name: value if name == "name" else rounded(value) for name, value in asdict(one).items()}
                for one in getattr(self, key)
            ]
        return found


def make_efficiency_plot(performance: Performance, vs: str, variable: str) -> EfficiencyPlot:
    """Collect the efficiencies of a discriminator against a variable.

    Args:
        performance: the artefact.
        vs: fake type.
        variable: branch.

    Returns:
        The content of the plot.

    Raises:
        InputError: the artefact has no such efficiency.
    """
    entries = [e for e in performance["efficiencies"] if e["vs"] == vs and e["variable"] == variable]
    if not entries:
        raise InputError(
            f"the performance of '{performance['discriminator']}' has no efficiency vs {vs} against {variable}"
        )
    columns = ("edges", "efficiency", "low", "high", "entries")
    taus, fakes = (
        tuple(
            EfficiencySeries(e["working_point"], *(array(e[c]) for c in columns)) for e in entries if e["type"] == kind
        )
        for kind in ("tau", vs)
    )
    return EfficiencyPlot(performance["title"], vs, variable, taus, fakes)


@dataclass(frozen=True)
class ScorePlot:
    """Score distributions, each normalised to one.

    Attributes:
        label: what the axis says.
        vs: fake type.
        edges: bin edges, float64, shape (k + 1,).
        fractions: truth type to fraction in each bin, float64, shape (k,).
    """

    label: str
    vs: str
    edges: np.ndarray
    fractions: dict[str, np.ndarray]

    def as_json(self) -> dict[str, Any]:
        """The numbers in plain JSON types."""
        fractions = {name: rounded(values) for name, values in self.fractions.items()}
        return {"label": self.label, "vs": self.vs, "edges": rounded(self.edges, 9), "fractions": fractions}


def make_score_plot(performance: Performance, vs: str, of_fakes: str) -> ScorePlot:
    """Collect the score distributions of taus and fakes.

    Args:
        performance: the artefact of a discriminator with a score.
        vs: fake type.
        of_fakes: what texts call the fakes.

    Returns:
        The content of the plot.

    Raises:
        InputError: the discriminator has no score.
    """
    found = [e for e in performance["scores"] if e["vs"] == vs]
    if not found:
        raise InputError(f"'{performance['discriminator']}' has no score vs {vs}")
    fractions = {}
    for name, counts in found[0]["counts"].items():
        values = array(counts)
        total = values.sum()
        fractions[name] = values / total if total > 0 else values
    score = performance["score"].replace("{vs}", vs)
    label = f"{performance['title']}: " + (f"score vs {of_fakes}" if score == "network" else score)
    return ScorePlot(label, vs, array(found[0]["edges"]), fractions)


@dataclass(frozen=True)
class CalibrationPlot:
    """Fraction of genuine taus against the score, for each fake type.

    Attributes:
        title: of the discriminator.
        curves: as stored: ``vs``, ``error``, ``score``, ``fraction``, ``low``, ``high``, ``entries``, ``edges``.
    """

    title: str
    curves: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """The numbers in plain JSON types."""
        return {"title": self.title, "curves": list(self.curves)}


def make_calibration_plot(performance: Performance) -> CalibrationPlot:
    """Collect the calibration of a network.

    Raises:
        InputError: the discriminator is no network.
    """
    if not performance.get("calibration"):
        raise InputError(f"'{performance['discriminator']}' has no calibration: its score is no probability")
    return CalibrationPlot(performance["title"], tuple(performance["calibration"]))


@dataclass(frozen=True)
class ConfusionPlot:
    """A confusion matrix.

    Attributes:
        classes: names, in order.
        counts: entries by true class (rows) and class with the largest output, shape (c, c).
        fractions: weighted fractions of each row, float64, shape (c, c); NaN in empty rows.
    """

    classes: tuple[str, ...]
    counts: np.ndarray
    fractions: np.ndarray

    def as_json(self) -> dict[str, Any]:
        """The numbers in plain JSON types."""
        fractions = [rounded(row) for row in self.fractions]
        return {"classes": list(self.classes), "counts": self.counts.tolist(), "fractions": fractions}


def make_confusion_plot(performance: Performance) -> ConfusionPlot:
    """Collect the confusion matrix of a network.

    Raises:
        InputError: the discriminator is no network.
    """
    matrix = performance["confusion"]
    if matrix is None:
        raise InputError(f"'{performance['discriminator']}' has no confusion matrix: it is not a network")
    fractions = np.array([array(row) for row in matrix["fractions"]])
    return ConfusionPlot(tuple(matrix["classes"]), np.array(matrix["counts"]), fractions)
