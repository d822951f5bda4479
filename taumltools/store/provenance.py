"""Where a product comes from: a JSON side-car ``<product>.meta.json`` beside each one."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import json
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from taumltools.errors import InputError

PACKAGES = (
    "numpy", "awkward", "uproot", "h5py", "pyarrow", "tensorflow", "keras", "mlflow",
    "hydra-core", "law", "luigi", "pythia8mc", "fastjet", "numba", "scipy",
)  # fmt: skip
"""Packages whose versions can change numbers."""


@dataclass
class Usage:
    """What a piece of work cost; filled when the work ends.

    Attributes:
        wall_s: elapsed time in seconds.
        cpu_s: processor time of this process in seconds.
        peak_rss_mb: largest resident memory of this process so far, in MB (10^6 bytes).
        started: start time, ISO 8601 in UTC.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_mb: float = 0.0
    started: str = ""


@contextmanager
def measure() -> Iterator[Usage]:
    """Measure time and memory of the enclosed work.

    Yields:
        A :class:`Usage` that is up to date at every call of ``update`` and at the end.
    """
    usage = Usage(started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield usage
    finally:
        usage.wall_s = round(time.perf_counter() - wall, 3)
        usage.cpu_s = round(time.process_time() - cpu, 3)
        usage.peak_rss_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)


@dataclass(frozen=True)
class Record:
    """The content of a side-car.

    Attributes:
        task: task family, e.g. ``"ProduceTuples"``.
        branch: branch number.
        version: the user's version label.
        campaign: campaign name.
        identity: hash of the settings and of what is upstream.
        config: the settings the task read, by key.
        seed: entropy of the task's random stream.
        inputs: paths the task read, with what is known of each (entries, bytes).
        details: what the task reports about its product.
        files: names of the files of a product that is a folder, see :func:`files_of`.
        usage: time and memory.
    """

    task: str
    branch: int
    version: str
    campaign: str
    identity: str
    config: dict[str, Any]
    seed: int | None = None
    inputs: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    def as_json(self) -> dict[str, Any]:
        """The side-car as JSON types, with host, code and package versions added."""
        content = asdict(self)
        content |= content.pop("usage")
        content["seed"] = None if self.seed is None else str(self.seed)
        return content | {"host": socket.gethostname(), "code": code_version(), "packages": package_versions()}

    def write(self, product: Path) -> None:
        """Write the side-car of ``product`` (which may not exist yet)."""
        from taumltools.store.publish import publish

        with publish(sidecar_path(product), replace=True) as temporary:
            temporary.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")


def files_of(product: Path) -> list[str]:
    """Names of all files of a product that is a folder, relative to it and sorted; none of one that is a file.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "deep").mkdir()
        >>> (folder / "deep/a.txt").touch()
        >>> files_of(folder), files_of(folder / "deep/a.txt")
        (['deep/a.txt'], [])
    """
    return sorted(file.relative_to(product).as_posix() for file in product.rglob("*") if file.is_file())


def sidecar_path(product: Path) -> Path:
    """Where the side-car of a product is: ``a/b.root`` -> ``a/b.root.meta.json``."""
    return product.with_name(product.name + ".meta.json")


def read_sidecar(product: Path) -> dict[str, Any]:
    """The side-car of ``product``.

    Raises:
        InputError: there is none, or it is not JSON.
    """
    path = sidecar_path(product)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: products of this pipeline have a side-car; was it moved away?") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON ({error}); remove the product and run its task again") from error


@functools.cache
def code_version() -> dict[str, Any]:
    """Commit of the checkout and whether it has uncommitted changes (empty outside git)."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "-uno"))} if commit else {}


@functools.cache
def package_versions() -> dict[str, str]:
    """Installed versions of :data:`PACKAGES`; what is not installed is left out."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
