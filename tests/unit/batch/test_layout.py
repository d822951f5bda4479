"""Where files are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from taumltools.batch.layout import SHARD, Layout

LAYOUT = Layout(Path("/store/_batch/x"))


def test_files_of_the_workflow():
    assert LAYOUT.journal == Path("/store/_batch/x/journal.jsonl")
    assert LAYOUT.snapshot == Path("/store/_batch/x/snapshot.json")
    assert LAYOUT.lock == Path("/store/_batch/x/driver.lock")


@pytest.mark.parametrize(
    ("branch", "attempt", "name"),
    [(0, 1, "000/branch_0_attempt_1"), (249, 3, "000/branch_249_attempt_3"), (250, 1, "001/branch_250_attempt_1")],
)
def test_files_of_an_attempt(branch, attempt, name):
    assert LAYOUT.log(branch, attempt) == Path(f"/store/_batch/x/logs/{name}.log")
    assert LAYOUT.report(branch, attempt) == Path(f"/store/_batch/x/reports/{name}.json")
    assert LAYOUT.delivery(branch, attempt) == Path(f"/store/_batch/x/deliveries/{name}.tar")


def test_files_of_a_submission():
    assert LAYOUT.submission("s1") == Path("/store/_batch/x/submissions/s1/s1")
    assert LAYOUT.events("s1") == Path("/store/_batch/x/events/s1/s1.log")


def test_no_two_things_have_the_same_place():
    pairs = [(branch, attempt) for branch in range(0, 600, 7) for attempt in range(1, 4)]
    paths = [path(*pair) for pair in pairs for path in (LAYOUT.log, LAYOUT.report, LAYOUT.delivery)]
    paths += [LAYOUT.journal, LAYOUT.snapshot, LAYOUT.lock, LAYOUT.submission("a"), LAYOUT.events("a")]
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(LAYOUT.folder) for path in paths)


def test_folders_stay_small():
    folders = Counter(LAYOUT.log(branch, 1).parent for branch in range(10 * SHARD))
    assert set(folders.values()) == {SHARD}
    assert 3 * SHARD < 1000  # three attempts at each branch fit, too


def test_paths_have_nothing_that_submit_files_cannot_carry():
    assert not set(str(LAYOUT.log(12, 3))) & set(', "\t\n;')
