"""A small sample with models of both folds, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from taumltools.config.htt import HttConfig
from taumltools.htt.predict import Ensemble, load_ensemble
from taumltools.htt.preprocess import preprocess_training
from taumltools.htt.train import train_fold
from tests.unit.htt.case import make_files, settings


@dataclass(frozen=True)
class Trained:
    """What the chain left."""

    config: HttConfig
    files: dict[str, list[Path]]
    folder: Path
    ensemble: Ensemble


def train_all(config: HttConfig, events: Path, folder: Path) -> Ensemble:
    """Models of all folds."""
    folders = [folder / f"model_{fold}" for fold in range(config.training.n_splits)]
    for fold, path in enumerate(folders):
        train_fold(events / "train.hdf5", config, fold, path)
    return load_ensemble(folders)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trees of three folds that tell all classes apart."""
    folder = tmp_path_factory.mktemp("htt")
    config = settings("htt.training.n_splits=3")
    files = make_files(config, folder)
    preprocess_training(config, files, folder / "events")
    return Trained(config, files, folder, train_all(config, folder / "events", folder))
