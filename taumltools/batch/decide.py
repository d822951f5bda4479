"""What to do next: pure functions from what is known to what should happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from taumltools.batch.causes import ADVICE, Answer, Cause
from taumltools.batch.ledger import Attempt
from taumltools.batch.resources import Resources
from taumltools.batch.states import Job, State
from taumltools.config.batch import RetryConfig

MAX_DELAY_FACTOR = 100
"""Repetitions after transient failures wait at most this many times the first delay."""


@dataclass(frozen=True)
class Policy:
    """How failures are answered here: the campaign's settings with the site's limits.

    Attributes:
        retry: how often, and how much more.
        memory_cap: most MB that is asked for after a lack of memory.
        runtime_cap: most hours that are asked for after a lack of time.
        retry_delay: seconds before the first repetition after a transient failure.
    """

    retry: RetryConfig
    memory_cap: int
    runtime_cap: float
    retry_delay: float


@dataclass(frozen=True)
class Again:
    """Submit the branch.

    Attributes:
        resources: what to ask for.
        not_before: not before this time, in seconds since 1970.
        delay: how long that is after the failure, in seconds.
    """

    resources: Resources
    not_before: float = 0.0
    delay: float = 0.0

    def is_due(self, now: float) -> bool:
        """Whether it is time; a clock that was set back makes nobody wait for longer than the delay.

        Args:
            now: seconds since 1970.
        """
        return not 0 < self.not_before - now <= self.delay


@dataclass(frozen=True)
class GiveUp:
    """The branch has failed for good; the message says why and what a person can do."""

    cause: Cause
    message: str


def more_memory(resources: Resources, measured: float | None, policy: Policy) -> Resources:
    """Resources after an attempt that ran out of memory.

    Args:
        resources: what it asked for.
        measured: the memory that was seen in use, in MB; None if unknown.
        policy: factor and cap.

    Returns:
        The same with min(cap, max(factor x measured, factor x requested)) of memory, and never
        less than was requested.
    """
    factor = policy.retry.memory_factor
    wanted = max(factor * (measured or 0.0), factor * resources.max_memory)
    return resources.with_(max_memory=max(resources.max_memory, min(policy.memory_cap, round(wanted))))


def more_time(resources: Resources, policy: Policy) -> Resources:
    """Resources after an attempt that ran out of time: longer, up to the cap."""
    wanted = min(policy.runtime_cap, policy.retry.runtime_factor * resources.max_runtime)
    return resources.with_(max_runtime=max(resources.max_runtime, wanted))


def grown(learned: Sequence[Attempt], base: Resources, policy: Policy) -> Resources:
    """What a branch needs, after all that its attempts have shown.

    Args:
        learned: its ended attempts.
        base: what is asked for without experience.
        policy: factors and caps.

    Returns:
        The base with as much more memory and time as the last lack of each asks for.
    """
    resources = base
    for attempt in learned:
        asked = attempt.resources or base
        if attempt.answer is Answer.MORE_MEMORY:
            need = more_memory(asked, attempt.ending.memory_mb if attempt.ending else None, policy).max_memory
            resources = resources.with_(max_memory=max(resources.max_memory, need))
        elif attempt.answer is Answer.MORE_TIME and policy.retry.over_runtime == "longer":
            resources = resources.with_(max_runtime=max(resources.max_runtime, more_time(asked, policy).max_runtime))
    return resources


def next_attempt(
    past: Sequence[Attempt], learned: Sequence[Attempt], base: Resources, policy: Policy
) -> Again | GiveUp:
    """What follows for a branch without product and without a job.

    Args:
        past: its ended attempts that count (since failures were last forgiven).
        learned: all its ended attempts.
        base: what is asked for without experience.
        policy: how failures are answered.

    Returns:
        The next attempt, or that there is none.
    """
    resources = grown(learned, base, policy)
    if not past:
        return Again(resources)
    last = past[-1]
    counts = {answer: sum(a.answer is answer for a in past) for answer in Answer}
    asked = last.resources or base
    if last.answer is Answer.MEND and counts[Answer.MEND] > policy.retry.retries:
        return _give_up(last, f"{counts[Answer.MEND]} attempts")
    if last.answer is Answer.AGAIN and counts[Answer.AGAIN] > policy.retry.transient_retries:
        return _give_up(last, f"{counts[Answer.AGAIN]} attempts")
    if last.answer is Answer.MORE_MEMORY and resources.max_memory <= asked.max_memory:
        return _give_up(last, f"asked for {asked.max_memory} MB, the cap is {policy.memory_cap} MB")
    if last.answer is Answer.MORE_TIME:
        if policy.retry.over_runtime == "stop":
            return _give_up(last, f"asked for {asked.max_runtime:.3g} h, and over_runtime is 'stop'")
        if resources.max_runtime <= asked.max_runtime:
            return _give_up(last, f"asked for {asked.max_runtime:.3g} h, the cap is {policy.runtime_cap:.3g} h")
    delay = 0.0
    if last.answer is Answer.AGAIN:
        delay = policy.retry_delay * min(MAX_DELAY_FACTOR, 2 ** (counts[Answer.AGAIN] - 1))
    return Again(resources, (last.ended or 0.0) + delay, delay)


def _give_up(last: Attempt, why: str) -> GiveUp:
    if last.ending is None:
        raise ValueError(f"attempt {last.number} at branch {last.branch} has not ended")
    cause = last.ending.cause
    return GiveUp(cause, f"{cause} ({why}): {last.ending.message}; {ADVICE[cause]}")


def best_of(jobs: Sequence[Job]) -> Job:
    """The job to keep of several that do the same: one that runs, then the oldest attempt."""
    order = {State.COMPLETED: 0, State.RUNNING: 1, State.IDLE: 2, State.HELD: 3, State.LEAVING: 4}
    return min(jobs, key=lambda job: (order[job.state], job.attempt, tuple(map(int, job.id.split(".")))))


@dataclass
class Plan:
    """What should happen after one look at the queue.

    Attributes:
        remove: jobs to take out of the queue, and why.
        end: attempts that ended.
        fetch: completed jobs that wait in the queue until their output is fetched.
    """

    remove: dict[str, str] = field(default_factory=dict)
    end: list[tuple[Job, Cause, str]] = field(default_factory=list)
    fetch: list[Job] = field(default_factory=list)


def tidy(
    jobs: Sequence[Job],
    done: Callable[[int], float | None],
    ended: Callable[[Job], bool],
    *,
    now: float,
    grace: float,
) -> Plan:
    """Which jobs of the queue are superfluous.

    Args:
        jobs: all jobs of the workflow.
        done: when the product of a branch was first seen, None if it is not there.
        ended: whether an attempt's end is already on record.
        now: time, in the same clock as ``done``.
        grace: seconds that a job whose product is there may take to come to its end.

    Returns:
        What to remove and which attempts end by it.  Held jobs are not judged here.
    """
    plan = Plan()
    by_branch: dict[int, list[Job]] = {}
    for job in jobs:
        if job.state is State.COMPLETED:
            plan.fetch.append(job)
        elif job.state is not State.LEAVING:
            by_branch.setdefault(job.branch, []).append(job)
    for branch, alive in sorted(by_branch.items()):
        seen = done(branch)
        for job in alive:
            if ended(job):
                plan.remove[job.id] = "its attempt is over"
            elif seen is not None and (job.state is not State.RUNNING or now - seen > grace):
                plan.remove[job.id] = "the product is there"
                plan.end.append((job, Cause.SUPERSEDED, "the product was there before the job ended"))
        rest = [job for job in alive if job.id not in plan.remove]
        for job in rest:
            if len(rest) > 1 and job is not best_of(rest):
                plan.remove[job.id] = "another job does the same"
                plan.end.append((job, Cause.SUPERSEDED, "another job did the same"))
    return plan


def within_limits(wanted: int, in_queue: int, limits: Sequence[int]) -> int:
    """How many of the wanted jobs may be submitted now.

    Args:
        wanted: how many there are to submit.
        in_queue: how many are in the queue.
        limits: most jobs in the queue at a time; 0 is no limit.

    Examples:
        >>> within_limits(30, 45, [50, 0])
        5
    """
    return max(0, min([wanted, *(limit - in_queue for limit in limits if limit > 0)]))


def exceeded(failed: int, branches: int, tolerance: float) -> bool:
    """Whether more branches failed for good than is tolerated.

    Args:
        failed: how many failed for good.
        branches: how many there are.
        tolerance: a number of branches from 1 up, or a fraction of them below 1.
    """
    return failed > (tolerance if tolerance >= 1 else tolerance * branches)


def group_by_cause(given_up: Mapping[int, GiveUp]) -> dict[Cause, list[int]]:
    """Branches that failed for good, by cause; the most frequent cause first."""
    groups: dict[Cause, list[int]] = {}
    for branch, verdict in sorted(given_up.items()):
        groups.setdefault(verdict.cause, []).append(branch)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))
