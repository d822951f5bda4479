"""A virtual environment as a file that travels, and a cheap checksum of what is installed in it."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import re
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from taumltools.batch.archive import DIGITS, Bundle, write_archive
from taumltools.errors import InputError

log = logging.getLogger(__name__)

SYSTEM_PREFIXES = ("/usr", "/usr/local", "/")
"""A Python below one of these belongs to the machine, and workers have their own."""

FOLDERS_LEFT_OUT = frozenset({"__pycache__", "tests", "include"})
"""In site-packages: tests, C headers, and compiled code, which would be twice as many files and 96 MB
more to send; a job compiles what it imports in 1.5 s for law and 11 s for TensorFlow."""

PACKAGES_LEFT_OUT = ("debugpy", "libclang", "mypy", "playwright")
"""Tools of developers, and a library that TensorFlow requires for its own build only; their metadata stays."""

SHARE_LEFT_OUT = frozenset({"man", "doc", "jupyter"})
"""In ``share``: what only people and notebooks read."""

PYTHON_LEFT_OUT = frozenset(
    {"__pycache__", "site-packages", "test", "tests", "idlelib", "turtledemo", "ensurepip", "tkinter"}
)
"""In the standard library, apart from ``config-*`` (for linking)."""

SUFFIXES_LEFT_OUT = frozenset({".a", ".pyc"})
"""Libraries for linking, compiled code."""

FORMAT = "1"
"""Changes when the content of an environment bundle changes though the environment did not."""


@dataclass(frozen=True)
class _Python:
    """The Python of an environment."""

    version: str  # all that sys.version tells
    short: str  # e.g. 3.11
    base: Path

    @property
    def belongs_to_machine(self) -> bool:
        return str(self.base) in SYSTEM_PREFIXES


def _python_of(prefix: Path) -> _Python:
    code = "import sys, json; print(json.dumps([sys.version, '%d.%d' % sys.version_info[:2], sys.base_prefix]))"
    command = [str(prefix / "bin" / "python"), "-I", "-S", "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            f"{prefix} is not a Python environment ({command[0]}: {error}); source setup.sh first"
        ) from error
    version, short, base = json.loads(done.stdout)
    configuration = prefix / "pyvenv.cfg"
    if configuration.exists() and re.search(
        r"(?im)^include-system-site-packages\s*=\s*true", configuration.read_text()
    ):
        raise InputError(f"{prefix} uses packages outside of it (see {configuration}): make an environment of its own")
    return _Python(version, short, Path(base).resolve())


def _site_packages(prefix: Path, python: _Python) -> Path:
    folder = prefix / "lib" / f"python{python.short}" / "site-packages"
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist: {prefix} is not an environment that can travel")
    return folder


def _record(folder: Path) -> list[list[str]]:
    """The lines of a distribution's list of files: name, checksum, size."""
    path = folder / "RECORD"
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []


def environment_checksum(prefix: Path) -> str:
    """A cheap checksum of a virtual environment: of what is installed, not of 4 GB of content.

    Args:
        prefix: folder of the environment.

    Returns:
        12 hex digits over the version of Python, the names in site-packages, the checksums that
        installers recorded for the files of each distribution, and the ``.pth`` files.

    Raises:
        InputError: ``prefix`` is not an environment of its own.
    """
    python = _python_of(prefix)
    digest = hashlib.sha256(repr([FORMAT, python.version, python.belongs_to_machine]).encode())
    for entry in sorted(_site_packages(prefix, python).iterdir()):
        if entry.name == "__pycache__":
            continue
        content: object = None
        if entry.suffix == ".dist-info":
            # scripts hold the environment's path, and compiled files differ between installers
            rows = [row[:2] for row in _record(entry) if row and not row[0].endswith(".pyc") and "/bin/" not in row[0]]
            content = sorted(rows)
        elif entry.suffix == ".pth":
            content = entry.read_text(encoding="utf-8", errors="surrogateescape")
        digest.update(repr([entry.name, content]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:DIGITS]


def pack_environment(prefix: Path, path: Path, with_python: bool | None = None) -> Bundle:
    """Write a virtual environment into an archive, as a stream.

    The archive has ``lib/pythonX.Y/site-packages`` and ``share`` of the environment, without
    what jobs do not need, and in ``python`` the Python it was made with if that is not the
    machine's own (e.g. one of uv, pyenv or conda).

    Args:
        prefix: folder of the environment.
        path: where to write, ``.tar.gz``.
        with_python: whether the Python travels along; default: if it is not the machine's own.

    Returns:
        The bundle.

    Raises:
        InputError: ``prefix`` is not an environment of its own, or a link leads to a folder outside.
    """
    python = _python_of(prefix)
    if with_python is None:
        with_python = not python.belongs_to_machine
    return write_archive(path, _environment_members(prefix, python, with_python))


def _environment_members(prefix: Path, python: _Python, with_python: bool) -> Iterator[tuple[str, Path]]:
    site = _site_packages(prefix, python)
    unwanted = {row[0] for name in PACKAGES_LEFT_OUT for row in _package_files(site, name)}
    for name, source in _walk(site, site, FOLDERS_LEFT_OUT):
        if name not in unwanted:
            yield f"lib/python{python.short}/site-packages/{name}", source
    if (prefix / "share").is_dir():
        for name, source in _walk(prefix / "share", prefix / "share", SHARE_LEFT_OUT):
            yield f"share/{name}", source
    if with_python:
        yield from _python_members(python)


def _package_files(site: Path, name: str) -> list[list[str]]:
    """The files of a package, without its metadata."""
    rows = [row for folder in site.glob(f"{name}-*.dist-info") for row in _record(folder) if row]
    return [row for row in rows if not row[0].split("/")[0].endswith(".dist-info")]


def _python_members(python: _Python) -> Iterator[tuple[str, Path]]:
    """Interpreter, standard library and the libraries beside it, below ``python``."""
    program, library = f"bin/python{python.short}", f"lib/python{python.short}"
    yield f"python/{program}", (python.base / program).resolve()
    for name, source in _walk(python.base / library, python.base, PYTHON_LEFT_OUT):
        if not name.startswith("config-"):
            yield f"python/{library}/{name}", source
    for entry in sorted((python.base / "lib").glob("*.so*")):
        if entry.is_file():
            yield f"python/lib/{entry.name}", _travelling(entry, python.base)


def _walk(folder: Path, root: Path, without: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Files below a folder, sorted, as their relative name and what to pack."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            if entry.name not in without:
                yield from ((f"{entry.name}/{name}", source) for name, source in _walk(entry, root, without))
        elif not entry.exists():
            log.warning("%s is a link that leads nowhere; it is left out", entry)
        elif entry.suffix not in SUFFIXES_LEFT_OUT:
            yield entry.name, _travelling(entry, root)


def _travelling(entry: Path, root: Path) -> Path:
    """What to pack for a file: itself, or what it leads to if that is outside ``root``."""
    if not entry.is_symlink():
        return entry
    if not os.path.isabs(os.readlink(entry)) and entry.resolve().is_relative_to(root.resolve()):
        return entry
    if entry.is_dir():
        raise InputError(
            f"{entry} is a link to the folder {entry.resolve()}, which does not travel; install that package"
        )
    return entry.resolve()
