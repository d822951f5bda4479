"""What is looked at before a task is submitted: what would otherwise go wrong only on the grid, or when the output is collected."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

from taumltools.batch.journal import read_events
from taumltools.errors import ConfigError, InputError
from taumltools.production.crab.area import Area
from taumltools.production.crab.configuration import config_path, destination
from taumltools.production.crab.history import REFUSED, replay
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.outputs import PREFIX
from taumltools.production.crab.remember import read_options

ANOTHER = "give the task another name (suffix, --job-name-suffix) or another output"


def configuration_note(job: CrabJob) -> str:
    """See that the configuration for ``cmsRun`` is there.

    Args:
        job: the task.

    Returns:
        Why it was not looked at; empty if it was.

    Raises:
        ConfigError: it is not there.

    Examples:
        >>> configuration_note(CrabJob("DY", "/A/B/C", config="$NOT_SET_HERE/Production.py"))
        'the configuration $NOT_SET_HERE/Production.py was not looked at: it has variables that are not set here'
    """
    path = config_path(job)
    if "$" in path:
        return f"the configuration {path} was not looked at: it has variables that are not set here"
    if path and not Path(path).is_file():
        raise ConfigError(
            f"CRAB task '{job.name}': there is no configuration {path} for cmsRun: set 'config' (--cfg) to the producer's, e.g. "
            "$CMSSW_BASE/src/TauMLTools/Production/python/Production.py"
        )
    return ""


def check_places(request: str, folders: tuple[str, ...], storage: Path | None, target: Path | None) -> None:
    """See that nothing lies where the output of a task will be looked for and moved to.

    Args:
        request: request name.
        folders: names of the folders below ``target`` that the task will make.
        storage: folder of this machine in which the output base is seen; None: not known.
        target: folder that files are moved to; None: they stay.

    Raises:
        InputError: something does; all of it is named.
    """
    problems: list[str] = []
    if storage is not None:
        stamps = sorted(storage.glob(f"*/{glob.escape(PREFIX + request)}/*"))
        problems += [f"{stamp}: is the output of another task of this name" for stamp in stamps]
    if target is not None:
        problems += [f"{target / name}: exists already" for name in folders if (target / name).exists()]
    if problems:
        raise InputError(
            f"CRAB task '{request}': nothing was submitted, since its output could not be told from other files:\n"
            + "\n".join(f"  {text}" for text in problems)
            + f"\n{ANOTHER} (or another target), or remove what lies there"
        )


def check_others(job: CrabJob, output: str, user: str, area: Area, root: Path) -> None:
    """See that no other work area has submitted a task of this name to the same place.

    Args:
        job: the task.
        output: base of its output.
        user: name in that path.
        area: its own work area.
        root: folder of all work areas, see :func:`work_areas`.

    Raises:
        ConfigError: another one has; the message names it.
        InputError: another one cannot be read.
    """
    place = (*destination(job, output), user)
    for other in work_areas(root, job.name):
        if other.folder.resolve() == area.folder.resolve():
            continue
        history = replay(read_events(other.journal), str(other.journal))
        if not history.submissions or history.submissions[0].state == REFUSED:
            continue
        theirs, their_output, their_user = read_options(other.options)
        if (*destination(theirs, their_output), their_user) == place:
            raise ConfigError(
                f"CRAB task '{job.name}': nothing was submitted, since a task of this name was submitted to the same place from "
                f"{other.folder}, for another version or other settings: go on with those, or {ANOTHER}; or remove that folder "
                "once the task is killed and its output is gone"
            )


def work_areas(root: Path, name: str) -> Iterator[Area]:
    """Work areas of tasks of one name: of the command (``jobs/<name>``) and of datasets.

    Args:
        root: ``_crab`` in the store; datasets are below ``<campaign>/<dataset>/<version>/<identity>``.
        name: of the task.

    Yields:
        Those that have a journal.
    """
    for pattern in ("jobs", "*/*/*/*"):
        for journal in sorted(root.glob(f"{pattern}/{glob.escape(name)}/{Area(Path()).journal}")):
            yield Area(journal.parent)
