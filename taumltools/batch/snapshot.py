"""The state of a workflow at the driver's last look, for ``law run Status``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taumltools.batch.decide import GiveUp
from taumltools.batch.states import State


class Snapshot:
    """A small JSON file that is replaced as a whole.

    Args:
        path: where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, time: float, states: Mapping[int, State], given_up: Mapping[int, GiveUp]) -> None:
        """Replace the file.

        Args:
            time: of the look, seconds since 1970.
            states: of branches with a job and without a product.
            given_up: branches that failed for good.
        """
        content = {
            "time": round(time, 3),
            "states": {str(branch): state.value for branch, state in states.items()},
            "given_up": {str(b): {"cause": str(v.cause), "message": v.message} for b, v in given_up.items()},
        }
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(content, separators=(",", ":")))
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self) -> dict[str, Any]:
        """The last state; empty if there is none, or it cannot be read."""
        try:
            content = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
