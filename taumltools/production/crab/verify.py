"""Whether the outputs that were moved are still there, as they were."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from taumltools.errors import InputError

BLOCK = 1 << 22
"""Bytes that are read at a time."""


def adler32(path: Path) -> str:
    """Checksum of a file, as grid storage states it.

    Args:
        path: the file.

    Returns:
        Eight hex digits.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "x"
        >>> _ = path.write_bytes(b"Wikipedia")
        >>> adler32(path)
        '11e60398'
    """
    value = 1
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            value = zlib.adler32(block, value)
    return f"{value & 0xFFFFFFFF:08x}"


def check_outputs(
    outputs: Iterable[Path], sizes: Mapping[str, int], checksums: Mapping[str, str] | None = None
) -> None:
    """Compare files with what is known of them.

    Args:
        outputs: the files, where they were moved to.
        sizes: their bytes by name; a file that is not among them only has to be there.
        checksums: their adler32 by name; None: they are not read.

    Raises:
        InputError: files are gone or have changed; all of them are named.
    """
    outputs = list(outputs)
    problems = [text for path in outputs if (text := _problem(path, sizes, checksums or {}))]
    if problems:
        raise InputError(
            f"{len(problems)} of {len(outputs)} outputs are not as they were collected:\n"
            + "\n".join(f"  {text}" for text in problems)
            + "\nbring them back to where they were, or process the input again under another name (suffix, --job-name-suffix)"
        )


def _problem(path: Path, sizes: Mapping[str, int], checksums: Mapping[str, str]) -> str:
    """What is wrong with a file; empty if nothing is."""
    try:
        size = path.stat().st_size
        if size != (wanted := sizes.get(str(path), size)):
            return f"{path}: has {size} bytes, and had {wanted} when it was collected"
        if (known := checksums.get(str(path))) and known != (now := adler32(path)):
            return f"{path}: its adler32 is {now}, and was {known} when it was reported"
    except FileNotFoundError:
        return f"{path}: is not there any more"
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    return ""


def read_checksums(report: Path) -> dict[str, str]:
    """Checksums that a report states.

    Args:
        report: ``prodReport_<name>.json``.

    Returns:
        adler32 by file; empty if there is no report.

    Raises:
        InputError: the report cannot be read.
    """
    if not report.exists():
        return {}
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
        return {str(output["file"]): str(output["adler32"]) for output in content["outputs"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{report}: cannot be read as a report ({error!r}); remove it, --action report writes it anew"
        ) from error


def folders_of(outputs: Iterable[Path], most: int = 3) -> str:
    """Where files are, in words.

    Args:
        outputs: the files.
        most: how many folders are named.

    Returns:
        Their folders.

    Examples:
        >>> folders_of([Path("/a/DY/1.root"), Path("/a/DY/2.root"), Path("/a/DY_recovery_1/1.root")])
        '/a/DY, /a/DY_recovery_1'
    """
    folders = sorted({str(path.parent) for path in outputs})
    more = [f"{len(folders) - most} more"] if len(folders) > most else []
    return ", ".join(folders[:most] + more) or "no folder"
