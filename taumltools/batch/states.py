"""What HTCondor says about a job, and what it means.

The numbers are those of HTCondor's manual (appendix "Job ClassAd Attributes": JobStatus and
HoldReasonCode); what is seen of each on a real pool is in tests/condor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from taumltools.batch.causes import EXIT_CODES, Cause
from taumltools.batch.ledger import Ending


class State(Enum):
    """What a job in the queue does."""

    IDLE = "idle"
    RUNNING = "running"
    HELD = "held"
    LEAVING = "leaving"
    COMPLETED = "completed"


JOB_STATUS: dict[int, State] = {
    0: State.IDLE,  # unexpanded: before it is idle
    1: State.IDLE,
    2: State.RUNNING,
    3: State.LEAVING,  # removed; it may still be stopping on its machine
    4: State.COMPLETED,
    5: State.HELD,
    6: State.RUNNING,  # transferring output: it has run, but is not done yet
    7: State.IDLE,  # suspended: it runs on when the machine allows
}
"""State by JobStatus."""

HOLD_CAUSES: dict[int, Cause] = {
    1: Cause.HELD,  # by a user
    3: Cause.HELD,  # periodic_hold and the like
    4: Cause.PROXY,
    5: Cause.SUBMISSION,  # policy expression undefined
    6: Cause.NODE,  # process could not be started
    7: Cause.SUBMISSION,  # output cannot be opened
    8: Cause.TRANSFER,  # input cannot be opened
    9: Cause.TRANSFER,
    10: Cause.TRANSFER,
    11: Cause.NODE,  # transfer was not acknowledged
    12: Cause.TRANSFER,  # output
    13: Cause.TRANSFER,  # input
    14: Cause.NODE,  # initial directory not there
    16: Cause.NOT_SUBMITTED,  # waits for spooled input that nobody sends any more
    17: Cause.NODE,
    18: Cause.NODE,
    19: Cause.NODE,
    21: Cause.HELD,  # by the machine's policy
    22: Cause.SUBMISSION,  # event log cannot be written
    23: Cause.NODE,
    24: Cause.NODE,
    26: Cause.HELD,  # by the site's policy
    27: Cause.HELD,
    32: Cause.SUBMISSION,  # too much input
    33: Cause.DISK,  # too much output
    34: Cause.MEMORY,  # out of resources
    35: Cause.SUBMISSION,  # container image
    45: Cause.NODE,
    46: Cause.RUNTIME,
    47: Cause.RUNTIME,
}
"""Cause by HoldReasonCode; codes that are not here count as ``HELD``."""

HOLD_WORDS: tuple[tuple[tuple[str, ...], Cause], ...] = (
    (("memory",), Cause.MEMORY),
    (("disk", "scratch", "no space left"), Cause.DISK),
    (
        ("runtime", "run time", "wall time", "walltime", "wallclock", "wall clock", "wall-clock", "duration"),
        Cause.RUNTIME,
    ),
    (("proxy", "credential", "token"), Cause.PROXY),
)
"""Words in the reason of a policy, which has one code for all its reasons."""

EXPRESSION = re.compile(r"expression\s+'(.*)'\s+evaluated", re.DOTALL)
"""How a policy without a text of its own gives its reason: by quoting itself."""

POLICY_CODES = {1, 3, 21, 26, 34}
"""HoldReasonCodes whose reason is a text of the site's or the user's own."""

NO_SUCH_FILE = 2
"""HoldReasonSubCode of a transfer is the system's error number; this one is for good."""

ATTRIBUTES = (
    "ClusterId", "ProcId", "JobStatus", "TaumlBranch", "TaumlAttempt", "TaumlSubmission", "QDate",
    "HoldReasonCode", "HoldReasonSubCode", "HoldReason", "RemoveReason", "ExitCode", "ExitBySignal", "ExitSignal",
    "ResidentSetSize_RAW", "RequestMemory", "RemoteHost", "LastRemoteHost", "RemoteWallClockTime", "NumJobStarts",
    "EnteredCurrentStatus", "JobCurrentStartDate",
)  # fmt: skip
"""Attributes that are asked for, of jobs in the queue and in the history.

Many stay in a job from an earlier state: the hold reason means something only while the job is
held, the exit code and signal only when it is completed.
"""

LAST_SIGNAL = 64
"""A shell ends with 128 plus the number of the signal that killed its program; 255 is no such code."""

CRASHES = {4, 5, 6, 8, 11, 31}
"""Signals by which a program ends that does something wrong (SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGSYS)."""

SETUP_CODES = {20, 24, 25, 26, 27}
"""Exit codes of the job's script (:data:`taumltools.batch.bootstrap.BOOTSTRAP_ERRORS`) that every worker would give."""

SUSPICIOUS_MEMORY = 0.9
"""A process killed by SIGKILL with at least this part of its requested memory in use ran out of it."""


