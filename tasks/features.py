"""Network inputs: flat tuples and feature scaling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import luigi

from tasks.base import PipelineTask
from tasks.production import DatasetTask, ProduceTuples
from tasks.sampling import ShuffleMergeSpectral

TO_THE_END = -1
"""Stands for "no last entry" on the command line."""


class PartTask(PipelineTask):
    """A task with a branch per part of the training sample, made from the part of the same number."""

    exclude_index = True
    follows = "parts"

    source: ClassVar[type[PipelineTask]]
    """The task whose parts it reads."""

    def reads(self) -> tuple[str, ...]:
        """The feature definitions; how many parts there are follows from the sample."""
        return ("features",)

    def n_branches(self) -> int:
        """One branch per part."""
        return self.upstream()["parts"].n_branches()

    def upstream(self) -> dict[str, Any]:
        """The parts."""
        return {"parts": self.need(self.source)}


class EntriesTask(PartTask):
    """A task that can be told to take only some entries of each part."""

    exclude_index = True

    start_entry = luigi.IntParameter(default=0, description="first entry of each part to take; default: 0")
    end_entry = luigi.IntParameter(
        default=TO_THE_END,
        description="entry of each part to stop before; default: all, as with a number beyond its end",
    )

    def settings(self) -> dict[str, Any]:
        """What is read, with the options that differ from their defaults."""
        return super().settings() | ({"options": options} if (options := self.options()) else {})

    def options(self) -> dict[str, Any]:
        """Options that decide what the product holds, where they differ from their defaults."""
        return {} if self.entries == (0, None) else {"entries": list(self.entries)}

    @property
    def entries(self) -> tuple[int, int | None]:
        """First entry, and the one to stop before (None: all)."""
        return self.start_entry, None if self.end_entry == TO_THE_END else self.end_entry

    def bar(self, chunks: Any) -> Any:
        """Chunks that show in a terminal how far it is."""
        from taumltools.progress import progress

        return progress(chunks, label=f"{type(self).__name__} {self.branch}", unit="chunk")


class ProduceFlatTuples(EntriesTask):
    """HDF5 files with what the network sees; a branch per part of the training sample."""

    product = "flat_{branch}.h5"
    source = ShuffleMergeSpectral

    def produce(self, path: Path) -> dict[str, Any]:
        """Evaluate the features chunk by chunk."""
        from taumltools.features.flat import produce_flat

        start, stop = self.entries
        config = self.setting("features")
        return produce_flat(self.input_paths()[0], path, config, start=start, stop=stop, report=self.bar)

    def validate(self, path: Path) -> None:
        """The file opens with consistent lengths and is not empty."""
        from taumltools.errors import InputError
        from taumltools.features.flat import FlatFile

        with FlatFile(path) as flat:
            if flat.entries == 0:
                raise InputError(
                    f"part {self.branch}: no entry passed the selection of configs/features; left out: {flat.dropped}"
                )


class ProduceControlTuples(DatasetTask):
    """Flat tuples of one dataset of a control region, for domain adaptation; a branch per chunk."""

    product = "control_{branch}.h5"
    follows = "tuples"

    def reads(self) -> tuple[str, ...]:
        """The feature definitions, which entries are taken, and how many chunks there are."""
        return ("features", "training.adversarial.selection", f"samples.{self.sample}.{self.dataset}")

    def upstream(self) -> dict[str, Any]:
        """Its tuples."""
        return {"tuples": self.need(ProduceTuples, sample=self.sample, dataset=self.dataset)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Evaluate the features; which entries are taken is a setting of the control region."""
        import dataclasses

        from taumltools.features.flat import produce_flat

        selection = self.setting("training.adversarial.selection")
        return produce_flat(
            self.input_paths()[0], path, dataclasses.replace(self.setting("features"), selection=selection)
        )

    def validate(self, path: Path) -> None:
        """The file opens; it may have no entries, other chunks will."""
        from taumltools.features.flat import FlatFile

        FlatFile(path).close()


