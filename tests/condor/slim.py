"""A small home for workflows without a shared file system: a copy of the checkout, and a virtual environment.

The environment has only what the framework needs: 70 MB, not the 4 GB of the whole one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("law", "luigi", "pydantic", "hydra-core", "omegaconf", "numpy")
BINDINGS = ("htcondor", "fsspec")
"""Only the driver needs them: they stay behind."""

COPIED = ("tasks", "taumltools", "configs", "law.cfg", ".gitignore", "tests/condor/payload.py")


def closure(names: tuple[str, ...]) -> list[Distribution]:
    """Distributions of this environment, with all they require."""
    found: dict[str, Distribution] = {}
    wanted = list(names)
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in found:
            continue
        with contextlib.suppress(PackageNotFoundError):  # required only elsewhere
            found[name] = distribution(name)
            required = map(Requirement, found[name].requires or ())
            wanted += [r.name for r in required if r.marker is None or r.marker.evaluate({"extra": ""})]
    missing = set(names) - set(found)
    assert not missing, f"not installed: {missing}"
    return list(found.values())


def make_environment(prefix: Path) -> Path:
    """A virtual environment with :data:`NEEDED`, and ``law``; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    install(NEEDED, next((prefix / "lib").glob("python*/site-packages")))
    program, python = prefix / "bin" / "law", prefix / "bin" / "python"
    program.write_text(f"#!{python}\nimport sys\nfrom law.cli import run\nsys.exit(run())\n")
    program.chmod(0o755)
    # compiled code, which does not travel, makes each command a second faster
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    modules = "law, law.cli, luigi.interface, hydra, hydra.utils, omegaconf, pydantic.dataclasses, numpy"
    subprocess.run([python, "-P", "-c", f"import {modules}"], check=True, env=environment | {"PYTHONPATH": ""})
    return python


def install(names: tuple[str, ...], folder: Path) -> Path:
    """Packages of this environment with all they require, in another folder."""
    for each in closure(names):
        for file in each.files or ():
            if ".." in file.parts or "tests" in file.parts or file.suffix == ".pyc":
                continue
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(Path(str(each.locate_file(file))), target)
    return folder


def link_or_copy(source: Path, target: Path) -> None:
    """A second name of a file, or a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def copy_checkout(folder: Path) -> Path:
    """A git checkout of what jobs need of this one, as it is now."""
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as it is"]):
        subprocess.run([*git, *command], check=True)
    return folder
