"""What users see of an error: what happened and what to do, not the machinery around it."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from types import TracebackType
from typing import Any, ClassVar

from luigi.parameter import MissingParameterException


def _quiet_interrupt(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Ctrl-C is a way to stop, not an error to explain by a traceback."""
    if issubclass(kind, KeyboardInterrupt) and not os.environ.get("TAUML_DEBUG"):
        sys.stderr.write("stopped\n")
    else:
        sys.__excepthook__(kind, error, trace)


def wrong_option(error: BaseException | None, trace: TracebackType | None) -> str:
    """What is wrong with the command line, if that is what ended luigi.

    Args:
        error: the exception that luigi did not expect.
        trace: where it was raised.

    Returns:
        One line for the user, or nothing if the command line is not to blame.
    """
    if isinstance(error, MissingParameterException):
        if missing := re.match(r"(\w+)\[.*requires the '(\w+)' parameter", str(error)):
            option = missing[2].replace("_", "-")
            return f"{missing[1]} needs --{option}: law run {missing[1]} --help says what it is"
        return str(error)
    if isinstance(error, ValueError):
        for frame, _ in traceback.walk_tb(trace):
            if frame.f_code.co_name == "_get_task_kwargs":  # luigi and law: texts become values
                option = str(frame.f_locals.get("param_name", "option")).replace("_", "-")
                return f"--{option}: {error}"
    return ""


class ShortErrors(logging.Filter):
    """Cuts the traceback of errors that users cause: their message says what to do.

    With ``TAUML_DEBUG`` set, everything is shown.
    """

    MARK: ClassVar[str] = "taumltools.errors."

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record in place; it is always logged."""
        if os.environ.get("TAUML_DEBUG"):
            return True
        text = record.getMessage()
        short = ""
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
            short = wrong_option(record.exc_info[1], record.exc_info[2])
        if self.MARK in text:
            short = self.shortened(text)
        if short:
            record.msg, record.args, record.exc_info = short, (), None
            record.levelno, record.levelname = logging.ERROR, "ERROR"  # luigi warns if the settings are wrong
        return True

    def shortened(self, text: str) -> str:
        """The task that a log message is about and the error that ended it."""
        first = text.splitlines()[0]
        error = text[text.rindex(self.MARK) + len(self.MARK) :].rstrip()
        for pattern, what in (
            (r"\bfailed\s+(\w+\(.*\))\s*$", "failed"),
            (r"Will not run (\w+\(.*\)) or", "cannot be run"),
        ):
            if task := re.search(pattern, first):
                return f"{task[1]} {what}\n{error}"
        return f"{first}\n{error}"


def install() -> None:
    """Show errors short from here on, in what luigi logs and at Ctrl-C."""
    sys.excepthook = _quiet_interrupt
    logger = logging.getLogger("luigi-interface")
    if not any(isinstance(known, ShortErrors) for known in logger.filters):
        logger.addFilter(ShortErrors())
