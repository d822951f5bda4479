"""Products of a version as they were made, with whatever settings it had."""

from __future__ import annotations

from pathlib import Path

from taumltools.errors import InputError


def last_made(root: Path, campaign: str, run: str, task: str, file: str) -> list[Path]:
    """Files of the last run of a task for a version.

    Args:
        root: the store of products.
        campaign: name of the campaign that is meant where ``run`` names none.
        run: ``VERSION`` or ``CAMPAIGN:VERSION``, as on the command line.
        task: name of the task.
        file: pattern of the files in the folder of a run, e.g. ``model/model.keras``.

    Returns:
        The files, sorted; of several runs those of the one with the newest file.

    Raises:
        InputError: there is none; the message says which versions there are.

    Examples:
        >>> last_made(Path("/nowhere"), "demo", "v7", "Training", "model/model.keras")
        Traceback (most recent call last):
        taumltools.errors.InputError: there is no Training of version 'v7' of campaign 'demo' in /nowhere; there are none: \
make it with law run Training --version v7 --campaign demo
    """
    other, _, version = run.rpartition(":")
    campaign = other or campaign
    versions = Path(root) / campaign / task
    files = list(versions.glob(f"{version}/*/{file}"))
    if not files:
        made = sorted(path.name for path in versions.glob("*") if any(path.glob(f"*/{file}")))
        raise InputError(
            f"there is no {task} of version '{version}' of campaign '{campaign}' in {root}; there are "
            f"{', '.join(made) or 'none'}: make it with law run {task} --version {version} --campaign {campaign}"
        )
    depth = len(versions.parts) + 2
    last = max(files, key=lambda path: (path.stat().st_mtime_ns, str(path))).parts[:depth]
    return sorted(path for path in files if path.parts[:depth] == last)
