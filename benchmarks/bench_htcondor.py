"""Overhead of running on HTCondor: ``python benchmarks/bench_htcondor.py [BRANCHES]``.

A real pool is started (tests/condor/minicondor.sh).  A workflow is driven in this process, so
that its processor time and its calls to the scheduler can be counted.  Its jobs are a shell
script that leaves a product and a report: what is measured is the driver, not a thousand starts
of Python.  The bindings are compared with the command line tools in the same minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BRANCHES = 1000
REPEATS = 7


def best(function: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Shortest of several wall times, in ms."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def bindings_and_tools(pool: Any, jobs: int) -> list[dict]:
    """The same requests by htcondor2 and by the command line tools, with ``jobs`` idle jobs in the queue."""
    import htcondor2

    from taumltools.batch.pool import CondorPool
    from taumltools.batch.states import ATTRIBUTES

    text = 'executable = /bin/true\nhold = True\nshould_transfer_files = NO\n+TaumlWorkflow = "bench"\n'
    text += '+TaumlBranch = $(branch)\n+TaumlAttempt = 1\n+TaumlSubmission = "s"\n'
    items = [{"branch": str(i)} for i in range(100)]
    condor = CondorPool()
    for _ in range(jobs // 100):
        condor.submit(text, items)
    file = Path(tempfile.mkdtemp()) / "jobs.sub"
    file.write_text(text + "queue branch from (\n" + "\n".join(i["branch"] for i in items) + "\n)\n")
    attributes = [word for name in ATTRIBUTES for word in ("-af", name)]
    query = ["condor_q", "-constraint", 'TaumlWorkflow == "bench"', *attributes]
    rows = [
        ("query of all jobs", lambda: condor.jobs("bench"), lambda: pool.run(*query)),
        ("submission of 100 jobs", lambda: condor.submit(text, items), lambda: pool.run("condor_submit", str(file))),
    ]
    found = []
    for name, by_bindings, by_tools in rows:
        ours, theirs = best(by_bindings), best(by_tools)
        found += [
            {"name": f"{name}, bindings", "value": ours, "unit": "ms"},
            {"name": f"{name}, command line", "value": theirs, "unit": "ms"},
        ]
    names = [f"{job.id}" for job in condor.jobs("bench")]
    third = len(names) // 3
    start = time.perf_counter()
    condor.remove(names[:third], "bench")
    between = time.perf_counter()
    pool.run("condor_rm", *names[third : 2 * third])
    end = time.perf_counter()
    htcondor2.Schedd().act(htcondor2.JobAction.Remove, 'TaumlWorkflow == "bench"', reason=("bench", 0))
    return [
        *found,
        {"name": f"removal of {third} jobs, bindings", "value": (between - start) * 1e3, "unit": "ms"},
        {"name": f"removal of {third} jobs, command line", "value": (end - between) * 1e3, "unit": "ms"},
    ]


class Counting:
    """Counts and times the calls of a pool."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.calls: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.pool, name)

        def counted(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.calls[name] += 1
                self.seconds[name] += time.perf_counter() - start

        return counted


TRIVIAL = """\
#!/bin/bash
place={folder}
echo "branch $1 $RANDOM" > "$place/.product_$1" && mv "$place/.product_$1" "$place/product_$1.txt"
report=$(printf {reports}/%03d/branch_%d_attempt_%d.json $(($1 / 250)) $1 $2)
mkdir -p "${{report%/*}}"
echo '{{"cause": "done", "message": "", "code": 0, "host": "here", "runtime_s": 0.01, "memory_mb": 1}}' > "$report"
"""


def workflow(branches: int, folder: Path) -> list[dict]:
    """Drive a workflow of trivial payloads to its end, in this process."""
    from tasks.remote_work import RemoteWork
    from taumltools.batch.driver import Driver
    from taumltools.batch.layout import Layout
    from tests.condor.payload import Payload

    plan = folder / "plan.json"
    plan.write_text("{}")
    task = Payload(version="v1", campaign="tiny", plan=str(plan), n=branches, workflow="htcondor", site="local-pool")
    layout = Layout(task.state_folder)

    class TrivialWork(RemoteWork):
        """The same workflow with a script instead of Python in the job."""

        def script(self, _: Path) -> str:
            """Leave a product and a report."""
            task.folder.mkdir(parents=True, exist_ok=True)
            return TRIVIAL.format(folder=task.folder, reports=layout.folder / "reports")

    counting = Counting(task.pool())
    start, cpu = time.perf_counter(), time.process_time()
    driver = Driver(task.driver_settings(), TrivialWork(task, layout), counting, layout.folder)
    driver.run()
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    law = str(Path(sys.executable).with_name("law"))
    again = [law, "run", "tests.condor.payload.Payload", "--version", "v1", "--campaign", "tiny", "--plan", str(plan)]
    again += ["--n", str(branches), "--workflow", "htcondor", "--site", "local-pool"]
    status = [law, "run", "tasks.status.Status", "--version", "v1", "--json"]
    seconds = []
    for command in (again, status):
        begin = time.perf_counter()
        done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
        seconds.append(time.perf_counter() - begin)
    assert json.loads(done.stdout)["workflows"][0]["counts"]["done"] == branches
    return [
        {"name": f"{branches} branches: wall time (16 slots)", "value": wall, "unit": "s"},
        {"name": "processor time of the driver for a branch", "value": cpu / branches * 1e3, "unit": "ms"},
        {"name": "submissions", "value": counting.calls["submit"], "unit": ""},
        {"name": "queries of the queue", "value": counting.calls["jobs"], "unit": ""},
        {"name": "queries of the history", "value": counting.calls["history"], "unit": ""},
        {"name": "time in submissions", "value": counting.seconds["submit"], "unit": "s"},
        {"name": "time in queries", "value": counting.seconds["jobs"], "unit": "s"},
        {"name": "the same command again, nothing to do", "value": seconds[0], "unit": "s"},
        {"name": "law run Status", "value": seconds[1], "unit": "s"},
    ]


def run(branches: int = BRANCHES) -> list[dict]:
    """Measure on a pool of this machine.

    Args:
        branches: of the workflow, and jobs in the queue for the comparison.

    Returns:
        Rows with ``name``, ``value`` and ``unit``; none where no pool can be started.
    """
    from tests.condor.pool import Pool, missing

    if reason := missing():
        sys.stderr.write(f"left out: {reason}\n")
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pool = Pool(folder / "pool")
        pool.up()
        try:
            os.environ |= pool.env | {
                "TAUML_STORE": str(folder / "store"), "PYTHONPATH": str(ROOT), "LAW_HOME": str(folder / "law"),
                "LAW_CONFIG_FILE": str(ROOT / "law.cfg"),
            }  # fmt: skip
            return bindings_and_tools(pool, branches) + workflow(branches, folder)
        finally:
            pool.down()


if __name__ == "__main__":
    for row in run(*map(int, sys.argv[1:])):
        print(f"{row['name']:75s} {row['value']:10.4g} {row['unit']}")
