"""What follows from what: repetitions, resources, superfluous jobs."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.batch.causes import ADVICE, ANSWERS, Answer, Cause
from taumltools.batch.decide import (
    MAX_DELAY_FACTOR,
    Again,
    GiveUp,
    Policy,
    best_of,
    exceeded,
    group_by_cause,
    grown,
    more_memory,
    more_time,
    next_attempt,
    tidy,
    within_limits,
)
from taumltools.batch.ledger import Attempt, Ending, Ledger
from taumltools.batch.resources import Resources
from taumltools.batch.states import Job, State
from taumltools.config.batch import RetryConfig

BASE = Resources(max_runtime=2.0, max_memory=2000)
COUNTING = [cause for cause in Cause if ANSWERS[cause] is not Answer.NONE]


def policy(*, memory_cap=16000, runtime_cap=168.0, delay=30.0, **retry):
    return Policy(RetryConfig(**retry), memory_cap, runtime_cap, delay)


def attempt(number, cause, resources=BASE, memory=None, ended=1000.0):
    ending = None if cause is None else Ending(cause, f"message {number}", memory_mb=memory)
    return Attempt(5, number, "s", resources, 0.0, f"1.{number}", ended, ending)


def follow(past, policy, learned=None):
    return next_attempt(past, past if learned is None else learned, BASE, policy)


def ends(*causes):
    return [attempt(number, cause) for number, cause in enumerate(causes, start=1)]


# ---------------------------------------------------------------------- how much more


@pytest.mark.parametrize(
    ("asked", "measured", "cap", "wanted"),
    [
        (2000, None, 16000, 3000),
        (2000, 500.0, 16000, 3000),
        (2000, 4000.0, 16000, 6000),
        (2000, 2300.4, 16000, 3451),
        (12000, None, 16000, 16000),
        (16000, None, 16000, 16000),
        (20000, 30000.0, 16000, 20000),  # somebody asked for more than the cap: that stays
    ],
)
def test_memory_after_a_lack_of_it(asked, measured, cap, wanted):
    assert more_memory(BASE.with_(max_memory=asked), measured, policy(memory_cap=cap)).max_memory == wanted


@given(
    asked=st.integers(1, 100_000),
    measured=st.one_of(st.none(), st.floats(0, 200_000)),
    cap=st.integers(1, 100_000),
    factor=st.floats(1.01, 5),
)
@settings(deadline=None)
def test_memory_is_never_below_what_was_asked_nor_above_the_cap(asked, measured, cap, factor):
    resources = BASE.with_(max_memory=asked)
    found = more_memory(resources, measured, policy(memory_cap=cap, memory_factor=factor))
    assert asked <= found.max_memory <= max(cap, asked)
    assert found == resources.with_(max_memory=found.max_memory)  # nothing else changes
    if measured is not None:
        assert found.max_memory >= min(cap, math.floor(measured))


@given(
    asked=st.tuples(st.integers(1, 50_000), st.integers(1, 50_000)).map(sorted),
    measured=st.tuples(st.floats(0, 90_000), st.floats(0, 90_000)).map(sorted),
    cap=st.tuples(st.integers(1, 50_000), st.integers(1, 50_000)).map(sorted),
)
@settings(deadline=None)
def test_memory_grows_with_what_was_asked_what_was_measured_and_the_cap(asked, measured, cap):
    low, high = (
        more_memory(BASE.with_(max_memory=a), m, policy(memory_cap=c)).max_memory
        for a, m, c in zip(asked, measured, cap, strict=True)
    )
    assert low <= high


@pytest.mark.parametrize(("asked", "cap", "wanted"), [(2, 168, 4), (100, 168, 168), (168, 168, 168), (200, 168, 200)])
def test_time_after_a_lack_of_it(asked, cap, wanted):
    assert more_time(BASE.with_(max_runtime=asked), policy(runtime_cap=cap)).max_runtime == wanted


@given(asked=st.floats(0.001, 1000), cap=st.floats(0.1, 1000), factor=st.floats(1.01, 10))
@settings(deadline=None)
def test_time_is_never_below_what_was_asked_nor_above_the_cap(asked, cap, factor):
    found = more_time(BASE.with_(max_runtime=asked), policy(runtime_cap=cap, runtime_factor=factor))
    assert asked <= found.max_runtime <= max(cap, asked)
    assert found == BASE.with_(max_runtime=found.max_runtime)


def test_memory_and_time_are_learned_from_all_attempts():
    learned = [
        attempt(1, Cause.MEMORY),
        attempt(2, Cause.RUNTIME, BASE.with_(max_memory=3000)),
        attempt(3, Cause.TASK, BASE.with_(max_memory=3000, max_runtime=4)),
        attempt(4, Cause.DONE, BASE.with_(max_memory=9000, max_runtime=50)),
    ]
    assert grown(learned, BASE, policy()) == BASE.with_(max_memory=3000, max_runtime=4)


def test_an_attempt_with_little_memory_does_not_take_back_what_was_learned():
    learned = [
        attempt(1, Cause.MEMORY, BASE.with_(max_memory=6000)),
        attempt(2, Cause.MEMORY, BASE.with_(max_memory=1000)),
    ]
    assert grown(learned, BASE, policy()).max_memory == 9000


def test_more_that_is_asked_for_now_goes_before_what_was_learned():
    assert grown(ends(Cause.MEMORY), BASE.with_(max_memory=8000), policy()).max_memory == 8000


def test_a_job_found_in_the_queue_counts_as_having_asked_for_the_usual():
    adopted = attempt(1, Cause.MEMORY, None)
    assert grown([adopted], BASE, policy()).max_memory == 3000
    assert follow([adopted], policy()) == Again(BASE.with_(max_memory=3000), 1000.0)


def test_time_is_not_learned_where_the_answer_is_to_stop():
    assert grown(ends(Cause.RUNTIME), BASE, policy(over_runtime="stop")) == BASE


def test_living_attempts_teach_nothing():
    assert grown([attempt(1, None)], BASE, policy()) == BASE


# ---------------------------------------------------------------------- what follows


def test_a_new_branch_is_submitted_at_once():
    assert follow([], policy()) == Again(BASE, 0.0)


@pytest.mark.parametrize("cause", [c for c in COUNTING if ANSWERS[c] is Answer.MEND])
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_errors_that_somebody_must_mend_are_repeated_so_often(cause, retries):
    for failures in range(1, retries + 1):
        assert follow(ends(*[cause] * failures), policy(retries=retries)) == Again(BASE, 1000.0)
    verdict = follow(ends(*[cause] * (retries + 1)), policy(retries=retries))
    assert isinstance(verdict, GiveUp)
    assert verdict.cause is cause
    assert verdict.message == f"{cause} ({retries + 1} attempts): message {retries + 1}; {ADVICE[cause]}"


@pytest.mark.parametrize("cause", [c for c in COUNTING if ANSWERS[c] is Answer.AGAIN])
def test_errors_of_machines_are_repeated_more_often_and_ever_later(cause):
    few = policy(transient_retries=10, delay=30.0, retries=0)
    waits = [follow(ends(*[cause] * n), few).not_before - 1000.0 for n in range(1, 11)]
    assert waits == [30.0 * min(MAX_DELAY_FACTOR, 2**n) for n in range(10)]
    assert isinstance(follow(ends(*[cause] * 11), few), GiveUp)


def test_no_retries_do_not_end_a_branch_whose_machine_failed():
    assert isinstance(follow(ends(Cause.NODE), policy(retries=0)), Again)
    assert isinstance(follow(ends(Cause.NODE, Cause.TASK), policy(retries=0)), GiveUp)


def test_errors_of_machines_use_up_no_retries():
    mixed = ends(Cause.TASK, Cause.NODE, Cause.VANISHED, Cause.TASK, Cause.NODE)
    assert isinstance(follow(mixed, policy(retries=2)), Again)
    assert isinstance(follow([*mixed, attempt(6, Cause.TASK)], policy(retries=2)), GiveUp)


def test_lack_of_memory_is_answered_until_the_cap():
    past, asked = [], []
    for number in range(1, 30):
        verdict = follow(past, policy())
        if isinstance(verdict, GiveUp):
            break
        asked.append(verdict.resources.max_memory)
        past.append(attempt(number, Cause.MEMORY, verdict.resources))
    assert asked == [2000, 3000, 4500, 6750, 10125, 15188, 16000]
    assert "asked for 16000 MB, the cap is 16000 MB" in verdict.message
    assert "--max-memory" in verdict.message


def test_measured_memory_shortens_the_way():
    past = [attempt(1, Cause.MEMORY, BASE, memory=7000.0)]
    assert follow(past, policy()).resources.max_memory == 10500


def test_lack_of_time_is_answered_until_the_cap():
    past, asked = [], []
    for number in range(1, 30):
        verdict = follow(past, policy(runtime_cap=12))
        if isinstance(verdict, GiveUp):
            break
        asked.append(verdict.resources.max_runtime)
        past.append(attempt(number, Cause.RUNTIME, verdict.resources))
    assert asked == [2, 4, 8, 12]
    assert "the cap is 12 h" in verdict.message


def test_lack_of_time_can_stop_a_branch():
    verdict = follow(ends(Cause.RUNTIME), policy(over_runtime="stop"))
    assert isinstance(verdict, GiveUp)
    assert "over_runtime is 'stop'" in verdict.message
    assert "--max-runtime" in verdict.message


def test_after_lack_of_memory_there_is_no_waiting():
    assert follow(ends(Cause.NODE, Cause.MEMORY), policy(delay=500.0)).not_before == 1000.0


@given(
    causes=st.lists(st.sampled_from(COUNTING), min_size=1, max_size=12),
    measured=st.lists(st.one_of(st.none(), st.floats(0, 40_000)), min_size=1, max_size=5),
    retries=st.integers(0, 4),
    transient=st.integers(0, 6),
    factors=st.tuples(st.floats(1.1, 4), st.floats(1.1, 4)),
    caps=st.tuples(st.integers(500, 40_000), st.floats(0.5, 200)),
)
@settings(deadline=None, max_examples=200)
def test_every_branch_comes_to_an_end(causes, measured, retries, transient, factors, caps):
    """Whatever happens to it, a branch is given up after finitely many attempts, and asks for ever more."""
    limits = policy(
        memory_cap=caps[0], runtime_cap=caps[1], retries=retries, transient_retries=transient,
        memory_factor=factors[0], runtime_factor=factors[1],
    )  # fmt: skip
    steps = math.log(max(1.0, caps[0] / 2000), factors[0]) + math.log(max(1.0, caps[1] / 2), factors[1])
    bound = (retries + 1) + (transient + 1) + math.ceil(steps) + 4
    past, before = [], BASE
    for number, cause, used in zip(
        itertools.count(1), itertools.cycle(causes), itertools.cycle(measured), strict=False
    ):
        verdict = follow(past, limits)
        if isinstance(verdict, GiveUp):
            break
        now = verdict.resources
        assert before.max_memory <= now.max_memory <= max(caps[0], 2000)
        assert before.max_runtime <= now.max_runtime <= max(caps[1], 2.0)
        past.append(attempt(number, cause, now, used))
        before = now
        assert len(past) <= bound
    assert verdict.cause is past[-1].ending.cause
    assert follow(past, limits) == verdict  # and stays so


def events_of_failures(*causes, resources=BASE):
    for number, cause in enumerate(causes, start=1):
        yield {
            "event": "intended",
            "submission": "s",
            "time": 1.0,
            "attempts": [[5, number, 0]],
            "resources": [resources.plain()],
        }
        yield {"event": "ended", "branch": 5, "attempt": number, "cause": str(cause), "message": "m", "time": 2.0}


def test_forgiveness_gives_a_new_budget_and_keeps_what_was_learned():
    ledger = Ledger.replay(events_of_failures(Cause.MEMORY, Cause.TASK, Cause.TASK))
    limits = policy(retries=1)
    assert isinstance(next_attempt(ledger.past(5), ledger.learned(5), BASE, limits), GiveUp)
    ledger.apply({"event": "forgiven", "branches": [5]})
    again = next_attempt(ledger.past(5), ledger.learned(5), BASE, limits)
    assert again == Again(BASE.with_(max_memory=3000), 0.0)
    number = ledger.next_number(5)
    assert number == 4
    for more in (4, 5):
        assert isinstance(next_attempt(ledger.past(5), ledger.learned(5), BASE, limits), Again)
        ledger.apply(
            {
                "event": "intended",
                "submission": "s",
                "time": 3.0,
                "attempts": [[5, more, 0]],
                "resources": [BASE.plain()],
            }
        )
        ledger.apply({"event": "ended", "branch": 5, "attempt": more, "cause": "exception in the task", "time": 4.0})
    assert isinstance(next_attempt(ledger.past(5), ledger.learned(5), BASE, limits), GiveUp)


def test_superseded_attempts_use_up_nothing():
    ledger = Ledger.replay(events_of_failures(*[Cause.SUPERSEDED] * 9, Cause.TASK))
    assert isinstance(next_attempt(ledger.past(5), ledger.learned(5), BASE, policy(retries=1)), Again)


# ---------------------------------------------------------------------- superfluous jobs


def job(name, state, branch=0, number=1):
    return Job(name, branch, number, "s", state, {})


def plan(jobs, done=None, over=(), now=100.0, grace=20.0):
    return tidy(jobs, (done or {}).get, lambda j: j.id in over, now=now, grace=grace)


def test_one_job_of_each_branch_is_left_alone():
    found = plan([job("1.0", State.IDLE, 0), job("1.1", State.RUNNING, 1), job("1.2", State.HELD, 2)])
    assert (found.remove, found.end, found.fetch) == ({}, [], [])


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        ((State.IDLE, State.RUNNING), 1),
        ((State.RUNNING, State.IDLE), 0),
        ((State.RUNNING, State.RUNNING), 0),
        ((State.IDLE, State.IDLE), 0),
        ((State.HELD, State.IDLE), 1),
        ((State.HELD, State.RUNNING, State.RUNNING), 1),
        ((State.HELD, State.HELD), 0),
    ],
)
def test_of_twins_one_is_kept(states, kept):
    jobs = [job(f"1.{i}", state, 3, i + 1) for i, state in enumerate(states)]
    found = plan(jobs)
    assert set(found.remove) == {j.id for j in jobs} - {f"1.{kept}"}
    assert set(found.remove.values()) == {"another job does the same"}
    assert {(j.id, cause) for j, cause, _ in found.end} == {(name, Cause.SUPERSEDED) for name in found.remove}


def test_of_two_jobs_of_one_attempt_the_older_is_kept_by_number_not_by_text():
    found = plan([job("10.0", State.IDLE), job("9.0", State.IDLE)])
    assert list(found.remove) == ["10.0"]
    assert best_of([job("1.10", State.RUNNING), job("1.9", State.RUNNING)]).id == "1.9"


@pytest.mark.parametrize("state", [State.IDLE, State.HELD])
def test_a_job_that_does_not_run_goes_at_once_when_the_product_is_there(state):
    found = plan([job("1.0", state, 4)], done={4: 100.0})
    assert found.remove == {"1.0": "the product is there"}
    assert [(j.id, cause) for j, cause, _ in found.end] == [("1.0", Cause.SUPERSEDED)]


@pytest.mark.parametrize(("now", "goes"), [(100.0, False), (119.0, False), (120.0, False), (120.1, True)])
def test_a_running_job_may_come_to_its_end_when_the_product_is_there(now, goes):
    found = plan([job("1.0", State.RUNNING, 4)], done={4: 100.0}, now=now)
    assert bool(found.remove) == bool(found.end) == goes


def test_a_product_seen_at_time_zero_counts():
    assert plan([job("1.0", State.IDLE, 4)], done={4: 0.0}).remove


def test_a_job_whose_attempt_is_over_is_removed_again_without_a_second_end():
    found = plan([job("1.0", State.RUNNING, 4), job("2.0", State.IDLE, 4, 2)], over={"1.0"})
    assert found.remove == {"1.0": "its attempt is over"}
    assert found.end == []  # and its replacement is no twin


def test_both_twins_of_a_finished_branch_go():
    found = plan([job("1.0", State.RUNNING, 4), job("1.1", State.IDLE, 4, 2)], done={4: 0.0})
    assert set(found.remove) == {"1.0", "1.1"}
    assert len(found.end) == 2


def test_a_twin_in_its_grace_is_still_alone():
    found = plan([job("1.0", State.RUNNING, 4), job("1.1", State.RUNNING, 4, 2)], done={4: 95.0})
    assert found.remove == {"1.1": "another job does the same"}


@pytest.mark.parametrize("done", [{}, {0: 0.0}])
def test_leaving_jobs_are_ignored(done):
    found = plan([job("1.0", State.LEAVING), job("1.1", State.LEAVING, 0, 2)], done=done, over={"1.1"})
    assert (found.remove, found.end, found.fetch) == ({}, [], [])


def test_a_leaving_job_is_no_twin():
    assert plan([job("1.0", State.LEAVING), job("1.1", State.RUNNING, 0, 2)]).remove == {}


def test_completed_jobs_are_fetched_and_not_judged():
    completed = job("1.0", State.COMPLETED)
    found = plan([completed, job("1.1", State.IDLE, 0, 2)], done={1: 0.0})
    assert found.fetch == [completed]
    assert found.remove == {}


@given(
    st.lists(st.tuples(st.sampled_from(State), st.integers(0, 3), st.integers(1, 4)), max_size=12),
    st.dictionaries(st.integers(0, 3), st.floats(0, 100)),
    st.sets(st.integers(0, 11)),
)
@settings(deadline=None)
def test_after_tidying_at_most_one_job_of_each_branch_is_left(jobs, done, over):
    jobs = [job(f"1.{i}", state, branch, number) for i, (state, branch, number) in enumerate(jobs)]
    found = plan(jobs, done, {f"1.{i}" for i in over})
    kept = [j for j in jobs if j.id not in found.remove and j.state not in {State.LEAVING, State.COMPLETED}]
    assert len({j.branch for j in kept}) == len(kept)
    assert all(j.state is State.RUNNING for j in kept if j.branch in done)
    ended = [j.id for j, _, _ in found.end]
    assert len(set(ended)) == len(ended)
    assert set(ended) == {name for name, why in found.remove.items() if why != "its attempt is over"}
    for branch in {j.branch for j in jobs} - set(done):  # of an open branch nothing is lost
        fresh = [j for j in jobs if j.branch == branch and int(j.id[2:]) not in over]
        alive = [j for j in fresh if j.state not in {State.LEAVING, State.COMPLETED}]
        assert bool(alive) == any(j.branch == branch for j in kept)


# ---------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("wanted", "in_queue", "limits", "count"),
    [
        (30, 0, [], 30),
        (30, 45, [0, 0], 30),
        (30, 45, [50, 0], 5),
        (30, 45, [50, 47], 2),
        (3, 45, [50, 0], 3),
        (30, 60, [50], 0),
        (0, 0, [50], 0),
    ],
)
def test_jobs_in_the_queue_stay_within_the_limits(wanted, in_queue, limits, count):
    assert within_limits(wanted, in_queue, limits) == count


@given(st.integers(0, 1000), st.integers(0, 1000), st.lists(st.integers(0, 1000), max_size=3))
@settings(deadline=None)
def test_limits_hold(wanted, in_queue, limits):
    count = within_limits(wanted, in_queue, limits)
    assert 0 <= count <= wanted
    assert all(in_queue + count <= limit for limit in limits if limit and count)


@pytest.mark.parametrize(
    ("failed", "branches", "tolerance", "too_many"),
    [
        (0, 10, 0, False),
        (1, 10, 0, True),
        (1, 10, 0.1, False),
        (2, 10, 0.1, True),
        (1, 10, 1, False),
        (2, 10, 1.0, True),
        (3, 10, 2.0, True),
        (5, 10, 0.5, False),
        (6, 10, 0.5, True),
    ],
)
def test_tolerance_is_a_number_or_a_fraction(failed, branches, tolerance, too_many):
    assert exceeded(failed, branches, tolerance) is too_many


def test_branches_are_grouped_by_cause_the_most_frequent_first():
    given_up = {4: GiveUp(Cause.TASK, ""), 1: GiveUp(Cause.MEMORY, ""), 2: GiveUp(Cause.MEMORY, "")}
    assert list(group_by_cause(given_up).items()) == [(Cause.MEMORY, [1, 2]), (Cause.TASK, [4])]
    assert group_by_cause({}) == {}
