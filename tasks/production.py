"""Tuple production: from generated events to TauTuple files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import law
import luigi

from tasks.base import PipelineTask
from tasks.parameters import AmountParameter

log = logging.getLogger(__name__)

RECONSTRUCTION = (
    "production.hps",
    *(f"production.jet.{name}" for name in ("radius", "min_pt", "max_eta")),
    *(f"production.cone.{name}" for name in (
        "constituents", "isolation", "isolation_small", "pileup", "photon_min_pt", "track_min_pt", "track_max_dxy",
        "track_max_dz",
    )),
    *(f"production.matching.{name}" for name in (
        "lepton_gen_jet", "lepton_tau", "lepton_jet", "gen_jet_tau", "gen_jet_jet", "tau_jet", "unreconstructed_min_pt",
        "unreconstructed_max_eta",
    )),
    "production.calorimeter.crack_low", "production.calorimeter.crack_high", "production.pileup.track_window",
)  # fmt: skip
"""Settings of the reconstruction of taus from particle-flow candidates that exist already: those that are read."""

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

    def check_chunks(self, files: int) -> None:
        """Refuse more branches than there are files for.

        Args:
            files: number of files of the dataset.

        Raises:
            InputError: some branches would have none.
        """
        from taumltools.errors import InputError

        chunks = self.campaign_config.samples[self.sample][self.dataset].chunks
        if files < chunks:
            raise InputError(
                f"dataset '{self.dataset}' has {files} files, which do not fill {chunks} branches: "
                f"lower samples.{self.sample}.{self.dataset}.chunks"
            )

    def n_branches(self) -> int:
        """One branch per chunk."""
        return self.part.chunks


class ListFiles(DatasetTask):
    """The files of a dataset that exist already, listed once, so that all branches read the same ones."""

    product = "files.json"

    def reads(self) -> tuple[str, ...]:
        """Where they are."""
        self.check_dataset()
        return (f"datasets.{self.dataset}.files", f"datasets.{self.dataset}.source")

    def upstream(self) -> dict[str, Any]:
        """What makes the files, if that is the grid."""
        from tasks.crab import crab_production

        on_the_grid = self.setting(f"datasets.{self.dataset}.source") == "crab"
        return {"crab": crab_production(self, self.dataset)} if on_the_grid else {}

    def n_branches(self) -> int:
        """One list."""
        return 1

    def produce(self, path: Path) -> dict[str, Any]:
        """List."""
        from tasks.cms import list_miniaod
        from taumltools.production.crab.report import read_outputs
        from taumltools.tuples.listing import list_all, write_listing

        sources = self.setting(f"datasets.{self.dataset}.files")
        from_cms = self.setting(f"datasets.{self.dataset}.source") == "cmssw"
        if made := self.upstream():
            sources = read_outputs(made["crab"].path)
        files = list_miniaod(self, sources) if from_cms else list_all(sources)
        self.check_chunks(len(files))
        write_listing(path, files)
        return {"files": len(files)}

    def validate(self, path: Path) -> None:
        """The listing reads back."""
        from taumltools.tuples.listing import read_listing

        read_listing(path)


class ProduceTuples(DatasetTask):
    """TauTuple files: one entry per tau candidate, a branch per chunk of events or files."""

    @property
    def product(self) -> str:  # type: ignore[override]
        """Named after the store that the settings choose; a chain of files that are taken in place."""
        suffix = "json" if self.source.source in ("tautuple", "crab") else self.setting("tuple_format")
        return "tuples_{branch}." + suffix

    @property
    def source(self) -> Any:
        """Settings of the dataset."""
        self.check_dataset()
        return self.campaign_config.datasets[self.dataset]

    def reads(self) -> tuple[str, ...]:
        """Production settings, and of the dataset everything but the title, which only plots show.

        How the grid makes the files is known to the task that does it, whose identity is part of this one.
        """
        from taumltools.config.identity import plain_members

        dataset = f"datasets.{self.dataset}"
        others = {"title", "crab"} if self.source.source == "crab" else {"title"}
        content = [f"{dataset}.{name}" for name in plain_members(self.source) if name not in others]
        how: dict[str, tuple[str, ...]] = {
            "pythia": ("seed", "production", "tuple_format"),
            "tautuple": (),
            "crab": (),
            "pfnano": (*RECONSTRUCTION, "tuple_format"),
        }
        return (*how.get(self.source.source, ("tuple_format",)), f"samples.{self.sample}.{self.dataset}", *content)

    def create_branch_map(self) -> dict[int, int]:
        """Branches; what is wrong with the dataset is said here, once, and not by each of them."""
        self.branches_written()
        return super().create_branch_map()

    def upstream(self) -> dict[str, Any]:
        """The pile-up pool, or the list of files."""
        if self.source.from_files:
            return {"files": self.need(ListFiles, sample=self.sample, dataset=self.dataset)}
        return {"pileup": self.need(ProducePileup)}

    def files(self) -> list[Any]:
        """Files of this branch, every n-th, as :class:`taumltools.tuples.listing.ListedFile`.

        Raises:
            InputError: there is none, or one has changed since it was listed.
        """
        from taumltools.tuples.listing import read_listing

        listed = read_listing(self.upstream()["files"].path)
        mine = listed[self.branch :: self.part.chunks]
        if not mine:
            self.check_chunks(len(listed))
        for file in mine:
            file.check_unchanged()
        return list(mine)

    def paths_of_files(self) -> list[str]:
        """Paths or URLs of :meth:`files`."""
        return [file.path for file in self.files()]

    def produce(self, path: Path) -> dict[str, Any]:
        """Simulate, convert, reconstruct or take in place one chunk."""
        make = {
            "pythia": self._simulate,
            "tautuple": self._take_in_place,
            "crab": self._take_in_place,
            "nanoaod": self._convert,
            "pfnano": self._reconstruct,
            "cmssw": self._run_cms,
        }
        account = make[self.source.source](path)
        if not account["entries"]:
            self._explain_empty(account)
        return account

    def _explain_empty(self, account: dict[str, Any]) -> None:
        """A chunk that the selection left nothing of is a file without entries; one that had nothing is an error."""
        from taumltools.errors import InputError
        from taumltools.production.account import why_empty

        taken_over = {"cmssw": "the CMS producer wrote no entries"}
        taken_over |= dict.fromkeys(("tautuple", "crab"), "its files have no entries")
        why = taken_over.get(self.source.source) or why_empty(account)
        if not why:
            more = "" if self.part.events is None else f"raise samples.{self.sample}.{self.dataset}.events, or "
            what = "check its files" if self.source.from_files else "check its process settings"
            raise InputError(
                f"dataset '{self.dataset}' gave no tau candidate in its {account['events']} events: {more}{what}"
            )
        log.warning("%s branch %d: %s; the product has no entries", self.label, self.branch, why)

    def _take_in_place(self, path: Path) -> dict[str, Any]:
        from taumltools.tuples.chain import make_chain
        from taumltools.tuples.io import open_one

        return make_chain(path, self.files(), open_one)

    def _convert(self, path: Path) -> dict[str, Any]:
        from taumltools.production.nanoaod import convert
        from taumltools.tuples.io import write_tuples

        account: dict[str, Any] = {}
        tables = convert(
            self.paths_of_files(), self.source, events=self.part.chunk_events(self.branch), account=account
        )
        return {"entries": write_tuples(path, tables, self.branches_written())} | account

    def _reconstruct(self, path: Path) -> dict[str, Any]:
        from taumltools.config.production import chosen
        from taumltools.production.pfnano import reconstruct
        from taumltools.tuples.io import write_tuples

        config = chosen({key.removeprefix("production."): self.setting(key) for key in RECONSTRUCTION})
        account: dict[str, Any] = {}
        events = self.part.chunk_events(self.branch)
        tables = reconstruct(self.paths_of_files(), self.source, config, events=events, account=account)
        return {"entries": write_tuples(path, tables, self.branches_written())} | account

    def _run_cms(self, path: Path) -> dict[str, Any]:
        from tasks.cms import run_producer

        return run_producer(self, path)

    def branches_written(self) -> list[str] | None:
        """Branches of the product; None for all."""
        if not (self.source.enabled_branches or self.source.disabled_branches):
            return None
        from taumltools.production.selection import written_branches

        return written_branches(self.source)

    def _simulate(self, path: Path) -> dict[str, Any]:
        from taumltools.production.pileup import PileupPool
        from taumltools.production.simulate import simulate
        from taumltools.tuples.io import write_tuples

        account: dict[str, Any] = {}
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
            account=account,
        )
        return {"events": events, "entries": write_tuples(path, batches, self.branches_written())} | account

    def validate(self, path: Path) -> None:
        """The file opens and has the tree; that it may have no entries, :meth:`produce` has seen."""
        from taumltools.tuples.io import open_tuples

        with open_tuples(path):
            pass


class MergeTuples(DatasetTask):
    """All tuples of a dataset in files of a target size, to be kept or given away."""

    product = "merged.d"

    target_size = AmountParameter(default=2000, description="size of a file, e.g. 2GB; a number is MB; default: 2GB")
    output_format = luigi.ChoiceParameter(
        default="root", choices=["root", "arrow"], description="root or arrow; default: root, for the CMS tools"
    )

    def reads(self) -> tuple[str, ...]:
        """Nothing but the options."""
        return ()

    def settings(self) -> dict[str, Any]:
        """The options.

        Raises:
            ConfigError: one of them cannot be; said before anything is made.
        """
        from taumltools.errors import ConfigError

        if self.target_size < 1:
            raise ConfigError(f"--target-size {self.target_size}: expected 1 MB or more, e.g. 500MB or 2GB")
        return {"target_size": self.target_size, "output_format": self.output_format}

    def n_branches(self) -> int:
        """One for the dataset."""
        return 1

    def upstream(self) -> dict[str, Any]:
        """The tuples."""
        return {"tuples": self.need(ProduceTuples, sample=self.sample, dataset=self.dataset)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Merge."""
        from taumltools.tuples.merge import merge_tuples

        made = merge_tuples(self.input_paths(), path, self.target_size * 1_000_000, f".{self.output_format}")
        return {"files": len(made), "entries": sum(file.entries for file in made)}

    def validate(self, path: Path) -> None:
        """All files have the entries that their account says."""
        from taumltools.tuples.merge import read_account

        read_account(path)


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
