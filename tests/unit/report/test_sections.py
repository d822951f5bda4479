from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bokeh.models import LogScale

from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.artefact import load_performance
from taumltools.evaluation.roc import make_roc
from taumltools.report.content import Cards, Choice, Facts, Grid, Section, Table, Tabs, Text, pieces, plots
from taumltools.report.datasets import datasets_section, display_edges, load_spectra, spectra_section
from taumltools.report.features import features_section, make_distribution
from taumltools.report.figures import sequential_colours, thin
from taumltools.report.inputs import ReportInputs
from taumltools.report.page import ordered, sections
from taumltools.report.performance import efficiency_section, scores_section, working_points_section
from taumltools.report.resources import costs, provenance_section, resources_section, settings_section
from taumltools.report.roc import roc_section
from taumltools.report.summary import all_vs, headline, leading, stored_roc
from taumltools.report.training import training_section
from taumltools.tuples.truth import TAU_TYPES


@pytest.fixture(scope="module")
def performances(inputs: ReportInputs) -> list[dict]:
    return ordered([load_performance(path) for path in inputs.performance])


def first(section: Section, kind: type) -> object:
    return next(item for item in pieces(section.items) if isinstance(item, kind))


def number(text: str) -> int:
    return int(text.replace("\u202f", ""))


def test_headline_quotes_the_curve(performances: list[dict], inputs: ReportInputs):
    section = headline(performances, inputs.config.report)
    card = first(section, Cards).cards[0]
    curve = next(c for c in performances[0]["curves"] if c["vs"] == "jet")
    misid = np.interp(0.8, curve["true_positive_rate"], curve["false_positive_rate"])
    assert float(card.value.strip("%")) / 100 == pytest.approx(misid, rel=0.06)
    assert "at 80% efficiency" in card.label
    assert ("AUC", f"{curve['auc']:.4f} ± {curve['auc_error']:.1g}") in card.facts
    sentence = first(section, Text).text
    assert sentence.startswith("At 80% efficiency for genuine taus, ")
    assert "times fewer than with charged isolation" in sentence


def test_headline_can_be_worse_than_the_reference(performances: list[dict], inputs: ReportInputs):
    network, isolation = performances[0], performances[1]
    swapped = [
        network | {"curves": isolation["curves"]},
        isolation | {"curves": [c for c in network["curves"] if c["vs"] == "jet"]},
    ]
    assert "times more than with" in first(headline(swapped, inputs.config.report), Text).text


def test_headline_quotes_no_efficiency_that_no_threshold_gives(performances: list[dict], inputs: ReportInputs):
    """Below the strictest threshold the curve is a straight line to nothing."""
    report = replace(inputs.config.report, headline_efficiency={"jet": 0.3})
    curve = next(c for c in performances[1]["curves"] if c["vs"] == "jet")
    coarse = curve | {
        name: [values[0], *values[-3:]]
        for name, values in curve.items()
        if name in {"threshold", "true_positive_rate", "false_positive_rate"}
    }
    assert coarse["true_positive_rate"][1] > 0.3
    section = headline([performances[0], performances[1] | {"curves": [coarse]}], report)
    assert ("Charged isolation", "not reached") in first(section, Cards).cards[0].facts
    assert "times" not in first(section, Text).text
    section = headline([performances[0] | {"curves": [coarse]}, performances[1]], report)
    assert first(section, Cards).cards[0].value == "not reached"
    assert first(section, Text).text.startswith("No threshold of ")


def test_headline_of_an_empty_region(performances: list[dict], inputs: ReportInputs):
    empty = [p | {"curves": [c | {"missing": "no taus"} for c in p["curves"]]} for p in performances]
    assert headline(empty, inputs.config.report).items[0].note


def test_the_network_leads(performances: list[dict]):
    network, *others = performances
    assert leading([*others, network]) is network
    assert leading(others) is others[0]
    assert leading([]) is None
    assert ordered([*others, network])[0] is network


