"""A grid and workers for it."""

from __future__ import annotations

import itertools

import pytest

from taumltools.production.crab.area import Area
from taumltools.production.crab.decide import Limits
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.tool import CrabClient
from taumltools.production.crab.worker import Places, Worker
from tests.standins.grid import BASE, CRAB, DATASET, Grid


@pytest.fixture
def grid(tmp_path, monkeypatch):
    folder = tmp_path / "grid"
    folder.mkdir()
    monkeypatch.setenv("CRAB_STANDIN", str(folder))
    (tmp_path / "Production.py").write_text("# configuration for cmsRun\n")
    return Grid(folder).plan()


@pytest.fixture
def make_worker(grid, tmp_path):
    """Workers on the same area, as a command makes one each time it is given."""

    def make(limits=None, target="final", timeout=20.0, clock=None, rest=None, name="DY", **job):
        fields = {
            "splitting": "FileBased",
            "units_per_job": 2,
            "site": "T2_X",
            "config": str(tmp_path / "Production.py"),
        } | job
        area = Area(tmp_path / "area" / name)
        places = Places(BASE, storage=str(grid.storage), target=str(tmp_path / target) if target else "")
        return Worker(
            CrabJob(name, DATASET, **fields), area, CrabClient(CRAB, area.log, timeout), places,
            limits or Limits(settle=0.0), rest, clock or Ticking(),
        )  # fmt: skip

    return make


class Ticking:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.ticks = itertools.count(1_800_000_000)

    def __call__(self) -> float:
        return float(next(self.ticks))
