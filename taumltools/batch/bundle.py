"""Repository and environment as files that travel to workers which share no file system.

Each has a cheap checksum of what is in it, by which the task layer knows whether a bundle that
was made before still fits.  What runs on the worker is ``bundle_job.sh``.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
from pathlib import Path

from taumltools.batch.archive import DIGITS, Bundle, write_archive
from taumltools.batch.environment import environment_checksum, pack_environment
from taumltools.errors import InputError

__all__ = [
    "Bundle", "environment_checksum", "pack_environment", "pack_repository", "repository_checksum", "repository_files",
]  # fmt: skip

log = logging.getLogger(__name__)

KNOWN_ENTRIES = (
    "configs", "law.cfg", "pyproject.toml", "requirements", "setup.py", "setup.sh", "tasks", "taumltools",
)  # fmt: skip
"""What travels where git cannot tell what belongs to the project."""

NEEDED_ENTRIES = ("configs", "law.cfg", "tasks", "taumltools")
"""Without these a folder is not this project."""

LEFT_OUT = ("tests/data/", "tests/plots/")
"""Reference files and plots of the tests: 2.3 of the repository's 4.1 MB, and no job reads them."""

LARGEST_REPOSITORY = 100 * 10**6
"""Bytes; data that somebody left in the checkout would travel with each job."""


def _git_files(root: Path) -> list[Path] | None:
    """What git knows or would take in below ``root``; None if that is not a checkout of its own."""

    def git(*arguments: str) -> bytes | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True)
        except OSError:
            return None
        return done.stdout if done.returncode == 0 else None

    top = git("rev-parse", "--show-toplevel")
    if top is None or Path(os.fsdecode(top.rstrip(b"\n"))).resolve() != root.resolve():
        return None
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return None if listed is None else [Path(os.fsdecode(name)) for name in listed.split(b"\0") if name]


def _known_files(root: Path) -> list[Path]:
    """Files of the project's known folders, without what Python leaves there."""
    missing = [name for name in NEEDED_ENTRIES if not (root / name).exists()]
    if missing:
        raise InputError(
            f"{root} is neither a git checkout nor a copy of this project ({', '.join(missing)} not found): "
            "jobs need the repository; run from a checkout"
        )
    found = [root / name for name in KNOWN_ENTRIES]
    found += [path for entry in found if entry.is_dir() for path in entry.rglob("*")]
    relative = (path.relative_to(root) for path in found if path.is_symlink() or not path.is_dir())
    return [p for p in relative if p.suffix != ".pyc" and not any(part.endswith(".egg-info") for part in p.parts)]


def repository_files(root: Path) -> list[Path]:
    """Files of the project that travel.

    In a git checkout these are the tracked files and those that git does not ignore, as they
    are now; elsewhere the project's known folders.  The references of the tests stay behind.

    Args:
        root: top folder of the project.

    Returns:
        Paths relative to ``root``, sorted.

    Raises:
        InputError: ``root`` is not this project, or a link leads out of it.
    """
    listed = _git_files(root)
    files = []
    for path in sorted(set(_known_files(root) if listed is None else listed)):
        source = root / path
        if path.as_posix().startswith(LEFT_OUT) or not os.path.lexists(source):
            continue
        if source.is_symlink():
            if not source.exists() or not source.resolve().is_relative_to(root.resolve()):
                raise InputError(
                    f"{source} is a link to {os.readlink(source)}, which jobs cannot see; put a file there"
                )
        elif source.is_dir():
            log.warning("%s is a git repository of its own; jobs will not have it", source)
            continue
        files.append(path)
    return files


def repository_checksum(root: Path) -> str:
    """A checksum of what :func:`pack_repository` would pack.

    Args:
        root: top folder of the project.

    Returns:
        12 hex digits over names, permission to execute and content; nothing else enters.
    """
    digest = hashlib.sha256()
    for path in repository_files(root):
        source = root / path
        if source.is_symlink():
            kind, content = "link", os.fsencode(os.readlink(source))
        else:
            kind, content = "program" if source.stat().st_mode & 0o100 else "file", source.read_bytes()
        digest.update(f"{kind} {len(os.fsencode(path))} {len(content)} ".encode() + os.fsencode(path) + content)
    return digest.hexdigest()[:DIGITS]


def pack_repository(root: Path, path: Path) -> Bundle:
    """Write the project's files into an archive; the same files give the same bytes.

    Args:
        root: top folder of the project.
        path: where to write, ``.tar.gz``.

    Returns:
        The bundle.

    Raises:
        InputError: ``root`` is not this project, or has large files that git does not ignore.
    """
    files = repository_files(root)
    sizes = {file: (root / file).lstat().st_size for file in files}
    if sum(sizes.values()) > LARGEST_REPOSITORY:
        largest = sorted(sizes, key=lambda file: -sizes[file])[:3]
        raise InputError(
            f"{root} has {sum(sizes.values()) / 1e6:.0f} MB that would travel with each job, more than "
            f"{LARGEST_REPOSITORY / 1e6:.0f}: among them {', '.join(map(str, largest))}; "
            "move data elsewhere or name it in .gitignore"
        )
    return write_archive(path, ((file.as_posix(), root / file) for file in files))
