"""One workflow of payloads on the real pool, driven from the command line as users do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from taumltools.batch.journal import read_events
from taumltools.batch.layout import Layout
from taumltools.batch.ledger import Ledger

LAW = Path(sys.executable).with_name("law")
ROOT = Path(__file__).resolve().parents[2]


class Flow:
    """A workflow with a plan of failures.

    Args:
        pool: the pool fixture.
        folder: an empty folder for store, plan and diary.
        n: branches.
        plan: see tests/condor/payload.py.
    """

    def __init__(
        self, pool, folder: Path, n: int = 3, plan: dict[str, list[str]] | None = None, site: str = "local-pool"
    ):
        self.pool, self.n, self.site = pool, n, site
        self.store = folder / "store"
        self.plan = folder / "plan.json"
        self.plan.write_text(json.dumps(plan or {}))
        self.diary = Path(f"{self.plan}.d")
        self.env = {name: v for name, v in os.environ.items() if not name.startswith(("TAUML_", "LAW__"))}
        self.env |= pool.env | {
            "TAUML_STORE": str(self.store), "TAUML_SITE": site, "PYTHONPATH": str(ROOT), "LAW_HOME": str(folder / "law"),
            "LAW_CONFIG_FILE": str(ROOT / "law.cfg"),
        }  # fmt: skip

    # ------------------------------------------------------------------ the command

    def command(self, *options: str) -> list[str]:
        """The command a user types."""
        words = [str(LAW), "run", "tests.condor.payload.Payload", "--version", "v1", "--campaign", "tiny"]
        words += ["--plan", str(self.plan), "--n", str(self.n), "--workflow", "htcondor", "--poll-interval", "0.5s"]
        return [*words, *options]

    def start(self, *options: str) -> subprocess.Popen:
        """Start the driver and do not wait; its output goes to a file."""
        self.output = self.plan.with_name(f"driver_{time.time_ns()}.log")
        with self.output.open("w") as file:
            return subprocess.Popen(
                self.command(*options), env=self.env, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, text=True,
                start_new_session=True,
            )  # fmt: skip

    def run(self, *options: str, timeout: float = 150) -> subprocess.CompletedProcess:
        """Run the driver to its end."""
        return subprocess.run(
            self.command(*options), env=self.env, cwd=ROOT, timeout=timeout, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def finish(self, driver: subprocess.Popen, timeout: float = 150) -> int:
        """Wait for a started driver; its exit code."""
        try:
            return driver.wait(timeout)
        finally:
            kill_session(driver)

    # ------------------------------------------------------------------ what is there

    @property
    def folder(self) -> Path:
        """Folder of the products."""
        return self._only(self.store / "tiny" / "Payload" / f"n{self.n}" / "v1")

    @property
    def layout(self) -> Layout:
        """Journal and logs."""
        return Layout(self._only(self.store / "_batch" / "tiny" / "Payload" / f"n{self.n}" / "v1"))

    def _only(self, parent: Path) -> Path:
        (folder,) = parent.iterdir()
        return folder

    @property
    def ledger(self) -> Ledger:
        """The journal, replayed."""
        return Ledger.replay(read_events(self.layout.journal))

    def causes(self, branch: int) -> list[str]:
        """How the attempts at a branch ended; those that never reached the queue left out."""
        endings = [a.ending for a in self.ledger.attempts.get(branch, [])]
        return [str(e.cause) if e else "alive" for e in endings if e is None or e.cause != "not submitted"]

    def jobs(self) -> list:
        """Jobs of this workflow in the queue."""
        return self.pool.queue(f'TaumlWorkflow == "{self.ledger.header["workflow"]}"')

    def product(self, branch: int) -> Path:
        """Product of a branch."""
        return self.folder / f"product_{branch}.txt"

    def pid(self, branch: int, turn: int = 0, timeout: float = 60) -> int:
        """Process that makes a branch, once it runs."""
        path = self.diary / f"run_{branch}_{turn}"
        self.pool.wait_until(lambda: path.exists() and path.read_text().strip(), timeout)
        return int(path.read_text())

    # ------------------------------------------------------------------ what must hold at the end

    def assert_delivered(self) -> None:
        """All products are there and valid, each was published once, and nothing else is left."""
        for branch in range(self.n):
            words = self.product(branch).read_text().split()
            assert words[:2] == ["branch", str(branch)]
            assert json.loads(Path(f"{self.product(branch)}.meta.json").read_text())["branch"] == branch
        published = Counter(map(int, (self.diary / "published").read_text().split()))
        assert published == Counter(range(self.n))
        assert self.jobs() == []
        expected = {f"product_{b}.txt{suffix}" for b in range(self.n) for suffix in ("", ".meta.json")}
        assert {path.name for path in self.folder.iterdir()} == expected
        assert self.ledger.living() == []


def kill_session(driver: subprocess.Popen) -> None:
    """Kill a driver and all its processes, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
