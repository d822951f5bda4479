"""Small mock samples, and settings for them."""

from __future__ import annotations

from pathlib import Path

from taumltools.config import load_campaign
from taumltools.config.htt import HttConfig
from taumltools.htt.mock import mock_events, write_events

SMALL = (
    "htt.source=mock "
    "htt.samples.bbH.events=500 htt.samples.ggH.events=700 htt.samples.VBFH.events=500 htt.samples.QCD.events=800 "
    "htt.samples.ZTT.events=900 htt.samples.TT.events=500 htt.preprocess.step=300 htt.preprocess.n_folds=4 "
    "htt.training.boosting.num_iterations=25 htt.training.dense.epochs=2 htt.training.dense.units=[8] "
    "htt.evaluation.importance_events=300 htt.evaluation.importance_repeats=1 "
)


def settings(overrides: str = "") -> HttConfig:
    """Settings of the demo with few events."""
    return load_campaign("demo", SMALL + overrides).htt


def make_files(config: HttConfig, folder: Path) -> dict[str, list[Path]]:
    """Mock ntuples of all samples."""
    files = {}
    for name, sample in config.samples.items():
        files[name] = [folder / f"{name}.root"]
        write_events(files[name][0], mock_events(name, sample.events or 0, channel=config.channel), config.tree)
    return files
