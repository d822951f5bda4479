"""A workflow that fails as it is told, for tests of the batch system.

A plan, a JSON file, says for each branch what its runs do, one after the other: ``{"3": ["raise", "ok"],
"*": ["sleep 1"]}``; after the last, and where nothing is said, a branch succeeds.  Where jobs share no
file system the plan is the JSON itself; ``"look"`` in it lists files that jobs look for.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import luigi

import tasks.base
from tasks.base import PipelineTask


class Several(PipelineTask):
    """As many branches as are asked for."""

    n = luigi.IntParameter(default=3)
    exclude_index = True

    def reads(self):
        return ("seed",)

    def keys(self):
        return (f"n{self.n}",)

    def n_branches(self):
        return self.n


class Payload(Several):
    """Branches of a few bytes each."""

    plan = luigi.Parameter()
    product = "product_{branch}.txt"
    exclude_index = True

    @property
    def isolated(self) -> bool:
        """Whether the plan is in the parameter, since jobs see no file of the tests."""
        return self.plan.startswith("{")

    @property
    def diary(self) -> Path:
        """Folder where runs leave what tests want to know."""
        return Path(f"{self.plan}.d")

    def take_turn(self) -> int:
        """Which run of this branch this is, from 0; safe against a run at the same time."""
        if self.isolated:
            ad = Path(os.environ["_CONDOR_JOB_AD"]).read_text()
            return int(re.findall(r"(?m)^TaumlAttempt = (\d+)$", ad)[0]) - 1
        self.diary.mkdir(exist_ok=True)
        for turn in range(10000):
            try:
                handle = os.open(self.diary / f"run_{self.branch}_{turn}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                continue
            os.write(handle, str(os.getpid()).encode())
            os.close(handle)
            return turn
        raise RuntimeError("too many runs")

    def produce(self, path: Path):
        plan = json.loads(self.plan if self.isolated else Path(self.plan).read_text())
        turn = self.take_turn()
        actions = plan.get(str(self.branch), plan.get("*", []))
        self.token = uuid.uuid4().hex
        if turn < len(actions):
            act(actions[turn], path, self.diary)
        path.write_text(f"branch {self.branch} {self.token}\n")
        return {"turn": turn, "token": self.token} | (surroundings(plan.get("look", [])) if self.isolated else {})

    def validate(self, path: Path):
        words = path.read_text().split()
        if len(words) != 3 or words[1] != str(self.branch):
            raise ValueError(f"not the product of branch {self.branch}: {words}")

    def run(self):
        super().run()
        if self.isolated:
            return
        if self.token in self.path.read_text():  # ours, not that of a twin
            with (self.diary / "published").open("a") as file:
                file.write(f"{self.branch}\n")


class Source(Several):
    """Folders, which another task reads."""

    product = "source_{branch}.d"
    exclude_index = True

    def produce(self, path: Path):
        (path / "deep").mkdir(parents=True)
        (path / "deep" / "a=b.txt").write_text(f"source {self.branch}\n")
        return {}


class Reader(Payload):
    """A payload that reads a product of the same number."""

    follows = "source"
    exclude_index = True

    def upstream(self):
        return {"source": self.need(Source, n=self.n)}

    def produce(self, path: Path):
        (source,) = self.input_paths()
        return super().produce(path) | {"read": (source / "deep" / "a=b.txt").read_text(), "from": str(source)}


def surroundings(files: list[str]) -> dict[str, object]:
    """What a job sees: which of some files, where it lives."""
    return {
        "sees": [file for file in files if os.path.lexists(file)],
        "home": os.environ["HOME"],
        "scratch": os.environ["_CONDOR_SCRATCH_DIR"],
        "python": sys.prefix,
        "base_python": sys.base_prefix,
        "code": str(Path(tasks.base.__file__).parents[1]),
        "store": os.environ["TAUML_STORE"],
    }


def act(action: str, path: Path, diary: Path) -> None:
    """Fail in one of the ways of the real world."""
    word, _, argument = action.partition(" ")
    if word == "raise":
        raise RuntimeError(argument or "told to fail")
    if word == "kill":
        path.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "exit0":
        os._exit(0)
    if word == "sleep":
        time.sleep(float(argument))
    while word == "gate" and not (diary / "open").exists():  # until Flow.take_over() opens it
        time.sleep(0.1)
    if word == "memory":  # touch MB of memory, keep them until somebody acts
        ballast = bytearray(int(argument) << 20)
        ballast[::4096] = b"x" * len(ballast[::4096])
        time.sleep(60)
    if word == "full":
        fill_disk(path)


def fill_disk(path: Path) -> None:
    """Write to a real file system of 1 MB until it is full; where none can be made, to /dev/full."""
    folder = path.with_name(f"{path.name}.disk")
    folder.mkdir()
    try:
        script = f"mount -t tmpfs -o size=1m tmpfs {folder} && head -c 2M /dev/zero > {folder}/data"
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True)
    finally:
        folder.rmdir()
    if "No space left" in done.stderr:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))
    with open("/dev/full", "w") as file:
        file.write("x" * 100000)
