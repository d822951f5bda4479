"""Shuffle and merge: the acceptance plan, mixed training tuples, and what was achieved."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from tasks.sampling_inputs import CreateSpectralHists, FindDuplicates, ListTuples
from tasks.sampling_options import SamplingTask

log = logging.getLogger(__name__)

LEGACY_ORDER = '; with --rng legacy the order within a dataset is that of the input: --overrides "validation.order=false" leaves it out'
"""What else is said of a sample in the manner of the CMS tools that fails."""

OF_THE_PLAN = (
    "groups", "mode", "pt_edges", "eta_edges", "tau_ratio", "lastbin_takeall", "lastbin_disbalance",
    "enable_emptybin", "unused_datasets", "duplicates", "spectra",
)  # fmt: skip
"""Settings of sampling that the plan depends on."""


class PlanSampling(SamplingTask):
    """The acceptance by type, pt and |eta| that makes the training sample flat."""

    product = "plan.json"
    uses = OF_THE_PLAN

    def upstream(self) -> dict[str, Any]:
        """Spectra of all files, and their duplicates."""
        return self.counted_upstream() | {"duplicates": self.need(FindDuplicates, **self.inputs)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Make the plan from the spectra alone."""
        from taumltools.sampling.acceptance import make_plan
        from taumltools.sampling.repeated import without_repeated

        config = self.sampling
        plan = make_plan(without_repeated(self.counted(), self.upstream()["duplicates"].repeated(), config), config)
        plan.save(path)
        return {"expected": plan.expected_total}

    def validate(self, path: Path) -> None:
        """The plan reads back."""
        from taumltools.sampling.acceptance import AcceptancePlan

        AcceptancePlan.load(path)


class ShuffleMergeSpectral(SamplingTask):
    """Training tuples mixed from all datasets, flat in pt and |eta| by type; a branch per part."""

    @property
    def product(self) -> str:  # type: ignore[override]
        """Named after the store that the settings choose."""
        return "part_{branch}." + self.sampling.format

    def group_names(self) -> list[str]:
        """Groups that get a sample of their own; empty with ``MergeAll``."""
        from taumltools.sampling.groups import groups_of

        return list(groups_of(self.sampling)) if self.sampling.mode == "MergePerEntry" else []

    def n_branches(self) -> int:
        """One branch per part, and with ``MergePerEntry`` so many for each group."""
        return self.sampling.n_jobs * max(len(self.group_names()), 1)

    def path_of(self, branch: int) -> Path:
        """With ``MergePerEntry`` the name of the group stands for "part"."""
        names = self.group_names()
        if not names:
            return super().path_of(branch)
        group, job = divmod(branch, self.sampling.n_jobs)
        return self.folder / f"{names[group]}_{job}.{self.sampling.format}"

    def samples(self) -> dict[str, list[Path]]:
        """Parts of each sample: with ``MergePerEntry`` each group is one, of its own types and datasets."""
        paths, n_jobs = self.paths(), self.sampling.n_jobs
        return {name: paths[i * n_jobs : (i + 1) * n_jobs] for i, name in enumerate(self.group_names() or [""])}

    def upstream(self) -> dict[str, Any]:
        """The plan, the tuples, how many entries each has, and their duplicates."""
        plan = {} if self.sampling.refill_spectrum else {"plan": self.need_sampling(PlanSampling)}
        return plan | self.counted_upstream() | {"duplicates": self.need(FindDuplicates, **self.inputs)}

    def sample(self) -> Any:
        """What the sample is made from."""
        from taumltools.config.identity import seed_sequence
        from taumltools.sampling.repeated import without_repeated
        from taumltools.sampling.sample import Sample, bin_counts

        config, repeated = self.sampling, self.upstream()["duplicates"].repeated()
        counts = {}
        if config.method == "quota" and not config.refill_spectrum:
            counts = bin_counts(without_repeated(self.counted(), repeated, config), config)
        return Sample(
            files=list(self.input_files()),
            config=config,
            repeated=repeated,
            bin_counts=counts,
            seed=int(seed_sequence(self.root_seed(), type(self).__name__, "shared").generate_state(1)[0]),
        )

    def root_seed(self) -> int:
        """The seed of the sampling settings, or else the campaign's."""
        return self.setting("seed") if self.sampling.seed is None else self.sampling.seed

    def produce(self, path: Path) -> dict[str, Any]:
        """Decide, copy, shuffle."""
        import numpy as np

        from taumltools.config.identity import seed_sequence
        from taumltools.sampling.acceptance import AcceptancePlan
        from taumltools.sampling.gather import choose_part, write_part
        from taumltools.sampling.sample import plan_of_part

        sample, names = self.sample(), self.group_names()
        order, job = divmod(self.branch, sample.config.n_jobs)
        group = names[order] if names else None
        if sample.config.refill_spectrum:  # with rng: legacy for all groups, also where one is mixed
            plan = plan_of_part(sample, job, None if sample.config.rng == "legacy" else group)
        else:
            plan = AcceptancePlan.load(self.upstream()["plan"].path)
        rng = np.random.default_rng(seed_sequence(self.root_seed(), type(self).__name__, self.branch))
        part = choose_part(sample, plan, job=job, group=group, rng=rng)
        entries = write_part(path, part, sample.config, path.parent)
        own_plan = {"plan": plan.as_json()} if sample.config.refill_spectrum else {}
        return {"entries": entries, "yields": part.yields.as_json(), **own_plan}

    def validate(self, path: Path) -> None:
        """The part opens and is not empty."""
        from taumltools.errors import InputError
        from taumltools.tuples.io import open_tuples

        with open_tuples(path) as reader:
            if reader.entries == 0:
                raise InputError(
                    f"part {self.branch} of {self.n_branches()} is empty: use fewer parts (sampling.n_jobs)"
                )