def test_stored_roc_is_the_curve():
    rng = np.random.default_rng(0)
    is_tau = rng.random(500) < 0.5
    roc = make_roc(rng.normal(size=500) + is_tau, is_tau).thinned(100)
    stored = {"threshold": roc.threshold, "true_positive_rate": roc.tpr, "false_positive_rate": roc.fpr}
    names = ("auc", "auc_error", "n_tau", "n_fake", "n_eff_tau", "n_eff_fake")
    again = stored_roc(stored | {name: getattr(roc, name) for name in names})
    assert float(again.fpr_at(0.7)) == float(roc.fpr_at(0.7))


def test_roc_section_has_three_panels_a_region_and_all_areas(performances: list[dict], inputs: ReportInputs):
    section = roc_section(performances, inputs.config.evaluation)
    choice = first(section, Choice)
    assert [name for name, _ in choice.options] == [
        "pT 20 to 1000 GeV", "pT 20 to 50 GeV", "pT 50 to 100 GeV", "pT 100 to 1000 GeV"
    ]  # fmt: skip
    for _, inside in choice.options:
        assert [plot.title for plot in plots(inside)] == ["vs jets", "vs electrons", "vs muons"]
    table = first(section, Table)
    assert len(table.rows) == 12
    assert [row[1] for row in table.rows[:4]] == [name for name, _ in choice.options]
    assert table.columns[-3:] == ("Charged isolation", "ECAL fraction", "Calorimeter fraction")
    jets, muons = table.rows[0], table.rows[-1]
    assert table.columns[4] == "Network"
    assert jets[4].startswith(f"{performances[0]['curves'][8]['auc']:.4f}")
    assert muons[-3:-1] == ("–", "–")
    assert "±" in muons[-1]


def test_each_region_draws_its_own_curves(performances: list[dict], inputs: ReportInputs):
    """The first one was drawn whatever region was chosen."""
    choice = first(roc_section(performances, inputs.config.evaluation), Choice)
    drawn = [next(plots(inside)).model.children[0].renderers[1].data_source.data["y"] for _, inside in choice.options]
    expected = [c["false_positive_rate"] for c in performances[0]["curves"] if c["vs"] == "jet"]
    for y, stored in zip(drawn, expected, strict=True):
        assert float(y[0]) == pytest.approx(next(value for value in stored if value > 0), rel=1e-5)


def test_region_without_fakes_says_so(performances: list[dict], inputs: ReportInputs):
    network = performances[0]
    empty = network["curves"][1]["region"]
    bare = network | {
        "curves": [c | {"missing": "no fakes"} if c["region"] == empty else c for c in network["curves"]],
        "working_points": [w | {"points": []} if w["region"] == empty else w for w in network["working_points"]],
    }
    options = dict(first(roc_section([bare], inputs.config.evaluation), Choice).options)
    assert [item.note for item in options["pT 20 to 50 GeV"]] == [True]


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        ("", "counts once, as simulated (evaluation.weight is empty)"),
        ("genEventWeight", "weighted with genEventWeight"),
    ],
)
def test_roc_section_says_how_candidates_count(performances: list[dict], inputs: ReportInputs, weight: str, text: str):
    section = roc_section(performances, replace(inputs.config.evaluation, weight=weight))
    found = " ".join(item.text for item in section.items if isinstance(item, Text))
    assert text in found
    assert "mixture and the pT spectrum of the test datasets" in found
    assert "decay modes 0, 1, 2, 10, 11" in found


def test_ratio_axis_has_round_ticks(performances: list[dict], inputs: ReportInputs):
    jets = next(plots(roc_section(performances, inputs.config.evaluation).items)).model
    ticks = jets.children[1].yaxis[0].ticker.ticks
    assert len(ticks) > 2
    assert 1.0 in ticks
    assert jets.children[0].y_range.end == 1


def test_ratio_panel_only_with_reference(performances: list[dict], inputs: ReportInputs):
    bare = [p for p in performances if p["discriminator"] != "calo_fraction"]
    options = first(roc_section(bare, inputs.config.evaluation), Choice).options
    jets, _, muons = (plot.model for plot in plots(options[0][1]))
    assert len(jets.children) == 2
    assert jets.children[1].title.text == "Ratio to charged isolation"
    assert jets.children[0].x_range is jets.children[1].x_range
    assert len(muons.children) == 1


