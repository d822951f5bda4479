"""The last line of a run: what was made, and where it is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import luigi

from tasks.store import address

log = logging.getLogger(__name__)


def announce(task_class: Any) -> None:
    """Let tasks say what they made when they are what the command asked for, and not only needed by it.

    Args:
        task_class: a law task class; its subclasses are meant, too.
    """
    task_class.event_handler(luigi.Event.SUCCESS)(_made)
    task_class.event_handler(luigi.Event.DEPENDENCY_PRESENT)(_there)


def announce_report(task_class: Any) -> None:
    """Let tasks that make a page say where it is, whether it was made now or before.

    Args:
        task_class: a task with one product; its subclasses are meant, too.
    """
    task_class.event_handler(luigi.Event.SUCCESS)(_where)
    task_class.event_handler(luigi.Event.DEPENDENCY_PRESENT)(_where)


def _where(task: Any) -> None:
    if task.is_workflow() and task.path.exists():
        log.info("the report is at %s", task.path)


def _made(task: Any) -> None:
    if _asked_for(task):
        log.info("%s", summary(task))


def _there(task: Any) -> None:
    if _asked_for(task):
        log.info("%s: already there: %s", task.label, _place(task))


def _asked_for(task: Any) -> bool:
    return bool(task.is_root_task()) and not task.only_controls


def _place(task: Any) -> str:
    return address(task.folder if task.is_workflow() else task.path)


def _entries(path: Path) -> int | None:
    """Entries of a product as its side-car says, if it does and is here."""
    from taumltools.store import read_sidecar, sidecar_path

    if not sidecar_path(path).exists():  # made elsewhere, in a store on a server
        return None
    count = read_sidecar(path)["details"].get("entries")
    return count if isinstance(count, int) else None


def summary(task: Any) -> str:
    """What a task made.

    Args:
        task: a workflow or a branch, which has been run.

    Returns:
        Number of products, of their entries if all of them count some, and the folder.
    """
    paths = [task.path_of(branch) for branch in sorted(task.present())] if task.is_workflow() else [task.path]
    counts = [_entries(path) for path in paths]
    words = [f"{len(paths)} product{'s' if len(paths) != 1 else ''}"]
    if None not in counts:
        words.append(f"{sum(filter(None, counts))} entries")
    return f"{task.label}: {', '.join(words)} in {_place(task)}"
