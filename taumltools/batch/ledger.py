"""What the lines of a journal mean: the attempts at each branch, and how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taumltools.batch.causes import ANSWERS, Answer, Cause
from taumltools.batch.resources import Resources
from taumltools.errors import InputError


@dataclass(frozen=True)
class Ending:
    """How an attempt ended.

    Attributes:
        cause: why.
        message: what people read: the last line of a traceback, a hold reason.
        code: exit code; negative for the number of a signal; None if unknown.
        memory_mb: largest memory that was measured, in MB; None if unknown.
        runtime_s: wall time in seconds; None if unknown.
        host: where it ran; empty if unknown.
    """

    cause: Cause
    message: str = ""
    code: int | None = None
    memory_mb: float | None = None
    runtime_s: float | None = None
    host: str = ""

    def plain(self) -> dict[str, Any]:
        """As a dict for the journal; what is unknown is left out."""
        known = {name: value for name, value in vars(self).items() if value not in (None, "")}
        return known | {"cause": str(self.cause)}


@dataclass
class Attempt:
    """One attempt at one branch.

    Attributes:
        branch: branch number.
        number: 1 for the first attempt; never given twice.
        submission: the submission it was part of.
        resources: what it asked for; None for jobs found in the queue.
        submitted: when, in seconds since 1970.
        job: ``cluster.process``; empty as long as it is not known that the job exists.
        ended: when it was seen to have ended.
        ending: how it ended; None while it lives.
        rank: its place among all endings of the journal, from 1 (clocks are too coarse to order them); 0: it lives.
    """

    branch: int
    number: int
    submission: str
    resources: Resources | None
    submitted: float
    job: str = ""
    ended: float | None = None
    ending: Ending | None = None
    rank: int = 0

    @property
    def answer(self) -> Answer:
        """What its ending calls for; nothing while it lives."""
        return ANSWERS[self.ending.cause] if self.ending else Answer.NONE


@dataclass
class Ledger:
    """The attempts of one workflow, replayed from its journal.

    Attributes:
        header: what the last driver said about the workflow (task, command, branches, policy).
        attempts: by branch, in order.
        products: size and time of the products that were validated, by branch.
        forgiven: by branch, up to which attempt failures were forgiven by ``--retry-failed``.
        endings: how many endings the journal tells of.
    """

    header: dict[str, Any] = field(default_factory=dict)
    attempts: dict[int, list[Attempt]] = field(default_factory=dict)
    products: dict[int, tuple[int, int]] = field(default_factory=dict)
    forgiven: dict[int, int] = field(default_factory=dict)
    endings: int = 0

    @classmethod
    def replay(cls, events: Iterable[Mapping[str, Any]]) -> Ledger:
        """Build the ledger from all events of a journal.

        Args:
            events: see :data:`EVENTS`.

        Returns:
            The ledger after the last event.
        """
        ledger = cls()
        for event in events:
            ledger.apply(event)
        return ledger

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take in one event.

        Args:
            event: one line of the journal.

        Raises:
            InputError: an event that this version does not know, or that lacks what belongs to it.
        """
        name = event.get("event")
        handler = EVENTS.get(str(name))
        if handler is None:
            raise InputError(f"unknown event '{name}' in a journal: was it written by a newer version?")
        try:
            handler(self, event)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(
                f"event '{name}' of a journal cannot be used ({type(error).__name__}: {error}): was it written by "
                f"another version? It is {dict(event)!r:.200}"
            ) from error

    def all(self) -> list[Attempt]:
        """All attempts, by branch and number."""
        return [attempt for branch in sorted(self.attempts) for attempt in self.attempts[branch]]

    def living(self) -> list[Attempt]:
        """Attempts whose end is not known yet."""
        return [attempt for attempt in self.all() if attempt.ending is None]

    def elsewhere(self, here: str) -> str:
        """The scheduler that has the living attempts, if it is not the one this machine speaks to; else empty.

        Args:
            here: name of the one this machine speaks to.
        """
        before = str(self.header.get("schedd", ""))
        return before if before != here and self.living() else ""

    def find(self, branch: int, number: int) -> Attempt | None:
        """One attempt, or None."""
        return next((a for a in self.attempts.get(branch, []) if a.number == number), None)

    def next_number(self, branch: int) -> int:
        """The number of the next attempt at a branch; numbers are never given twice."""
        return max((attempt.number for attempt in self.attempts.get(branch, [])), default=0) + 1

    def past(self, branch: int) -> list[Attempt]:
        """Ended attempts at a branch that count, oldest first: those after the last forgiveness."""
        since = self.forgiven.get(branch, 0)
        return [
            a for a in self.attempts.get(branch, []) if a.ending and a.number > since and a.answer is not Answer.NONE
        ]

    def learned(self, branch: int) -> list[Attempt]:
        """All ended attempts at a branch, forgiven or not: what they needed stays known."""
        return [a for a in self.attempts.get(branch, []) if a.ending]

    # ------------------------------------------------------------------ events

    def _opened(self, event: Mapping[str, Any]) -> None:
        self.header = {key: value for key, value in event.items() if key != "event"}

    def _intended(self, event: Mapping[str, Any]) -> None:
        for branch, number, index in event["attempts"]:
            resources = Resources(**event["resources"][index])
            attempt = Attempt(branch, number, event["submission"], resources, event["time"])
            self.attempts.setdefault(branch, []).append(attempt)

    def _submitted(self, event: Mapping[str, Any]) -> None:
        for branch, number, job in event["jobs"]:
            attempt = self.find(branch, number)
            if attempt:
                attempt.job = job

    def _adopted(self, event: Mapping[str, Any]) -> None:
        attempt = self.find(event["branch"], event["attempt"])
        if attempt is None:
            attempt = Attempt(event["branch"], event["attempt"], event["submission"], None, event["time"])
            self.attempts.setdefault(attempt.branch, []).append(attempt)
            self.attempts[attempt.branch].sort(key=lambda a: a.number)
        attempt.job = event["job"]

    def _ended(self, event: Mapping[str, Any]) -> None:
        attempt = self.find(event["branch"], event["attempt"])
        if attempt:
            known = {
                name: event[name] for name in ("message", "code", "memory_mb", "runtime_s", "host") if name in event
            }
            attempt.ending, attempt.ended = Ending(Cause(event["cause"]), **known), event["time"]
            self.endings += 1
            attempt.rank = self.endings

    def _product(self, event: Mapping[str, Any]) -> None:
        self.products[event["branch"]] = (event["bytes"], event["mtime_ns"])

    def _forgiven(self, event: Mapping[str, Any]) -> None:
        for branch in event["branches"]:
            self.forgiven[branch] = self.next_number(branch) - 1

    def _removed(self, event: Mapping[str, Any]) -> None:
        """Nothing follows from a removal: the queue tells whether it happened."""

    def _closed(self, event: Mapping[str, Any]) -> None:
        """Nothing follows from an end in order; see :func:`taumltools.batch.journal.is_closed`."""


EVENTS = {
    "opened": Ledger._opened,
    "intended": Ledger._intended,
    "submitted": Ledger._submitted,
    "adopted": Ledger._adopted,
    "ended": Ledger._ended,
    "product": Ledger._product,
    "forgiven": Ledger._forgiven,
    "removed": Ledger._removed,
    "closed": Ledger._closed,
}
"""The events of a journal.

``opened`` a driver begins; ``intended`` jobs are about to be submitted; ``submitted`` they were;
``adopted`` a job of this workflow was found in the queue; ``ended`` an attempt ended;
``product`` a product was validated; ``forgiven`` failures up to here count no more;
``removed`` a job was taken from the queue, and why; ``closed`` a driver came to its end.
"""
