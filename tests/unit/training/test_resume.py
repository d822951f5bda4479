"""A training that is killed with SIGKILL, submitted again, and ends bit for bit as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from taumltools.config.identity import plain
from taumltools.features.flat import write_flat
from tests.unit.training.conftest import toy_flat

PROGRAM = Path(__file__).with_name("killed_fit.py")
ROOT = Path(__file__).resolve().parents[3]


CASES = {
    "cached": ("100", False),
    "streamed": ("0", False),
    "adversarial": ("100", True),
    "adversarial streamed": ("0", True),
}


@pytest.fixture(scope="module", params=CASES)
def folder(request, tmp_path_factory, flat, features, scaling):
    directory = tmp_path_factory.mktemp("killed")
    cache, adversarial = CASES[request.param]
    if adversarial:
        (directory / "control").mkdir()
        for i, (name, start, stop) in enumerate([("data_0", 0, 90), ("data_1", 90, 130), ("dy", 130, 300)]):
            write_flat(
                directory / "control" / f"{name}.h5", [toy_flat(300, seed=10 + i).slice(start, stop)], config=features
            )
    for i, (start, stop) in enumerate([(0, 700), (700, 1200)]):
        write_flat(directory / f"{i}.h5", [flat.slice(start, stop)], config=features)
    (directory / "features.json").write_text(json.dumps(plain(features)))
    (directory / "scaling.json").write_text(json.dumps(scaling))
    return directory, cache


def run(folder, name, kill_after):
    directory, cache = folder
    environment = os.environ | {"CACHE_MB": cache, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(PROGRAM), str(directory), name, str(kill_after)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, cwd=ROOT)


@pytest.mark.timeout(600)
def test_a_killed_training_ends_as_one_that_was_not(folder):
    directory, _ = folder
    whole = run(folder, "whole", 0)
    assert whole.returncode == 0, whole.stderr[-3000:]
    for steps in (6, 15):  # in the middle of the first epoch; then, going on, in the middle of the second
        assert run(folder, "parts", steps).returncode == -signal.SIGKILL
        assert not (directory / "parts" / "model.keras").exists()
    last = run(folder, "parts", 0)
    assert last.returncode == 0, last.stderr[-3000:]
    all_steps = int((directory / "whole.steps").read_text())
    assert int((directory / "parts.steps").read_text()) == all_steps - 5 - 14  # the killed step itself was not saved
    with np.load(directory / "whole.npz") as a, np.load(directory / "parts.npz") as b:
        assert set(a.files) == set(b.files)
        assert any(name.startswith("optimizer") for name in a.files)
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    first, second = (json.loads((directory / name / "history.json").read_text()) for name in ("whole", "parts"))
    assert {k: v for k, v in first.items() if k != "wall_s"} == {k: v for k, v in second.items() if k != "wall_s"}
    first, second = (json.loads((directory / name / "metrics.json").read_text()) for name in ("whole", "parts"))
    assert {k: v for k, v in first.items() if k != "wall_s"} == {k: v for k, v in second.items() if k != "wall_s"}
