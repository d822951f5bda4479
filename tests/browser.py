"""A real browser, Debian's Chromium without a window, as a fixture for all tests (tests/conftest.py imports it)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = [
    "--no-sandbox",  # it needs rights that containers rarely have, and the pages are our own
    "--disable-gpu",
    "--disable-background-networking",  # nothing but the page is to ask for anything
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser; tests are skipped without one, or fail if ``TAUML_REQUIRE_BROWSER=1``."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        reason = f"no browser on PATH (looked for {', '.join(NAMES)})"
        if os.environ.get("TAUML_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{reason}\nand TAUML_REQUIRE_BROWSER=1 forbids to go without")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=OPTIONS)
        yield opened
        opened.close()
