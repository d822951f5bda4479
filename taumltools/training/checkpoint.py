"""Checkpoints of a fit: everything that is needed to go on as if nothing had happened.

A checkpoint is one file, written under a temporary name and renamed, so that it is whole or not
there.  The last two are kept: should one be unreadable, the other one serves.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.store.publish import temporary_sibling

log = logging.getLogger(__name__)

KEPT = 2
META = "meta.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a fit.

    Attributes:
        meta: what fits into JSON.
        arrays: the rest, by name.
    """

    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def part(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays whose name begins with ``prefix``, without it.

        Args:
            prefix: e.g. ``variable/``.

        Returns:
            Arrays by the rest of their name.
        """
        return {name.removeprefix(prefix): a for name, a in self.arrays.items() if name.startswith(prefix)}


@dataclass
class Checkpoints:
    """The checkpoints of one fit, in a folder of their own.

    Attributes:
        folder: where they lie; it must survive the process, so not among the temporary files of a job.
        minutes: a checkpoint is due when the last one is so old; one is written after every epoch in any case.

    Examples:
        >>> import tempfile
        >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp()) / "fit")
        >>> checkpoints.save(Checkpoint({"epoch": 3}, {"w": np.ones(2)}))
        >>> checkpoints.load("").meta["epoch"], checkpoints.load("other settings")
        (3, None)
        >>> checkpoints.remove()
    """

    folder: Path
    minutes: float = 10.0
    _last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether it is time for one."""
        return time.monotonic() - self._last >= 60.0 * self.minutes

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove those before the last two.

        If the disk does not take it, that is logged and the fit goes on: it can still come to its end.

        Args:
            checkpoint: the state.
        """
        self._last = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            known = self._paths()
            number = int(known[-1].stem.split("_")[1]) + 1 if known else 1
            path = self.folder / f"checkpoint_{number:06d}.npz"
            _write(path, checkpoint)
            for old in [*known, path][:-KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("no checkpoint could be written to %s: %s", self.folder, error)

    def load(self, fingerprint: str) -> Checkpoint | None:
        """The last readable checkpoint of the same fit.

        Args:
            fingerprint: what identifies the fit; a checkpoint of another one is not used.

        Returns:
            The checkpoint; None if there is none.
        """
        for path in reversed(self._paths()):
            try:
                checkpoint = _read(path)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                log.warning("%s cannot be read (%s), taking the one before", path, error)
                continue
            if checkpoint.meta.get("fingerprint", "") == fingerprint:
                return checkpoint
            log.warning("%s is of a fit with other settings, data or versions: it is not used", path)
        return None

    def remove(self) -> None:
        """Remove all of them and the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint_*.npz"))


def _write(path: Path, checkpoint: Checkpoint) -> None:
    temporary = temporary_sibling(path)
    meta = np.frombuffer(json.dumps(checkpoint.meta).encode(), np.uint8)
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{META: meta}, **checkpoint.arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: Path) -> Checkpoint:
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    meta: Mapping[str, Any] = json.loads(arrays.pop(META).tobytes())
    return Checkpoint(dict(meta), arrays)
