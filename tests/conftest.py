"""What all tests share."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def plain_logging():
    """Undo law's logging set-up (law.cfg), which keeps messages from pytest's ``caplog``."""
    for name in ("taumltools", "tasks"):
        logger = logging.getLogger(name)
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
