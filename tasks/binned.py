"""The binned procedure: a file for each type, pt and |eta|, their size list, and weighted merging."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import law
import luigi

from tasks.parameters import EXPLICIT
from tasks.sampling_inputs import InputTask
from tasks.sampling_options import changed, check_compression, parse_numbers, parse_patterns

OF_THE_SPLITTING: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "pt_bins": ("pt_edges", parse_numbers),
    "eta_bins": ("eta_edges", parse_numbers),
    "output_format": ("format", str),
}
"""Option to the setting of :class:`taumltools.config.binned.BinnedConfig` that it replaces."""

OF_A_STEP: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "mode": ("mode", str),
    "calc_weights": ("calc_weights", bool),
    "ensure_uniformity": ("ensure_uniformity", bool),
    "max_bin_occupancy": ("max_bin_occupancy", int),
    "disabled_branches": ("disabled_branches", parse_patterns),
    "skip_empty_bins": ("skip_empty_bins", bool),
    "take": ("take", str),
    "order": ("order", str),
    "seed": ("seed", int),
}
"""Option to the setting of :class:`taumltools.config.binned.MergeStepConfig` that it replaces, with --cfg."""

DATASETS = "datasets.json"
"""File that says which datasets a branch has split."""

CFG_STEP = "merged"
"""Name of the one step that --cfg makes, and of its output with MergeAll."""


class BinnedTask(InputTask):
    """Options of the binned procedure; what is not given follows the settings ``binned``."""

    exclude_index = True
    depends = ("seed", "sampling.spectra", "binned")

    pt_bins = law.CSVParameter(default=(), description="edges in pt, GeV; default: binned.pt_edges")
    eta_bins = law.CSVParameter(default=(), description="edges in |eta|; default: binned.eta_edges")
    output_format = luigi.OptionalParameter(default=None, description="arrow or root; default: binned.format")

    def options(self) -> dict[str, Any]:
        """The options that change settings, to hand them on."""
        return self.inputs | {name: getattr(self, name) for name in OF_THE_SPLITTING}

    @functools.cached_property
    def binned(self) -> Any:
        """The settings with the options applied.

        Raises:
            ConfigError: an option does not fit.
        """
        config = changed(self.setting("binned"), self, OF_THE_SPLITTING)
        check_compression(config)
        return config

    def settings(self) -> dict[str, Any]:
        """What is read, with the options applied; memory and, before the merging, its steps do not count."""
        from taumltools.config.identity import plain

        binned = plain(self.binned)
        for name in ("memory_mb", "steps"):
            del binned[name]
        return super().settings() | {"binned": binned}


class CreateBinnedTuples(BinnedTask):
    """A file for each truth type, pt and |eta| bin of each dataset; a branch splits every n-th dataset."""

    product = "binned_{branch}.d"

    def n_branches(self) -> int:
        """Known from the settings, whatever the number of datasets."""
        return self.setting("sampling.count_jobs")

    def upstream(self) -> dict[str, Any]:
        """Tuples and the number of their entries."""
        return self.counted_upstream()

    def produce(self, path: Path) -> dict[str, Any]:
        """Split, a folder for each dataset."""
        from taumltools.sampling.split import split

        path.mkdir()
        accounts = {}
        for dataset, files in self.dealt_datasets().items():
            accounts[dataset] = split(files, self.binned, path / dataset, scratch=path.parent)
        # a server keeps no empty folder, and there may be fewer datasets than branches
        (path / DATASETS).write_text(json.dumps(sorted(accounts)) + "\n", encoding="utf-8")
        return {"datasets": {name: dataclasses.asdict(account) for name, account in accounts.items()}}

    def validate(self, path: Path) -> None:
        """Every account reads back and adds up."""
        from taumltools.sampling.split import ACCOUNT, SplitAccount

        for folder in filter(Path.is_dir, path.iterdir()):
            SplitAccount.load(folder / ACCOUNT).check()

    def dataset_folders(self) -> dict[str, Path]:
        """The folders that were made, by dataset."""
        return {folder.name: folder for path in self.paths() for folder in sorted(path.iterdir()) if folder.is_dir()}


class CreateTupleSizeList(BinnedTask):
    """Entries of all binned files, as the CMS tools list them."""

    product = "size_list.txt"

    prev_output = luigi.OptionalParameter(
        default=None,
        significant=False,
        description="an earlier list: files that did not change are not opened again; of a list of the CMS tools, which "
        "does not say when files changed, nothing is taken without --trust-prev-output",
    )
    trust_prev_output = luigi.BoolParameter(
        significant=False, description="take the numbers of a list of the CMS tools unchecked, as these do"
    )

    def upstream(self) -> dict[str, Any]:
        """The binned files."""
        return {"binned": self.need(CreateBinnedTuples, **self.options())}

    def produce(self, path: Path) -> dict[str, Any]:
        """Count."""
        from taumltools.sampling.size_list import SizeList, make_size_list

        previous = SizeList.load(Path(self.prev_output)) if self.prev_output else None
        folders = self.upstream()["binned"].dataset_folders()
        sizes = make_size_list(folders, previous, trust_unstamped=self.trust_prev_output)
        sizes.save(path)
        return {"files": len(sizes.files), "entries": sum(sizes.entries.values())}

    def validate(self, path: Path) -> None:
        """The list reads back."""
        from taumltools.sampling.size_list import SizeList

        SizeList.load(path)


class ShuffleMerge(BinnedTask):
    """Merged files of the binned procedure; a branch for each file of one step, the last one by default."""

    step = luigi.Parameter(default="", description="name of a merge step of the settings; default: the last one")
    cfg = luigi.OptionalParameter(
        default=None, description="sources as a .cfg file of the CMS tools: one step of them instead of the settings'"
    )
    mode = luigi.OptionalParameter(default=None, description="with --cfg: MergeAll or MergePerEntry")
    calc_weights = luigi.OptionalBoolParameter(
        default=None, parsing=EXPLICIT, description="with --cfg: write trainingWeight: true or false"
    )
    ensure_uniformity = luigi.OptionalBoolParameter(
        default=None, parsing=EXPLICIT, description="with --cfg: the composition stays that of the whole to the end"
    )
    max_bin_occupancy = luigi.OptionalIntParameter(default=None, description="with --cfg: most entries of a bin")
    disabled_branches = luigi.OptionalParameter(
        default=None, description="with --cfg: regular expressions on branch names that are not copied"
    )
    skip_empty_bins = luigi.OptionalBoolParameter(
        default=None, parsing=EXPLICIT, description="with --cfg and --calc-weights: leave empty bins out of the count"
    )
    take = luigi.OptionalParameter(
        default=None,
        description="with --cfg: entries of a source, spread over its files or the first ones: spread, first",
    )
    order = luigi.OptionalParameter(default=None, description="with --cfg: shuffled, or legacy to repeat the CMS tool")
    seed = luigi.OptionalIntParameter(default=None, description="with --cfg and --order legacy: seed of its stream")

    @functools.cached_property
    def binned(self) -> Any:
        """The settings with the options applied; with ``--cfg`` they have one step."""
        from taumltools.config.binned import MergeStepConfig
        from taumltools.errors import ConfigError
        from taumltools.sampling.legacy_cfg import read_cfg
        from taumltools.sampling.merge_sources import sources_from_cfg

        config = super().binned
        if self.cfg is None:
            if given := [name for name in OF_A_STEP if getattr(self, name) is not None]:
                names = ", ".join("--" + name.replace("_", "-") for name in given)
                raise ConfigError(
                    f"{names}: only with --cfg; a step of the settings is changed by e.g. "
                    f'--overrides "binned.steps.{next(iter(config.steps), "STEP")}.{given[0]}=..."'
                )
            return config
        try:
            sources = sources_from_cfg(read_cfg(Path(self.cfg)))
        except ConfigError as error:
            raise error if self.cfg in str(error) else ConfigError(f"{self.cfg}: {error}") from error
        step = MergeStepConfig(outputs={CFG_STEP: sources})
        return dataclasses.replace(config, steps={CFG_STEP: changed(step, self, OF_A_STEP)})

    @property
    def step_name(self) -> str:
        """Name of the step."""
        from taumltools.errors import ConfigError

        if not self.binned.steps:
            raise ConfigError("binned.steps is empty: there is nothing to merge; choose binned=training or give --cfg")
        return self.step or list(self.binned.steps)[-1]

    def keys(self) -> tuple[str, ...]:
        """The step."""
        return (self.step_name,)

    def settings(self) -> dict[str, Any]:
        """What is read, with the step."""
        from taumltools.config.identity import plain

        settings = super().settings()
        settings["binned"]["step"] = plain(self.binned.step(self.step_name))
        return settings

    def names(self) -> list[str]:
        """Names of the merged files."""
        return list(self.binned.step(self.step_name).merged_files())

    def n_branches(self) -> int:
        """One branch per merged file."""
        return len(self.names())

    def path_of(self, branch: int) -> Path:
        """The file is named by the settings."""
        return self.folder / f"{self.names()[branch]}.{self.binned.step(self.step_name).format}"

    def upstream(self) -> dict[str, Any]:
        """The files of the step before, or the binned ones and their size list."""
        steps = list(self.binned.steps)
        before = steps.index(self.step_name) - 1 if self.step_name in steps else -1
        if before >= 0:
            return {"files": self.need(ShuffleMerge, **self.options(), step=steps[before])}
        options = self.options()
        return {
            "sizes": self.need(CreateTupleSizeList, **options),
            "binned": self.need(CreateBinnedTuples, **options),
        }

    def files(self) -> list[Any]:
        """All files that can be merged, with their entries."""
        from taumltools.sampling.merge_sources import binned_files
        from taumltools.sampling.size_list import SizeList
        from taumltools.store import read_sidecar

        upstream = self.upstream()
        if "sizes" in upstream:
            sizes = SizeList.load(upstream["sizes"].path)
            return binned_files(sizes.entries, upstream["binned"].dataset_folders())
        before = upstream["files"]
        entries = {path.name: read_sidecar(path)["details"]["written"] for path in before.paths()}
        return binned_files(entries, before.folder)

    def produce(self, path: Path) -> dict[str, Any]:
        """Plan all files of the step, merge one."""
        import numpy as np

        from taumltools.sampling.merge_bins import merge
        from taumltools.sampling.merge_plan import plan_merge

        step, files = self.binned.step(self.step_name), self.files()
        plans = [plan_merge(name, files, sources, step) for name, sources in step.merged_files().items()]
        rng = np.random.default_rng(self.random_seed())
        # one run of the CMS tool makes one output (MergeAll), or all with one stream of random numbers (MergePerEntry)
        plan, before = plans[self.branch], plans[: self.branch] if step.mode == "MergePerEntry" else []
        return merge(plan, step, self.binned, path, rng=rng, scratch=path.parent, before=before)

    def validate(self, path: Path) -> None:
        """The file opens."""
        from taumltools.tuples.io import open_tuples

        open_tuples(path).close()
