"""A handle on one real HTCondor pool, made by minicondor.sh."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import htcondor2

SCRIPT = Path(__file__).with_name("minicondor.sh")
NEEDED = ("bash", "apt-get", "dpkg-deb", "unshare", "setpriv", "flock")
Found = TypeVar("Found")


def missing() -> str:
    """Why no pool can be started on this machine; empty if nothing is in the way."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "the pool needs Linux on x86-64"
    absent = [program for program in NEEDED if shutil.which(program) is None]
    return f"the pool needs {', '.join(absent)} (Debian or Ubuntu)" if absent else ""


class Pool:
    """One HTCondor pool on this machine.

    Args:
        folder: everything of the pool: configuration, logs, queue, sandboxes.
        extra: lines that are added to HTCondor's configuration.

    Attributes:
        env: variables that lead a subprocess to this pool, ``CONDOR_CONFIG`` and ``PATH``; to be put over ``os.environ``.
    """

    def __init__(self, folder: Path, extra: str = ""):
        self.folder = Path(folder)
        self.config = self.folder / "condor_config"
        self.env = {
            "CONDOR_CONFIG": str(self.config),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self._extra = self.folder / "extra_config"
        self._extra.write_text(extra)

    # ------------------------------------------------------------------ life

    def up(self) -> None:
        """Start the pool and wait until it takes jobs; the first time on a machine this downloads HTCondor.

        The pool stops by itself when this process ends in whatever way.
        """
        self.script("up")

    def down(self) -> None:
        """Stop all daemons and jobs."""
        self.script("down")

    def kill(self, daemon: str) -> int:
        """SIGKILL a daemon (``"schedd"``, ``"startd"``); the master restarts it after a second.

        Returns:
            Its process number, which is gone.
        """
        return int(self.script("kill", daemon).split()[0])

    def wait_ready(self) -> None:
        """Wait until the pool takes jobs (again)."""
        self.script("wait")

    def script(self, *arguments: str) -> str:
        """Run minicondor.sh on this pool; its output."""
        owner = {"MINICONDOR_POOL": str(self.folder), "MINICONDOR_EXTRA_CONFIG": str(self._extra)}
        owner["MINICONDOR_OWNER"] = str(os.getpid())
        return self._checked(["bash", str(SCRIPT), *arguments], os.environ | owner)

    def run(self, *command: str) -> str:
        """Run a program, e.g. ``condor_q``, against this pool; its output."""
        return self._checked(list(command), os.environ | self.env)

    def _checked(self, command: list[str], env: dict[str, str]) -> str:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=500, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    # ------------------------------------------------------------------ jobs

    def schedd(self) -> htcondor2.Schedd:
        """The schedd at its present address: a restarted one has another."""
        import classad2
        import htcondor2

        lines = (self.folder / "log" / ".schedd_address").read_text().splitlines()
        place = {"MyAddress": lines[0], "Name": "schedd", "CondorVersion": lines[1], "CondorPlatform": lines[2]}
        return htcondor2.Schedd(classad2.ClassAd(place))

    def submit(self, executable: str, arguments: str = "", **commands: object) -> str:
        """Submit one job that uses the files of the host; commands of submit files as keywords.

        Returns:
            Its identity, e.g. ``"12.0"``.
        """
        import htcondor2

        lines = {"executable": executable, "arguments": arguments, "should_transfer_files": "NO", "request_memory": 64}
        text = "\n".join(f"{name} = {value}" for name, value in (lines | commands).items())
        return f"{self.schedd().submit(htcondor2.Submit(text)).cluster()}.0"

    def queue(self, constraint: str = "true") -> list[dict[str, Any]]:
        """Jobs in the queue; waits for a schedd that is being restarted."""
        return self._ask(lambda: [dict(ad) for ad in self.schedd().query(constraint=constraint)])

    def history(self, job: str) -> dict[str, Any]:
        """What is known of a job that left the queue; empty while it is there."""
        cluster, proc = job.split(".")
        rule = f"ClusterId == {cluster} && ProcId == {proc}"
        ads = self._ask(lambda: [dict(ad) for ad in self.schedd().history(constraint=rule, projection=[], match=1)])
        return ads[0] if ads else {}

    def job(self, job: str) -> dict[str, Any]:
        """A job in the queue or, if it left, in the history."""
        cluster, proc = job.split(".")
        return next(iter(self.queue(f"ClusterId == {cluster} && ProcId == {proc}")), None) or self.history(job)

    def hold(self, job: str, reason: str, code: int | None = None, subcode: int = 0) -> None:
        """Hold a job, with any HoldReasonCode: so a hold of any other site can be shown."""
        self._act("Hold", job, reason, subcode)
        if code is not None:
            schedd = self.schedd()
            schedd.edit([job], "HoldReasonCode", str(code))
            schedd.edit([job], "HoldReason", '"' + reason.replace('"', '\\"') + '"')

    def release(self, job: str) -> None:
        """Release a held job; nothing happens if it is gone."""
        self._act("Release", job, "released by a test")

    def remove(self, job: str, reason: str = "removed by a test") -> None:
        """Remove a job; nothing happens if it is gone."""
        self._act("Remove", job, reason)

    def remove_all(self, timeout: float = 30) -> None:
        """Remove all jobs and wait until the queue is empty."""
        import htcondor2

        self._ask(lambda: self.schedd().act(htcondor2.JobAction.Remove, "true", reason=("removed by a test", 0)))
        self.wait_until(lambda: not self.queue(), timeout, "the queue to be empty")

    def _act(self, action: str, job: str, reason: str, subcode: int = 0) -> None:
        import htcondor2

        # a reason that is no tuple gets lost (htcondor2 25.14)
        self._ask(lambda: self.schedd().act(getattr(htcondor2.JobAction, action), [job], reason=(reason, subcode)))

    def _ask(self, question: Callable[[], Found], timeout: float = 30) -> Found:
        """Ask the schedd, again and again if it is being restarted."""
        import htcondor2

        end = time.monotonic() + timeout
        while True:
            try:
                return question()
            except (htcondor2.HTCondorException, OSError, IndexError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    # ------------------------------------------------------------------ processes

    def processes(self, job: str) -> dict[str, list[int]]:
        """Processes of a running job: ``shadow``, ``starter``, ``top`` (started by the starter), ``payload`` (below it)."""
        found: dict[str, list[int]] = {"shadow": [], "starter": [], "top": [], "payload": []}
        for line in self.script("pids", job).splitlines():
            kind, pid = line.split()
            found[kind].append(int(pid))
        return found

    def job_pids(self, job: str, timeout: float = 20) -> list[int]:
        """Processes of the payload of a job, its top process first; waits until there are some."""

        def running() -> list[int]:
            found = self.processes(job)
            return found["top"] + found["payload"] if found["top"] else []

        return self.wait_until(running, timeout, f"processes of job {job}")

    def starter_pid(self, job: str, timeout: float = 20) -> int:
        """Process of HTCondor that runs a job on the machine; waits until there is one."""
        return self.wait_until(lambda: self.processes(job)["starter"], timeout, f"the starter of job {job}")[0]

    def shadow_pid(self, job: str, timeout: float = 20) -> int:
        """Process of HTCondor that minds a job beside the queue; waits until there is one."""
        return self.wait_until(lambda: self.processes(job)["shadow"], timeout, f"the shadow of job {job}")[0]

    def daemons(self) -> dict[str, int]:
        """Process numbers of the daemons, by name."""
        return {name: int(pid) for name, pid in (line.split() for line in self.script("pids").splitlines())}

    def wait_until(self, condition: Callable[[], Found], timeout: float = 30, what: str = "") -> Found:
        """Wait until a condition gives something true, and return that.

        Raises:
            AssertionError: if it does not in ``timeout`` seconds; says what is in the queue.
        """
        end = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > end:
                shown = ("ClusterId", "ProcId", "JobStatus", "HoldReason", "NumShadowStarts")
                jobs = "\n".join(str({name: ad[name] for name in shown if name in ad}) for ad in self.queue())
                raise AssertionError(
                    f"waited {timeout} s in vain for {what or 'a condition'}; queue:\n{jobs or 'empty'}"
                )
            time.sleep(0.1)
        return value
