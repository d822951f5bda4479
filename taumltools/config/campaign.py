"""The root of all settings: what one campaign is made of.

A campaign (``configs/campaign/<name>.yaml``) names its datasets, how many events of each
go into which sample, and picks one option of every other group.
"""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator, model_validator

from taumltools.config.base import settings
from taumltools.config.batch import BatchConfig
from taumltools.config.binned import BinnedConfig
from taumltools.config.datasets import DatasetConfig
from taumltools.config.evaluation import EvaluationConfig
from taumltools.config.features import FeaturesConfig
from taumltools.config.htt import HttConfig
from taumltools.config.model import ModelConfig
from taumltools.config.production import ProductionConfig
from taumltools.config.report import ReportConfig
from taumltools.config.sampling import SamplingConfig
from taumltools.config.scaling import ScalingConfig
from taumltools.config.training import TrainingConfig, check_adversarial
from taumltools.config.validation import ValidationConfig


@settings
class SampleConfig:
    """How much of one dataset goes into one sample.

    Attributes:
        events: number of generated events; of datasets from files the largest number of events that are
            read, None for all.
        chunks: number of branches (files) the events, or the files, are spread over.
    """

    events: int | None = None
    chunks: int = 1

    @field_validator("events", "chunks")
    @classmethod
    def _positive(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ValueError(f"must be at least 1, found {value}")
        return value

    def chunk_events(self, chunk: int) -> int | None:
        """Events of one chunk, None for all; the chunks differ by one event at most and add up exactly."""
        if self.events is None:
            return None
        return (chunk + 1) * self.events // self.chunks - chunk * self.events // self.chunks


@settings
class CampaignConfig:
    """All settings of one campaign.

    Attributes:
        title: what people read, e.g. ``"Demo: Pythia 8, 13.6 TeV"``.
        seed: root of all random numbers of the campaign.
        datasets: known datasets by name (``configs/datasets``).
        samples: ``{"train": {dataset: SampleConfig}, "test": {...}}``.
        production: how tuples are made.
        sampling: how they are mixed.
        binned: how they are mixed by the binned procedure.
        validation: how a mixed sample is checked.
        features: what the network sees.
        scaling: how the scaling constants of features are found.
        model: which network.
        training: how it is fitted.
        evaluation: discriminators, working points, regions.
        report: what the report shows.
        tuple_format: file format of produced tuples: ``arrow`` (fast) or ``root`` (for CMS tools).
        batch: what jobs ask for on a batch system; never part of an identity.
        htt: classification of H->tautau events.
    """

    title: str
    seed: int
    datasets: dict[str, DatasetConfig]
    samples: dict[str, dict[str, SampleConfig]]
    production: ProductionConfig
    sampling: SamplingConfig
    features: FeaturesConfig
    model: ModelConfig
    training: TrainingConfig
    evaluation: EvaluationConfig
    report: ReportConfig
    tuple_format: Literal["arrow", "root"] = "arrow"
    batch: BatchConfig = BatchConfig()
    binned: BinnedConfig = BinnedConfig()
    validation: ValidationConfig = ValidationConfig()
    htt: HttConfig = HttConfig()
    scaling: ScalingConfig = ScalingConfig()

    @model_validator(mode="after")
    def _second_head_has_its_sample(self) -> CampaignConfig:
        check_adversarial(self.model, self.training)
        return self

    @model_validator(mode="after")
    def _samples_use_known_datasets(self) -> CampaignConfig:
        for sample, parts in self.samples.items():
            if not parts:
                raise ValueError(f"samples.{sample} is empty: name at least one dataset in it")
            for name in parts:
                if name not in self.datasets:
                    known = ", ".join(sorted(self.datasets))
                    raise ValueError(f"samples.{sample}.{name}: no such dataset; known are {known}")
                source, events = self.datasets[name].source, parts[name].events
                if source == "pythia" and events is None:
                    raise ValueError(f"samples.{sample}.{name}.events: how many events are to be simulated is missing")
                if source == "tautuple" and events is not None:
                    raise ValueError(
                        f"samples.{sample}.{name}.events: has no meaning for source 'tautuple', whose files are taken whole"
                    )
        return self
