"""Tasks that are commands: they make no product, and do their work each time they are called."""

from __future__ import annotations

from typing import Any

import law

from tasks import errors

errors.install()


class CommandTask(law.Task):
    """A command for people; its :meth:`run` sets ``done``."""

    exclude_index = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.done = False

    def output(self) -> list[Any]:
        """Nothing is made that a later call would find."""
        return []

    def complete(self) -> bool:
        """Whether it was done by this call."""
        return self.done
