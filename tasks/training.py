"""Training of the network, tracked by mlflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import luigi

from tasks.base import PipelineTask
from tasks.features import FeatureScaling, ProduceFlatTuples
from tasks.store import store_root


class Training(PipelineTask):
    """One trained network: a folder with the model, its history and the ids of its mlflow run."""

    product = "model"

    tracking_uri = luigi.Parameter(
        default="",
        significant=False,
        description="mlflow tracking server, e.g. http://host:5000; default: mlflow below $TAUML_STORE",
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
            load_scaling(self.upstream()["scaling"].path, self.setting("features")),
            features=self.setting("features"),
            model=self.setting("model"),
            training=self.setting("training"),
            out_dir=path,
            seed=int(self.random_seed().generate_state(1)[0]),
            run_name=f"{self.campaign}-{self.version}-{self.identity}",
            tracking_uri=self.tracking_uri or str(store_root() / "mlflow"),
            tags={"version": self.version, "campaign": self.campaign, "identity": self.identity},
        )
        return result.metrics | {"run": result.run}

    def validate(self, path: Path) -> None:
        """The model reloads by itself."""
        from taumltools.training.network import load_network

        load_network(path)
