"""The status as JSON: its keys stay, and the numbers add up."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from taumltools.batch.states import State
from taumltools.batch.status_data import (
    STANDINGS,
    Counts,
    DriverStatus,
    Example,
    FailureGroup,
    Overview,
    Spread,
    Standing,
    WorkflowStatus,
    as_json,
)
from tests.unit.batch.status_case import OPEN

FAILURE = FailureGroup("out of memory", (3, 4), 6, Example(3, 2, "held", Path("/x/log"), ("last line",)), "raise it")
STATUS = replace(
    OPEN,
    counts=Counts(branches=5, done=2, failed=2, running=1),
    driver=DriverStatus(True, "process 1 on vm", 99.0),
    jobs_time=99.0,
    attempts=8,
    repeated=3,
    memory_mb=Spread(1.0, 2.0, 3.0),
    runtime_s=Spread(),
    failures=(FAILURE,),
    command="law run Training",
    next_command="law run Training --retry-failed",
)

EXPECTED = {
    "format": 1,
    "time": 100.0,
    "root": "/root",
    "queue_problem": "no pool",
    "unreadable": ["a journal"],
    "workflows": [
        {
            "task": "Training",
            "label": "Training v1",
            "version": "v1",
            "campaign": "demo",
            "identity": "12345678",
            "site": "local-pool",
            "workflow": "abc",
            "folder": "/x",
            "journal": "/x/journal.jsonl",
            "logs": "/x/logs",
            "counts": {
                "branches": 5, "done": 2, "running": 1, "idle": 0, "held": 0, "ending": 0, "failed": 2, "unsubmitted": 0,
            },
            "driver": {"at_work": True, "holder": "process 1 on vm", "last_look": 99.0},
            "jobs_from": "last look",
            "jobs_time": 99.0,
            "attempts": 8,
            "repeated": 3,
            "memory_mb": {"median": 1.0, "maximum": 2.0, "needed": 3.0},
            "runtime_s": {"median": None, "maximum": None, "needed": None},
            "failures": [
                {
                    "cause": "out of memory",
                    "branches": [3, 4],
                    "attempts": 6,
                    "example": {"branch": 3, "attempt": 2, "message": "held", "log": "/x/log", "tail": ["last line"]},
                    "advice": "raise it",
                }
            ],
            "failed_attempts": [],
            "command": "law run Training",
            "next_command": "law run Training --retry-failed",
        }
    ],
}  # fmt: skip
"""The document that scripts rely on: whoever changes a key here raises FORMAT."""


def test_the_document_keeps_its_keys():
    assert json.loads(as_json(Overview(1, 100.0, Path("/root"), "no pool", ("a journal",), (STATUS,)))) == EXPECTED


@pytest.mark.parametrize("part", [Overview, WorkflowStatus, Counts, DriverStatus, Spread, Example, FailureGroup])
def test_every_key_is_documented(part):
    documented = {line.split(":")[0].strip() for line in (part.__doc__ or "").splitlines() if ":" in line}
    assert {field.name for field in fields(part)} <= documented


def test_every_state_of_a_job_has_a_standing():
    assert set(STANDINGS) == set(State)


def test_every_standing_has_a_count():
    assert {standing.value for standing in Standing} | {"branches"} == {field.name for field in fields(Counts)}


@pytest.mark.parametrize(
    ("counts", "finished", "still_open"),
    [
        (Counts(branches=3, done=3), True, False),
        (Counts(branches=3, done=2, failed=1), False, False),
        (Counts(branches=3, done=2, running=1), False, True),
        (Counts(branches=3, unsubmitted=3), False, True),
    ],
)
def test_finished_and_open(counts, finished, still_open):
    from dataclasses import replace

    status = replace(STATUS, counts=counts)
    assert (status.finished, status.open) == (finished, still_open)
