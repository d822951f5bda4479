"""What the driver says: one line of progress, and what a person needs to know of failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from taumltools.batch.decide import GiveUp, group_by_cause
from taumltools.batch.ledger import Ledger
from taumltools.batch.states import State

TAIL_LINES = 12
"""How much of a failed attempt's log is shown."""


def tail(path: Path, lines: int = TAIL_LINES, at_most: int = 20000) -> list[str]:
    """The last lines of a log.

    Args:
        path: the log; it may not exist.
        lines: how many.
        at_most: bytes that are read from its end.

    Returns:
        The lines without their line feeds; none if there is no log.
    """
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - at_most))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def branch_list(branches: Collection[int], at_most: int = 10) -> str:
    """Branch numbers with runs joined, e.g. ``0-3, 7``.

    Examples:
        >>> branch_list([0, 1, 2, 3, 7])
        '0-3, 7'
    """
    runs: list[list[int]] = []
    for branch in sorted(branches):
        if runs and branch == runs[-1][1] + 1:
            runs[-1][1] = branch
        else:
            runs.append([branch, branch])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    return ", ".join(words[:at_most]) + (f", ... ({len(branches)} in all)" if len(words) > at_most else "")


def progress_line(
    label: str,
    branches: Sequence[int],
    done: Collection[int],
    states: Mapping[int, State],
    given_up: Collection[int],
) -> str:
    """One line of progress.

    Args:
        label: the workflow.
        branches: all that are wanted.
        done: branches with a product.
        states: of branches with a job and without a product.
        given_up: branches that failed for good.

    Returns:
        E.g. ``Training v1: 3 of 30 done, 12 running, 5 idle, 10 to submit``.
    """
    wanted = set(branches)
    finished = wanted & set(done)
    counts = Counter(state.value for branch, state in states.items() if branch in wanted)
    failed = len(wanted & set(given_up))
    rest = len(wanted) - len(finished) - sum(counts.values()) - failed
    words = [f"{counts[state.value]} {state.value}" for state in State if counts[state.value]]
    words += [f"{rest} to submit"] if rest > 0 else []
    words += [f"{failed} failed"] if failed else []
    return ", ".join([f"{label}: {len(finished)} of {len(wanted)} done", *words])


def failure_message(
    label: str,
    given_up: Mapping[int, GiveUp],
    ledger: Ledger,
    log: Callable[[int, int], Path],
    header: Mapping[str, Any],
) -> str:
    """What a person needs to know when branches failed for good.

    Args:
        label: the workflow.
        given_up: the branches, with causes.
        ledger: their attempts.
        log: where the log of an attempt is.
        header: has the ``command`` to go on with.

    Returns:
        Causes with their branches, and for each cause one example: message and end of its log.
    """
    lines = [f"{label}: {len(given_up)} branch{'es' * (len(given_up) > 1)} failed for good"]
    for cause, branches in group_by_cause(given_up).items():
        example = branches[0]
        attempts = ledger.attempts.get(example, [])
        lines += [f"  {cause}: branch {branch_list(branches)}", f"    branch {example}: {given_up[example].message}"]
        if attempts:
            path = log(example, attempts[-1].number)
            end = tail(path)
            lines += [f"    log: {path}" + ("" if end else " (empty or missing)")]
            lines += [f"      {line}" for line in end]
    command = header.get("command", "the same command")
    lines += [f"Mend the cause, then: {command} --retry-failed"]
    return "\n".join(lines)