def test_discriminator_with_working_points_only_is_drawn_as_dots(performances: list[dict], inputs: ReportInputs):
    network = performances[0]
    bits = network | {
        "discriminator": "bits", "title": "Bits", "score": "", "points_from": "bits", "vs": ["jet"], "scores": [],
        "curves": [{"vs": c["vs"], "region": c["region"], "missing": "x", "auc": None} for c in network["curves"]],
    }  # fmt: skip
    jets = next(plots(roc_section([network, bits], inputs.config.evaluation).items)).model.children[0]
    legend = {item.label.value: len(item.renderers) for item in jets.above[0].items}
    assert legend == {"Network": 5, "Bits": 3}
    options = dict(first(scores_section([network, bits]), Choice).options)
    assert options["Bits"][0].text == "This discriminator has working points only, no score."


def test_working_points_of_every_discriminator_type_and_region(performances: list[dict], inputs: ReportInputs):
    choice = first(working_points_section(performances, inputs.config.evaluation), Choice)
    assert [name for name, _ in choice.options] == [p["title"] for p in performances]
    (tabs,) = choice.options[0][1]
    assert [name for name, _ in tabs.tabs] == ["vs jets", "vs electrons", "vs muons"]
    (regions,) = tabs.tabs[0][1]
    assert len(regions.options) == 4
    rows = regions.options[0][1][0].rows
    assert [row[2] for row in rows] == ["98%", "95%", "90%", "80%", "70%", "60%", "50%", "40%"]
    assert rows[0][3].count("%") == 1
    assert rows != regions.options[1][1][0].rows


def test_working_points_may_be_undefined(performances: list[dict], inputs: ReportInputs):
    bare = performances[0] | {"working_points": [], "efficiencies": []}
    for make in (working_points_section, efficiency_section):
        tabs = first(make([bare], inputs.config.evaluation), Tabs)
        assert tabs.tabs[0][1][0].note


def test_efficiency_has_taus_and_fakes_of_each_variable(performances: list[dict], inputs: ReportInputs):
    section = efficiency_section(performances, inputs.config.evaluation)
    variables = len(inputs.config.evaluation.efficiency)
    options = first(section, Choice).options
    assert [len(list(plots(inside))) for _, inside in options] == [3 * 2 * variables] + [2 * variables] * 3


def test_chosen_working_points_are_drawn_and_the_others_wait_for_a_click(
    performances: list[dict], inputs: ReportInputs
):
    """Eight of them at once were crowded."""
    config = inputs.config.evaluation
    figure = next(plots(efficiency_section(performances, config).items)).model
    shown = {item.label.value: item.renderers[0].visible for item in figure.above[0].items}
    assert list(shown) == [p["name"] for p in performances[0]["working_points"][8]["points"]]
    assert [name for name, visible in shown.items() if visible] == list(config.style.points["jet"])


def glyphs(section: Section, vs: str, panel: int) -> list:
    tabs = dict(first(section, Tabs).tabs)
    return tabs[f"vs {vs}"][0].items[panel].model.renderers


def test_efficiency_leaves_out_small_bins_and_marks_limits(performances: list[dict], inputs: ReportInputs):
    entries = [dict(e) for e in performances[0]["efficiencies"]]
    changed = next(e for e in entries if (e["vs"], e["variable"], e["type"]) == ("jet", "tau_pt", "jet"))
    count = len(changed["entries"])
    changed["entries"] = [10.0, 9.0] + [50.0] * (count - 2)
    changed["efficiency"] = [0.0, 0.0] + [0.5] * (count - 2)
    changed["low"], changed["high"] = [0.0, 0.0] + [0.4] * (count - 2), [0.168, 0.2] + [0.6] * (count - 2)
    section = efficiency_section([performances[0] | {"efficiencies": entries}], inputs.config.evaluation)
    renderers = [g for g in glyphs(section, "jets", 1) if g.name == changed["working_point"]]
    bars, limits = renderers[0].data_source.data, renderers[1].data_source.data
    assert len(bars["y"]) == count - 2
    assert limits["y"].tolist() == pytest.approx([0.168])
    assert renderers[1].glyph.marker == "inverted_triangle"
    assert "fewer than 10 candidates are left empty" in first(section, Text).text


