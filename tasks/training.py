"""Training of the network, tracked by mlflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import luigi

from tasks.base import PipelineTask, store_root
from tasks.features import FeatureScaling, ProduceFlatTuples


class Training(PipelineTask):
    """One trained network: a folder with the model, its history and the ids of its mlflow run."""

    product = "model"

    tracking_uri = luigi.Parameter(
        default="",
        significant=False,
        description="mlflow tracking server, e.g. http://host:5000; default: a store of its own under $TAUML_STORE",
    )

    def reads(self) -> tuple[str, ...]:
        """Everything that shapes the network and its fit."""
        return ("seed", "features", "model", "training")

    def upstream(self) -> dict[str, Any]:
        """Flat tuples and their scaling."""
        return {"flat": self.need(ProduceFlatTuples), "scaling": self.need(FeatureScaling)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Fit."""
        from taumltools.features.scaling import load_scaling
        from taumltools.training.fit import train

        result = train(
            self.upstream()["flat"].paths(),
            load_scaling(self.upstream()["scaling"].path),
            features=self.setting("features"),
            model=self.setting("model"),
            training=self.setting("training"),
            out_dir=path,
            seed=self.seed(),
            run_name=f"{self.campaign}-{self.version}-{self.identity}",
            tracking_uri=self.tracking_uri or default_tracking_uri(),
        )
        return result.as_json()

    def validate(self, path: Path) -> None:
        """The model reloads by itself."""
        from taumltools.training.network import load_network

        load_network(path)


def default_tracking_uri() -> str:
    """The mlflow store of this pipeline: a database file beside the outputs."""
    folder = store_root() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"
