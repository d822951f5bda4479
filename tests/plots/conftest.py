"""Image comparison with tolerance, and the one switch that renews the references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REFERENCES = Path(__file__).parent / "reference"

MAX_DIFFERENCE = 4.0
"""Largest root mean square difference of grey values (0 to 255): fonts move by a pixel between versions."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-reference-plots", action="store_true", help="draw the reference images of tests/plots anew"
    )


def difference(a: Path, b: Path) -> float:
    """Root mean square difference of two images of equal size; infinite if sizes differ."""
    from matplotlib.image import imread

    first, second = (imread(path)[..., :3].mean(axis=2) * 255 for path in (a, b))
    return float(np.sqrt(np.mean((first - second) ** 2))) if first.shape == second.shape else float("inf")


@pytest.fixture
def compare(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, Any], None]:
    """Compare a figure with its reference image, or renew the reference."""
    from taumltools.plotstyle import save_figure

    def check(name: str, figure: Any) -> None:
        reference = REFERENCES / f"{name}.png"
        if request.config.getoption("--update-reference-plots", default=False):
            REFERENCES.mkdir(exist_ok=True)
            save_figure(figure, reference)
            return
        assert reference.is_file(), f"{reference} is missing: run pytest tests/plots --update-reference-plots"
        found = tmp_path / f"{name}.png"
        save_figure(figure, found)
        value = difference(found, reference)
        assert value < MAX_DIFFERENCE, f"{found} differs from {reference} by {value:.1f}; look at both, then renew"

    return check
