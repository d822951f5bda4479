"""The section on differences to a baseline: tables quote both artefacts, figures show both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from taumltools.evaluation.artefact import load_performance
from taumltools.report.content import Choice, Section, Table, Tabs, Text, pieces, plots
from taumltools.report.differences import differences_section
from taumltools.report.inputs import ReportInputs
from taumltools.report.page import ordered, sections


@pytest.fixture(scope="module")
def both(compared: ReportInputs) -> tuple[list[dict], list[dict]]:
    return tuple(ordered([load_performance(p) for p in paths]) for paths in (compared.performance, compared.baseline))


@pytest.fixture(scope="module")
def section(both: tuple, compared: ReportInputs) -> Section:
    return differences_section(*both, "v0", compared.config.evaluation)


def all_of(section: Section, kind: type) -> list:
    return [item for item in pieces(section.items) if isinstance(item, kind)]


def test_areas_quote_both(section: Section, both: tuple):
    table = all_of(section, Table)[0]
    assert len(table.rows) == 24  # 6 pairs of discriminator and type in 4 regions
    ours, theirs = (p[0]["curves"][0] for p in both)
    row = next(r for r in table.rows if r[:3] == ("Network", "Electrons", "pT 20 to 1000 GeV"))
    assert row[3].startswith(f"{ours['auc']:.4f}")
    assert row[4].startswith(f"{theirs['auc']:.4f}")
    difference, error = ours["auc"] - theirs["auc"], np.hypot(ours["auc_error"], theirs["auc_error"])
    assert row[5] == f"{difference:+.4f} ± {error:.4f}"
    assert row[6] == f"{difference / error:+.1f}"


def test_curves_are_overlaid_with_their_ratio(section: Section):
    by_discriminator = all_of(section, Choice)[0]
    assert by_discriminator.options[0][0] == "Network"
    figure = next(plots(section.items)).model
    assert [item.label.value for item in figure.children[0].above[0].items] == ["Network", "Network (v0)"]
    assert figure.children[1].title.text == "Ratio to network (v0)"


def test_working_points_quote_both(section: Section, both: tuple):
    (tabs, *_) = all_of(section, Tabs)
    table = next(item for item in pieces(tabs.tabs[0][1]) if isinstance(item, Table))
    ours, theirs = (next(e for e in p[0]["working_points"] if e["vs"] == "jet")["points"] for p in both)
    assert [row[0] for row in table.rows] == [point["name"] for point in ours]
    efficiency = 100 * (ours[3]["efficiency"]["value"] - theirs[3]["efficiency"]["value"])
    assert table.rows[3][5].startswith(f"{efficiency:+.2f} ±")
    assert table.rows[3][1:3] == (f"{ours[3]['threshold']:.4f}", f"{theirs[3]['threshold']:.4f}")


def test_efficiencies_in_bins_have_a_figure_a_variable_and_type(section: Section, compared: ReportInputs):
    (tabs, *_) = all_of(section, Tabs)
    labels = [plot.model.yaxis[0].axis_label for plot in plots(tabs.tabs[0][1]) if hasattr(plot.model, "yaxis")]
    variables = len(compared.config.evaluation.efficiency)
    assert labels == ["Efficiency for genuine taus, difference", "Misidentification of jets, difference"] * variables


def test_unchanged_and_new_discriminators_are_named(both: tuple, compared: ReportInputs):
    now, before = both
    same = differences_section(now, now, "v0", compared.config.evaluation)
    texts = " ".join(item.text for item in all_of(same, Text))
    assert "The same in both: network, charged isolation, ECAL fraction, calorimeter fraction." in texts
    assert not list(plots(same.items))
    assert "as many candidates of the same datasets" in texts
    less = differences_section(now, before[:1], "v0", compared.config.evaluation)
    texts = " ".join(item.text for item in all_of(less, Text))
    assert "Not in 'v0': Charged isolation, ECAL fraction, Calorimeter fraction." in texts
    assert "The test samples differ." in texts


def test_nothing_in_common_is_said(both: tuple, compared: ReportInputs):
    other = [p | {"discriminator": "odd"} for p in both[1][:1]]
    (note,) = differences_section(both[0], other, "v0", compared.config.evaluation).items
    assert note.note
    regions = [p | {"curves": [], "working_points": [], "efficiencies": []} for p in both[1][:1]]
    section = differences_section(both[0], regions, "v0", compared.config.evaluation)
    assert "Nothing vs jets is in both." in [item.text for item in all_of(section, Text)]


def test_page_has_the_section_only_if_asked(inputs: ReportInputs, compared: ReportInputs):
    found = sections(replace(compared, flat=(), merged=()))
    assert [s.title for s in found if s.anchor == "differences"] == ["Differences to v0"]
    assert "differences" not in [s.anchor for s in sections(replace(inputs, flat=(), merged=()))]