@dataclass(frozen=True)
class Job:
    """A job in the queue.

    Attributes:
        id: ``cluster.process``.
        branch: branch number.
        attempt: number of the attempt.
        submission: the submission it is part of.
        state: what it does.
        ad: its attributes, see :data:`ATTRIBUTES`.
    """

    id: str
    branch: int
    attempt: int
    submission: str
    state: State
    ad: Mapping[str, Any]

    @classmethod
    def from_ad(cls, ad: Mapping[str, Any]) -> Job:
        """Read a job from its attributes.

        Args:
            ad: what the scheduler says.

        Returns:
            The job; a status that is not known counts as idle, so that nothing is done about it.
        """
        return cls(
            id=f"{ad['ClusterId']}.{ad['ProcId']}",
            branch=int(ad["TaumlBranch"]),
            attempt=int(ad["TaumlAttempt"]),
            submission=str(ad.get("TaumlSubmission", "")),
            state=JOB_STATUS.get(int(ad["JobStatus"]), State.IDLE),
            ad=ad,
        )


def _measured(ad: Mapping[str, Any]) -> dict[str, Any]:
    """What HTCondor measured of a job (ResidentSetSize_RAW is the peak in KiB)."""
    resident, wall = ad.get("ResidentSetSize_RAW"), ad.get("RemoteWallClockTime")
    host = str(ad.get("RemoteHost") or ad.get("LastRemoteHost") or "").rpartition("@")[2]
    return {
        "memory_mb": resident / 1024 if isinstance(resident, int | float) and resident > 0 else None,
        "runtime_s": float(wall) if isinstance(wall, int | float) and wall > 0 else None,
        "host": host,
    }


def _by_words(text: str) -> Cause | None:
    lower = text.lower()
    return next((cause for words, cause in HOLD_WORDS if any(word in lower for word in words)), None)


def held(ad: Mapping[str, Any]) -> Ending:
    """Why a job is held.

    Args:
        ad: its attributes.

    Returns:
        The ending of its attempt, since a held job is replaced, never waited for.

    Examples:
        >>> held({"HoldReasonCode": 21, "HoldReason": "memory usage exceeded request_memory"}).cause
        <Cause.MEMORY: 'out of memory'>
    """
    code = int(ad.get("HoldReasonCode") or 0)
    reason = str(ad.get("HoldReason") or "no reason given")
    cause = HOLD_CAUSES.get(code, Cause.HELD)
    if code in POLICY_CODES:
        cause = _by_words(reason) or cause
    if cause is Cause.TRANSFER and int(ad.get("HoldReasonSubCode") or 0) != NO_SUCH_FILE:
        named = _by_words(reason)  # the reason has paths, too, whose words are no lack of memory or time
        cause = named if named in {Cause.DISK, Cause.PROXY} else Cause.NODE
    return Ending(cause, f"held: {reason} (code {code})", **_measured(ad))


def _killed(ad: Mapping[str, Any], signal: int, by: str) -> Ending:
    measured = _measured(ad)
    requested, used = ad.get("RequestMemory"), measured["memory_mb"]
    full = isinstance(requested, int | float) and used is not None and used >= SUSPICIOUS_MEMORY * requested
    if signal == 9 and full:
        message = f"{by} was killed while it used {used:.0f} of {requested} MB"
        return Ending(Cause.MEMORY, message, -signal, **measured)
    cause = Cause.CRASHED if signal in CRASHES else Cause.KILLED
    return Ending(cause, f"{by} was killed by signal {signal}", -signal, **measured)


def _why_removed(reason: str, ad: Mapping[str, Any], measured: Mapping[str, Any]) -> Cause:
    """Cause of a removal; a policy that quotes its whole expression says little by the words in it."""
    quoted = EXPRESSION.search(reason)
    if found := _by_words(EXPRESSION.sub("", reason)):
        return found
    requested, used = ad.get("RequestMemory"), measured["memory_mb"]
    words = quoted[1].lower() if quoted else ""
    if "memory" in words:
        full = isinstance(requested, int | float) and used is not None and used >= SUSPICIOUS_MEMORY * requested
        return Cause.MEMORY if full else Cause.REMOVED
    return Cause.RUNTIME if _by_words(words) is Cause.RUNTIME else Cause.REMOVED


def left(ad: Mapping[str, Any], bootstrap: Mapping[int, str]) -> Ending:
    """Why a job that left the queue, or completed, made no product.

    Args:
        ad: its attributes in the history or in the queue.
        bootstrap: messages of the exit codes of the job's script.

    Returns:
        The ending of its attempt.  Exit code 0 is not success here: there is no valid product.
    """
    measured = _measured(ad)
    if int(ad.get("JobStatus", 4)) == 3:
        reason = str(ad.get("RemoveReason") or "no reason given")
        return Ending(_why_removed(reason, ad, measured), f"removed: {reason}", **measured)
    if ad.get("ExitBySignal"):
        return _killed(ad, int(ad.get("ExitSignal") or 0), "the job")
    code = ad.get("ExitCode")
    if not isinstance(code, int):
        return Ending(Cause.KILLED, "the job ended without an exit code", **measured)
    if code in bootstrap:
        cause = Cause.SETUP if code in SETUP_CODES else Cause.BOOTSTRAP
        return Ending(cause, bootstrap[code], code, **measured)
    if code in {126, 127}:
        return Ending(Cause.BOOTSTRAP, "the program could not be started on the worker", code, **measured)
    if 128 < code <= 128 + LAST_SIGNAL:
        return _killed(ad, code - 128, "a process of the job")
    if code:
        cause = next((cause for cause, known in EXIT_CODES.items() if known == code), Cause.TASK)
        return Ending(cause, f"the job ended with exit code {code}", code, **measured)
    return Ending(Cause.NO_OUTPUT, "the job ended with exit code 0 but without a valid product", 0, **measured)
