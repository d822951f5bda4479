"""What the queue says now, asked by a process of its own.

A scheduler that is down or under load can keep whoever asks it waiting for long, and the
bindings cannot be interrupted.  A process of its own can be ended.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from taumltools.batch.decide import best_of
from taumltools.batch.pool import CondorPool, Pool
from taumltools.batch.states import Job, State
from taumltools.batch.status_data import Queue
from taumltools.config.site import load_site
from taumltools.errors import TauMLError

TIMEOUT = 8.0
"""Seconds until the queue is not waited for any more; a scheduler that is well answers within one."""


def ask_queue(workflows: Mapping[str, Sequence[str]], timeout: float = TIMEOUT) -> Queue:
    """The jobs of workflows, as far as the queue answers in time.

    Args:
        workflows: values of the attribute ``TaumlWorkflow``, by site.
        timeout: seconds to wait for all of them.

    Returns:
        States by workflow and branch.  It never raises for what is wrong with the queue: the
        answer's ``problem`` says that, and workflows without an answer are missing.
    """
    asked = time.time()
    command = [sys.executable, "-m", __name__, json.dumps(dict(workflows))]
    home = Path(__file__).resolve().parents[2]
    late = ""
    try:
        done = subprocess.run(command, cwd=home, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)
        output, errors = done.stdout, done.stderr
    except subprocess.TimeoutExpired as error:
        output, errors = error.stdout or b"", b""
        late = f"the scheduler did not answer within {timeout:.0f} s"
    except OSError as error:
        return Queue(asked, problem=str(error))
    try:
        states, problem = parse(output)
    except (ValueError, KeyError, TypeError) as error:
        return Queue(asked, problem=f"the answer cannot be read ({error})")
    missing = {name for names in workflows.values() for name in names} - set(states)
    if missing and not problem:
        problem = late or (errors.decode(errors="replace").strip().splitlines() or ["no answer"])[-1]
    return Queue(asked, states, problem)


def parse(output: bytes) -> tuple[dict[str, dict[int, State]], str]:
    r"""Read the lines of :func:`answers`; what follows the last line feed is torn and dropped.

    Args:
        output: what the process wrote.

    Returns:
        States by workflow and branch, and what went wrong.

    Examples:
        >>> parse(b'{"workflow": "a", "states": {"3": "idle"}}\n{"workfl')
        ({'a': {3: <State.IDLE: 'idle'>}}, '')
    """
    states, problems = {}, []
    for line in output.split(b"\n")[:-1]:
        answer = json.loads(line)
        if "problem" in answer:
            problems.append(answer["problem"])
        else:
            states[answer["workflow"]] = {int(branch): State(state) for branch, state in answer["states"].items()}
    return states, "; ".join(dict.fromkeys(problems))


def by_branch(jobs: Sequence[Job]) -> dict[int, State]:
    """State of each branch with a job; of several jobs, that of the one which the driver would keep."""
    groups: dict[int, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.branch, []).append(job)
    return {branch: best_of(group).state for branch, group in groups.items()}


def pool_of(site: str) -> Pool:
    """The batch system of a site."""
    config = load_site(site)
    return CondorPool(config.schedd, config.collector)


def answers(workflows: Mapping[str, Sequence[str]], pool: Callable[[str], Pool]) -> Iterator[dict[str, Any]]:
    """Ask the queue, one site after the other.

    Args:
        workflows: values of the attribute ``TaumlWorkflow``, by site.
        pool: the batch system of a site.

    Yields:
        One answer for each workflow; one problem for a site that does not answer.
    """
    for site, names in workflows.items():
        try:
            for name in names:
                states = by_branch(pool(site).jobs(name))
                yield {"workflow": name, "states": {str(branch): state.value for branch, state in states.items()}}
        except TauMLError as error:
            yield {"problem": str(error)}


def main(argument: str) -> None:
    """Write the answers, each as soon as it is known.

    Args:
        argument: workflows by site, as JSON.
    """
    for answer in answers(json.loads(argument), pool_of):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
