"""A comparison as files: text, JSON, and for scores the distribution of the differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taumltools.config.features import FeaturesConfig
from taumltools.config.plots import StyleConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.artefact import to_text
from taumltools.evaluation.compare_inputs import compare_inputs, inputs_text
from taumltools.evaluation.compare_scores import compare_scores, compare_with_branches, scores_text
from taumltools.plotstyle import cms_style, experiment_label, new_figure, save_figures
from taumltools.training.preparation import Preparation

JSON_FILE, TEXT_FILE = "comparison.json", "comparison.txt"
SCORE_SUFFIXES = (".h5", ".hdf5")


def compare_to_folder(
    first: Path,
    second: Path | None,
    folder: Path,
    *,
    tolerance: float,
    features: FeaturesConfig,
    style: StyleConfig,
    branches: str = "",
) -> dict[str, Any]:
    """Compare two sets of scores, or inputs from two programs.

    Args:
        first: prediction file (``.h5``), or inputs as JSON file or folder of them.
        second: the same from elsewhere; None: ``branches``.
        folder: where to write; made if it does not exist.
        tolerance: largest difference of what counts as equal.
        features: names of features for inputs that do not have them.
        style: how plots look.
        branches: scores that the input had, see :func:`taumltools.evaluation.compare_scores.compare_with_branches`.

    Returns:
        How many values differ.

    Raises:
        ConfigError: not two things of one kind to compare.
        InputError: they cannot be read, or are not of the same entries.
    """
    for path in (first, second):
        if path is not None and not path.exists():
            raise InputError(f"{path}: there is nothing of that name to compare")
    scores = first.suffix in SCORE_SUFFIXES
    if (second is None) == (not branches) or (second is not None and (second.suffix in SCORE_SUFFIXES) != scores):
        raise ConfigError(
            "to compare: two prediction files (.h5), or one and --score-branches, or inputs (JSON files or folders) of two programs"
        )
    if second is None and not scores:
        raise ConfigError(f"--score-branches belongs to a prediction file (.h5), not to {first}")
    folder.mkdir(parents=True, exist_ok=True)
    odd = 0
    if not scores:
        assert second is not None
        result = compare_inputs(first, second, labels_of(features), tolerance)
        compared = result["candidates"].values()
        differ, text = sum(len(one["differences"]) for one in compared), inputs_text(result)
        odd = sum(len(one["not_comparable"]) for one in compared)
    else:
        result = (
            compare_scores(first, second, tolerance) if second else compare_with_branches(first, branches, tolerance)
        )
        differ, text = sum(one["differ"] for one in result["vs"].values()), scores_text(result)
        figures = ((f"scores_vs_{vs}", draw_differences(one, vs, style)) for vs, one in result["vs"].items())
        save_figures(figures, folder, style.formats)
    (folder / JSON_FILE).write_text(to_text(result) + "\n", encoding="utf-8")
    (folder / TEXT_FILE).write_text(text, encoding="utf-8")
    return {"kind": result["kind"], "differ": differ, "not_comparable": odd}


def labels_of(features: FeaturesConfig) -> dict[str, list[str]]:
    """Names of features by input, for grids and for sets."""
    labels = Preparation.of_settings(features, "sets").labels()
    return labels | (Preparation.of_settings(features, "cells").labels() if features.cells else {})


def draw_differences(one: Mapping[str, Any], vs: str, style: StyleConfig) -> Any:
    """The distribution of the differences of scores vs one fake type.

    Args:
        one: edges and counts, see :func:`taumltools.evaluation.compare_scores.compare_columns`.
        vs: fake type.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    power = math.floor(math.log10(one["edges"][-1]))  # matplotlib would write the factor over the label
    unit = "" if power > -2 else rf" ($10^{{{power}}}$)"
    edges = [edge * 10.0 ** (-power if unit else 0) for edge in one["edges"]]
    with cms_style():
        figure = new_figure(7, 5)
        axes = figure.subplots()
        axes.stairs(one["counts"], edges, color="black", linewidth=2)
        axes.set(yscale="log", xlabel=f"Score vs {vs}, second minus first{unit}", ylabel="Entries")
        axes.set_ylim(bottom=0.5)
        experiment_label(axes, style)
    return figure