def test_scores_of_every_discriminator_and_confusion(performances: list[dict]):
    section = scores_section(performances)
    options = dict(first(section, Choice).options)
    assert [len(list(plots(inside))) for inside in options.values()] == [3, 1, 1, 1]
    assert not [item for item in pieces(options["ECAL fraction"]) if isinstance(item, Table)], "no matrix of a variable"
    table = first(section, Table)
    for i, row in enumerate(table.rows):
        assert table.shades[i][1 + i] == pytest.approx(float(row[1 + i].strip("%")) / 100, abs=1e-3)


def test_jets_come_first(performances: list[dict]):
    assert all_vs(performances) == ["jet", "e", "mu"]
    assert all_vs(performances[2:]) == ["e", "mu"]


def test_thin_keeps_the_ends():
    x, y = thin(np.arange(1000), np.arange(1000) * 2, points=50)
    assert len(x) == 50
    assert (x[0], x[-1]) == (0, 999)
    np.testing.assert_array_equal(y, 2 * x)
    assert len(thin(np.array([]))[0]) == 0


def test_colours_get_darker():
    def brightness(colour: str) -> int:
        return sum(int(colour[i : i + 2], 16) for i in (1, 3, 5))

    values = [brightness(c) for c in sequential_colours(8)]
    assert values == sorted(values, reverse=True)
    assert len(sequential_colours(1)) == 1


def test_training_curves_and_figures(inputs: ReportInputs):
    section = training_section(inputs)
    assert "lowest after epoch 10" in first(section, Text).text
    labels = [plot.model.yaxis[0].axis_label for plot in plots(section.items)]
    assert labels == ["Loss", "Categorical accuracy", "AUC vs fakes, validation", "Learning rate"]
    facts = first(section, Facts).facts
    assert {("Parameters", "47\u202f236"), ("Wall time", "2 min 00 s"), ("Jets for training", "5\u202f100")} <= set(
        facts
    )
    assert ("Electrons for validation", "900") in facts


def test_training_with_little(inputs: ReportInputs, tmp_path: Path):
    (tmp_path / "history.json").write_text(json.dumps({"loss": [1.0, float("nan")], "val_loss": [None, None]}))
    section = training_section(replace(inputs, training=tmp_path))
    assert "lowest" not in first(section, Text).text
    assert section.items[-1].note


def test_datasets_table_adds_up(inputs: ReportInputs):
    tables = [item for item in datasets_section(inputs).items if isinstance(item, Table)]
    assert [table.caption for table in tables] == ["Training sample.", "Test sample."]
    for table, files in zip(tables, (inputs.train_spectra, inputs.test_spectra), strict=True):
        rows = [[number(cell) for cell in row[1:]] for row in table.rows]
        assert [sum(column) for column in zip(*rows[:-1], strict=True)] == rows[-1]
        assert rows[-1][0] == sum(s.entries for s in load_spectra(files).values())
        assert all(row[0] == sum(row[1:]) for row in rows)
    assert tables[0].rows[0][0] == "Z → ττ"


def test_spectra_before_and_after(inputs: ReportInputs):
    section = spectra_section(inputs)
    titles = [plot.title for plot in plots(section.items)]
    assert titles == ["Before mixing: pT", "Before mixing: |η|", "After mixing: pT", "After mixing: |η|"]
    figures = [plot.model for plot in plots(section.items)]
    assert [isinstance(figure.y_scale, LogScale) for figure in figures] == [True, False, True, False]
    assert [figures[i].y_range.start for i in (1, 3)] == [0, 0]
    table = first(section, Table)
    assert [row[0] for row in table.rows] == ["Electrons", "Muons", "Genuine taus", "Jets"]
    assert number(table.rows[0][2]) <= number(table.rows[0][1])


def test_yields_without_mixed_sample(inputs: ReportInputs):
    table = first(spectra_section(replace(inputs, merged=())), Table)
    assert {row[-1] for row in table.rows} == {"–"}


def test_display_edges_are_fine_edges(inputs: ReportInputs):
    binning = inputs.config.sampling.spectra
    pt, eta = display_edges(binning)
    assert (pt[0], pt[-1], eta[0], eta[-1]) == (20, 1000, 0, 2.5)
    spectra = next(iter(load_spectra(inputs.train_spectra).values()))
    assert spectra.rebin("tau", pt, eta).sum() == spectra.rebin("tau", [20, 1000], [0, 2.5]).sum()


