"""Boosted trees on the scalar features, the benchmark that networks have to beat: ``python benchmarks/proof_trees.py``.

Trained on the flat tuples of the campaign ``proof`` with the split of the networks (hash of the event), the four types
in equal parts, and applied to the same test tuples.  The features are those of the block ``taus``; nothing is known of
single particles.  ``law run FeatureScaling --version v1 --campaign proof`` makes what is read.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from taumltools.config import load_campaign
from taumltools.config.features import FeaturesConfig
from taumltools.config.htt_training import BoostingConfig
from taumltools.evaluation.predictions import apply_network
from taumltools.eventhash import in_first_part
from taumltools.features.flat import FlatFile, FlatTuples
from taumltools.htt.boosting import fit_boosting
from taumltools.htt.sets import FitSet

SETTINGS = BoostingConfig(
    num_iterations=3000,
    learning_rate=0.05,
    early_stopping=50,
    metric_freq=50,
    max_depth=-1,
    num_leaves=63,
    num_threads=2,
)
"""Deep trees and early stopping; more rounds do not help."""


class Trees:
    """Scores flat tuples as a network does."""

    def __init__(self, booster: object, rounds: int, names: list[str]) -> None:
        self.booster, self.rounds, self.names = booster, rounds, names

    def predict(self, flat: FlatTuples, batch_size: int = 0) -> np.ndarray:  # noqa: ARG002 - as networks have it
        """Probabilities of e, mu, tau, jet, float32, shape (n, 4); all rows at once."""
        inputs = np.stack([flat.taus[name] for name in self.names], axis=1)
        return np.asarray(self.booster.predict(inputs, num_iteration=self.rounds), np.float32)  # type: ignore[attr-defined]


def read(paths: list[Path], names: list[str], fraction: float) -> tuple[FitSet, FitSet]:
    """Training and validation sample.

    Args:
        paths: flat tuples.
        names: scalar features, in this order.
        fraction: share of events that validate.

    Returns:
        Scalar features, truth types and weights of both; types have equal total weight.
    """
    inputs, target, side = [], [], []
    for path in paths:
        with FlatFile(path) as file:
            inputs.append(file.matrix("taus", names, 0, file.entries).T)
            index = file.read_index()
        target.append(index["tau_type"].astype(int))
        side.append(in_first_part(index["run"], index["lumi"], index["evt"], fraction))
    x, y, validates = np.concatenate(inputs), np.concatenate(target), np.concatenate(side)
    parts = []
    for rows in (~validates, validates):
        weight = (1 / np.bincount(y[rows], minlength=4))[y[rows]]
        parts.append(FitSet.make(x[rows], y[rows], weight))
    return parts[0], parts[1]


def main() -> None:
    """Fit, apply, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", default="v1")
    parser.add_argument("--campaign", default="proof")
    parser.add_argument("--out", type=Path, default=Path("proof"))
    words = parser.parse_args()
    from tasks.training import Training  # tasks are not needed by those who only want Trees

    task = Training(version=words.version, campaign=words.campaign)
    campaign = load_campaign(words.campaign)
    names = list(campaign.features.blocks()["taus"])
    started = time.perf_counter()
    train, validation = read(task.upstream()["flat"].paths(), names, campaign.training.validation_fraction)
    booster, rounds, _ = fit_boosting(train, validation, 4, [], SETTINGS, lambda figures, step: print(step, figures))
    seconds = time.perf_counter() - started
    folder = words.out / "trees"
    (folder / "model").mkdir(parents=True, exist_ok=True)
    booster.save_model(folder / "model/model.txt", num_iteration=rounds)
    about = {"rounds": rounds, "seconds": seconds, "train": len(train.target), "validation": len(validation.target)}
    (folder / "about.json").write_text(json.dumps(about | {"features": train.inputs.shape[1], "seed": SETTINGS.seed}))
    score(Trees(booster, rounds, names), task, campaign.features, list(campaign.evaluation.columns), folder)
    print(about)


def score(trees: Trees, task: object, features: FeaturesConfig, columns: list[str], folder: Path) -> None:
    """Write predictions of all test datasets, as ``ApplyTraining`` does for a network."""
    from tasks.production import ProduceTuples, datasets_of

    for dataset in datasets_of(task, "test", ProduceTuples):  # type: ignore[arg-type]
        path = folder / f"predictions_{dataset.dataset}.h5"
        apply_network(
            folder / "model",
            dataset.paths(),
            path,
            features=features,
            columns=columns,
            dataset=dataset.dataset,
            network=trees,
        )


if __name__ == "__main__":
    main()
