"""Which files are the outputs of a finished production: those of finished jobs, each once, and no others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taumltools.errors import InputError
from taumltools.production.crab.history import History, Submission
from taumltools.production.crab.outputs import Move, plan_moves

_JOB = re.compile(r".*_(\d+(?:-\d+)?)\.root")


@dataclass(frozen=True)
class Plan:
    """What is collected.

    Attributes:
        moves: files of finished jobs.
        ignored: files of jobs that failed after they had written something.
    """

    moves: tuple[Move, ...]
    ignored: tuple[Path, ...] = ()


def plan_collection(history: History, storage: Path, target: Path | None, outputs: Sequence[str] = ()) -> Plan:
    """What is collected of a production.

    Args:
        history: what was done.
        storage: folder in which the output base is seen.
        target: folder that gets ``<request>/<file>``; None: the files stay where they are.
        outputs: names of the files of a job; empty: one file, of any name.

    Returns:
        The plan; nothing has moved.

    Raises:
        InputError: something is not as CRAB leaves it, or a finished job has no file; all problems are named.
    """
    done = [one for one in history.submissions if one.outcome and one.outcome.finished]
    if not done:
        return Plan(())
    # a target without folders of these names, if files stay in place, so that only the storage is checked
    where = target or storage / ".in-place"
    moves = plan_moves(storage, where, [one.request for one in done])
    chosen: list[Move] = []
    ignored: list[Path] = []
    problems: list[str] = []
    for one in done:
        mine = [move for move in moves if move.target.parent == where / one.request]
        problems += _check(one, mine, outputs)
        for move in mine:
            if _job_of(move.source) in _finished(one):
                chosen.append(move if target else Move(move.source, move.source))
            else:
                ignored.append(move.source)
    if problems:
        raise InputError("nothing was moved:\n" + "\n".join(f"  {text}" for text in problems))
    return Plan(tuple(chosen), tuple(ignored))


def _finished(one: Submission) -> frozenset[str]:
    return frozenset(one.outcome.finished) if one.outcome else frozenset()


def _job_of(path: Path) -> str:
    """Id of the job that wrote a file, ``<name>_<job>.root``; empty if the name has none."""
    found = _JOB.fullmatch(path.name)
    return found[1] if found else ""


def _check(one: Submission, moves: Sequence[Move], outputs: Sequence[str]) -> list[str]:
    problems = []
    for folder in sorted({move.source.parent.parent for move in moves}):
        if folder.name != one.timestamp:
            problems.append(f"{folder}: is not of this task, whose timestamp is {one.timestamp} ({one.task})")
    names = [move.source.name for move in moves]
    for job in sorted(_finished(one)):
        wanted = [f"{Path(name).stem}_{job}{Path(name).suffix}" for name in outputs if name.endswith(".root")]
        missing = [name for name in wanted if name not in names]
        if missing or not any(_job_of(Path(name)) == job for name in names):
            problems.append(
                f"job {job} of {one.request} is finished, but there is no {missing[0] if missing else 'file of it'}"
            )
    return problems
