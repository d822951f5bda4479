"""What ``cmsRun -j`` reports: events read of each file, and why it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from taumltools.errors import InputError

OF_SERVER = {
    8020: "FileOpenError",
    8021: "FileReadError",
    8028: "FallbackFileOpenError",
    8034: "FileReadError (fallback)",
}
"""Exit codes of failures of storage, which may be over at the next try."""


@dataclass(frozen=True)
class JobReport:
    """A framework job report.

    Attributes:
        events: events read, by input file as it was opened.
        code: exit code of the framework; 0 means success.
        problem: kind of the error, e.g. ``FileReadError``; empty: none.
        message: its text.
    """

    events: dict[str, int]
    code: int = 0
    problem: str = ""
    message: str = ""

    @property
    def of_server(self) -> bool:
        """Whether storage failed, not the job."""
        return self.code in OF_SERVER


def read_job_report(path: Path) -> JobReport:
    """Read a report.

    Args:
        path: ``FrameworkJobReport.xml``.

    Returns:
        What it says.

    Raises:
        InputError: it is missing or broken off, e.g. since ``cmsRun`` was killed.
    """
    try:
        root = ElementTree.parse(path).getroot()
        events: dict[str, int] = {}
        for file in root.iter("InputFile"):
            name = (file.findtext("PFN") or file.findtext("LFN") or "").strip()
            events[name] = events.get(name, 0) + int(file.findtext("EventsRead") or 0)
        error = root.find("FrameworkError")
        if error is None:
            return JobReport(events)
        code = int(error.get("ExitStatus") or 1)
        return JobReport(events, code, error.get("Type") or "unknown error", (error.text or "").strip())
    except (OSError, ElementTree.ParseError, ValueError) as problem:
        raise InputError(f"{path}: no usable job report of cmsRun ({type(problem).__name__}: {problem})") from problem
