"""Runs of trainings in mlflow: importing, merging, showing."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import law
import luigi

from tasks.base import ShortErrors
from tasks.store import store_root

log = logging.getLogger(__name__)

TRAINING_LOGS = "{campaign}/*Training/{version}/*/*"
"""Where in a store the logs of trainings are."""


def tracking_store(given: str = "") -> str:
    """The store of mlflow: what was given, ``$MLFLOW_TRACKING_URI``, or ``mlflow`` in the store of products."""
    return given or os.environ.get("MLFLOW_TRACKING_URI", "") or str(store_root() / "mlflow")


def show_command(store: str) -> str:
    """How people look at a store of mlflow."""
    from taumltools.training.tracking.stores import store_uri

    uri = store_uri(store)
    return f"open {uri}" if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"


def import_runs(folders: Sequence[Path], given: str) -> None:
    """Import the logs of trainings that this command ran; whatever is wrong with mlflow is no fault of the trainings.

    Args:
        folders: of logs.
        given: the store of mlflow as on the command line.
    """
    from taumltools.training.tracking.importing import import_logs
    from taumltools.training.tracking.stores import open_store

    store = tracking_store(given)
    try:
        result = import_logs(folders, open_store(store), parent=os.environ.get("MLFLOW_RUN_ID", ""))
    except Exception as error:
        log.warning(
            "the runs are not in mlflow yet (%s); to import them: law run ImportRuns --tracking-uri %s", error, store
        )
        return
    if result.made or result.renewed:
        log.info("runs in mlflow: %s; to look at them: %s", result.summary(), show_command(store))


class TrackingTask(law.Task):
    """A task about runs; it makes no product, and does its work each time it is called."""

    exclude_index = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ShortErrors.install()
        self.done = False

    def output(self) -> list[Any]:
        """Nothing is made that a later call would find."""
        return []

    def complete(self) -> bool:
        """Whether it was done by this call."""
        return self.done

    def run(self) -> None:
        """Do it, and print what is to be said."""
        sys.stdout.write(self.act().rstrip("\n") + "\n")
        sys.stdout.flush()
        self.done = True

    def act(self) -> str:
        """Do the work; returns what is printed."""
        raise NotImplementedError(type(self).__name__)


class StoreTask(TrackingTask):
    """A task about one store of mlflow."""

    exclude_index = True

    tracking_uri = luigi.Parameter(
        default="",
        description="store of mlflow: a folder, or a URI such as http://host:5000; "
        "default: $MLFLOW_TRACKING_URI, or mlflow below $TAUML_STORE",
    )

    @property
    def store_name(self) -> str:
        """The store, as the user would name it."""
        return tracking_store(self.tracking_uri)

    def open(self) -> Any:
        """The store; it has to exist."""
        from taumltools.training.tracking.stores import open_store

        return open_store(self.store_name, must_exist=True)


class ImportRuns(StoreTask):
    """Bring the logs of all trainings in the store of products into mlflow; can be repeated at any time."""

    version = luigi.Parameter(default="", description="only trainings of this version; default: all")
    campaign = luigi.Parameter(default="", description="only trainings of this campaign; default: all")
    logs = luigi.Parameter(
        default="",
        description="folder below which logs are looked for instead, e.g. another person's store; default: none",
    )

    def act(self) -> str:
        """Find the logs and import them.

        Raises:
            InputError: there are none.
        """
        from taumltools.errors import InputError
        from taumltools.training.tracking.importing import import_logs
        from taumltools.training.tracking.record import find_logs
        from taumltools.training.tracking.stores import open_store

        root = Path(self.logs).expanduser().absolute() if self.logs else store_root()
        pattern = TRAINING_LOGS.format(campaign=self.campaign or "*", version=self.version or "*")
        folders = find_logs(root, pattern)
        if not folders:
            raise InputError(
                f"there are no logs of trainings in {root} ({pattern}): expected those of law run Training"
            )
        result = import_logs(folders, open_store(self.store_name), parent=os.environ.get("MLFLOW_RUN_ID", ""))
        return f"runs of trainings: {result.summary()}\nto look at them: {show_command(self.store_name)}"
