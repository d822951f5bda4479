from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import (
    CalorimeterConfig,
    HpsConfig,
    PileupConfig,
    ProductionConfig,
    TrackConfig,
    chosen,
)

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
DATASETS = sorted((CONFIGS / "datasets").glob("*.yaml"))


def test_yaml_and_defaults_agree():
    content = yaml.safe_load((CONFIGS / "production" / "fastsim.yaml").read_text(encoding="utf-8"))
    assert TypeAdapter(ProductionConfig).validate_python(content) == ProductionConfig()


def test_yaml_names_every_setting():
    content = yaml.safe_load((CONFIGS / "production" / "fastsim.yaml").read_text(encoding="utf-8"))
    config = ProductionConfig()
    for field in dataclasses.fields(config):
        part = getattr(config, field.name)
        assert field.name in content
        if dataclasses.is_dataclass(part):
            assert set(content[field.name]) == {f.name for f in dataclasses.fields(part)}


@pytest.mark.parametrize("path", DATASETS, ids=lambda p: p.stem)
def test_dataset_files(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(content) == [path.stem]
    dataset = DatasetConfig(**content[path.stem])
    assert dataset.title
    biased = any("bias2Selection = on" in line for line in dataset.process)
    assert dataset.weighted is biased


def test_all_datasets_are_there():
    expected = {
        "ztautau",
        "htautau",
        "zprime_tautau",
        "zee",
        "zprime_ee",
        "zmumu",
        "zprime_mumu",
        "qcd",
        "ttbar",
        "wjets",
    }
    assert {path.stem for path in DATASETS} == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PileupConfig(mean=-1.0), "greater than or equal to 0"),
        (lambda: PileupConfig(pool_events=0), "greater than or equal to 1"),
        (lambda: CalorimeterConfig(mip_fraction=1.2), "less than or equal to 1"),
        (lambda: TrackConfig(efficiency=(0.9,)), "efficiency has 1 steps, efficiency_pt has 4"),
        (lambda: TrackConfig(efficiency_pt=(0.0, 2.0, 1.0, 3.0)), "one rising lower edge per step"),
        (lambda: HpsConfig(mass_windows={3: (0.0, 1.0, 1.0)}), r"decay modes \[3\] do not exist"),
        (lambda: ProductionConfig(batch_events=0), "greater than or equal to 1"),
        (lambda: ProductionConfig(pileup={"mu": 3}), "mu"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_parts_can_be_given_as_mappings():
    config = ProductionConfig(pileup={"mean": 5}, hps={"mass_windows": {0: [-1, 1, 1]}})
    assert config.pileup.mean == 5.0
    assert config.hps.mass_windows == {0: (-1.0, 1.0, 1.0)}


def test_chosen_settings_leave_the_others_alone():
    hps = HpsConfig(min_pt=30.0)
    config = chosen({"hps": hps, "jet.radius": 0.8, "jet.min_pt": 7.0})
    assert config == ProductionConfig(hps=hps, jet={"radius": 0.8, "min_pt": 7.0})
    with pytest.raises(ValidationError, match="radios"):
        chosen({"jet.radios": 0.8})


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ProductionConfig().energy = 1.0
