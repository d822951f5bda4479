"""What the driver is given: a workflow, how to drive it, and what it would do first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from taumltools.batch.decide import GiveUp, Policy, next_attempt
from taumltools.batch.journal import read_events
from taumltools.batch.ledger import Attempt, Ledger
from taumltools.batch.resources import Resources


class Work(Protocol):
    """What the driver needs to know of a workflow."""

    def products(self) -> dict[int, tuple[int, int]]:
        """Bytes and time of change (ns) of the products that exist, by branch; cheap."""

    def check(self, branch: int) -> str:
        """Empty if the product is valid; else what is wrong, and the product was put aside."""

    def report(self, branch: int, attempt: int) -> Mapping[str, Any] | None:
        """What the job itself wrote about the attempt, if it could."""

    def receive(self, branch: int, attempt: int) -> str:
        """Publish what the job sent back, if it did; empty, or what is wrong with it."""

    def submission(self, name: str, attempts: Sequence[Attempt]) -> tuple[str, list[dict[str, str]]]:
        """Submit commands, and the variables of each job; writes the files that jobs need."""

    def log(self, branch: int, attempt: int) -> Path:
        """Where the log of an attempt is."""

    def clean(self) -> None:
        """Remove what killed jobs left behind, when all is done."""


@dataclass(frozen=True)
class Settings:
    """How a workflow is driven.

    Attributes:
        workflow: value of the job attribute ``TaumlWorkflow``.
        label: what people read, e.g. ``ShuffleMergeSpectral v1``.
        branches: all branches that are wanted.
        resources: what a job asks for without experience.
        policy: how failures are answered.
        tolerance: branches that may fail for good, see :func:`taumltools.batch.decide.exceeded`.
        enough: how many products make the workflow complete, although branches failed for good.
        limits: most jobs in the queue at a time; 0 is no limit.
        submission_limit: most jobs in one submission; 0 is no limit.
        poll_interval: seconds between two looks.
        settle: seconds that products and histories may take until they are seen here.
        patience: seconds for which the scheduler may be out of reach.
        bootstrap: messages of the exit codes of the job's script.
        header: what the journal keeps of the workflow: command, parameters.
    """

    workflow: str
    label: str
    branches: tuple[int, ...]
    resources: Resources
    policy: Policy
    tolerance: float = 0.0
    enough: float = float("inf")
    limits: tuple[int, ...] = ()
    submission_limit: int = 0
    poll_interval: float = 60.0
    settle: float = 90.0
    patience: float = 3600.0
    bootstrap: Mapping[int, str] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)

    @property
    def grace(self) -> float:
        """Seconds that a job whose product is there may take to end."""
        return max(20.0, 3 * self.poll_interval)


def plan_first(settings: Settings, work: Work, journal: Path) -> tuple[list[Attempt], int, int]:
    """What a driver would submit if it looked now, for a dry run: nothing is written or asked.

    Args:
        settings: of the workflow.
        work: the workflow.
        journal: what is known of its attempts.

    Returns:
        The attempts it would make, the number of branches that are done, and of those that
        failed for good.  Jobs that are in the queue now count as to be submitted.
    """
    ledger = Ledger.replay(read_events(journal))
    done = set(settings.branches) & set(work.products())
    attempts, failed = [], 0
    for branch in settings.branches:
        if branch in done:
            continue
        verdict = next_attempt(ledger.past(branch), ledger.learned(branch), settings.resources, settings.policy)
        if isinstance(verdict, GiveUp):
            failed += 1
        else:
            number = ledger.next_number(branch)
            attempts.append(Attempt(branch, number, "dry-run", verdict.resources, 0.0))
    return attempts, len(done), failed
