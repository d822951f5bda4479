"""Side-cars: where a product comes from."""

from __future__ import annotations

import json
import time

import numpy as np

from taumltools.store import Record, Usage, measure, read_sidecar, sidecar_path
from taumltools.store.provenance import code_version, package_versions


def test_usage_measures_time_and_memory():
    with measure() as usage:
        block = np.ones(20_000_000)
        time.sleep(0.05)
    assert usage.wall_s >= 0.05
    assert usage.peak_rss_mb > block.nbytes / 1e6
    assert usage.started.endswith("+00:00")


def test_usage_is_filled_even_when_the_work_fails():
    usage = None
    try:
        with measure() as usage:
            raise ValueError
    except ValueError:
        pass
    assert usage is not None
    assert usage.peak_rss_mb > 0


def test_record_round_trip(tmp_path):
    record = Record(
        task="Training",
        branch=0,
        version="v1",
        campaign="demo",
        identity="01234567",
        config={"training": {"epochs": 3}},
        seed=2**100,
        inputs=[{"path": "/x", "bytes": 3}],
        details={"entries": 7},
        usage=Usage(wall_s=1.5, cpu_s=1.0, peak_rss_mb=100.0, started="2026-01-01T00:00:00+00:00"),
    )
    product = tmp_path / "model"
    record.write(product)
    content = read_sidecar(product)
    assert content["config"]["training"]["epochs"] == 3
    assert content["wall_s"] == 1.5
    assert int(content["seed"]) == 2**100
    assert content["host"]
    assert content["packages"]["numpy"] == np.__version__
    assert json.loads(sidecar_path(product).read_text()) == content


def test_code_version_is_a_commit_or_nothing():
    version = code_version()
    assert version == {} or (len(version["commit"]) == 40 and isinstance(version["dirty"], bool))


def test_package_versions_hold_what_can_change_numbers():
    assert {"numpy", "tensorflow", "keras", "uproot", "pythia8mc"} <= set(package_versions())
