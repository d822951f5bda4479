"""Tell mlflow about a training.

Local tracking is an SQLite file with the artefacts beside it: mlflow has put its former
store of plain files into maintenance mode and refuses it by default.  Nothing is written
to the working directory.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taumltools.config.identity import plain

PARAM_LENGTH = 500
"""Longest parameter value that every mlflow server accepts."""


@dataclass(frozen=True)
class Run:
    """An open mlflow run.

    Attributes:
        client: the ``MlflowClient``.
        run_id: identity of the run.
        experiment_id: identity of its experiment.
        tracking_uri: where it is recorded.
        artifact_uri: where its files are.
    """

    client: Any
    run_id: str
    experiment_id: str
    tracking_uri: str
    artifact_uri: str

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings, nested ones with dotted names."""
        from mlflow.entities import Param

        items = [Param(name, str(value)[:PARAM_LENGTH]) for name, value in flatten(plain(params)).items()]
        for start in range(0, len(items), 100):
            self.client.log_batch(self.run_id, params=items[start : start + 100])

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record the figures of one epoch."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.client.log_batch(self.run_id, metrics=[Metric(k, float(v), now, step) for k, v in metrics.items()])

    def log_artifacts(self, directory: Path) -> None:
        """Copy all files of a directory to the artefacts of the run."""
        self.client.log_artifacts(self.run_id, str(directory))

    def finish(self, *, failed: bool = False) -> None:
        """Close the run."""
        self.client.set_terminated(self.run_id, "FAILED" if failed else "FINISHED")

    def ids(self) -> dict[str, str]:
        """What ``run.json`` records."""
        names = ("tracking_uri", "experiment_id", "run_id", "artifact_uri")
        return {name: getattr(self, name) for name in names}


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted names.

    Examples:
        >>> flatten({"model": {"name": "deepset", "units": [64, 64]}})
        {'model.name': 'deepset', 'model.units': [64, 64]}
    """
    if not isinstance(tree, Mapping):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


def local_uri(directory: Path | str) -> str:
    """Tracking URI of a local directory.

    Examples:
        >>> local_uri("/data/mlflow")
        'sqlite:////data/mlflow/mlflow.db'
    """
    return f"sqlite:///{Path(directory).absolute() / 'mlflow.db'}"


def start_run(tracking_uri: str, experiment: str, run_name: str, tags: Mapping[str, str] | None = None) -> Run:
    """Open a run.

    Args:
        tracking_uri: a directory (local tracking), or any URI mlflow knows (``http://...``).
        experiment: name of the experiment; made if it does not exist.
        run_name: what people read.
        tags: further labels.

    Returns:
        The open run.
    """
    uri, artifacts = tracking_uri, None
    if "://" not in tracking_uri:
        directory = Path(tracking_uri).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        uri, artifacts = local_uri(directory), (directory / "artifacts").as_uri()
    client = _client(uri)
    experiment_id = _experiment(client, experiment, artifacts)
    run = client.create_run(experiment_id, run_name=run_name, tags=dict(tags or {}))
    return Run(client, run.info.run_id, experiment_id, uri, run.info.artifact_uri)


def _client(uri: str) -> Any:
    import logging

    from mlflow import MlflowClient

    # Making the tables of a new SQLite file is reported line by line; users need not read it.
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # mlflow 3.17 declares its tables with a loader that SQLAlchemy 2.1 deprecates.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
        return MlflowClient(tracking_uri=uri)


def _experiment(client: Any, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifacts)
        except MlflowException:  # another training made it in the meantime
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return found.experiment_id
