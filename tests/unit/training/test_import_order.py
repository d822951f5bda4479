"""TensorFlow and the client of xrootd in one process, as in a run that trains and then lists remote files."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import taumltools.training.layers, tensorflow
from XRootD import client
assert client.EnvPutInt("ConnectionRetry", 1)
print("both", tensorflow.__name__, client.EnvGetInt("ConnectionRetry"))
"""


def test_xrootd_client_after_tensorflow_was_a_segmentation_fault():
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", CODE], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["both", "tensorflow", "1"]
