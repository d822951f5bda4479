"""Repository and environment as files that travel to workers which share no file system.

They do not depend on a campaign: they lie in ``$TAUML_STORE/_bundles``, and their names carry a
checksum of what is in them, so that they are made again only when that has changed.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import law
import luigi

from tasks.base import PipelineTask
from tasks.store import store_root

ROOT = Path(__file__).resolve().parents[1]


class BundleTask(PipelineTask):
    """A file that travels with jobs; it is made on this machine, whatever runs elsewhere.

    ``{identity}`` in the product's name is the checksum.  What a bundle is made of is looked at
    once in a process.
    """

    exclude_index = True

    workflow = luigi.ChoiceParameter(
        default=law.NO_STR,
        choices=[law.NO_STR, "local"],
        description="bundles are made on this machine, where their content is; default: local",
    )

    def checksum(self) -> str:
        """Twelve hex digits over what the bundle is made of, as it is now."""
        raise NotImplementedError(type(self).__name__)

    def reads(self) -> tuple[str, ...]:
        """No settings."""
        return ()

    @functools.cached_property
    def identity(self) -> str:
        """The checksum of the content takes the place of the settings."""
        return self.checksum()

    @functools.cached_property
    def folder(self) -> Path:
        """One folder for the bundles of all campaigns."""
        return store_root() / "_bundles"

    def path_of(self, branch: int) -> Path:
        """The file, with the checksum of its content in its name."""
        return self.folder / self.product.format(branch=branch, identity=self.identity)

    def pack(self, path: Path) -> Any:
        """Write the bundle.

        Args:
            path: where.

        Returns:
            A :class:`taumltools.batch.bundle.Bundle`.
        """
        raise NotImplementedError(type(self).__name__)

    def produce(self, path: Path) -> dict[str, Any]:
        """Pack; the checksum of the file goes to the side-car."""
        made = self.pack(path)
        return {"sha256": made.sha256, "bytes": made.bytes}

    def validate(self, path: Path) -> None:
        """It opens, and what was packed did not change meanwhile: the name would be wrong."""
        import tarfile

        from taumltools.errors import InputError

        with tarfile.open(path) as archive:
            empty = archive.next() is None
        now = self.checksum()
        if empty or now != self.identity:
            raise InputError(
                f"{type(self).__name__}: what was packed changed meanwhile (checksum {self.identity} before, {now} "
                "after): run the task again, and do not edit or install meanwhile"
            )

    @property
    def bundle(self) -> Any:
        """The published bundle.

        Returns:
            A :class:`taumltools.batch.bundle.Bundle`.

        Raises:
            InputError: it is not there, or has not the size its side-car tells.
        """
        from taumltools.batch.bundle import Bundle
        from taumltools.errors import InputError
        from taumltools.store import read_sidecar

        details = read_sidecar(self.path)["details"]
        found = self.path.stat().st_size if self.path.exists() else 0
        if found != details["bytes"]:
            raise InputError(
                f"{self.path} has {found} bytes, its side-car tells {details['bytes']}: "
                f"remove it and run {type(self).__name__} again"
            )
        return Bundle(self.path, details["sha256"], details["bytes"])


class BundleRepository(BundleTask):
    """The project's files, as they are in the checkout now."""

    product = "repository_{identity}.tar.gz"

    def checksum(self) -> str:
        """Over names and content of the files."""
        from taumltools.batch.bundle import repository_checksum

        return repository_checksum(ROOT)

    def pack(self, path: Path) -> Any:
        """Pack the checkout."""
        from taumltools.batch.bundle import pack_repository

        return pack_repository(ROOT, path)


class BundleEnvironment(BundleTask):
    """The virtual environment of this process; a minute and 1 GB."""

    product = "environment_{identity}.tar.gz"

    def checksum(self) -> str:
        """Over what is installed."""
        from taumltools.batch.bundle import environment_checksum

        return environment_checksum(Path(sys.prefix))

    def pack(self, path: Path) -> Any:
        """Pack the environment."""
        from taumltools.batch.bundle import pack_environment

        return pack_environment(Path(sys.prefix), path)


def bundles(version: str, campaign: str) -> dict[str, BundleTask]:
    """What workflows need whose jobs share no file system with this machine.

    Args:
        version: label of the processing that asks; it does not enter the paths.
        campaign: its campaign; it does not enter the paths.

    Returns:
        The tasks ``repository`` and ``environment``, in this order, always run on this machine.
    """
    shared = {"version": version, "campaign": campaign, "workflow": "local"}
    return {"repository": BundleRepository(**shared), "environment": BundleEnvironment(**shared)}
