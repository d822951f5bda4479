"""The report on a production: what was processed, what was not, and what came out, with sizes and checksums."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from taumltools.errors import InputError
from taumltools.production.crab.history import History
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.lumis import Sections, to_mask
from taumltools.production.crab.verify import adler32, check_outputs


def sections_of(history: History) -> tuple[Sections, Sections]:
    """What a production has processed, and what it has not.

    Args:
        history: what was done.

    Returns:
        Sections that were processed, and others that were to be.
    """
    outcomes = [one.outcome.account for one in history.submissions if one.outcome and one.outcome.finished]
    processed = history.rest_sections.union(*(account.processed for account in outcomes))
    wanted = frozenset[tuple[int, int]]().union(*(account.to_process for account in outcomes))
    return processed, wanted - processed


def by_file(files: Mapping[str, Sections], processed: Sections, left: Sections) -> tuple[list[str], list[str]]:
    """Input files that were processed, and such of which at least one section is left.

    Args:
        files: sections of each input file.
        processed: sections that were processed.
        left: sections that were not.

    Returns:
        Names, sorted; files in which no section was wanted are in neither.

    Examples:
        >>> by_file({"a": frozenset({(1, 1)}), "b": frozenset({(1, 2)})}, frozenset({(1, 1)}), frozenset({(1, 2)}))
        (['a'], ['b'])
    """
    missing = sorted(name for name, sections in files.items() if sections & left)
    return sorted(name for name in files if files[name] & processed and name not in missing), missing


def production_report(
    job: CrabJob, history: History, outputs: Iterable[Path], files: Mapping[str, Sections] | None = None
) -> dict[str, Any]:
    """The report.

    Args:
        job: what was produced.
        history: what was done.
        outputs: files that came out, where they are now.
        files: sections of each input file, if they are known.

    Returns:
        What is written, in JSON types.

    Raises:
        InputError: an output is gone, or has another size than when it was collected.
    """
    outputs = list(outputs)
    check_outputs(outputs, history.sizes)
    processed, left = sections_of(history)
    report: dict[str, Any] = {
        "name": job.name,
        "inputDataset": job.dataset,
        "submissions": [
            {
                "request": one.request, "task": one.task, "resubmissions": one.resubmissions,
                "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.since)),
                "finishedJobs": len(one.outcome.finished) if one.outcome else 0,
            }
            for one in history.submissions
        ],
        "processedLumis": to_mask(processed),
        "notProcessedLumis": to_mask(left),
        "outputs": [{"file": str(path), "size": path.stat().st_size, "adler32": adler32(path)} for path in outputs],
    }  # fmt: skip
    if files is not None:
        report["processedFiles"], report["notProcessedFiles"] = by_file(files, processed, left)
    return report


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report.

    Args:
        path: ``prodReport_<name>.json``.
        report: from :func:`production_report`.
    """
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def write_production(
    folder: Path, job: CrabJob, history: History, outputs: Iterable[Path], files: Mapping[str, Sections] | None = None
) -> dict[str, Any]:
    """Write the report on a production into a folder, see :func:`production_report`.

    Returns:
        The report.
    """
    report = production_report(job, history, outputs, files)
    write_report(folder / f"prodReport_{job.name}.json", report)
    return report


LISTING = "files.json"
"""File that names the outputs of all tasks of a dataset."""


def write_listing(folder: Path, outputs: Iterable[Path]) -> None:
    """Write which files came out.

    Args:
        folder: gets :data:`LISTING`.
        outputs: the files.

    Raises:
        InputError: there are none.
    """
    names = [str(path) for path in outputs]
    if not names:
        raise InputError(f"{folder}: the production has ended without a file")
    (folder / LISTING).write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


def read_outputs(folder: Path) -> list[str]:
    """Files that came out of a production.

    Args:
        folder: with :data:`LISTING`.

    Returns:
        Their paths.

    Raises:
        InputError: the list cannot be read, or a file is not there any more.
    """
    path = folder / LISTING
    try:
        names = [str(name) for name in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: no usable list of files ({error})") from error
    if gone := [name for name in names if not Path(name).exists()]:
        raise InputError(f"{path}: {len(gone)} of {len(names)} files are not there any more, e.g. {gone[0]}")
    return names
