"""Where the files of a workflow's attempts are, below its own folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHARD = 250
"""Branches in one folder of logs: some file systems grow slow with more than a thousand files."""


@dataclass(frozen=True)
class Layout:
    """The files of one workflow.

    Attributes:
        folder: all of them are below it.
    """

    folder: Path

    @property
    def journal(self) -> Path:
        """All that is known of its attempts."""
        return self.folder / "journal.jsonl"

    @property
    def snapshot(self) -> Path:
        """Its state at the driver's last look."""
        return self.folder / "snapshot.json"

    @property
    def lock(self) -> Path:
        """Held by its driver."""
        return self.folder / "driver.lock"

    def _of(self, kind: str, branch: int, attempt: int, suffix: str) -> Path:
        return self.folder / kind / f"{branch // SHARD:03d}" / f"branch_{branch}_attempt_{attempt}{suffix}"

    def log(self, branch: int, attempt: int) -> Path:
        """What a job printed.

        Examples:
            >>> Layout(Path("x")).log(300, 2).as_posix()
            'x/logs/001/branch_300_attempt_2.log'
        """
        return self._of("logs", branch, attempt, ".log")

    def report(self, branch: int, attempt: int) -> Path:
        """What a job wrote about its end."""
        return self._of("reports", branch, attempt, ".json")

    def delivery(self, branch: int, attempt: int) -> Path:
        """What a job without a shared file system sent back."""
        return self._of("deliveries", branch, attempt, ".tar")

    def submission(self, name: str) -> Path:
        """Folder of the script, the specification and the submit file of one submission."""
        return self.submissions / name[:2] / name

    @property
    def submissions(self) -> Path:
        """Folders of all submissions, by the first two letters of their names."""
        return self.folder / "submissions"

    def events(self, name: str) -> Path:
        """HTCondor's event log of one submission."""
        return self.folder / "events" / name[:2] / f"{name}.log"
