from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from taumltools.report.embed import plots_of
from taumltools.report.inputs import ReportInputs
from taumltools.report.page import render, write_report

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """Checks that elements nest, and collects ids and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        links = [found[name] for name in ("href", "src") if name in found]
        self.links += links
        self.loaded += links if tag != "a" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text.append(data)


@pytest.fixture(scope="module")
def page(inputs: ReportInputs) -> str:
    return render(inputs)


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser


def test_elements_nest_and_ids_are_unique(outline: Outline):
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)


def test_contents_lead_to_every_section(outline: Outline):
    anchors = [link[1:] for link in outline.links if link.startswith("#")]
    assert list(dict.fromkeys(anchors)) == anchors == [
        "summary", "roc", "working-points", "efficiency", "scores", "training", "runs",
        "inputs", "datasets", "spectra", "resources", "settings", "provenance",
    ]  # fmt: skip
    assert set(anchors) <= set(outline.ids)


def test_nothing_is_loaded_from_elsewhere(outline: Outline, page: str):
    assert outline.loaded == ["data:,"], "the icon"
    assert {link.split("/")[0] for link in outline.links if not link.startswith("#")} == {"data:,", "file:"}


def test_every_plot_has_its_place(outline: Outline, page: str):
    places = [name for name in outline.ids if name.startswith("plot-")]
    assert len(places) > 25
    assert [item["target_id"] for item in plots_of(page).values()] == places


def test_size(page: str, compared: ReportInputs):
    """It passed 4 MB when every discriminator and region had its plots; with a baseline it would have passed 5 MB."""
    assert len(page.encode()) < 3.5e6
    assert len(render(compared).encode()) < 4e6


def test_title_and_campaign_are_shown(outline: Outline):
    text = " ".join(outline.text)
    for words in ("Tau identification", "Mock campaign", "version", "v1", "last task started 2026-11-22 12:04 UTC"):
        assert words in text


def test_same_inputs_give_the_same_page(inputs: ReportInputs, page: str):
    assert render(inputs) == page


def test_texts_are_escaped(inputs: ReportInputs):
    config = replace(inputs.config, title="<b>a & b</b>")
    text = render(ReportInputs("mock", "v1", config))
    assert "&lt;b&gt;a &amp; b&lt;/b&gt;" in text
    assert "<b>a & b</b>" not in text


def test_page_without_any_input(inputs: ReportInputs, tmp_path: Path):
    write_report(tmp_path / "report.html", ReportInputs("mock", "v1", inputs.config))
    parser = Outline()
    parser.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert parser.open == []
    assert " ".join(parser.text).count("are not available") >= 12
