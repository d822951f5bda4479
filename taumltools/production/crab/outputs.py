"""Where finished CRAB tasks lie, and moving their files: all checks before the first move."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from taumltools.errors import InputError

PREFIX = "crab_"
"""Start of the names of CRAB's folders; the task follows."""


WITHOUT_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""Answers of file systems on which a file cannot have two names."""


@dataclass(frozen=True)
class Move:
    """A file that is moved.

    Attributes:
        source: where it is.
        target: where it goes.
    """

    source: Path
    target: Path


def plan_moves(source: Path, target: Path, tasks: Collection[str] | None = None) -> list[Move]:
    """What is moved from CRAB's folders ``<primary>/crab_<task>/<timestamp>/<chunk>/<file>.root`` to ``<task>/<file>.root``.

    Args:
        source: folder of the primary datasets.
        target: folder of the tasks.
        tasks: names of the tasks that are moved; what else lies there is left alone; None: all.

    Returns:
        All moves, by task and file.

    Raises:
        InputError: something is not as CRAB leaves it; all problems are named.

    References:
        The checks are those of the CMS tool ``move_crab_outputs.py``.
    """
    problems: list[str] = []
    moves: list[Move] = []
    found: dict[str, Path] = {}
    primaries = _folders([source], problems)
    others: list[str] = []  # with a choice of tasks it does not matter what else lies there
    for folder in _folders(primaries, problems if tasks is None else others):
        if tasks is not None and folder.name.removeprefix(PREFIX) not in tasks:
            continue
        if not folder.name.startswith(PREFIX):
            problems.append(f"{folder}: expected a folder {PREFIX}<task>")
            continue
        name = folder.name.removeprefix(PREFIX)
        if name in found:
            problems.append(f"{folder}: task '{name}' is also in {found[name]}")
        found[name] = folder
        if (target / name).exists():
            problems.append(f"{target / name}: exists already")
        moves += _of_task(folder, target / name, problems)
    if not found and not problems:
        problems.append(f"{source}: has no folder <primary>/{PREFIX}<task>")
    problems += [f"{source}: has no folder <primary>/{PREFIX}{name}" for name in tasks or () if name not in found]
    if problems:
        raise InputError("nothing was moved:\n" + "\n".join(f"  {text}" for text in sorted(problems)))
    return sorted(moves, key=lambda move: move.target)


def _of_task(folder: Path, target: Path, problems: list[str]) -> list[Move]:
    stamps = _folders([folder], problems)
    if len(stamps) != 1:
        problems.append(
            f"{folder}: expected one timestamp, found {len(stamps)}: {', '.join(p.name for p in stamps) or '-'}"
            + (": move away what is not of this task" if stamps else "")
        )
        return []
    seen: dict[str, Path] = {}
    for chunk in _folders(stamps, problems):
        for file in sorted(chunk.iterdir()):
            if not file.is_file() or file.suffix != ".root":
                problems.append(f"{file}: expected only .root files here")
            elif file.name in seen:
                problems.append(f"{file}: a file of that name is also in {seen[file.name].parent}")
            else:
                seen[file.name] = file
    return [Move(path, target / name) for name, path in seen.items()]


def _folders(parents: Iterable[Path], problems: list[str]) -> list[Path]:
    """All folders in some folders; anything else in them is a problem."""
    found = []
    for parent in parents:
        try:
            inside = sorted(parent.iterdir())
        except OSError as error:
            problems.append(f"{parent}: cannot be read ({error.strerror})")
            continue
        problems += [f"{path}: expected a folder" for path in inside if not path.is_dir()]
        found += [path for path in inside if path.is_dir()]
    return found


def move(moves: Iterable[Move]) -> int:
    """Move files; each one appears whole, and none is replaced.

    What an earlier call has moved, or was about to move when it was killed, is recognised, so that a recorded plan can be
    carried out again until all of it is done.

    Args:
        moves: from :func:`plan_moves`; between file systems files are copied.

    Returns:
        How many were moved now.

    Raises:
        InputError: a target exists, or the file system refuses; how many were moved until then is said.
    """
    done = 0
    for one in moves:
        try:
            done += _move(one)
        except OSError as error:
            raise InputError(
                f"{one.target}: cannot be moved there ({error.strerror}); {done} files were moved before"
            ) from error
    return done


def _move(one: Move) -> bool:
    if one.source == one.target or (one.target.exists() and not one.source.exists()):
        return False
    one.target.parent.mkdir(parents=True, exist_ok=True)
    if not (one.target.exists() and os.path.samefile(one.source, one.target)):
        try:
            os.link(one.source, one.target)  # refuses to replace, which a rename does not
        except OSError as error:
            if error.errno not in {*WITHOUT_LINKS, errno.EXDEV} or one.target.exists():
                raise
            if error.errno != errno.EXDEV:
                os.rename(one.source, one.target)  # a file system without links, e.g. EOS
                return True
            copy = one.target.with_name(f".{one.target.name}.tmp")
            shutil.copy2(one.source, copy)
            os.rename(copy, one.target)
    one.source.unlink()
    return True
