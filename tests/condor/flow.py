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
from dataclasses import dataclass
from pathlib import Path

from taumltools.batch.journal import read_events
from taumltools.batch.layout import Layout
from taumltools.batch.ledger import Ledger

LAW = Path(sys.executable).with_name("law")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Home:
    """Where workflows live whose jobs see nothing of it.

    Attributes:
        python: of the environment that travels.
        root: the checkout that travels.
        store: of all workflows, so that the bundles are made once.
        bindings: folder of HTCondor's bindings.
        look: files that jobs must not see.
    """

    python: Path
    root: Path
    store: Path
    bindings: Path
    look: tuple[str, ...] = ()


def environment(pool, folder: Path, store: Path, root: Path = ROOT) -> dict[str, str]:
    """Variables of a driver on the pool.

    Args:
        pool: the pool fixture.
        folder: for law's own files.
        store: where products go.
        root: the checkout.
    """
    kept = {name: v for name, v in os.environ.items() if not name.startswith(("TAUML_", "LAW__", "MLFLOW_"))}
    return kept | pool.env | {
        "TAUML_STORE": str(store), "TAUML_SITE": "local-pool", "PYTHONPATH": str(root),
        "LAW_HOME": str(folder / "law"), "LAW_CONFIG_FILE": str(root / "law.cfg"),
    }  # fmt: skip


class Flow:
    """A workflow with a plan of failures.

    Args:
        pool: the pool fixture.
        folder: an empty folder for store, plan and diary.
        n: branches.
        plan: see tests/condor/payload.py.
        site: name, or the path of a file.
        home: where jobs share no file system.
        family: the task.
    """

    def __init__(
        self,
        pool,
        folder: Path,
        n: int = 3,
        plan: dict[str, list[str]] | None = None,
        site: str = "local-pool",
        home: Home | None = None,
        family: str = "Payload",
    ):
        self.pool, self.n, self.site, self.home, self.family = pool, n, site, home, family
        self.version = "v1" if home is None else folder.name
        self.store = home.store if home else folder / "store"
        self.root = home.root if home else ROOT
        self.law = home.python.with_name("law") if home else LAW
        self.plan = folder / "plan.json"
        self.plan.write_text(json.dumps((plan or {}) | ({"look": home.look} if home else {})))
        self.diary = Path(f"{self.plan}.d")
        self.env = environment(pool, folder, self.store, self.root)
        self.env |= {"TAUML_SITE": site, "PYTHONPATH": f"{home.root}:{home.bindings}" if home else str(ROOT)}

    # ------------------------------------------------------------------ the command

    def command(self, *options: str) -> list[str]:
        """The command a user types."""
        words = [*self._run(self.family), "--plan", self.plan.read_text() if self.home else str(self.plan)]
        return [*words, "--workflow", "htcondor", "--poll-interval", "0.5s", *options]

    def _run(self, family: str) -> list[str]:
        words = [str(self.law), "run", f"tests.condor.payload.{family}", "--version", self.version]
        return [*words, "--campaign", "tiny", "--n", str(self.n)]

    def make_source(self) -> None:
        """Make on this machine what Reader reads."""
        subprocess.run(self._run("Source"), env=self.env, cwd=self.root, timeout=60, check=True, capture_output=True)

    def start(self, *options: str) -> subprocess.Popen:
        """Start the driver and do not wait; its output goes to a file.

        Ctrl-C works as in a terminal, though a shell that runs the tests in the background has it ignored.
        """
        self.output = self.plan.with_name(f"driver_{time.time_ns()}.log")
        with self.output.open("w") as file:
            return subprocess.Popen(
                ["env", "--default-signal=INT", *self.command(*options)], env=self.env, cwd=self.root, stdout=file, stderr=subprocess.STDOUT, text=True,
                start_new_session=True,
            )  # fmt: skip

    def run(self, *options: str, timeout: float = 150) -> subprocess.CompletedProcess:
        """Run the driver to its end."""
        return subprocess.run(
            self.command(*options), env=self.env, cwd=self.root, timeout=timeout, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def finish(self, driver: subprocess.Popen, timeout: float = 150) -> int:
        """Wait for a started driver; its exit code."""
        try:
            return driver.wait(timeout)
        finally:
            kill_session(driver)

    def take_over(self, *options: str) -> tuple[int, str]:
        """Run another driver to its end; jobs that wait at the gate go on once it has begun its journal.

        Returns:
            Exit code and output.
        """
        journals = f"_batch/tiny/{self.family}/n{self.n}/{self.version}/*/journal.jsonl"

        def opened() -> int:
            return sum(path.read_text().count('"opened"') for path in self.store.glob(journals))

        before = opened()
        driver = self.start(*options)
        self.pool.wait_until(lambda: opened() > before or driver.poll() is not None, 60, "the next driver to begin")
        (self.diary / "open").touch()
        return self.finish(driver), self.output.read_text()

    # ------------------------------------------------------------------ what is there

    @property
    def folder(self) -> Path:
        """Folder of the products."""
        return self._only(self.store / "tiny" / self.family / f"n{self.n}" / self.version)

    @property
    def layout(self) -> Layout:
        """Journal and logs."""
        return Layout(self._only(self.store / "_batch" / "tiny" / self.family / f"n{self.n}" / self.version))

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

    def sidecar(self, branch: int) -> dict:
        """Side-car of the product of a branch."""
        return json.loads(Path(f"{self.product(branch)}.meta.json").read_text())

    def wait_running(self, *branches: int, timeout: float = 60) -> None:
        """Wait until jobs of these branches run."""

        def running() -> bool:
            if not list(self.store.glob(f"_batch/tiny/{self.family}/n{self.n}/{self.version}/*/journal.jsonl")):
                return False
            return set(branches) <= {job["TaumlBranch"] for job in self.jobs() if job["JobStatus"] == 2}

        self.pool.wait_until(running, timeout, f"jobs of branches {branches} to run")

    # ------------------------------------------------------------------ what must hold at the end

    def published(self) -> list[int]:
        """Branches whose products were published, as often as they were."""
        if self.home is None:
            return list(map(int, (self.diary / "published").read_text().split()))
        return [a.branch for a in self.ledger.all() if a.ending and a.ending.cause == "done"]

    def assert_delivered(self) -> None:
        """All products are there and valid, each was published once, and nothing else is left."""
        for branch in range(self.n):
            words = self.product(branch).read_text().split()
            assert words[:2] == ["branch", str(branch)]
            assert self.sidecar(branch)["branch"] == branch
            if self.home:
                assert self.sidecar(branch)["details"]["token"] == words[2]
        assert Counter(self.published()) == Counter(range(self.n))
        assert self.jobs() == []
        expected = {f"product_{b}.txt{suffix}" for b in range(self.n) for suffix in ("", ".meta.json")}
        assert {path.name for path in self.folder.iterdir()} == expected
        assert self.ledger.living() == []
        travelled = [*self.layout.folder.glob("deliveries/*/*"), *self.layout.folder.glob("submissions/*/*/inputs_*")]
        assert travelled == []


def kill_session(driver: subprocess.Popen) -> None:
    """Kill a driver and all its processes, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