def test_distribution_separates_what_differs():
    types = np.repeat([TAU_TYPES.index("tau"), TAU_TYPES.index("jet")], 500)
    same = make_distribution("x", np.tile(np.arange(500.0), 2), types, 20)
    apart = make_distribution("x", types + np.random.default_rng(0).uniform(0, 0.4, 1000), types, 20)
    assert same.separation == pytest.approx(0, abs=1e-9)
    assert apart.separation == pytest.approx(1)
    assert apart.fractions["tau"].sum() == pytest.approx(1)
    assert apart.fractions["e"].sum() == 0


def test_distribution_of_whole_numbers_and_nothing():
    types = np.full(100, 2)
    modes = make_distribution("n", np.arange(100) % 4, types, 40)
    assert modes.edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    many = make_distribution("n", np.arange(100) % 100, types, 40)
    assert set(np.diff(many.edges)) == {3}
    assert many.edges[-1] >= 99
    nothing = make_distribution("n", np.full(100, np.nan), types, 40)
    assert nothing.undefined == 1
    constant = make_distribution("n", np.full(100, 1.5), types, 40)
    assert constant.fractions["tau"].sum() == pytest.approx(1)


def test_features_are_ordered_by_separation(inputs: ReportInputs):
    grid = first(features_section(inputs), Grid)
    select = grid.items[0].model.children[0]
    values = [float(label.split("(")[1].split(",")[0].strip(")")) for _, label in select.options]
    assert values == sorted(values, reverse=True)
    assert len(select.options) == len(inputs.config.features.taus)
    assert [item.model.children[0].value for item in grid.items] == [name for name, _ in select.options[:3]]


def test_features_can_be_chosen(inputs: ReportInputs):
    def with_features(*names: str) -> ReportInputs:
        report = replace(inputs.config.report, features=names)
        return replace(inputs, config=replace(inputs.config, report=report))

    grid = first(features_section(with_features("tau_pt")), Grid)
    assert len(grid.items) == 1
    with pytest.raises(ConfigError, match=r"report\.features: no feature odd"):
        features_section(with_features("odd"))


def test_resources_add_up(inputs: ReportInputs):
    table = first(resources_section(inputs), Table)
    assert [row[0] for row in table.rows][:2] == ["ProduceTuples", "CountSpectra"]
    assert sum(int(row[1]) for row in table.rows[:-1]) == int(table.rows[-1][1]) == len(inputs.resources)
    total = sum(cost.wall_s for cost in costs(inputs.resources))
    assert total == pytest.approx(sum(r["wall_s"] for r in inputs.resources))


def test_settings_show_every_group(inputs: ReportInputs):
    section = settings_section(inputs)
    summaries = [item.summary for item in section.items[1:]]
    assert {"campaign", "sampling", "features", "evaluation", "feature scaling"} <= set(summaries)
    assert "taus.tau_pt." in section.items[-1].text


def test_provenance(inputs: ReportInputs):
    rows = dict(first(provenance_section(inputs), Table).rows)
    assert rows["mlflow run id"] == "0123456789abcdef"
    assert rows["Code"] == "0123456789ab"
    dirty = [inputs.resources[0] | {"code": {"commit": "f" * 40, "dirty": True}}]
    rows = dict(first(provenance_section(replace(inputs, resources=dirty)), Table).rows)
    assert rows["Code"] == "ffffffffffff with local changes"


def test_whatever_is_missing_is_named(inputs: ReportInputs):
    found = sections(ReportInputs("mock", "v1", inputs.config))
    notes = [item.text for section in found for item in section.items if isinstance(item, Text) and item.note]
    assert len([s for s in found if any(getattr(i, "note", False) for i in s.items)]) == 12
    assert "Flat tuples are not available: run ProduceFlatTuples." in notes
    assert not [plot for section in found for plot in plots(section.items)]


def test_broken_inputs_are_errors(inputs: ReportInputs, tmp_path: Path):
    (tmp_path / "history.json").write_text("{")
    with pytest.raises(InputError, match=r"history\.json is not JSON"):
        training_section(replace(inputs, training=tmp_path))
    with pytest.raises(InputError, match=r"gone\.json: no such file"):
        settings_section(replace(inputs, scaling=tmp_path / "gone.json"))
