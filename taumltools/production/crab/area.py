"""The folder in which the state of one CRAB task with its recoveries is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from taumltools.production.crab.outputs import PREFIX


@dataclass(frozen=True)
class Area:
    """Files of one task.

    Attributes:
        folder: all of them are below it.
    """

    folder: Path

    @property
    def journal(self) -> Path:
        """What was done: one JSON object a line."""
        return self.folder / "journal.jsonl"

    @property
    def options(self) -> Path:
        """What it was first submitted with."""
        return self.folder / "options.json"

    @property
    def lock(self) -> Path:
        """Held by the command that works on it."""
        return self.folder / "driver.lock"

    @property
    def log(self) -> Path:
        """All that the CRAB client printed."""
        return self.folder / "crab.log"

    @property
    def projects(self) -> Path:
        """``General.workArea``: the folder of CRAB's project directories."""
        return self.folder / "projects"

    def config(self, request: str) -> Path:
        """CRAB configuration file."""
        return self.folder / "configs" / f"crabConfig_{request}.py"

    def mask(self, request: str) -> Path:
        """Lumi mask of a recovery."""
        return self.folder / "masks" / f"{request}.json"

    def project(self, request: str) -> Path:
        """Project directory.

        Examples:
            >>> Area(Path("x")).project("DY").as_posix()
            'x/projects/crab_DY'
        """
        return self.projects / f"{PREFIX}{request}"

    def account(self, request: str) -> Path:
        """A folder that is not there yet, for the files of ``crab report``."""
        return self._free("accounts", request)

    def aside(self, request: str) -> Path:
        """A folder that is not there yet, for a project directory that led to nothing."""
        return self._free("refused", request)

    def _free(self, kind: str, request: str) -> Path:
        parent = self.folder / kind
        number = 1
        while (path := parent / f"{request}_{number}").exists():
            number += 1
        return path
