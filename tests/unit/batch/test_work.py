"""What a driver would do first, without doing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from taumltools.batch.causes import Cause
from taumltools.batch.decide import Policy
from taumltools.batch.journal import Journal
from taumltools.batch.resources import Resources
from taumltools.batch.work import Settings, plan_first
from taumltools.config.batch import RetryConfig


class Work:
    def __init__(self, done):
        self.done = done

    def products(self):
        return dict.fromkeys(self.done, (1, 1))


def given(n=4, **retry):
    return Settings("id", "W v1", tuple(range(n)), Resources(1, 1000), Policy(RetryConfig(**retry), 8000, 24, 1))


def test_everything_is_to_be_submitted_at_first(tmp_path):
    attempts, done, failed = plan_first(given(), Work([]), tmp_path / "journal.jsonl")
    assert [(a.branch, a.number) for a in attempts] == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert (done, failed) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_or_failed_for_good_is_not_submitted(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    plain = Resources(1, 1000).plain()
    journal.write("intended", submission="s", attempts=[[1, 1, 0], [2, 1, 0]], resources=[plain])
    journal.write("ended", branch=1, attempt=1, cause=str(Cause.TASK), message="x")
    journal.write("ended", branch=2, attempt=1, cause=str(Cause.MEMORY), message="x")
    attempts, done, failed = plan_first(given(retries=0), Work([3]), Path(journal.path))
    assert [(a.branch, a.number, a.resources.max_memory) for a in attempts] == [(0, 1, 1000), (2, 2, 1500)]
    assert (done, failed) == (1, 1)


@pytest.mark.parametrize(("interval", "grace"), [(0.5, 20), (60, 180)])
def test_jobs_whose_product_is_there_may_take_some_looks_to_end(interval, grace):
    settings = Settings("id", "W", (0,), Resources(1, 1), given().policy, poll_interval=interval)
    assert settings.grace == grace
