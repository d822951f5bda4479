"""The page in a real browser: it works alone, without errors, on a phone and on paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taumltools.report.inputs import ReportInputs
from taumltools.report.page import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="the python package playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")

PLOTS_READY = "() => document.body.dataset.ready === 'true'"
AXES_NAMED = """name => Bokeh.documents.map(document => JSON.stringify(document.to_json()))
    .filter(text => text.includes(`"axis_label":"${name}"`)).length"""
WIDTH = "() => document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # No sandbox: it needs rights that containers rarely have, and the page is our own.
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def log() -> dict[str, list[str]]:
    """What the page complained about, and what it asked for."""
    return {"errors": [], "requests": []}


@pytest.fixture(scope="module")
def page(browser: Any, inputs: ReportInputs, log: dict, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page of complete inputs with all plots drawn."""
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_report(path, inputs)
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.on("console", lambda line: log["errors"].append(line.text) if line.type == "error" else None)
    opened.on("pageerror", lambda error: log["errors"].append(str(error)))
    opened.on("request", lambda request: log["requests"].append(request.url))
    opened.goto(path.as_uri())
    opened.wait_for_function(PLOTS_READY, timeout=120_000)
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


@pytest.mark.parametrize("section", ["working-points", "efficiency"])
def test_tabs_choose_what_is_visible(page: Any, section: str):
    tabs = page.locator(f"#{section} .tab")
    buttons = page.locator(f"#{section} [role=tab]")
    assert buttons.all_inner_texts() == ["vs jets", "vs electrons", "vs muons"]
    for chosen in (2, 1, 0):
        buttons.nth(chosen).click()
        visible = [tabs.nth(i).locator("table, figure").first.is_visible() for i in range(3)]
        assert visible == [i == chosen for i in range(3)]
        assert buttons.nth(chosen).get_attribute("aria-selected") == "true"


def test_tabs_follow_the_arrow_keys_and_wrap(page: Any):
    buttons = page.locator("#working-points [role=tab]")
    buttons.nth(0).focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
        seen.append(page.locator("#working-points [role=tab][aria-selected=true]").inner_text())
    assert seen == ["vs electrons", "vs muons", "vs jets", "vs muons"]
    assert page.evaluate("() => document.activeElement.textContent") == "vs muons"
    buttons.nth(0).click()


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
    screen.wait_for_function(f"() => document.querySelector('.plot').clientWidth <= {width}")
    screen.wait_for_timeout(500)
    assert screen.evaluate(WIDTH) <= width


def test_paper_has_all_tabs_and_pictures_and_no_controls(screen: Any):
    hidden = screen.locator("#efficiency .tab.closed figure")
    assert hidden.count() > 0
    assert not hidden.first.is_visible()
    screen.emulate_media(media="print")
    assert all(figure.is_visible() for figure in hidden.all())
    assert all(name.is_visible() for name in screen.locator(".tab-name").all())
    assert not any(part.is_visible() for part in screen.locator("nav, .tab-list, details").all())
    pictures = screen.locator("img.paper")
    assert pictures.count() == screen.locator(".plot").count()
    assert all(width > 0 for width in pictures.evaluate_all("all => all.map(one => one.naturalWidth)"))
    assert not screen.locator(".plot.has-paper").first.is_visible()


def test_page_without_inputs_has_no_errors_either(browser: Any, inputs: ReportInputs, tmp_path: Path):
    write_report(tmp_path / "report.html", ReportInputs("mock", "v1", inputs.config))
    opened, errors = browser.new_page(viewport={"width": 400, "height": 800}), []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto((tmp_path / "report.html").as_uri())
    opened.wait_for_function(PLOTS_READY)
    assert errors == []
    assert opened.locator(".note").count() >= 11
    assert opened.evaluate(WIDTH) <= 400
    opened.close()
