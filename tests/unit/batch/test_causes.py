"""Every cause has an answer, and every answer that can end a branch has advice."""

from __future__ import annotations

import json

import pytest

from taumltools.batch.causes import ADVICE, ANSWERS, Answer, Cause


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_an_answer(cause):
    assert isinstance(ANSWERS[cause], Answer)


@pytest.mark.parametrize("cause", Cause)
def test_advice_exists_just_where_a_branch_can_fail_for_good(cause):
    assert (cause in ADVICE) == (ANSWERS[cause] is not Answer.NONE)


@pytest.mark.parametrize("cause", [Cause.DONE, Cause.SUPERSEDED])
def test_only_endings_with_a_product_or_another_job_do_not_count(cause):
    assert {c for c in Cause if ANSWERS[c] is Answer.NONE} == {Cause.DONE, Cause.SUPERSEDED}
    assert ANSWERS[cause] is Answer.NONE


@pytest.mark.parametrize(
    ("cause", "answer"),
    [
        (Cause.MEMORY, Answer.MORE_MEMORY),
        (Cause.RUNTIME, Answer.MORE_TIME),
        (Cause.NODE, Answer.AGAIN),
        (Cause.DISK, Answer.AGAIN),
        (Cause.KILLED, Answer.AGAIN),
        (Cause.VANISHED, Answer.AGAIN),
        (Cause.HELD, Answer.AGAIN),
        (Cause.REMOVED, Answer.AGAIN),
        (Cause.BOOTSTRAP, Answer.AGAIN),
        (Cause.NOT_SUBMITTED, Answer.AGAIN),
        (Cause.TASK, Answer.MEND),
        (Cause.INPUT, Answer.MEND),
        (Cause.PROXY, Answer.MEND),
        (Cause.TRANSFER, Answer.MEND),
        (Cause.SUBMISSION, Answer.MEND),
        (Cause.NO_OUTPUT, Answer.MEND),
    ],
)
def test_answers(cause, answer):
    assert ANSWERS[cause] is answer


@pytest.mark.parametrize("cause", [c for c in Cause if ANSWERS[c] is Answer.MEND and c is not Cause.NO_OUTPUT])
def test_advice_on_what_somebody_has_to_mend_says_how_to_go_on(cause):
    assert "--retry-failed" in ADVICE[cause] or "hold reason" in ADVICE[cause]


@pytest.mark.parametrize("cause", Cause)
def test_causes_are_read_back_from_the_journal(cause):
    assert Cause(json.loads(json.dumps({"cause": str(cause)}))["cause"]) is cause


def test_values_are_words_and_differ():
    assert len({str(c) for c in Cause}) == len(Cause)
    assert all(str(c) == str(c).lower() for c in Cause)
