"""A status of a workflow, of which tests change what they are about."""

from __future__ import annotations

from pathlib import Path

from taumltools.batch.status_data import Counts, DriverStatus, Spread, WorkflowStatus

NOW = 10_000.0
COMMAND = "law run Training --version v1 --workflow htcondor"
OPEN = WorkflowStatus(
    task="Training",
    label="Training v1",
    version="v1",
    campaign="demo",
    identity="12345678",
    site="local-pool",
    workflow="abc",
    folder=Path("/x"),
    journal=Path("/x/journal.jsonl"),
    logs=Path("/x/logs"),
    counts=Counts(branches=30, done=12, running=10, idle=3, unsubmitted=5),
    driver=DriverStatus(True, "process 7 on vm", NOW - 12),
    jobs_from="last look",
    jobs_time=NOW - 12,
    attempts=27,
    repeated=2,
    memory_mb=Spread(800.0, 1933.4, 2000.0),
    runtime_s=Spread(90.0, 5400.0, 7200.0),
    failures=(),
    failed_attempts=(),
    command=COMMAND,
    next_command="",
)
