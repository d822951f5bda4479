"""Tuple production: from generated events to TauTuple files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import law
import luigi

from tasks.base import PipelineTask

RUN = 1
"""Run number of all simulated events, as in CMS simulation."""


class ProducePileup(PipelineTask):
    """Minimum-bias events that are overlaid on every simulated event."""

    product = "pileup.npz"

    def reads(self) -> tuple[str, ...]:
        """The whole production section: detector and pile-up."""
        return ("seed", "production")

    def produce(self, path: Path) -> dict[str, Any]:
        """Generate the pool."""
        from taumltools.production.pileup import generate_pileup

        pool = generate_pileup(self.setting("production"), self.random_seed())
        pool.save(path)
        return {}

    def validate(self, path: Path) -> None:
        """The pool can be read back."""
        from taumltools.production.pileup import PileupPool

        PileupPool.load(path)


class DatasetTask(PipelineTask):
    """A task that works on one dataset of one sample; a branch is one chunk of events."""

    exclude_index = True

    sample = luigi.Parameter(default="train", description="which sample of the campaign: train or test; default: train")
    dataset = luigi.Parameter(default=law.NO_STR, description="name of a dataset in that sample, e.g. ztautau; needed")

    def keys(self) -> tuple[str, ...]:
        """Sample and dataset."""
        return (self.sample, self.dataset)

    @property
    def part(self) -> Any:
        """How much of the dataset the sample takes."""
        self.check_dataset()
        return self.setting(f"samples.{self.sample}.{self.dataset}")

    def check_dataset(self) -> None:
        """Refuse a sample or a dataset that the campaign does not have.

        Raises:
            ConfigError: names what it has.
        """
        from taumltools.errors import ConfigError

        samples = self.campaign_config.samples
        if self.sample not in samples:
            raise ConfigError(
                f"campaign '{self.campaign}' has no sample '{self.sample}'; --sample is one of {[*samples]}"
            )
        if self.dataset not in samples[self.sample]:
            found = "no dataset was named" if self.dataset == law.NO_STR else f"it has no events of '{self.dataset}'"
            raise ConfigError(
                f"sample '{self.sample}' of campaign '{self.campaign}': {found}; "
                f"--dataset is one of {[*samples[self.sample]]}"
            )

    def n_branches(self) -> int:
        """One branch per chunk."""
        return self.part.chunks


class ProduceTuples(DatasetTask):
    """TauTuple files: one entry per tau candidate, a branch per chunk of events."""

    @property
    def product(self) -> str:  # type: ignore[override]
        """Named after the store that the settings choose."""
        return "tuples_{branch}." + self.setting("tuple_format")

    def reads(self) -> tuple[str, ...]:
        """Production settings, and of the dataset everything but the title, which only plots show."""
        from taumltools.config.identity import plain_members, select

        self.check_dataset()
        dataset = f"datasets.{self.dataset}"
        content = [
            f"{dataset}.{name}" for name in plain_members(select(self.campaign_config, dataset)) if name != "title"
        ]
        return ("seed", "production", "tuple_format", f"samples.{self.sample}.{self.dataset}", *content)

    def upstream(self) -> dict[str, Any]:
        """The pile-up pool."""
        return {"pileup": self.need(ProducePileup)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Simulate one chunk."""
        from taumltools.production.pileup import PileupPool
        from taumltools.production.simulate import simulate
        from taumltools.tuples.io import write_tuples

        first = sum(self.part.chunk_events(chunk) for chunk in range(self.branch))
        events = self.part.chunk_events(self.branch)
        batches = simulate(
            self.campaign_config.datasets[self.dataset],
            self.setting("production"),
            events=events,
            seed=self.random_seed(),
            pileup=PileupPool.load(self.upstream()["pileup"].path),
            run=RUN,
            lumi=self.branch + 1,
            first_event=first + 1,
            label=f"{self.sample} {self.dataset} {self.branch}",
        )
        return {"events": events, "entries": write_tuples(path, batches)}

    def validate(self, path: Path) -> None:
        """The file opens, has the tree and at least one entry."""
        from taumltools.errors import InputError
        from taumltools.tuples.io import open_tuples

        with open_tuples(path) as reader:
            if reader.entries == 0:
                raise InputError(
                    f"dataset '{self.dataset}' gave no tau candidate in {self.part.chunk_events(self.branch)} events: "
                    f"raise samples.{self.sample}.{self.dataset}.events or check its process settings"
                )


def datasets_of(task: PipelineTask, sample: str, task_class: type[DatasetTask], **parameters: Any) -> Iterator[Any]:
    """One workflow of ``task_class`` per dataset of a sample, in the order of the campaign.

    Args:
        task: who needs them.
        sample: ``"train"`` or ``"test"``.
        task_class: a task per dataset.
        parameters: what else identifies each of them.

    Yields:
        The workflows.
    """
    for dataset in task.campaign_config.samples[sample]:
        yield task.need(task_class, sample=sample, dataset=dataset, **parameters)