class SamplingYields(SamplingTask):
    """What the plan expects and what the parts hold, by type and bin: JSON and a plot."""

    product = "yields.d"

    def upstream(self) -> dict[str, Any]:
        """The parts, and the plan unless each part has its own."""
        plan = {} if self.sampling.refill_spectrum else {"plan": self.need_sampling(PlanSampling)}
        return plan | {"parts": self.need_sampling(ShuffleMergeSpectral)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Compare the plan with the accounts of the parts."""
        from taumltools.plotstyle import save_figures
        from taumltools.sampling.acceptance import AcceptancePlan
        from taumltools.sampling.choose import AcceptedYields
        from taumltools.sampling.yields import compare_yields, draw_yields
        from taumltools.store import read_sidecar

        upstream = self.upstream()
        details = [read_sidecar(part)["details"] for part in upstream["parts"].paths()]
        if self.sampling.refill_spectrum:
            plans = [AcceptancePlan.from_json(part["plan"]) for part in details]
        else:
            plans = [AcceptancePlan.load(upstream["plan"].path)]
        achieved = AcceptedYields.merge([AcceptedYields.from_json(part["yields"]) for part in details])
        yields = compare_yields(plans, achieved, self.sampling.method)
        path.mkdir()
        yields.save(path / "yields.json")
        save_figures([("yields", draw_yields(yields))], path, ("pdf", "png"))
        return {"accepted": achieved.accepted_total}

    def validate(self, path: Path) -> None:
        """All three files are there."""
        from taumltools.errors import InputError

        for name in ("yields.json", "yields.pdf", "yields.png"):
            if not (path / name).stat().st_size:
                raise InputError(f"{path / name} is empty")


class ExportLegacy(SamplingTask):
    """What the CMS tools write when they mix: hash tables, acceptance maps; with their spectra and file lists."""

    product = "out.d"
    uses = OF_THE_PLAN

    def upstream(self) -> dict[str, Any]:
        """The plan; the spectra are what else belongs to it."""
        return {
            "plan": self.need_sampling(PlanSampling),
            "spectra": self.need(CreateSpectralHists, **self.inputs),
        }

    def produce(self, path: Path) -> dict[str, Any]:
        """Write the folder ``out`` of the CMS tools."""
        from taumltools.sampling.acceptance import AcceptancePlan
        from taumltools.sampling.export import write_acceptance_map, write_count_map, write_hashes

        plan = AcceptancePlan.load(self.upstream()["plan"].path)
        datasets = sorted({name for group in plan.groups.values() for name in group.datasets})
        path.mkdir()
        write_hashes(path / "dataset_hash.json", datasets)
        write_hashes(path / "datagroup_hash.json", plan.groups)
        for group in plan.groups:
            takeall = self.sampling.lastbin_takeall
            write_acceptance_map(path / f"{group}.root", plan, group, lastbin_takeall=takeall)
            write_count_map(path / f"{group}_n.root", plan, group)
        return {"datasets": datasets, "groups": sorted(plan.groups)}

    def validate(self, path: Path) -> None:
        """The hashes read back, which checks each of them."""
        from taumltools.sampling.export import read_hashes

        for name in ("dataset", "datagroup"):
            read_hashes(path / f"{name}_hash.json")


class ValidateShuffle(SamplingTask):
    """Whether every part, and every stretch of it, is a fair sample of the whole; fails if not."""

    product = "validation.d"

    def reads(self) -> tuple[str, ...]:
        """How it is checked, besides how it was mixed."""
        return (*super().reads(), "validation")

    def upstream(self) -> dict[str, Any]:
        """The mixed sample."""
        return {"parts": self.need_sampling(ShuffleMergeSpectral)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Test and draw; a verdict that is bad is kept beside the place of the product."""
        import shutil

        from taumltools.errors import InputError
        from taumltools.sampling.groups import groups_of
        from taumltools.sampling.validation import names_by_hash, validate_sample
        from taumltools.sampling.validation_plots import draw_validation

        names = [*self.dataset_names(), *groups_of(self.sampling)]
        found = []
        for group, parts in self.upstream()["parts"].samples().items():
            verdict = validate_sample(parts, self.setting("validation"), names)
            verdict.save(path / group)
            draw_validation(verdict, names_by_hash(names), path / group)
            found.append(verdict.summary())
        made, failed, entries = (sum(one[key] for one in found) for key in ("tests", "failed_tests", "entries"))
        untested = sum(family["untested"] for one in found for family in one["families"].values())
        log.info("%d entries: %d tests made, %d failed", entries, made, failed)
        if untested > made:
            log.warning(
                "of %d tests only %d could be made: the sample is too small to say much", untested + made, made
            )  # fmt: skip
        if failed:
            kept = self.folder / "failed.d"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(path, kept)
            raise InputError(
                f"{failed} of {made} tests of the mixed sample failed: it is not well "
                f"shuffled, or its parts differ; see verdict.json and the plots in {kept}"
                + LEGACY_ORDER
                * (self.sampling.rng == "legacy")
            )
        return {"tests": made, "entries": entries}

    def dataset_names(self) -> list[str]:
        """Names of all datasets that were mixed."""
        if not self.external:
            return list(self.campaign_config.samples["train"])
        from taumltools.tuples.listing import read_listing

        listed = read_listing(self.need(ListTuples, **self.inputs).path)
        return sorted({file.dataset for file in listed})
