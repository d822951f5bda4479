"""The ledger: what the lines of a journal add up to."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.batch.causes import Answer, Cause
from taumltools.batch.journal import Journal, read_events
from taumltools.batch.ledger import EVENTS, Attempt, Ending, Ledger
from taumltools.batch.resources import Resources
from taumltools.errors import InputError

SMALL, LARGE = Resources(1.0, 1000), Resources(2.0, 3000, cpus=2, gpus=1, requirements="x")

STORY = [
    {"event": "opened", "time": 1.0, "task": "Training", "command": "law run Training", "branches": [0, 1, 2]},
    {
        "event": "intended", "time": 2.0, "submission": "s1", "attempts": [[0, 1, 0], [1, 1, 1], [2, 1, 0]],
        "resources": [SMALL.plain(), LARGE.plain()],
    },
    {"event": "submitted", "time": 3.0, "submission": "s1", "jobs": [[0, 1, "7.0"], [1, 1, "7.1"]]},
    {"event": "ended", "time": 9.0, "branch": 0, "attempt": 1, "cause": "done", "memory_mb": 800.0, "runtime_s": 5.0},
    {"event": "product", "time": 9.0, "branch": 0, "bytes": 12, "mtime_ns": 34},
    {"event": "ended", "time": 10.0, "branch": 1, "attempt": 1, "cause": "out of memory", "message": "m", "code": -9, "host": "h"},
    {"event": "adopted", "time": 11.0, "branch": 2, "attempt": 1, "submission": "s1", "job": "7.2"},
    {"event": "removed", "time": 11.5, "jobs": {"7.9": "another job does the same"}},
    {"event": "adopted", "time": 12.0, "branch": 1, "attempt": 4, "submission": "lost", "job": "8.0"},
    {"event": "ended", "time": 13.0, "branch": 1, "attempt": 4, "cause": "exception in the task"},
    {"event": "forgiven", "time": 14.0, "branches": [1]},
    {"event": "closed", "time": 15.0},
]  # fmt: skip


def test_story():
    ledger = Ledger.replay(STORY)
    assert ledger.header == {"time": 1.0, "task": "Training", "command": "law run Training", "branches": [0, 1, 2]}
    assert [(a.branch, a.number, a.job) for a in ledger.all()] == [
        (0, 1, "7.0"),
        (1, 1, "7.1"),
        (1, 4, "8.0"),
        (2, 1, "7.2"),
    ]
    assert ledger.find(0, 1) == Attempt(
        0, 1, "s1", SMALL, 2.0, "7.0", 9.0, Ending(Cause.DONE, memory_mb=800.0, runtime_s=5.0), rank=1
    )
    assert [a.rank for a in ledger.all()] == [1, 2, 3, 0]
    assert ledger.find(1, 1).ending == Ending(Cause.MEMORY, "m", -9, host="h")
    assert ledger.find(1, 1).resources == LARGE
    assert ledger.find(1, 4).resources is None
    assert ledger.find(1, 2) is None
    assert ledger.find(99, 1) is None
    assert ledger.products == {0: (12, 34)}
    assert [(a.branch, a.number) for a in ledger.living()] == [(2, 1)]


def test_every_event_is_in_the_story():
    assert {event["event"] for event in STORY} == set(EVENTS)


def test_empty_ledger():
    ledger = Ledger.replay([])
    assert (ledger.all(), ledger.living(), ledger.past(0), ledger.learned(0), ledger.next_number(0)) == (
        [],
        [],
        [],
        [],
        1,
    )


@pytest.mark.parametrize("cut", range(len(STORY) + 1))
def test_replay_is_taking_in_one_by_one(cut):
    ledger = Ledger.replay(STORY[:cut])
    for event in STORY[cut:]:
        ledger.apply(event)
    assert ledger == Ledger.replay(STORY)


def test_story_survives_the_disk(tmp_path):
    Journal(tmp_path / "j").write_all(STORY)
    assert Ledger.replay(read_events(tmp_path / "j")) == Ledger.replay(STORY)


def test_replaying_does_not_change_the_events():
    before = json.dumps(STORY)
    Ledger.replay(STORY)
    assert json.dumps(STORY) == before


# ---------------------------------------------------------------------- numbers


def intended(branch, *numbers):
    entries = [[branch, number, 0] for number in numbers]
    return {"event": "intended", "time": 1.0, "submission": "s", "attempts": entries, "resources": [SMALL.plain()]}


def ended(branch, number, cause=Cause.TASK):
    return {"event": "ended", "time": 2.0, "branch": branch, "attempt": number, "cause": str(cause)}


def adopted(branch, number):
    return {"event": "adopted", "time": 1.0, "branch": branch, "attempt": number, "submission": "s", "job": "1.0"}


steps = st.lists(
    st.one_of(
        st.just("intend"),
        st.just("forgive"),
        st.tuples(st.just("end"), st.integers(1, 30), st.sampled_from(Cause)),
        st.tuples(st.just("adopt"), st.integers(1, 30)),
    ),
    max_size=30,
)


@given(steps)
@settings(deadline=None)
def test_numbers_are_never_given_twice(steps):
    """Whatever happens in between, each attempt has its own number, the budget only counts what ended."""
    ledger, given_out = Ledger(), []
    for step in steps:
        if step == "intend":
            number = ledger.next_number(3)
            assert number not in given_out
            given_out.append(number)
            ledger.apply(intended(3, number))
        elif step == "forgive":
            ledger.apply({"event": "forgiven", "branches": [3]})
            assert ledger.past(3) == []
        elif step[0] == "end":
            ledger.apply(ended(3, step[1], step[2]))
        else:
            ledger.apply(adopted(3, step[1]))
            given_out.append(step[1])
        numbers = [attempt.number for attempt in ledger.attempts.get(3, [])]
        assert numbers == sorted(set(numbers)) == sorted(set(given_out))
        assert all(n < ledger.next_number(3) for n in numbers)
        assert set(map(id, ledger.past(3))) <= set(map(id, ledger.learned(3)))
        assert len(ledger.learned(3)) + len(ledger.living()) == len(numbers)


def test_numbers_are_of_one_branch():
    ledger = Ledger.replay([intended(0, 1, 2), intended(1, 1)])
    assert (ledger.next_number(0), ledger.next_number(1), ledger.next_number(2)) == (3, 2, 1)


def test_adopting_a_known_job_makes_no_new_attempt():
    ledger = Ledger.replay([intended(0, 1), adopted(0, 1), adopted(0, 1)])
    assert len(ledger.all()) == 1
    assert ledger.find(0, 1).resources == SMALL


def test_adopted_attempts_are_put_in_order():
    ledger = Ledger.replay([intended(0, 3), adopted(0, 1), adopted(0, 2)])
    assert [a.number for a in ledger.attempts[0]] == [1, 2, 3]


# ---------------------------------------------------------------------- what counts


@pytest.mark.parametrize("cause", [Cause.DONE, Cause.SUPERSEDED])
def test_what_was_nobodys_fault_does_not_count(cause):
    ledger = Ledger.replay([intended(0, 1, 2), ended(0, 1, cause), ended(0, 2)])
    assert [a.number for a in ledger.past(0)] == [2]
    assert [a.number for a in ledger.learned(0)] == [1, 2]


def test_forgiven_failures_do_not_count_and_later_ones_do():
    ledger = Ledger.replay([intended(0, 1, 2), ended(0, 1), {"event": "forgiven", "branches": [0, 7]}, ended(0, 2)])
    assert ledger.past(0) == []  # the second was under way when failures were forgiven
    for event in (intended(0, 3), ended(0, 3)):
        ledger.apply(event)
    assert [a.number for a in ledger.past(0)] == [3]
    assert [a.number for a in ledger.learned(0)] == [1, 2, 3]
    assert ledger.forgiven == {0: 2, 7: 0}


def test_forgiveness_before_the_first_attempt_forgives_nothing():
    ledger = Ledger.replay([{"event": "forgiven", "branches": [0]}, intended(0, 1), ended(0, 1)])
    assert len(ledger.past(0)) == 1


def test_the_last_word_on_an_attempt_counts():
    ledger = Ledger.replay([intended(0, 1), ended(0, 1, Cause.VANISHED), ended(0, 1, Cause.DONE)])
    assert ledger.find(0, 1).ending.cause is Cause.DONE


def test_answer_of_an_attempt():
    assert Attempt(0, 1, "s", None, 0.0).answer is Answer.NONE
    assert Attempt(0, 1, "s", None, 0.0, ending=Ending(Cause.MEMORY)).answer is Answer.MORE_MEMORY


@pytest.mark.parametrize("event", [ended(5, 1), {"event": "submitted", "jobs": [[5, 1, "1.0"]]}])
def test_what_is_said_of_unknown_attempts_is_left_aside(event):
    assert Ledger.replay([event]).all() == []


@pytest.mark.parametrize(
    ("ending", "plain"),
    [
        (Ending(Cause.DONE), {"cause": "done"}),
        (Ending(Cause.NO_OUTPUT, code=0), {"cause": "no valid output", "code": 0}),
        (Ending(Cause.TASK, "m", 1, 2.0, 3.0, "h"), {"cause": "exception in the task", "message": "m", "code": 1, "memory_mb": 2.0, "runtime_s": 3.0, "host": "h"}),
    ],
)  # fmt: skip
def test_endings_come_back_from_json(ending, plain):
    assert ending.plain() == plain
    event = ended(0, 1) | json.loads(json.dumps(ending.plain()))
    assert Ledger.replay([intended(0, 1), event]).find(0, 1).ending == ending


# ---------------------------------------------------------------------- wrong journals


def test_unknown_event_is_named():
    with pytest.raises(InputError, match=r"unknown event 'teleported' in a journal: was it written by a newer version"):
        Ledger.replay([{"event": "teleported"}])


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"event": "ended", "branch": 0, "attempt": 1, "cause": "bad luck", "time": 1.0}, "bad luck"),
        ({"event": "ended", "attempt": 1, "cause": "done", "time": 1.0}, "KeyError: 'branch'"),
        ({"event": "intended", "submission": "s", "time": 1.0, "attempts": [[0, 2, 3]], "resources": []}, "IndexError"),
        (
            {"event": "intended", "submission": "s", "time": 1.0, "attempts": [[0, 2, 0]], "resources": [{"ram": 1}]},
            "ram",
        ),
        ({"event": "intended", "submission": "s", "time": 1.0, "attempts": 3, "resources": []}, "TypeError"),
        ({"event": "product", "branch": 0}, "bytes"),
    ],
)
def test_event_that_lacks_something_is_named(event, found):
    with pytest.raises(InputError, match=f"event '{event['event']}' of a journal cannot be used.*{found}"):
        Ledger.replay([intended(0, 1), event])


@pytest.mark.parametrize("event", [{}, {"time": 1.0}, {"event": None}, {"event": ["x"]}])
def test_line_without_an_event_is_an_input_error(event):
    with pytest.raises(InputError, match="unknown event"):
        Ledger.replay([event])
