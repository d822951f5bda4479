"""The loop that brings a workflow to its end: look, decide, act, wait.

Nothing is derived from what this process remembers.  At each turn it looks at the products
in the store, the jobs in the queue and the journal on disk, so that a driver may die at any
instant and the next one continues.  Three rules make every branch be delivered once:

* a branch is submitted only when no living job of it is in the queue;
* what is about to be submitted is written down before, and jobs carry their branch, attempt
  and submission as attributes, so that jobs are found again whatever was written after;
* a branch is done when its product exists and is valid, whatever a job says.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from taumltools.batch.causes import Cause
from taumltools.batch.decide import Again, GiveUp, Plan, exceeded, grown, next_attempt, tidy, within_limits
from taumltools.batch.journal import Journal, read_events
from taumltools.batch.ledger import Attempt, Ending, Ledger
from taumltools.batch.messages import failure_message
from taumltools.batch.pool import Pool
from taumltools.batch.resources import Resources
from taumltools.batch.snapshot import Snapshot
from taumltools.batch.states import Job, State, held, left
from taumltools.batch.telling import REMIND, Teller
from taumltools.batch.work import Settings, Work
from taumltools.errors import BatchError, NoPoolError, PoolError

log = logging.getLogger(__name__)

FIRST_PATIENCE = 120.0
"""Seconds for which a scheduler may be out of reach that was never reached."""

MAX_REFUSALS, REFUSED_FOR = 5, 120.0
"""How often in a row, and for how many seconds, a submission may be refused by a scheduler that answers."""

LOOKS = 2
"""How many looks a job may be missing everywhere, at least, before its attempt is given up as lost."""

MAX_SILENT = 3
"""How often in a row the scheduler may not answer, at least, before it is given up: a machine may have slept meanwhile."""

FETCHES = 10
"""How often it is tried to fetch the spooled output of a job; the queue keeps it meanwhile."""


class Driver:
    """Brings one workflow to its end.

    Args:
        settings: how.
        work: the workflow.
        pool: the batch system.
        folder: where the journal and the snapshot are.
        clock: seconds since 1970.
        sleep: how to wait.
    """

    def __init__(
        self,
        settings: Settings,
        work: Work,
        pool: Pool,
        folder: Path,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.work = work
        self.pool = pool
        self.clock = clock
        self.sleep = sleep
        self.journal = Journal(folder / "journal.jsonl", clock)
        self.ledger = Ledger.replay(read_events(self.journal.path))
        self.snapshot = Snapshot(folder / "snapshot.json")
        self.seen: dict[int, float] = {}
        self.missing: dict[tuple[int, int], tuple[int, float]] = {}
        self.fetches: dict[str, int] = {}
        self.given_up: dict[int, GiveUp] = {}
        self.stopping = False
        self.teller = Teller(settings, clock)
        self.opened = self.reached = False
        self.last_told = float("-inf")
        self.refusals = self.silent = 0
        self.refused_since = clock()
        self.silent_since: float | None = None

    # ------------------------------------------------------------------ the loop

    def run(self) -> dict[int, GiveUp]:
        """Look, decide, act and wait until nothing is left to do.

        Returns:
            The branches that failed for good, if the others are enough.

        Raises:
            BatchError: branches failed for good and the others are not enough, or the scheduler
                was out of reach for too long.
        """
        while not self._turn_if_reachable():
            self.sleep(self.settings.poll_interval)
        self.work.clean()
        self.note([{"event": "closed"}])
        if self.stopping or (self.given_up and self.delivered() < self.settings.enough):
            settings = self.settings
            raise BatchError(
                failure_message(settings.label, self.given_up, self.ledger, self.work.log, settings.header)
            )
        return self.given_up

    def delivered(self) -> int:
        """How many of the wanted branches have their product."""
        return sum(branch in self.seen for branch in self.settings.branches)

    def _turn_if_reachable(self) -> bool:
        """One turn; a scheduler out of reach is waited for, longer if it was in reach before."""
        try:
            if not self.opened:
                self.open()
            finished = self.turn()
        except PoolError as error:
            if isinstance(error, NoPoolError) and not self.opened:
                raise
            self._bear(error)
            return False
        self.silent_since, self.silent, self.reached = None, 0, True
        return finished

    def _bear(self, error: PoolError) -> None:
        """Wait for a scheduler that does not answer, but not for ever; say so once a minute."""
        now = self.clock()
        self.silent_since = now if self.silent_since is None else self.silent_since
        self.silent += 1
        patience = self.settings.patience if self.reached else min(self.settings.patience, FIRST_PATIENCE)
        if now - self.silent_since > patience and self.silent > MAX_SILENT:
            after = (
                "Jobs run on; the same command goes on from here" if self.ledger.living() else "Nothing was submitted"
            )
            raise BatchError(f"{self.settings.label}: {error}; given up after {patience:.0f} s. {after}") from error
        if now - self.last_told >= REMIND:
            self.last_told = now
            log.warning("%s: %s; trying again", self.settings.label, error)

    def open(self) -> None:
        """Begin the journal's next chapter, at the scheduler that has the jobs.

        Raises:
            BatchError: jobs of this workflow are at another scheduler, where they would not be seen.
            PoolError: the scheduler does not answer.
        """
        here = self.pool.where()
        if before := self.ledger.elsewhere(here):
            raise BatchError(
                f"{self.settings.label}: its jobs are at the scheduler {before}, this machine speaks to {here}: "
                f"go on from a machine that speaks to {before}, or set 'schedd: {before}' in a site file of yours"
            )
        self.note([{"event": "opened", **self.settings.header, "schedd": here}])
        self.opened = True

    def turn(self) -> bool:
        """One look at everything, and what follows from it.

        Returns:
            Whether nothing is left to do.
        """
        self.look_at_products()
        jobs = self.pool.jobs(self.settings.workflow)
        self.look_at_products()  # a job may have ended between the two looks
        self.adopt(jobs)
        self.tidy(jobs)
        self.take_ends(jobs)
        alive = {job.branch for job in jobs}
        submitted = self.submit(alive)
        self.tell(jobs, submitted)
        waiting = [b for b in self.settings.branches if b not in self.seen and b not in self.given_up]
        return not jobs and not self.ledger.living() and (not waiting or self.stopping)

    def note(self, events: list[Mapping[str, Any]]) -> None:
        """Write events to the journal, then take them into the ledger."""
        if events:
            for event in self.journal.write_all(events):
                self.ledger.apply(event)

    # ------------------------------------------------------------------ looking

    def look_at_products(self) -> None:
        """Find new products, validate those that were not validated before."""
        present = self.work.products()
        self.seen = {branch: since for branch, since in self.seen.items() if branch in present}
        for branch in sorted(set(present) - set(self.seen)):
            if self.ledger.products.get(branch) != present[branch]:
                problem = self.work.check(branch)
                if problem:
                    log.warning("%s, branch %d: %s", self.settings.label, branch, problem)
                    continue
                size, mtime_ns = present[branch]
                self.note([{"event": "product", "branch": branch, "bytes": size, "mtime_ns": mtime_ns}])
            self.seen[branch] = self.clock()
            self.given_up.pop(branch, None)

    def adopt(self, jobs: Sequence[Job]) -> None:
        """Take jobs of the queue into the ledger that it does not know, or whose number it does not know."""
        events: list[Mapping[str, Any]] = []
        for job in jobs:
            attempt = self.ledger.find(job.branch, job.attempt)
            if attempt is None or not attempt.job:
                fields = {"branch": job.branch, "attempt": job.attempt, "job": job.id, "submission": job.submission}
                events.append({"event": "adopted", **fields})
        self.note(events)

    def tidy(self, jobs: Sequence[Job]) -> None:
        """Remove superfluous and held jobs; their attempts are on record before they go."""
        plan = tidy(jobs, self.seen.get, self.is_over, now=self.clock(), grace=self.settings.grace)
        ends = [(job, Ending(cause, message)) for job, cause, message in plan.end]
        for job in jobs:
            if job.state is State.HELD and job.id not in plan.remove:
                ends.append((job, held(job.ad)))
                plan.remove[job.id] = "held jobs are replaced"
            elif job.state is State.IDLE and job.id not in plan.remove and (why := self._out_of_place(job)):
                ends.append((job, Ending(Cause.SUPERSEDED, why)))
                plan.remove[job.id] = why
        self.note([self._ended(job.branch, job.attempt, ending) for job, ending in ends])
        self._fetch(plan)
        if plan.remove:
            self.note([{"event": "removed", "jobs": plan.remove}])
            self.pool.remove(list(plan.remove), "; ".join(sorted(set(plan.remove.values()))))

    def _out_of_place(self, job: Job) -> str:
        """Why a job that waits should not: it asks for what nobody wants any more; empty if it should."""
        if self.stopping:
            return "too many branches failed"
        attempt = self.ledger.find(job.branch, job.attempt)
        wanted = grown(self.ledger.learned(job.branch), self.settings.resources, self.settings.policy)
        if attempt is not None and attempt.resources is not None and attempt.resources != wanted:
            return f"it asked for {attempt.resources}, wanted is {wanted}"
        return ""

    def is_over(self, job: Job) -> bool:
        """Whether the end of this job's attempt is on record, or another job has its number."""
        attempt = self.ledger.find(job.branch, job.attempt)
        return attempt is not None and (attempt.ending is not None or attempt.job not in {"", job.id})

    def _fetch(self, plan: Plan) -> None:
        """Completed jobs wait in the queue for their spooled output: fetch it, record their end, then let them go."""
        for job in plan.fetch:
            if self.is_over(job) or self._take_completed(job):
                plan.remove[job.id] = "its attempt is over"

    def _take_completed(self, job: Job) -> bool:
        """Fetch what a completed job left and record its end; False: look again."""
        problem = ""
        try:
            self.pool.retrieve([job.id])
        except PoolError as error:
            problem = str(error)
            log.warning("%s, branch %d: %s", self.settings.label, job.branch, error)
        looks = self.fetches[job.id] = self.fetches.get(job.id, 0) + 1
        settled = self._settled(job.branch, job.attempt)
        attempt = self.ledger.find(job.branch, job.attempt)
        ending = self._ending_by_report(attempt) if attempt else None
        # a job that ended well may have made a product that this machine does not see yet
        if ending is None and (looks < FETCHES if problem else job.ad.get("ExitCode") == 0 and not settled):
            return False
        other = Ending(Cause.TRANSFER, problem) if problem else left(job.ad, self.settings.bootstrap)
        self.note([self._ended(job.branch, job.attempt, ending or other)])
        return True

    def _ended(self, branch: int, number: int, ending: Ending) -> dict[str, Any]:
        if ending.cause is not Cause.DONE:
            log.info(
                "%s, branch %d, attempt %d: %s: %s", self.settings.label, branch, number, ending.cause, ending.message
            )
        return {"event": "ended", "branch": branch, "attempt": number, **ending.plain()}

    # ------------------------------------------------------------------ how attempts ended

    def take_ends(self, jobs: Sequence[Job]) -> None:
        """Find out what became of attempts whose job is not in the queue any more."""
        there = {(job.branch, job.attempt) for job in jobs}
        gone = [a for a in self.ledger.living() if (a.branch, a.number) not in there]
        fetched = {(job.branch, job.attempt) for job in jobs if job.state is State.COMPLETED}
        self.missing = {key: n for key, n in self.missing.items() if key not in there or key in fetched}
        open_ends: list[Attempt] = []
        events: list[Mapping[str, Any]] = []
        for attempt in gone:
            ending = self._ending_by_report(attempt)
            if ending is None:
                open_ends.append(attempt)
            else:
                events.append(self._ended(attempt.branch, attempt.number, ending))
        self.note(events)
        if open_ends:
            self._ask_history(open_ends)

    def _ending_by_report(self, attempt: Attempt) -> Ending | None:
        """The ending of an attempt as far as products and the job's own report tell."""
        report = self.work.report(attempt.branch, attempt.number)
        if attempt.branch not in self.seen and report and report["cause"] == Cause.DONE:
            problem = self.work.receive(attempt.branch, attempt.number)
            self.look_at_products()
            if problem:
                return Ending(Cause.NO_OUTPUT, problem)
        usage: dict[str, Any] = {name: (report or {}).get(name) for name in ("memory_mb", "runtime_s")}
        usage["host"] = (report or {}).get("host", "")
        if attempt.branch in self.seen:
            return Ending(Cause.DONE, **usage)
        if report and report["cause"] != Cause.DONE:
            return Ending(Cause(report["cause"]), report["message"], report["code"], **usage)
        return None

    def _settled(self, branch: int, number: int) -> bool:
        """Count a look that found nothing; whether it was looked often and long enough to believe that."""
        looks, since = self.missing.get((branch, number), (0, self.clock()))
        self.missing[branch, number] = (looks + 1, since)
        return looks + 1 >= LOOKS and self.clock() - since >= self.settings.settle

    def _ask_history(self, attempts: Sequence[Attempt]) -> None:
        since = min(attempt.submitted for attempt in attempts)
        settled = {(a.branch, a.number) for a in attempts if self._settled(a.branch, a.number)}
        known = self.pool.history(self.settings.workflow, {a.submission for a in attempts}, since)
        if lost := [a for a in attempts if (a.branch, a.number) in settled - set(known)]:
            known |= self.pool.history(self.settings.workflow, {a.submission for a in lost}, None)
        for attempt in attempts:
            key = (attempt.branch, attempt.number)
            ad = known.get(key)
            # a job that ended well may have made a product that this machine does not see yet
            if ad is not None and (key in settled or ad.get("ExitCode") != 0):
                self.end(attempt.branch, attempt.number, ad)
            elif key in settled:
                cause = Cause.VANISHED if attempt.job else Cause.NOT_SUBMITTED
                ending = Ending(cause, "neither in the queue nor in the history")
                self.note([self._ended(attempt.branch, attempt.number, ending)])

    def end(self, branch: int, number: int, ad: Mapping[str, Any]) -> None:
        """Record the end of an attempt by the attributes its job had at its end."""
        attempt = self.ledger.find(branch, number)
        ending = (self._ending_by_report(attempt) if attempt else None) or left(ad, self.settings.bootstrap)
        self.note([self._ended(branch, number, ending)])

    # ------------------------------------------------------------------ submitting

    def submit(self, alive: set[int]) -> list[int]:
        """Submit the branches that need it and may be submitted now.

        Args:
            alive: branches with a job in the queue.

        Returns:
            The branches that were submitted.
        """
        unsettled = {attempt.branch for attempt in self.ledger.living()}
        wanted: list[tuple[int, Resources]] = []
        for branch in self.settings.branches:
            if branch in self.seen or branch in alive or branch in unsettled:
                continue
            verdict = next_attempt(
                self.ledger.past(branch), self.ledger.learned(branch), self.settings.resources, self.settings.policy
            )
            if isinstance(verdict, GiveUp):
                self._give_up(branch, verdict)
            elif isinstance(verdict, Again) and verdict.is_due(self.clock()):
                wanted.append((branch, verdict.resources))
        if exceeded(len(self.given_up), len(self.settings.branches), self.settings.tolerance):
            self._stop()
        if self.stopping:
            return []
        count = within_limits(len(wanted), len(alive | unsettled), self.settings.limits)
        chunk = self.settings.submission_limit or count
        for start in range(0, count, chunk or 1):
            self._submit_chunk(wanted[start : min(start + chunk, count)])
        return [branch for branch, _ in wanted[:count]]

    def _give_up(self, branch: int, verdict: GiveUp) -> None:
        if branch not in self.given_up:
            self.given_up[branch] = verdict
            log.error("%s, branch %d failed for good: %s", self.settings.label, branch, verdict.message)

    def _stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            log.error(
                "%s: failed for good: %d, more than is tolerated: nothing more is submitted, jobs that run are waited for",
                self.settings.label, len(self.given_up),
            )  # fmt: skip

    def _submit_chunk(self, wanted: Sequence[tuple[int, Resources]]) -> None:
        name = uuid.uuid4().hex[:12]
        different = list(dict.fromkeys(resources for _, resources in wanted))
        entries = [[b, self.ledger.next_number(b), different.index(r)] for b, r in wanted]
        intended = {
            "event": "intended",
            "submission": name,
            "attempts": entries,
            "resources": [r.plain() for r in different],
        }
        self.note([intended])
        attempts = [a for b, number, _ in entries if (a := self.ledger.find(b, number))]
        text, items = self.work.submission(name, attempts)
        jobs = self._submit(text, items)
        known = [[a.branch, a.number, job] for a, job in zip(attempts, jobs, strict=True)]
        self.note([{"event": "submitted", "submission": name, "jobs": known}])

    def _submit(self, text: str, items: Sequence[Mapping[str, str]]) -> list[str]:
        """Submit; what is refused again and again, by a scheduler that answers, will always be."""
        try:
            jobs = self.pool.submit(text, items)
        except PoolError as error:
            self.refusals += 1
            self.refused_since = self.clock() if self.refusals == 1 else self.refused_since
            if self.refusals >= MAX_REFUSALS and self.clock() - self.refused_since >= REFUSED_FOR:
                raise BatchError(f"{self.settings.label}: {error} (refused {self.refusals} times)") from error
            raise
        self.refusals = 0
        return jobs

    def tell(self, jobs: Sequence[Job], submitted: Sequence[int]) -> None:
        """Say how far it is, if that changed, and keep it on disk for ``law run Status``."""
        states = {job.branch: job.state for job in jobs} | dict.fromkeys(submitted, State.IDLE)
        states = {branch: state for branch, state in states.items() if branch not in self.seen}
        self.snapshot.write(self.clock(), states, self.given_up)
        self.teller.tell(states, self.seen, self.given_up, [job.id for job in jobs])

    def forgive(self) -> None:
        """Failures up to here count no more (``--retry-failed``)."""
        failed = [branch for branch in self.settings.branches if self.ledger.past(branch)]
        self.note([{"event": "forgiven", "branches": failed}] if failed else [])
