"""A grid for tests: what the stand-in ``crab`` beside this file is told, and what it has seen."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

CRAB = (sys.executable, "-S", "-E", str(Path(__file__).with_name("crab")))
"""Words that run the stand-in."""

BASE = "/store/user/me/tau"
"""Base of the output."""

DATASET = "/DYJetsToLL/Summer18-v1/MINIAODSIM"


def dataset_files(number: int) -> dict[str, dict[str, list[list[int]]]]:
    """Files of a dataset, with two luminosity sections each."""
    return {f"/store/mc/f{n}.root": {"1": [[2 * n + 1, 2 * n + 2]]} for n in range(number)}


@dataclass
class Grid:
    """The folder that the stand-in is told by.

    Attributes:
        folder: ``$CRAB_STANDIN``.
    """

    folder: Path

    def plan(self, files: int = 6, **more: object) -> Grid:
        """Say what there is and what goes wrong; see the stand-in."""
        output = self.folder / "output.root"
        if not output.exists():
            output.write_bytes(b"root, as far as moving is concerned")
        plan = {"datasets": {DATASET: dataset_files(files)}, "output": str(output)} | more
        (self.folder / "plan.json").write_text(json.dumps(plan))
        os.environ["CRAB_STANDIN"] = str(self.folder)
        return self

    @property
    def storage(self) -> Path:
        """Where the output base is seen."""
        return self.folder / "storage" / BASE.lstrip("/")

    @property
    def server(self) -> dict:
        """What the server knows."""
        return json.loads((self.folder / "server.json").read_text())

    @property
    def requests(self) -> list[str]:
        """Request names of all tasks that the server ever took."""
        return [task["request"] for task in self.server["tasks"].values()]

    def finished_files(self) -> list[str]:
        """Input files of finished jobs, each as often as it was processed."""
        jobs = [job for task in self.server["tasks"].values() for job in task["jobs"].values()]
        return sorted(file for job in jobs if job["state"] == "finished" for file in job["files"])
