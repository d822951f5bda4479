"""Texts from settings and files reach the reader as they are, and never become part of the page's code."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from taumltools.evaluation.artefact import load_performance, save_performance
from taumltools.report.content import percent
from taumltools.report.datasets import load_spectra
from taumltools.report.embed import plots_of
from taumltools.report.inputs import ReportInputs
from taumltools.report.page import render

EVIL = "<script>alert('x')</script>\"&<!-- ${7*7} {{ 7 * 7 }} 'τ→ℓ"
UNICODE = "Z → ττ, √s = 13.6 TeV, 統計, e⁻μ⁺, 🜨"


class Reader(HTMLParser):
    """Text as a reader sees it, by section, and how many scripts there are."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts, self.section, self.hidden = 0, "head", False
        self.texts: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.scripts += tag == "script"
        self.hidden = tag in {"script", "style"}
        if tag == "section" and dict(attrs).get("id"):
            self.section = dict(attrs)["id"] or ""

    def handle_endtag(self, tag: str) -> None:
        self.hidden = self.hidden and tag not in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.texts.setdefault(self.section, []).append(data)

    def text(self, section: str) -> str:
        """Pieces of text, a bar between cells, paragraphs and so on."""
        return "|".join(["", *self.texts[section], ""])


def renamed(inputs: ReportInputs, text: str, folder: Path) -> ReportInputs:
    """The same inputs with one text wherever people may write one."""
    config = inputs.config
    datasets = {name: replace(dataset, title=text) for name, dataset in config.datasets.items()}
    config = replace(config, title=text, datasets=datasets, report=replace(config.report, title=text))
    performance = []
    for i, path in enumerate(inputs.performance):
        performance.append(folder / f"{i}.json")
        save_performance(performance[-1], load_performance(path) | {"title": text})
    resources = [record | {"task": text, "host": text} for record in inputs.resources]
    return replace(
        inputs, campaign=text, version=text, config=config, performance=performance, resources=resources, flat=()
    )


@pytest.mark.parametrize("text", [EVIL, UNICODE], ids=["html", "unicode"])
def test_texts_are_shown_and_not_run(inputs: ReportInputs, tmp_path: Path, text: str):
    page = render(renamed(inputs, text, tmp_path))
    reader = Reader(page)
    assert reader.scripts == 3, "plots, the library and the script of the page"
    for section in ("head", "roc", "working-points", "datasets", "resources", "provenance", "settings"):
        assert text in reader.text(section), section
    assert "<script>alert" not in page


def test_plots_carry_texts_unchanged(inputs: ReportInputs, tmp_path: Path):
    page = render(renamed(inputs, EVIL, tmp_path))
    assert json.dumps(EVIL)[1:-1] in json.dumps(plots_of(page))


@pytest.fixture(scope="module")
def page(inputs: ReportInputs) -> str:
    return render(inputs)


@pytest.fixture(scope="module")
def reader(page: str) -> Reader:
    return Reader(page)


def test_page_is_utf_8_with_its_encoding_said_first(page: str):
    assert page.encode("utf-8").index(b'<meta charset="utf-8">') < 1024
    assert "Z → ττ" in page


def test_size_stays_small_with_nine_discriminators(inputs: ReportInputs, page: str):
    """Curves are thinned, so that each further discriminator costs little."""
    size = len(render(replace(inputs, performance=[*inputs.performance] * 3)).encode())
    assert len(page.encode()) < size < 5e6


def test_summary_quotes_the_artefact(reader: Reader, inputs: ReportInputs):
    text = reader.text("summary")
    network = load_performance(inputs.performance[0])
    for vs, efficiency in inputs.config.report.headline_efficiency.items():
        curve = next(c for c in network["curves"] if c["vs"] == vs)
        tpr, fpr = np.array(curve["true_positive_rate"]), np.array(curve["false_positive_rate"])
        misid = np.interp(efficiency, tpr, fpr)
        assert percent(misid) in text
        assert f"{curve['auc']:.4f} ±" in text


def test_working_points_quote_the_artefact(reader: Reader, inputs: ReportInputs):
    text = reader.text("working-points")
    network = load_performance(inputs.performance[0])
    for vs in ("e", "mu", "jet"):
        points = next(e["points"] for e in network["working_points"] if e["vs"] == vs)
        for point in points:
            assert f"{point['threshold']:.4f}" in text
            assert f"{100 * point['target']:g}%" in text


def test_areas_quote_every_artefact(reader: Reader, inputs: ReportInputs):
    text = reader.text("roc")
    areas = [
        f"{c['auc']:.4f} ± {c['auc_error']:.4f}" for p in inputs.performance for c in load_performance(p)["curves"]
    ]
    assert len(areas) > 10
    assert [area for area in areas if area not in text] == []


def test_confusion_matrix_quotes_the_artefact(reader: Reader, inputs: ReportInputs):
    confusion = load_performance(inputs.performance[0])["confusion"]
    cells = [f"{100 * value:.1f}%" for row in confusion["fractions"] for value in row]
    assert [cell for cell in cells if cell not in reader.text("scores")] == []


def test_datasets_quote_the_spectra(reader: Reader, inputs: ReportInputs):
    text = reader.text("datasets").replace("\u202f", "")
    for files in (inputs.train_spectra, inputs.test_spectra):
        for spectra in load_spectra(files).values():
            counts = [spectra.entries, *spectra.entries_by_type.values(), spectra.not_valid]
            assert "|" + "|".join(map(str, counts)) + "|" in text
