"""The real HTCondor pool as fixtures, for all tests (tests/conftest.py imports them)."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.condor.pool import Pool, missing

with contextlib.suppress(ImportError), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # there is no pool yet
    import htcondor2  # noqa: F401  before a test imports libraries whose cryptography takes the place of HTCondor's


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a pool."""
    for item in items:
        if {"pool", "pool_factory"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("condor")


def unavailable(folder: Path) -> str:
    """Why there can be no pool here; empty if HTCondor is installed (the first time, this downloads it)."""
    if reason := missing():
        return reason
    try:
        Pool(folder).script("install")
    except RuntimeError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session")
def pool_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Pool]]:
    """Start pools, ``pool_factory(extra="NAME = value")``; they are stopped at the end of the tests."""
    if reason := unavailable(tmp_path_factory.mktemp("nopool")):
        if os.environ.get("TAUML_REQUIRE_CONDOR") == "1":
            pytest.fail(f"{reason}\nand TAUML_REQUIRE_CONDOR=1 forbids to go without")
        pytest.skip(reason)
    pools: list[Pool] = []

    def start(extra: str = "") -> Pool:
        pools.append(Pool(tmp_path_factory.mktemp("pool"), extra))
        pools[-1].up()
        return pools[-1]

    try:
        yield start
    finally:
        for each in pools:
            each.down()


@pytest.fixture(scope="session")
def pool(pool_factory: Callable[..., Pool]) -> Iterator[Pool]:
    """The pool, which this process uses too (``CONDOR_CONFIG``)."""
    with pytest.MonkeyPatch.context() as patch:
        one = pool_factory()
        patch.setenv("CONDOR_CONFIG", one.env["CONDOR_CONFIG"])

        import htcondor2

        htcondor2.reload_config()  # if a test imported it before
        yield one
