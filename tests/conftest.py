"""What all tests share."""

from __future__ import annotations

import logging

import hypothesis
import pytest

from tests.browser import browser
from tests.condor.fixtures import pool, pool_factory, pytest_collection_modifyitems
from tests.xrootd import xrootd_server, xrootd_software, xrootd_world

__all__ = [
    "browser",
    "pool",
    "pool_factory",
    "pytest_collection_modifyitems",
    "xrootd_server",
    "xrootd_software",
    "xrootd_world",
]

# an example that takes long on a busy machine is no failure
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True)
def plain_logging():
    """Undo law's logging set-up (law.cfg), which keeps messages from pytest's ``caplog``."""
    for name in ("taumltools", "tasks"):
        logger = logging.getLogger(name)
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
