"""The page in a real browser: it works alone, without errors, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taumltools.report.inputs import ReportInputs
from taumltools.report.page import write_report

PLOTS_READY = "() => document.body.dataset.ready === 'true'"
"""What is open is drawn."""

ALL_DRAWN = "() => document.body.dataset.complete === 'true'"
"""What is closed is drawn, too, and there is a picture of everything for paper."""

AXES_NAMED = """name => Bokeh.documents.map(document => JSON.stringify(document.to_json()))
    .filter(text => text.includes(`"axis_label":"${name}"`)).length"""
DRAWN = """() => [...document.querySelectorAll(".plot")].filter(place => !place.closest(".closed"))
    .map(place => place.childElementCount > 0)"""
PICTURES_AT_ONCE = """async () => {
    const item = items.find(isOpen);
    const [place, view] = [placeOf(item), await draw(item)];
    await Promise.all([1, 2, 3].map(() => renewPicture(place, view)));
    const kept = [...place.parentElement.querySelectorAll(".paper")];
    return kept.map(picture => picture.complete && picture.naturalWidth > 0);
}"""
WIDTH = "() => document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def log() -> dict[str, list]:
    """What the page complained about, what it asked for, and which of its open plots were drawn when it was ready."""
    return {"errors": [], "requests": [], "first": []}


@pytest.fixture(scope="module")
def page(browser: Any, compared: ReportInputs, log: dict, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page of complete inputs with a baseline, all plots drawn."""
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_report(path, compared)
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.on("console", lambda line: log["errors"].append(line.text) if line.type == "error" else None)
    opened.on("pageerror", lambda error: log["errors"].append(str(error)))
    opened.on("request", lambda request: log["requests"].append(request.url))
    opened.goto(path.as_uri())
    opened.wait_for_function(PLOTS_READY, timeout=120_000)
    log["first"] = opened.evaluate(DRAWN)
    opened.wait_for_function(ALL_DRAWN, timeout=300_000)
    return opened


@pytest.fixture
def screen(page: Any) -> Iterator[Any]:
    """The page on a screen again, whatever the test before did to it."""
    yield page
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_no_errors(page: Any, log: dict):
    assert log["errors"] == []


def test_nothing_but_the_file_itself_is_asked_for(page: Any, log: dict):
    first, *others = log["requests"]
    assert first.startswith("file:")
    assert [url for url in others if not url.startswith(("data:", "blob:"))] == []


def test_every_plot_is_drawn(page: Any):
    """Bokeh draws on a canvas inside of a shadow root; Playwright looks into it."""
    places = page.locator(".plot")
    assert places.count() > 25
    drawn = [places.nth(i).locator("canvas").count() > 0 for i in range(places.count())]
    assert all(drawn), f"{drawn.count(False)} plots are empty"


def test_what_is_open_is_drawn_first(page: Any, log: dict):
    """One hundred plots took half a minute on a busy machine, during which nothing could be read."""
    assert 10 < len(log["first"]) < page.locator(".plot").count() / 2
    assert all(log["first"])


def open_plot(page: Any, section: str) -> Any:
    """The first plot of a section that can be seen."""
    return next(place for place in page.locator(f"#{section} .plot").all() if place.is_visible())


@pytest.mark.parametrize("section", ["roc", "differences"])
def test_region_chooses_the_figure(page: Any, section: str):
    select = next(s for s in page.locator(f"#{section} select").all() if "pT" in s.inner_text())
    names = select.locator("option").all_inner_texts()
    assert names == ["pT 20 to 1000 GeV", "pT 20 to 50 GeV", "pT 50 to 100 GeV", "pT 100 to 1000 GeV"]
    seen, pictures = [], []
    for name in names:
        select.select_option(label=name)
        place = open_plot(page, section)
        assert place.locator("canvas").first.is_visible()
        seen.append(place.get_attribute("id"))
        pictures.append(place.screenshot())
    assert len(set(seen)) == len(set(pictures)) == 4
    select.select_option(label=names[0])
    assert open_plot(page, section).get_attribute("id") == seen[0]


@pytest.mark.parametrize("section", ["working-points", "efficiency", "scores", "differences"])
def test_discriminator_chooses_what_is_visible(page: Any, section: str):
    select = page.locator(f"#{section} .choice select").first
    names = select.locator("option").all_inner_texts()
    assert names == ["Network", "Charged isolation", "ECAL fraction", "Calorimeter fraction"]
    parts = page.locator(f"#{section} > .tabs > .tab")
    for chosen in (3, 1, 0):
        select.select_option(index=chosen)
        visible = [part.locator("table, figure").locator("visible=true").count() > 0 for part in parts.all()]
        assert visible == [i == chosen for i in range(4)]


