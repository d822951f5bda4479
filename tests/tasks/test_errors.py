"""What users see when something fails: the message, not the machinery."""

from __future__ import annotations

import logging
import sys

import pytest
from luigi.parameter import MissingParameterException

from tasks.errors import ShortErrors, install
from taumltools.errors import ConfigError, InputError


def record(message, error=None):
    """A log record as luigi makes it, with the traceback of ``error``."""
    info = None
    if error is not None:
        try:
            raise error
        except type(error):
            info = sys.exc_info()
    return logging.LogRecord("luigi-interface", logging.ERROR, __file__, 1, message, (), info)


def shown(entry):
    assert ShortErrors().filter(entry)
    return logging.Formatter("%(message)s").format(entry)


@pytest.mark.parametrize("error", [ConfigError("key 'x': do this"), InputError("file a.root: do that")])
def test_user_errors_are_shown_without_traceback(error):
    assert shown(record("task failed", error)) == f"task failed\n{type(error).__name__}: {error}"


def test_messages_of_several_lines_are_kept_whole():
    error = ConfigError("campaign 'demo' has wrong settings:\n  training.epochs: too few")
    assert shown(record("task failed", error)).endswith("wrong settings:\n  training.epochs: too few")


def test_tracebacks_inside_of_a_message_are_cut_too():
    text = (
        "Will not run X:\nTraceback (most recent call last):\n  File\ntaumltools.errors.ConfigError: unknown campaign"
    )
    assert shown(record(text)) == "Will not run X:\nConfigError: unknown campaign"


def test_other_errors_keep_their_traceback():
    text = shown(record("task failed", ZeroDivisionError("division by zero")))
    assert "Traceback" in text
    assert "ZeroDivisionError: division by zero" in text


def test_values_that_our_own_code_refuses_keep_their_traceback():
    """ValueError is short only where luigi turns the texts of the command line into values."""
    text = shown(record("Uncaught exception in luigi", ValueError("shapes differ")))
    assert "Traceback" in text
    assert text.endswith("ValueError: shapes differ")


def test_missing_parameters_of_an_unknown_wording_are_shown_as_they_are():
    assert shown(record("Uncaught exception in luigi", MissingParameterException("give x"))) == "give x"


def test_debugging_shows_everything(monkeypatch):
    monkeypatch.setenv("TAUML_DEBUG", "1")
    assert "Traceback" in shown(record("task failed", InputError("bad")))


def test_filter_is_installed_once():
    logger = logging.getLogger("luigi-interface")
    for _ in range(3):
        install()
    assert sum(isinstance(known, ShortErrors) for known in logger.filters) == 1
