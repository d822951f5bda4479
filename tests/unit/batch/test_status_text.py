"""The status as people read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from taumltools.batch.status_data import (
    FORMAT,
    Counts,
    DriverStatus,
    Example,
    FailureGroup,
    Overview,
    Spread,
)
from taumltools.batch.status_text import as_text, duration, table
from tests.unit.batch.status_case import COMMAND, NOW, OPEN

DONE = replace(
    OPEN,
    label="ProduceTuples train ztautau v1",
    identity="abcdef01",
    counts=Counts(branches=4, done=4),
    driver=DriverStatus(False, "process 3 on vm", NOW - 7200),
    attempts=4,
    repeated=0,
)


def text(*workflows, problem="", unreadable=(), **kwargs):
    return as_text(Overview(FORMAT, NOW, Path("/x"), problem, tuple(unreadable), workflows), **kwargs)


def failure(log, tail=(), branches=(3, 4), attempts=6):
    example = Example(3, 2, "held: too much", log, tail)
    return FailureGroup("out of memory", branches, attempts, example, "raise --max-memory")


def test_one_workflow_in_full():
    assert text(OPEN).splitlines() == [
        "Training v1 (campaign demo, identity 12345678)",
        "  branches  12 of 30 done, 10 running, 3 idle, 5 to submit (as the driver saw it 12 s ago)",
        "  driver    at work (process 7 on vm), last look 12 s ago",
        "  attempts  27, 2 of them not the first of their branch",
        "  memory    median 800 MB, maximum 1933 MB, largest request that was needed 2000 MB",
        "  runtime   median 1.5 min, maximum 1.5 h, largest request that was needed 2.0 h",
        "  journal   /x/journal.jsonl",
        "  logs      /x/logs",
        "  next      nothing, a driver is at work",
    ]


def test_what_is_not_known_is_left_out():
    shown = text(replace(OPEN, memory_mb=Spread(), runtime_s=Spread(median=1.0, maximum=2.0)))
    assert "memory" not in shown
    assert "  runtime   median 1 s, maximum 2 s\n" in shown


def test_failures_come_with_their_log(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("x")
    group = failure(log, ("Traceback", "MemoryError"))
    lines = text(replace(OPEN, failures=(group,), next_command=f"{COMMAND} --retry-failed")).splitlines()
    start = lines.index("  failed for good, out of memory: branches 3-4, 6 attempts")
    assert lines[start + 1 :] == [
        "    e.g. branch 3, attempt 2: held: too much",
        f"    log: {log}",
        "      Traceback",
        "      MemoryError",
        f"  next      {COMMAND} --retry-failed",
    ]


def test_an_example_is_told_once(tmp_path):
    group = failure(tmp_path / "missing.log")
    other = failure(tmp_path / "other.log", branches=(9,), attempts=1)
    shown = text(replace(OPEN, failures=(group,), failed_attempts=(group, other)))
    assert shown.count(f"log: {tmp_path}/missing.log (not there)") == 1
    assert "  failed so far, out of memory: 6 attempts at branches 3-4\n" in shown
    assert "  failed so far, out of memory: 1 attempt at branch 9\n" in shown
    assert f"log: {tmp_path}/other.log" in shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jobs_from": "queue"}, "(as the queue says now)"),
        ({"jobs_time": None}, "(as submitted; no driver has looked yet)"),
        ({"jobs_time": NOW - 200_000}, "(as the driver saw it 2.3 d ago)"),
    ],
)
def test_it_says_where_states_of_jobs_are_from(changes, words):
    assert words in text(replace(OPEN, **changes))


def test_where_no_jobs_are_their_age_does_not_matter():
    assert "  branches  4 of 4 done\n" in text(DONE)


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        (DriverStatus(True, "", None), "at work, never looked"),
        (DriverStatus(False, "", None), "none at work, never looked"),
        (
            DriverStatus(False, "process 3 on vm", NOW - 90),
            "none at work (the last was process 3 on vm), last look 1.5 min ago",
        ),
    ],
)
def test_driver_in_words(driver, words):
    assert f"  driver    {words}\n" in text(replace(OPEN, driver=driver))


def test_table_is_aligned_and_without_empty_columns():
    head, *rows = table([DONE, OPEN])
    assert head.split("  ")[0] == "workflow"
    for title in ("branches", "done", "running", "idle", "to submit", "repeated", "memory"):
        end = head.index(title) + len(title)
        assert all(row[end - 1] != " " and row[end] == " " for row in rows)  # numbers end where the title ends
    assert "held" not in head
    assert "failed" not in head
    assert rows[0].startswith("ProduceTuples train ztautau v1  demo")
    assert rows[1].endswith("at work")


def test_details_of_finished_workflows_are_shown_on_demand():
    assert "ProduceTuples train ztautau v1 (campaign" not in text(DONE, OPEN)
    assert "Training v1 (campaign" in text(DONE, OPEN)
    assert "ProduceTuples train ztautau v1 (campaign" in text(DONE, OPEN, everything=True)
    assert "ProduceTuples train ztautau v1 (campaign" in text(DONE)


def test_what_went_wrong_with_asking_is_said_where_it_matters():
    line = "No answer of the queue: the scheduler is away"
    assert text(OPEN, problem="the scheduler is away").splitlines()[-1] == line
    assert "queue" not in text(DONE, problem="the scheduler is away")


def test_journals_that_cannot_be_read_are_named():
    assert text(DONE, unreadable=["/x/journal.jsonl, line 3 is damaged"]).endswith(
        "\n\nCannot be read: /x/journal.jsonl, line 3 is damaged"
    )
    assert text(unreadable=["a", "b"]) == "Cannot be read: a\n\nCannot be read: b"


def test_no_colours_and_no_trailing_blanks():
    shown = text(DONE, OPEN, everything=True)
    assert "\x1b" not in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_times_before_now_are_not_negative():
    assert duration(-3) == "0 s"  # clocks of two machines