@pytest.mark.parametrize("section", ["working-points", "efficiency"])
def test_tabs_choose_what_is_visible(page: Any, section: str):
    network = page.locator(f"#{section} > .tabs > .tab").first.locator("> .tabs")
    tabs, buttons = network.locator("> .tab"), network.locator("> .tab-list > [role=tab]")
    assert buttons.all_inner_texts() == ["vs jets", "vs electrons", "vs muons"]
    for chosen in (2, 1, 0):
        buttons.nth(chosen).click()
        visible = [tabs.nth(i).locator("table, figure").locator("visible=true").count() > 0 for i in range(3)]
        assert visible == [i == chosen for i in range(3)]
        assert buttons.nth(chosen).get_attribute("aria-selected") == "true"


def test_tabs_follow_the_arrow_keys_and_wrap(page: Any):
    network = page.locator("#working-points > .tabs > .tab").first
    buttons = network.locator("[role=tab]")
    buttons.nth(0).focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
        seen.append(network.locator("[role=tab][aria-selected=true]").inner_text())
    assert seen == ["vs electrons", "vs muons", "vs jets", "vs muons"]
    assert page.evaluate("() => document.activeElement.textContent") == "vs muons"
    buttons.nth(0).click()


def test_runs_have_names_that_lead_somewhere(page: Any):
    links = page.locator("#runs tbody a")
    assert links.count() == 2
    assert all(link.get_attribute("href").startswith("file:///") for link in links.all())
    assert "mlflow ui --backend-store-uri" in page.locator("#runs").inner_text()


def test_list_of_features_changes_the_plot(page: Any):
    panel = page.locator("#inputs .plot").first
    select = panel.locator("select")
    shown = {other.input_value() for other in page.locator("#inputs .plot select").all()}
    hidden = next(text for text in select.locator("option").all_inner_texts() if text not in shown)
    # An option reads "tau_pt  (0.12)", the axis "tau_pt".
    old, new = (text.split()[0] for text in (select.input_value(), hidden))
    picture = panel.screenshot()
    assert [page.evaluate(AXES_NAMED, name) for name in (old, new)] == [1, 0]
    select.select_option(label=hidden)
    assert [page.evaluate(AXES_NAMED, name) for name in (old, new)] == [0, 1]
    page.wait_for_timeout(300)
    assert panel.screenshot() != picture


def test_contents_lead_to_their_sections(page: Any):
    for link in page.locator("nav a").all():
        link.click()
        target = link.get_attribute("href")[1:]
        assert page.url.endswith(f"#{target}")
        assert page.locator(f"#{target} > h2").inner_text() == link.inner_text()


def test_settings_open_on_demand(page: Any):
    details = page.locator("#settings details").first
    assert not details.locator("pre").is_visible()
    details.locator("summary").click()
    assert details.locator("pre").is_visible()
    details.locator("summary").click()


@pytest.mark.parametrize("width", [400, 768, 1280])
def test_no_horizontal_scroll(screen: Any, width: int):
    screen.set_viewport_size({"width": width, "height": 900})
    screen.wait_for_function(f"() => document.querySelector('.plot').clientWidth <= {width}", timeout=120_000)
    screen.wait_for_timeout(500)
    assert screen.evaluate(WIDTH) <= width


def test_paper_has_all_tabs_and_pictures_and_no_controls(screen: Any):
    hidden = screen.locator("#efficiency .tab.closed figure")
    assert hidden.count() > 0
    assert not hidden.first.is_visible()
    screen.emulate_media(media="print")
    assert all(figure.is_visible() for figure in hidden.all())
    assert all(name.is_visible() for name in screen.locator(".tab-name").all())
    assert not any(part.is_visible() for part in screen.locator("nav, .tab-list, .choice, details").all())
    pictures = screen.locator("img.paper")
    assert pictures.count() == screen.locator(".plot").count()
    assert all(width > 0 for width in pictures.evaluate_all("all => all.map(one => one.naturalWidth)"))
    assert not screen.locator(".plot.has-paper").first.is_visible()


def test_plot_changed_while_its_picture_was_made(page: Any, log: dict):
    """On a busy machine a plot was laid out again while its picture was decoded, and no plot after it was drawn."""
    assert page.evaluate(PICTURES_AT_ONCE) == [True]
    assert log["errors"] == []


def test_page_without_inputs_has_no_errors_either(browser: Any, inputs: ReportInputs, tmp_path: Path):
    write_report(tmp_path / "report.html", ReportInputs("mock", "v1", inputs.config))
    opened, errors = browser.new_page(viewport={"width": 400, "height": 800}), []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto((tmp_path / "report.html").as_uri())
    opened.wait_for_function(ALL_DRAWN)
    assert errors == []
    assert opened.locator(".note").count() >= 12
    assert opened.evaluate(WIDTH) <= 400
    opened.close()
