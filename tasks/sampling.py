"""Shuffle and merge: spectra of the inputs, the acceptance plan, mixed training tuples."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import law
import luigi

from tasks.base import PipelineTask
from tasks.production import DatasetTask, ProduceTuples, datasets_of


class CreateSpectralHists(DatasetTask):
    """Entries, entries by truth type and fine (pt, |eta|) histograms of each tuple file."""

    product = "spectra_{branch}.json"
    follows = "tuples"

    def reads(self) -> tuple[str, ...]:
        """The binning, and how many files there are."""
        return ("sampling.spectra", f"samples.{self.sample}.{self.dataset}")

    def upstream(self) -> dict[str, Any]:
        """The tuples of the same sample and dataset."""
        return {"tuples": self.need(ProduceTuples, sample=self.sample, dataset=self.dataset)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Count."""
        from taumltools.sampling.spectra import count_spectra

        spectra = count_spectra(self.input_paths()[0], self.setting("sampling.spectra"))
        spectra.save(path)
        return {"entries": spectra.entries, "entries_by_type": dict(spectra.entries_by_type)}

    def validate(self, path: Path) -> None:
        """The file reads back."""
        from taumltools.sampling.spectra import Spectra

        Spectra.load(path)


def merged_spectra(tasks: list[Any]) -> dict[str, Any]:
    """Spectra by dataset, from workflows of :class:`CreateSpectralHists`."""
    from taumltools.sampling.spectra import Spectra

    return {task.dataset: Spectra.merge([Spectra.load(path) for path in task.paths()]) for task in tasks}


class SamplingTask(PipelineTask):
    """Options that people vary when they mix a sample; by default the campaign decides."""

    exclude_index = True

    tau_ratio = law.CSVParameter(
        default=(),
        description="entries of each type relative to each other, e.g. jet:1,e:1,mu:1,tau:1; -1 takes all; "
        "default: sampling.tau_ratio",
    )
    n_jobs = luigi.IntParameter(default=0, description="number of output parts; default: sampling.n_jobs")

    def reads(self) -> tuple[str, ...]:
        """The sampling section and which datasets are mixed."""
        return ("seed", "sampling", "samples.train")

    @property
    def sampling(self) -> Any:
        """The sampling settings with the options of the command line applied."""
        changes: dict[str, Any] = {"tau_ratio": parse_ratio(self.tau_ratio)} if self.tau_ratio else {}
        changes |= {"n_jobs": self.n_jobs} if self.n_jobs else {}
        try:
            return dataclasses.replace(self.setting("sampling"), **changes)
        except ValueError as error:
            from taumltools.errors import ConfigError

            raise ConfigError(f"the options {sorted(changes)} do not fit the sampling settings: {error}") from error

    def settings(self) -> dict[str, Any]:
        """What is read, with the options applied, so that they move the output; memory does not."""
        from taumltools.config.identity import plain

        sampling = plain(self.sampling)
        del sampling["memory_mb"]
        return super().settings() | {"sampling": sampling}


def parse_ratio(items: tuple[str, ...]) -> dict[str, float]:
    """``("jet:1", "tau:2")`` as a mapping.

    Args:
        items: ``type:number`` each.

    Returns:
        Ratio by type name.

    Raises:
        ConfigError: an item that is not of that form.
    """
    from taumltools.errors import ConfigError

    ratio = {}
    for item in items:
        name, _, number = item.partition(":")
        try:
            ratio[name.strip()] = float(number)
        except ValueError:
            raise ConfigError(f"--tau-ratio: '{item}' is not of the form type:number, e.g. jet:1,tau:1") from None
    return ratio


class PlanSampling(SamplingTask):
    """The acceptance by type, pt and |eta| that makes the training sample flat."""

    product = "plan.json"

    def settings(self) -> dict[str, Any]:
        """The number of parts does not enter the plan."""
        settings = super().settings()
        del settings["sampling"]["n_jobs"]
        return settings

    def upstream(self) -> dict[str, Any]:
        """Spectra of all training datasets."""
        return {"spectra": list(datasets_of(self, "train", CreateSpectralHists))}

    def produce(self, path: Path) -> dict[str, Any]:
        """Make the plan from the spectra alone."""
        from taumltools.sampling.acceptance import make_plan

        make_plan(merged_spectra(self.upstream()["spectra"]), self.sampling).save(path)
        return {}

    def validate(self, path: Path) -> None:
        """The plan reads back."""
        from taumltools.sampling.acceptance import AcceptancePlan

        AcceptancePlan.load(path)


class ShuffleMergeSpectral(SamplingTask):
    """Training tuples mixed from all datasets, flat in pt and |eta| by type; a branch per part."""

    @property
    def product(self) -> str:  # type: ignore[override]
        """Named after the store that the settings choose."""
        return "part_{branch}." + self.setting("sampling.format")

    def n_branches(self) -> int:
        """One branch per part."""
        return self.sampling.n_jobs

    def upstream(self) -> dict[str, Any]:
        """The plan, the tuples and how many entries each has."""
        return {
            "plan": self.need(PlanSampling, tau_ratio=self.tau_ratio),
            "spectra": list(datasets_of(self, "train", CreateSpectralHists)),
            "tuples": list(datasets_of(self, "train", ProduceTuples)),
        }

    def produce(self, path: Path) -> dict[str, Any]:
        """Gather the entries of one part and shuffle them."""
        import numpy as np

        from taumltools.sampling.acceptance import AcceptancePlan
        from taumltools.sampling.gather import enabled_branches, gather_part
        from taumltools.sampling.partition import InputFile
        from taumltools.sampling.spectra import Spectra
        from taumltools.tuples.io import write_tuples

        upstream, config = self.upstream(), self.sampling
        branches = enabled_branches(config.disabled_branches)
        inputs = [
            InputFile(
                path=tuples.path_of(branch),
                entries=Spectra.load(spectra.path_of(branch)).entries,
                dataset=tuples.dataset,
            )
            for tuples, spectra in zip(upstream["tuples"], upstream["spectra"], strict=True)
            for branch in range(tuples.n_branches())
        ]
        part = gather_part(
            inputs,
            AcceptancePlan.load(upstream["plan"].path),
            job=self.branch,
            n_jobs=self.n_branches(),
            rng=np.random.default_rng(self.seed()),
            branches=branches,
            memory_mb=config.memory_mb,
        )
        return {"entries": write_tuples(path, part.tuples, branches), "yields": part.yields.as_json()}

    def validate(self, path: Path) -> None:
        """The part opens and is not empty."""
        from taumltools.errors import InputError
        from taumltools.tuples.io import open_tuples

        with open_tuples(path) as reader:
            if reader.entries == 0:
                raise InputError(
                    f"part {self.branch} of {self.n_branches()} is empty: use fewer parts (sampling.n_jobs)"
                )
