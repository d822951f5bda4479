"""What is known of a CRAB production: the meaning of its journal's lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from taumltools.errors import InputError
from taumltools.production.crab.lumis import Sections, from_mask
from taumltools.production.crab.tool import Account

INTENDED, SUBMITTED, REFUSED = "intended", "submitted", "refused"
"""States of a submission."""


@dataclass(frozen=True)
class Outcome:
    """What became of a submission.

    Attributes:
        account: sections.
        finished: ids of jobs whose output counts.
        complete: whether all of its jobs finished.
    """

    account: Account
    finished: tuple[str, ...]
    complete: bool


@dataclass(frozen=True)
class Submission:
    """A CRAB task: the first submission or a recovery.

    Attributes:
        number: 0, or that of the recovery.
        request: request name.
        since: when it was intended, s since 1970.
        state: ``intended`` (written down, perhaps not done), ``submitted`` or ``refused``.
        task: name that the server gave it.
        resubmissions: how often failed jobs were submitted again.
        kills: how often it was killed.
        by_user: whether a person killed it.
        acted: when it was last submitted, resubmitted or killed, s since 1970.
        outcome: what it processed; None while that is open.
    """

    number: int
    request: str
    since: float
    state: str = INTENDED
    task: str = ""
    resubmissions: int = 0
    kills: int = 0
    by_user: bool = False
    acted: float = 0.0
    outcome: Outcome | None = None

    @property
    def timestamp(self) -> str:
        """Name of the folder of its output."""
        return self.task.partition(":")[0]


@dataclass(frozen=True)
class History:
    """All that was done for one job.

    Attributes:
        submissions: in order; the n-th is recovery n.
        rest: files that were made of what was left, beside the grid; None if there are none yet.
        rest_sections: what was processed for them.
        moves: what is moved, as pairs of source and target; None if that is open.
        moved: whether all is in place.
        sizes: bytes of the files by target, if they were written down.
    """

    submissions: tuple[Submission, ...] = ()
    rest: tuple[str, ...] | None = None
    rest_sections: Sections = frozenset()
    moves: tuple[tuple[str, str], ...] | None = None
    moved: bool = False
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def last(self) -> Submission:
        """The latest submission."""
        return self.submissions[-1]

    def changed(self, number: int, **values: Any) -> History:
        """The same with other values in one submission."""
        known = list(self.submissions)
        known[number] = replace(known[number], **values)
        return replace(self, submissions=tuple(known))


@dataclass
class _Replay:
    """Applies events one by one."""

    history: History = field(default_factory=History)

    def intended(self, event: Mapping[str, Any]) -> None:
        number, known = int(event["number"]), self.history.submissions
        one = Submission(number, event["request"], event["time"], acted=event["time"])
        if number == len(known):
            self.history = replace(self.history, submissions=(*known, one))
        else:  # it was refused, or never reached the server
            self.history = replace(self.history, submissions=(*known[:number], one))

    def submitted(self, event: Mapping[str, Any]) -> None:
        self._change(event, state=SUBMITTED, task=event["task"], acted=event["time"])

    def refused(self, event: Mapping[str, Any]) -> None:
        self._change(event, state=REFUSED)

    def resubmitting(self, event: Mapping[str, Any]) -> None:
        number = int(event["number"])
        count = self.history.submissions[number].resubmissions + 1
        self._change(event, resubmissions=count, acted=event["time"], outcome=None, kills=0, by_user=False)

    def killing(self, event: Mapping[str, Any]) -> None:
        count = self.history.submissions[int(event["number"])].kills + 1
        self._change(event, kills=count, acted=event["time"], by_user=bool(event["by_user"]))

    def reported(self, event: Mapping[str, Any]) -> None:
        masks = {name: from_mask(event[name], name) for name in ("to_process", "processed", "duplicates")}
        outcome = Outcome(Account(**masks), tuple(event["finished"]), bool(event["complete"]))
        self._change(event, outcome=outcome)

    def rest(self, event: Mapping[str, Any]) -> None:
        sections = from_mask(event["processed"], "processed")
        self.history = replace(self.history, rest=tuple(event["files"]), rest_sections=sections)

    def moving(self, event: Mapping[str, Any]) -> None:
        moves = tuple((source, target) for source, target in event["moves"])
        sizes = dict(zip((target for _, target in moves), map(int, event.get("sizes", ())), strict=False))
        self.history = replace(self.history, moves=moves, sizes=sizes)

    def moved(self, _: Mapping[str, Any]) -> None:
        self.history = replace(self.history, moved=True)

    def _change(self, event: Mapping[str, Any], **values: Any) -> None:
        self.history = self.history.changed(int(event["number"]), **values)


EVENTS = ("intended", "submitted", "refused", "resubmitting", "killing", "reported", "rest", "moving", "moved")
"""Kinds of lines in the journal; those of the form ``-ing`` and ``intended`` are written before the deed."""


def replay(events: Iterable[Mapping[str, Any]], name: str = "journal") -> History:
    """Understand a journal.

    Args:
        events: its lines, in order.
        name: for messages.

    Returns:
        What they say.

    Raises:
        InputError: a line is not understood; the message shows it.
    """
    state = _Replay()
    for event in events:
        kind = str(event.get("event"))
        if kind not in EVENTS:
            raise InputError(f"{name}: '{kind}' is no event of a CRAB production; known are {', '.join(EVENTS)}")
        try:
            getattr(state, kind)(event)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"{name}: the event {dict(event)} cannot be understood ({error!r})") from error
    return state.history
