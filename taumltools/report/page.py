"""The report page: sections put together into one self-contained HTML file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import resources as package_files
from pathlib import Path
from typing import Any

from taumltools.evaluation.artefact import load_performance
from taumltools.report.content import Plot, Section, plots
from taumltools.report.datasets import datasets_section, spectra_section
from taumltools.report.differences import differences_section
from taumltools.report.embed import library, packed, plots_json
from taumltools.report.features import features_section
from taumltools.report.inputs import ReportInputs
from taumltools.report.performance import efficiency_section, scores_section, working_points_section
from taumltools.report.resources import provenance_section, resources_section, settings_section, total_time
from taumltools.report.roc import roc_section
from taumltools.report.runs import runs_section
from taumltools.report.summary import headline, leading
from taumltools.report.training import training_section

__all__ = ["ReportInputs", "sections", "write_report"]

logger = logging.getLogger(__name__)

Performance = dict[str, Any]


def sections(inputs: ReportInputs) -> list[Section]:
    """All sections of the page, in order.

    Args:
        inputs: what the report is made from.

    Returns:
        The sections; those whose input is missing say so.
    """
    performances = ordered([load_performance(Path(path)) for path in inputs.performance])
    baseline = [load_performance(Path(path)) for path in inputs.baseline]
    evaluation = inputs.config.evaluation
    return [
        headline(performances, inputs.config.report),
        roc_section(performances, evaluation),
        working_points_section(performances, evaluation),
        efficiency_section(performances, evaluation),
        scores_section(performances),
        *([differences_section(performances, baseline, inputs.baseline_name, evaluation)] if baseline else []),
        training_section(inputs),
        runs_section(inputs),
        features_section(inputs),
        datasets_section(inputs),
        spectra_section(inputs),
        resources_section(inputs),
        settings_section(inputs),
        provenance_section(inputs),
    ]


def ordered(performances: Sequence[Performance]) -> list[Performance]:
    """The leading network first, the others as given, so that colours follow importance."""
    main = leading(list(performances))
    return ([main] if main else []) + [p for p in performances if p is not main]


def write_report(path: Path, inputs: ReportInputs) -> None:
    """Write the report as one HTML file that needs nothing else, no network either.

    Args:
        path: where to write.
        inputs: what it shows.

    Raises:
        InputError: an input that was given cannot be read.
        ConfigError: a setting of the report does not fit the inputs.
    """
    text = render(inputs)
    Path(path).write_text(text, encoding="utf-8")
    logger.info("%s: %.1f MB", path, len(text.encode()) / 1e6)


def render(inputs: ReportInputs) -> str:
    """The page as HTML text; arguments and errors as for :func:`write_report`."""
    return render_sections(sections(inputs), inputs, title=inputs.config.report.title)


def render_sections(found: Sequence[Section], inputs: ReportInputs, *, title: str) -> str:
    """Any sections as a page.

    Args:
        found: the sections, in order.
        inputs: campaign, version and side-cars, for the head of the page.
        title: heading of the page.

    Returns:
        HTML text that needs nothing else.
    """
    from jinja2 import Environment, StrictUndefined

    names = {id(plot): f"plot-{i}" for i, plot in enumerate(_all_plots(found), start=1)}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_package_text("template.html"))
    return template.render(
        title=title,
        campaign_title=inputs.config.title,
        campaign=inputs.campaign,
        version=inputs.version,
        started=max((str(r["started"]) for r in inputs.resources if r.get("started")), default=""),
        total_time=total_time(inputs.resources),
        sections=found,
        plot_id=lambda plot: names[id(plot)],
        plots=packed(plots_json({names[id(plot)]: plot.model for plot in _all_plots(found)})),
        library=library(),
        css=_package_text("report.css"),
        script=_package_text("report.js"),
    )


def _all_plots(found: Sequence[Section]) -> list[Plot]:
    return [plot for section in found for plot in plots(section.items)]


def _package_text(name: str) -> str:
    return package_files.files("taumltools.report").joinpath(name).read_text(encoding="utf-8")
