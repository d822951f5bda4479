"""Network inputs: flat tuples and feature scaling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from tasks.base import PipelineTask
from tasks.sampling import ShuffleMergeSpectral


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


class ProduceFlatTuples(PartTask):
    """HDF5 files with what the network sees; a branch per part of the training sample."""

    product = "flat_{branch}.h5"
    source = ShuffleMergeSpectral

    def produce(self, path: Path) -> dict[str, Any]:
        """Evaluate the features chunk by chunk."""
        from taumltools.features.flat import make_flat, required_branches, write_flat
        from taumltools.progress import progress
        from taumltools.tuples.io import open_tuples

        config = self.setting("features")
        with open_tuples(self.input_paths()[0]) as reader:
            chunks = reader.iterate(required_branches(config))
            parts = (make_flat(chunk, config) for chunk in progress(chunks, label=f"flat {self.branch}", unit="chunk"))
            return {"entries": write_flat(path, parts, config=config), "input_entries": reader.entries}

    def validate(self, path: Path) -> None:
        """The file opens with consistent lengths and is not empty."""
        from taumltools.errors import InputError
        from taumltools.features.flat import FlatFile

        with FlatFile(path) as flat:
            if flat.entries == 0:
                raise InputError(f"part {self.branch}: no entry passed the selection of configs/features")


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
