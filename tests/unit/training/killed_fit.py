"""A small training as a process of its own, for the tests that kill it; see test_resume.py.

    python killed_fit.py FOLDER NAME KILL_AFTER

trains on FOLDER/*.h5, with domain adaptation if there is FOLDER/control, into FOLDER/NAME with checkpoints in FOLDER/NAME-state, and kills itself with SIGKILL after so many
steps (0: never), counted in this process.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from taumltools.config.adversarial import AdversarialConfig, ControlSample
from taumltools.config.features import FeaturesConfig
from taumltools.config.model import ModelConfig
from taumltools.config.training import TrackingConfig, TrainingConfig
from taumltools.training.checkpoint import Checkpoints
from taumltools.training.fit import train
from taumltools.training.fit_model import FitModel, variables_of

TRAINING = TrainingConfig(
    epochs=3,
    batch_size=64,
    learning_rate=1e-2,
    optimizer="nadam",
    loss="WPloss2",
    metrics=("Ljet", "tau_crossentropy_v2"),
    validation_fraction=0.25,
    cache_mb=int(os.environ.get("CACHE_MB", "100")),
    window=512,
    deterministic=True,
    tracking=TrackingConfig(enabled=False),
)
MODEL = ModelConfig(object_units=(8,), tau_units=(8,), dense_units=(16,), attention_heads=1, dropout=0.2)


def adapted(folder: Path) -> dict[str, Any]:
    """Settings of domain adaptation, if there is a control region in FOLDER/control."""
    control = folder / "control"
    if not control.is_dir():
        return {"model": MODEL, "training": TRAINING}
    samples = {
        "data": ControlSample(data=True, files=(str(control / "data_*.h5"),), rows=20),
        "dy": ControlSample(files=(str(control / "dy.h5"),), rows=15, weight=1.5),
    }
    config = AdversarialConfig(samples=samples, k2=1.0)
    return {
        "model": dataclasses.replace(MODEL, adversarial=True),
        "training": dataclasses.replace(TRAINING, adversarial=config),
    }


def main(folder: Path, name: str, kill_after: int) -> None:
    """Train."""
    from pydantic import TypeAdapter

    features = TypeAdapter(FeaturesConfig).validate_python(json.loads((folder / "features.json").read_text()))
    scaling = json.loads((folder / "scaling.json").read_text())
    state = {}
    step = FitModel.train_on_batch

    def counted(model, *arguments, **options):
        state["model"] = model
        out = step(model, *arguments, **options)
        state["steps"] = state.get("steps", 0) + 1
        if state["steps"] == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return out

    FitModel.train_on_batch = counted
    checkpoints = Checkpoints(folder / f"{name}-state", minutes=0.0)
    paths = sorted(folder.glob("*.h5"))
    train(paths, scaling, features, **adapted(folder), out_dir=folder / name, seed=11, checkpoints=checkpoints)
    import numpy as np

    np.savez(folder / f"{name}.npz", **variables_of(state["model"]))
    (folder / f"{name}.steps").write_text(str(state["steps"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
