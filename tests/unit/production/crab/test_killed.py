"""The command may end at any point: the next one goes on, and nothing is submitted, processed or moved twice."""

from __future__ import annotations

import pytest

from taumltools.batch.journal import Journal
from taumltools.production.crab import outputs
from taumltools.production.crab.decide import Limits
from taumltools.production.crab.drive import drive
from taumltools.production.crab.tool import CrabClient
from tests.standins.grid import dataset_files

LIMITS = Limits(resubmissions=1, settle=0.0)


class Killed(BaseException):
    """What no code expects."""


@pytest.fixture
def deadly(monkeypatch):
    """Lets the n-th thing that is done kill: two chances each for a line of the journal, a call of crab, a file moved."""
    chances = {"left": 0}

    def count():
        chances["left"] -= 1
        if chances["left"] == 0:
            raise Killed

    def between(owner, name):
        whole = getattr(owner, name)

        def dangerous(*args, **kwargs):
            count()
            value = whole(*args, **kwargs)
            count()
            return value

        monkeypatch.setattr(owner, name, dangerous)

    between(Journal, "write_all")
    between(CrabClient, "_communicate")
    between(outputs, "_move")
    return chances


def attempt(worker, chances, n):
    """Whether a command came to its end; it dies at its n-th chance."""
    chances["left"] = n
    try:
        drive([worker], 0.0, 3, sleep=lambda _: None)
    except Killed:
        return False
    return True


def check(grid, worker, requests):
    assert grid.requests == requests
    assert grid.finished_files() == sorted(dataset_files(4))
    assert not list(grid.storage.rglob("*.root"))
    assert len({path for path in worker.outputs() if path.exists()}) == len(worker.outputs())


@pytest.mark.parametrize("start", range(4))
def test_killed_once_at_each_point(grid, make_worker, deadly, start, tmp_path):
    """f1 fails twice: one resubmission, then a recovery.  Four tests share the points."""
    point = start
    while True:
        point += 4
        folder = tmp_path / f"at_{point}"
        folder.mkdir()
        grid.folder = folder
        grid.plan(files=4, looks=0, fail={"/store/mc/f1.root": 2})

        def worker(name=folder.name):
            made = make_worker(LIMITS, units_per_job=2, max_recoveries=2, target=f"final_{name}")
            object.__setattr__(made.area, "folder", tmp_path / f"area_{name}" / "DY")
            object.__setattr__(made.client, "log", made.area.log)
            return made

        whole = attempt(worker(), deadly, point)
        if not whole:
            assert attempt(worker(), deadly, 0)
        check(grid, worker(), ["DY", "DY_recovery_1"])
        assert grid.server["calls"]["submit"] == 2 or not whole
        if whole:
            break
    assert point > 40


def test_killed_again_and_again(grid, make_worker, deadly):
    """Every command dies at its ninth chance."""
    grid.plan(files=4, looks=0)
    commands = 1
    while not attempt(make_worker(LIMITS), deadly, 9):
        commands += 1
        assert commands < 30
    check(grid, make_worker(), ["DY"])
    assert commands > 2
