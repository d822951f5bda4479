"""The trained network in the formats other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.base import PipelineTask
from tasks.training import Training


class ExportModel(PipelineTask):
    """Keras file, SavedModel and ONNX of the network, and DeepTau in parts; each is read back and compared first."""

    product = "export"

    def reads(self) -> tuple[str, ...]:
        """Nothing: the network says all."""
        return ()

    def upstream(self) -> dict[str, Any]:
        """The trained network."""
        return {"model": self.need(Training)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Write all formats; the side-car says by how much they differ."""
        from taumltools.training.export import export_network

        return {"differences": export_network(self.upstream()["model"].path, path)}

    def validate(self, path: Path) -> None:
        """The Keras file reloads by itself."""
        from taumltools.training.network import load_network

        load_network(path)