class ExportFlatTuples(EntriesTask):
    """The training sample in the columns of the TrainingTuple of 2020 (TrainingTupleProducer of the CMS tools)."""

    source = ShuffleMergeSpectral

    file_format = luigi.ChoiceParameter(
        default="root", choices=["root", "hdf5"], description="ROOT trees, or HDF5 tables for pandas; default: root"
    )
    n_inner_cells = luigi.IntParameter(default=11, description="cells of the inner grid in eta and in phi; default: 11")
    inner_cell_size = luigi.FloatParameter(default=0.02, description="their width; default: 0.02")
    n_outer_cells = luigi.IntParameter(default=21, description="cells of the outer grid in eta and in phi; default: 21")
    outer_cell_size = luigi.FloatParameter(default=0.05, description="their width; default: 0.05")
    training_weight_factor = luigi.FloatParameter(
        default=4.0, description="weights are multiplied by the entries of the part and divided by this; default: 4"
    )
    parity = luigi.ChoiceParameter(
        default=-1, choices=[-1, 0, 1], var_type=int, description="0: even events only, 1: odd ones; default: -1, all"
    )

    @property
    def product(self) -> str:  # type: ignore[override]
        """Named after the format."""
        return "training_{branch}." + {"root": "root", "hdf5": "h5"}[self.file_format]

    def reads(self) -> tuple[str, ...]:
        """Nothing: columns and constants are fixed."""
        return ()

    def options(self) -> dict[str, Any]:
        """What the export is told."""
        import dataclasses

        told = {"file_format": self.file_format, **dataclasses.asdict(self.export)}
        usual = {"file_format": "root", **dataclasses.asdict(type(self.export)())}
        return super().options() | {name: value for name, value in told.items() if value != usual[name]}

    @property
    def export(self) -> Any:
        """Grids, weights and parity."""
        from taumltools.config.features import GridConfig
        from taumltools.features.trainingtuple.make import TrainingTupleConfig

        return TrainingTupleConfig(
            inner=GridConfig(self.n_inner_cells, self.n_inner_cells, self.inner_cell_size),
            outer=GridConfig(self.n_outer_cells, self.n_outer_cells, self.outer_cell_size, cone=0.5),
            weight_factor=self.training_weight_factor,
            parity=self.parity,
        )

    def produce(self, path: Path) -> dict[str, Any]:
        """Make the three trees chunk by chunk."""
        from taumltools.features.trainingtuple.write import export_training_tuple

        start, stop = self.entries
        source = self.input_paths()[0]
        return export_training_tuple(source, path, self.export, start=start, stop=stop, report=self.bar)

    def validate(self, path: Path) -> None:
        """All cells belong to a tau candidate."""
        from taumltools.features.trainingtuple.write import check_training_tuple

        check_training_tuple(path)


class FeatureSums(PartTask):
    """Exact sums and quantiles of every feature over one part: the map step of feature scaling."""

    product = "sums_{branch}.npz"
    source = ProduceFlatTuples

    def reads(self) -> tuple[str, ...]:
        """The feature definitions and which objects belong to the cone of a grid."""
        return ("features", "scaling.measured_on")

    def produce(self, path: Path) -> dict[str, Any]:
        """Sum."""
        from taumltools.features.feature_sums import sum_features

        sum_features(self.input_paths()[0], self.setting("features"), self.setting("scaling.measured_on")).save(path)
        return {}

    def validate(self, path: Path) -> None:
        """The sums read back."""
        from taumltools.features.feature_sums import FeatureSums as Sums

        Sums.load(path)


class FeatureScaling(PipelineTask):
    """Mean, standard deviation and limits of every feature: the reduce step, or taken from a file."""

    product = "scaling.json"

    def reads(self) -> tuple[str, ...]:
        """The feature definitions with their kinds of scaling, a file to take instead, and what is refused."""
        return ("features", "scaling.source", "scaling.limits")

    def upstream(self) -> dict[str, Any]:
        """The sums of all parts, unless constants come from a file."""
        return {} if self.setting("scaling.source") else {"sums": self.need(FeatureSums)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Merge the sums; the result does not depend on how the sample was split."""
        from taumltools.features.feature_sums import FeatureSums as Sums
        from taumltools.features.scaling import make_scaling
        from taumltools.features.scaling_merge import take_scaling

        config, files = self.setting("features"), list[Path]()
        if source := self.setting("scaling.source"):
            scaling, files = take_scaling(source, config)
        else:
            sums = Sums.merge([Sums.load(p) for p in self.upstream()["sums"].paths()])
            scaling = make_scaling(sums, config, self.setting("scaling.limits"))
        path.write_text(json.dumps(scaling, indent=1) + "\n", encoding="utf-8")
        return {"from": [str(file) for file in files]} if files else {}

    def validate(self, path: Path) -> None:
        """The scaling reads back and fits the features."""
        from taumltools.features.scaling import load_scaling

        load_scaling(path, self.setting("features"))


class ScalingPlots(PipelineTask):
    """Plots of the scaling with their numbers, and its constants and quantiles in the form of the CMS tools."""

    product = "scaling_plots.d"

    def reads(self) -> tuple[str, ...]:
        """The feature definitions and what the plots show."""
        return ("features", "scaling.plots")

    def upstream(self) -> dict[str, Any]:
        """The sums of all parts and the constants."""
        return {"sums": self.need(FeatureSums), "scaling": self.need(FeatureScaling)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Numbers first, then what is drawn from them."""
        from taumltools.features.scaling_products import write_products

        settings = self.setting("scaling.plots")
        path.mkdir()
        return write_products(
            self.upstream()["sums"].paths(), self.upstream()["scaling"].path, self.setting("features"), settings, path
        )

    def validate(self, path: Path) -> None:
        """The numbers are there."""
        from taumltools.features.scaling_products import check_products

        check_products(path)
