"""All plots of one discriminator, as files beside its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from taumltools.config.evaluation import EvaluationConfig
from taumltools.evaluation.artefact import find_curve
from taumltools.evaluation.plots import plot_confusion, plot_efficiency, plot_roc, plot_scores
from taumltools.plotstyle import save_figures


def draw_all(
    performance: dict[str, Any], references: Mapping[str, dict[str, Any]], config: EvaluationConfig, folder: Path
) -> list[Path]:
    """Draw and save every plot that the artefact has numbers for.

    Args:
        performance: artefact of the discriminator.
        references: artefacts of the discriminators it is compared with, by name.
        config: settings of the evaluation.
        folder: where files go.

    Returns:
        The files.
    """
    return save_figures(_figures(performance, references, config), folder, config.style.formats)


def _figures(
    performance: dict[str, Any], references: Mapping[str, dict[str, Any]], config: EvaluationConfig
) -> Iterator[tuple[str, Any]]:
    for curve in performance["curves"]:
        vs, region = curve["vs"], curve["region"]
        if "missing" in curve:
            continue
        other = references.get(performance["reference"].get(vs, ""))
        together = [performance, *([other] if other and find_curve(other, vs, region) else [])]
        yield f"roc_vs_{vs}_{region_name(region)}", plot_roc(together, vs, region, config.style)
    for vs in performance["vs"]:
        yield f"scores_vs_{vs}", plot_scores(performance, vs, config.style)
        for variable, binning in config.efficiency.items():
            if config.working_points.targets.get(vs):
                yield (
                    f"efficiency_vs_{vs}_{variable}",
                    plot_efficiency(performance, vs, variable, binning, config.style),
                )
    if performance["confusion"]:
        yield "confusion", plot_confusion(performance, config.style)


def region_name(region: dict[str, Any]) -> str:
    """A region as part of a file name.

    Examples:
        >>> region_name({"pt": [20.0, 100.0], "abs_eta": [0.0, 2.3], "decay_modes": [0, 1, 10]})
        'pt_20_100_eta_0_2.3_dm_0_1_10'
    """
    pt, eta = ("_".join(f"{edge:g}" for edge in region[key]) for key in ("pt", "abs_eta"))
    return f"pt_{pt}_eta_{eta}_dm_{'_'.join(str(mode) for mode in region['decay_modes'])}"
