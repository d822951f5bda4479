"""Why an attempt ended, and which kind of answer that calls for."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why an attempt ended; the values are what people read."""

    DONE = "done"
    MEMORY = "out of memory"
    RUNTIME = "over runtime"
    NODE = "node or network"
    DISK = "disk full"
    KILLED = "killed by a signal"
    CRASHED = "crashed"
    REMOVED = "removed from the queue"
    HELD = "held"
    VANISHED = "vanished without a trace"
    TASK = "exception in the task"
    INPUT = "missing input"
    TRANSFER = "file transfer"
    PROXY = "proxy"
    SUBMISSION = "wrong submission"
    BOOTSTRAP = "bootstrap"
    SETUP = "wrong set-up of the worker"
    NO_OUTPUT = "no valid output"
    SUPERSEDED = "superseded"
    NOT_SUBMITTED = "not submitted"


class Answer(StrEnum):
    """The kinds of answer to an ending."""

    NONE = "none"
    """Nothing went wrong with the attempt; it does not count."""
    AGAIN = "again"
    """A machine or the network failed: the same again, after a while, many times."""
    MEND = "mend"
    """Somebody has to mend something: again a few times, then stop and say what."""
    MORE_MEMORY = "more memory"
    """Again with more memory."""
    MORE_TIME = "more time"
    """Again with more time, or stop, as configured."""


ANSWERS: dict[Cause, Answer] = {
    Cause.DONE: Answer.NONE,
    Cause.SUPERSEDED: Answer.NONE,
    Cause.MEMORY: Answer.MORE_MEMORY,
    Cause.RUNTIME: Answer.MORE_TIME,
    Cause.NODE: Answer.AGAIN,
    Cause.DISK: Answer.AGAIN,
    Cause.KILLED: Answer.AGAIN,
    Cause.REMOVED: Answer.AGAIN,
    Cause.HELD: Answer.AGAIN,
    Cause.VANISHED: Answer.AGAIN,
    Cause.NOT_SUBMITTED: Answer.AGAIN,
    Cause.BOOTSTRAP: Answer.AGAIN,
    Cause.CRASHED: Answer.MEND,
    Cause.SETUP: Answer.MEND,
    Cause.TASK: Answer.MEND,
    Cause.INPUT: Answer.MEND,
    Cause.TRANSFER: Answer.MEND,
    Cause.PROXY: Answer.MEND,
    Cause.SUBMISSION: Answer.MEND,
    Cause.NO_OUTPUT: Answer.MEND,
}
"""What each cause calls for.  A full disk and a bundle that cannot be unpacked are mostly those of one node; a program that
crashes, and a set-up that does not fit the workers, fail everywhere."""

EXIT_CODES: dict[Cause, int] = {
    Cause.DONE: 0,
    Cause.TASK: 60,
    Cause.MEMORY: 61,
    Cause.DISK: 62,
    Cause.INPUT: 63,
    Cause.NODE: 64,
}
"""Exit codes of ``python -m tasks.job``; its report says more, but may be lost."""

ADVICE: dict[Cause, str] = {
    Cause.MEMORY: "raise memory_cap of the site or --max-memory, or give each branch less to do",
    Cause.RUNTIME: "raise --max-runtime (at most the site's limit), or give each branch less to do",
    Cause.NODE: "machines keep failing: exclude them with --requirements, or ask the site",
    Cause.DISK: "free space in the store, or ask for more scratch space with --disk",
    Cause.KILLED: "see the log; a process killed without a word often used too much memory: try --max-memory",
    Cause.CRASHED: "a program or library crashed: see the log; mend it, then run the command with --retry-failed",
    Cause.REMOVED: "somebody removes the jobs from the queue; stop this command first if that was you",
    Cause.HELD: "condor_q -hold tells what the site says; ask the site if it holds the jobs",
    Cause.VANISHED: "ask the site: the scheduler forgot the jobs",
    Cause.NOT_SUBMITTED: "the scheduler did not take the jobs: see the warnings, and look at the submit file with --dry-run",
    Cause.BOOTSTRAP: "see the log: the worker could not set up the environment",
    Cause.SETUP: "mend setup, python or requirements of the site in configs/site, then run the command with --retry-failed",
    Cause.TASK: "see the traceback in the log; mend it, then run the command with --retry-failed",
    Cause.INPUT: "run the task that makes the input, then the command with --retry-failed",
    Cause.TRANSFER: "see the hold reason: a file to transfer does not exist or cannot be written",
    Cause.PROXY: "renew your proxy (voms-proxy-init) or credential, then run the command with --retry-failed",
    Cause.SUBMISSION: "mend the site's submit commands in configs/site, then run the command with --retry-failed",
    Cause.NO_OUTPUT: "see the log: the job ended well but left no valid output",
}
"""What a person can do when a branch has failed for good."""
