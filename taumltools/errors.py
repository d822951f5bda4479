"""The exceptions users see.

Every message says what was found, where, what was expected and what to do, so that a
batch log is enough to repair the cause.  Programming errors stay ordinary exceptions.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TauMLError(Exception):
    """Base of all errors this project raises on purpose."""


class ConfigError(TauMLError):
    """A setting is unknown, has the wrong type, or contradicts another one."""


class InputError(TauMLError):
    """An input file or its content cannot be used (truncated, foreign, NaN, empty)."""


class FitError(InputError):
    """A fit broke down: its loss is not finite, with these settings and this sample."""


class StoreError(TauMLError):
    """A result cannot be published (disk full, store read-only, invalid product)."""


class ServerError(StoreError):
    """A server of files does not answer, or breaks off; it may answer later."""


class ProgramError(TauMLError):
    """A program that was run for us failed; the message has its own words."""


class BatchError(TauMLError):
    """Something is wrong with the batch system, or branches failed there for good."""


class PoolError(BatchError):
    """The batch system does not answer, or refuses; it may answer later."""


class NoPoolError(PoolError):
    """This machine knows of no batch system; it may have been stopped for a moment."""


class CrabError(TauMLError):
    """The CRAB client cannot be run, or did not do what it was asked for.

    Attributes:
        kind: ``missing`` (no client), ``proxy``, ``exists`` (project directory), ``timeout``, ``refused``, ``failed``
            (a production that nothing can be done about without a person).
    """

    def __init__(self, message: str, kind: str = "refused") -> None:
        super().__init__(message)
        self.kind = kind


def nearest_names(name: str, known: Iterable[str]) -> str:
    """``"; the nearest names are a, b"`` or an empty string: the end of a message about an unknown name."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"; the nearest names are {', '.join(close)}" if close else ""
