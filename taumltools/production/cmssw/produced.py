"""Looking at what ``cmsRun`` wrote before it counts as a product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taumltools.errors import InputError
from taumltools.production.cmssw.jobreport import JobReport
from taumltools.tuples.io import open_tuples

SUMMARY = "summary"
"""Tree beside the tuples, with one entry for each job of the producer."""


@dataclass(frozen=True)
class Produced:
    """A file of the CMS producer.

    Attributes:
        entries: tau candidates in it.
        events: events that the producer has seen, of its summary.
        seconds: that it took.
        generation: of the schema.
    """

    entries: int
    events: int
    seconds: int
    generation: str


def read_summary(path: Path) -> tuple[int, int]:
    """Events and seconds of all jobs that made a file.

    Args:
        path: a ROOT file of the CMS producer, or several of them merged.

    Returns:
        Sum of ``numberOfProcessedEvents``, and of ``exeTime`` in s.

    Raises:
        InputError: there is no summary, so that the job did not come to its end.
    """
    import uproot

    try:
        with uproot.open(path) as file:
            tree = file[SUMMARY].arrays(["numberOfProcessedEvents", "exeTime"], library="np")
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: no tree '{SUMMARY}' with numberOfProcessedEvents and exeTime ({str(error).splitlines()[0]}): the producer writes it at its "
            "end, so the job was cut off, or another configuration ran"
        ) from error
    events, seconds = (int(tree[name].sum()) for name in ("numberOfProcessedEvents", "exeTime"))
    if not len(tree["exeTime"]):
        raise InputError(f"{path}: the tree '{SUMMARY}' is empty: the job was cut off")
    return events, seconds


def check_produced(path: Path, report: JobReport, files: Sequence[str], events: int | None) -> Produced:
    """Refuse a file that is not all that it should be.

    Args:
        path: what was written.
        report: of ``cmsRun``.
        files: inputs, as ``cmsRun`` was given them.
        events: largest number of events that were asked for; None for all.

    Returns:
        What is in it.

    Raises:
        InputError: it cannot be read, an input was not read, or events are missing.
    """
    if not path.exists():
        raise InputError(
            f"cmsRun wrote no {path.name}, although it succeeded: is 'output' an option of the configuration?"
        )
    with open_tuples(path) as reader:
        entries, generation = reader.entries, reader.generation
    seen, seconds = read_summary(path)
    read = sum(report.events.values())
    if events is None and (missing := [name for name in files if not _was_read(name, report)]):
        raise InputError(
            f"{len(missing)} of {len(files)} files were not read, e.g. {missing[0]}; cmsRun reports {[*report.events][:3]}"
        )
    if seen > read or (events is not None and read > events):
        raise InputError(
            f"{path.name}: the producer counts {seen} events, cmsRun read {read}"
            f"{'' if events is None else f', and {events} were asked for'}: these numbers cannot be"
        )
    return Produced(entries, seen, seconds, generation)


def _was_read(name: str, report: JobReport) -> bool:
    """Whether a file is in the report, which names files as some catalogue resolved them."""
    bare = name.removeprefix("file:")
    logical = bare[bare.find("/store/") :] if "/store/" in bare else bare
    return any(known.removeprefix("file:").endswith(logical) for known in report.events)


def account_of(produced: Produced, report: JobReport) -> dict[str, Any]:
    """What the side-car says.

    Args:
        produced: the file.
        report: of ``cmsRun``.

    Returns:
        Entries, events that were read and that the producer saw (fewer behind a trigger filter), seconds, and events by input.
    """
    return {
        "entries": produced.entries, "events": sum(report.events.values()), "events_seen": produced.events,
        "producer_s": produced.seconds, "generation": produced.generation, "events_by_file": report.events,
    }  # fmt: skip
