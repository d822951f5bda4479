"""What a driver tells while it waits: progress, when it changes, and a hint when nothing starts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taumltools.batch.messages import progress_line
from taumltools.batch.states import State
from taumltools.batch.work import Settings

log = logging.getLogger(__name__)

REMIND = 60.0
"""Seconds after which something is said again that has not changed."""


class Teller:
    """Tells how far a workflow is.

    Args:
        settings: of the workflow.
        clock: seconds since 1970.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.last_line = ""
        self.last_change = clock()

    def tell(
        self, states: Mapping[int, State], seen: Mapping[int, float], given_up: Mapping[int, Any], jobs: Sequence[str]
    ) -> None:
        """Log one line, if anything changed, or where to look if nothing starts.

        Args:
            states: of the branches with a job and without a product.
            seen: branches with a product.
            given_up: branches that failed for good.
            jobs: all jobs in the queue.
        """
        line = progress_line(self.settings.label, self.settings.branches, seen, states, given_up)
        if line != self.last_line:
            log.info("%s", line)
            self.last_line, self.last_change = line, self.clock()
        elif states and set(states.values()) == {State.IDLE} and jobs:
            self._remind(jobs[0])

    def _remind(self, job: str) -> None:
        """When nothing has started for long: since when, and where to look."""
        now = self.clock()
        if now - self.last_change >= max(REMIND, 30 * self.settings.poll_interval):
            self.last_change = now
            log.info(
                "%s: still waiting, nothing has started: each asks for %s; condor_q -better-analyze %s tells why. "
                "To ask for something else: Ctrl-C, and the same command with other options",
                self.settings.label, self.settings.resources, job,
            )  # fmt: skip
