"""What people read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.batch.causes import Cause
from taumltools.batch.decide import GiveUp
from taumltools.batch.ledger import Attempt, Ledger
from taumltools.batch.messages import TAIL_LINES, branch_list, failure_message, progress_line, tail
from taumltools.batch.states import State

# ---------------------------------------------------------------------- logs


def test_end_of_a_log(tmp_path):
    path = tmp_path / "log"
    path.write_text("".join(f"line {n}\n\n  \n" for n in range(100)))
    assert tail(path) == [f"line {n}" for n in range(100 - TAIL_LINES, 100)]
    assert tail(path, 2) == ["line 98", "line 99"]


def test_short_and_empty_logs(tmp_path):
    (tmp_path / "log").write_text("only")
    assert tail(tmp_path / "log") == ["only"]
    (tmp_path / "log").write_text("")
    assert tail(tmp_path / "log") == []


def test_no_log_has_no_end(tmp_path):
    assert tail(tmp_path / "none" / "log") == []
    assert tail(tmp_path) == []


def test_only_the_end_of_a_large_log_is_read(tmp_path):
    path = tmp_path / "log"
    path.write_text("x" * 1_000_000 + "\nlast\n")
    assert tail(path, at_most=100) == ["x" * 94, "last"]


def test_any_bytes_can_be_shown(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe bad\n\x00\n10%\r50%\r100%\nend \xe2\x86\n")
    assert tail(path)[-4:] == ["10%", "50%", "100%", "end �"]


# ---------------------------------------------------------------------- branches


@pytest.mark.parametrize(
    ("branches", "text"),
    [
        ([], ""),
        ([4], "4"),
        ([4, 5], "4-5"),
        ([7, 1, 2, 3, 0], "0-3, 7"),
        ({9, 7}, "7, 9"),
        (range(0, 20, 2), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18"),
        (range(0, 22, 2), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, ... (11 in all)"),
        (range(5000), "0-4999"),
    ],
)
def test_lists_of_branches(branches, text):
    assert branch_list(branches) == text


@given(st.sets(st.integers(0, 60)))
@settings(deadline=None)
def test_lists_of_branches_are_complete(branches):
    read = set()
    for word in filter(None, branch_list(branches, at_most=1000).split(", ")):
        first, _, last = word.partition("-")
        read |= set(range(int(first), int(last or first) + 1))
    assert read == branches


# ---------------------------------------------------------------------- progress


def test_progress():
    states = dict.fromkeys(range(3, 15), State.RUNNING) | dict.fromkeys(range(15, 20), State.IDLE)
    line = progress_line("Training v1", range(30), {0, 1, 2}, states, ())
    assert line == "Training v1: 3 of 30 done, 5 idle, 12 running, 10 to submit"


@pytest.mark.parametrize(
    ("done", "states", "given_up", "text"),
    [
        ((), {}, (), "0 of 3 done, 3 to submit"),
        ((0, 1, 2), {}, (), "3 of 3 done"),
        ((0,), {1: State.HELD}, (2,), "1 of 3 done, 1 held, 1 failed"),
        ((0, 1, 99), {2: State.LEAVING, 98: State.IDLE}, (97,), "2 of 3 done, 1 leaving"),
        ((), {0: State.COMPLETED}, (1, 2), "0 of 3 done, 1 completed, 2 failed"),
    ],
)
def test_progress_counts_only_what_is_wanted(done, states, given_up, text):
    assert progress_line("X", range(3), done, states, given_up) == f"X: {text}"


@given(st.lists(st.sampled_from(["done", "failed", "open", *State]), min_size=1, max_size=30))
@settings(deadline=None)
def test_numbers_of_the_progress_add_up(fates):
    branches = range(len(fates))
    states = {b: fate for b, fate in enumerate(fates) if isinstance(fate, State)}
    done, failed = ([b for b in branches if fates[b] == word] for word in ("done", "failed"))
    _, _, text = progress_line("X", branches, done, states, failed).partition(": ")
    assert sum(int(part.split()[0]) for part in text.split(", ")) == len(fates)


# ---------------------------------------------------------------------- failures


def test_failures_are_told_by_cause_with_an_example_and_the_end_of_its_log(tmp_path):
    def log(branch: int, attempt: int) -> Path:
        return tmp_path / f"branch_{branch}_attempt_{attempt}.log"

    log(3, 2).write_text("Traceback\nValueError: too hot\n")
    ledger = Ledger(attempts={b: [Attempt(b, n, "s", None, 0.0) for n in (1, 2)] for b in (3, 4, 5)})
    given_up = {b: GiveUp(Cause.TASK, f"exception in the task (2 attempts): b{b}") for b in (3, 4, 5)}
    given_up |= {7: GiveUp(Cause.MEMORY, "out of memory")}
    text = failure_message("Training v1", given_up, ledger, log, {"command": "law run Training --workflow htcondor"})
    assert text.splitlines() == [
        "Training v1: 4 branches failed for good",
        "  exception in the task: branch 3-5",
        "    branch 3: exception in the task (2 attempts): b3",
        f"    log: {log(3, 2)}",
        "      Traceback",
        "      ValueError: too hot",
        "  out of memory: branch 7",
        "    branch 7: out of memory",
        "Mend the cause, then: law run Training --workflow htcondor --retry-failed",
    ]


def test_one_failure_without_a_log(tmp_path):
    ledger = Ledger(attempts={0: [Attempt(0, 1, "s", None, 0.0)]})
    text = failure_message("X", {0: GiveUp(Cause.NODE, "gone")}, ledger, lambda b, n: tmp_path / "none.log", {})
    assert text.splitlines()[0] == "X: 1 branch failed for good"
    assert f"log: {tmp_path / 'none.log'} (empty or missing)" in text
    assert text.endswith("Mend the cause, then: the same command --retry-failed")
