"""Stores of mlflow: databases, servers, and the folders of files that older versions wrote.

mlflow has put its stores of files into maintenance mode and refuses them unless
``MLFLOW_ALLOW_FILE_STORE`` is set, which happens here when somebody names such a folder.
"""

from __future__ import annotations

import fcntl
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from taumltools.errors import InputError, StoreError

DATABASE = "mlflow.db"
"""Name of the database in a folder that is given as a store."""

PATIENCE = 20.0
"""Seconds that a server has for its first answer."""


@dataclass(frozen=True)
class TrackingStore:
    """An open store of mlflow.

    Attributes:
        uri: as mlflow knows it.
        client: the ``MlflowClient``.
        folder: the folder it lies in; None for a server.
    """

    uri: str
    client: Any
    folder: Path | None

    def experiments(self) -> dict[str, str]:
        """Ids of all experiments that are not deleted, by name."""
        return {experiment.name: experiment.experiment_id for experiment in self.client.search_experiments()}

    def experiment(self, name: str) -> str:
        """Id of an experiment, which is made if it does not exist; its artefacts lie beside the database.

        Args:
            name: what people call it.

        Returns:
            Its id.

        Raises:
            StoreError: there is one of that name which was deleted.
        """
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            database = self.folder is not None and not self.uri.startswith("file:")
            artifacts = (self.folder / "artifacts").as_uri() if database and self.folder else None
            try:
                return str(self.client.create_experiment(name, artifact_location=artifacts))
            except MlflowException:  # another process made it in the meantime
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            raise StoreError(
                f"the experiment '{name}' of {self.uri} was deleted: restore it "
                f"(mlflow experiments restore -x {found.experiment_id}), or choose another name"
            )
        return str(found.experiment_id)

    def runs(self, experiment_ids: list[str] | None = None) -> Iterator[Any]:
        """All runs that are not deleted, as entities of mlflow, the first ones first.

        Args:
            experiment_ids: of these experiments only; None: of all.
        """
        ids = list(self.experiments().values()) if experiment_ids is None else experiment_ids
        token = None
        while ids:
            page = self.client.search_runs(ids, order_by=["attributes.start_time ASC"], page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other imports on this machine out; a server is not locked."""
        with _locked(self.folder, ".import.lock"):
            yield


@contextmanager
def _locked(folder: Path | None, name: str) -> Iterator[None]:
    """Keep other processes on this machine out; without a folder nothing is locked."""
    if folder is None:
        yield
        return
    with (folder / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_file_store(folder: Path) -> bool:
    """Whether a folder is a store of files: it has experiments, or an empty folder ``.trash`` of mlflow.

    Args:
        folder: the folder, which need not exist.

    Returns:
        True for a store of files.
    """
    return any(folder.glob("*/meta.yaml")) or (folder / ".trash").is_dir()


def store_uri(text: str) -> str:
    """What mlflow calls a store.

    Args:
        text: a folder, or any URI that mlflow knows.  A folder with experiments in it is a store of files; in any
            other the store is a database.

    Returns:
        A URI.

    Examples:
        >>> store_uri("/data/mlflow"), store_uri("http://host:5000")
        ('sqlite:////data/mlflow/mlflow.db', 'http://host:5000')
    """
    if "://" in text or text.startswith("file:"):
        return text
    folder = Path(text).expanduser().absolute()
    if not (folder / DATABASE).exists() and is_file_store(folder):
        return folder.as_uri()
    return f"sqlite:///{folder / DATABASE}"


def folder_of(uri: str) -> Path | None:
    """The folder of a store that lies on disk; None for a server.

    Args:
        uri: of a store.

    Returns:
        The absolute folder, or None.

    Examples:
        >>> folder_of("sqlite:////data/mlflow.db"), folder_of("file:///data/mlruns"), folder_of("http://host")
        (PosixPath('/data'), PosixPath('/data/mlruns'), None)
    """
    if uri.startswith("sqlite:///"):
        return Path(uri.removeprefix("sqlite:///")).absolute().parent
    if uri.startswith("file:"):
        return Path(unquote(urlparse(uri).path))
    return None


def open_store(text: str, *, must_exist: bool = False) -> TrackingStore:
    """Open a store.

    Args:
        text: a folder, or any URI that mlflow knows, see :func:`store_uri`.
        must_exist: refuse a store that is not there, instead of making it.

    Returns:
        The store.

    Raises:
        InputError: it does not exist.
        StoreError: it cannot be opened.
    """
    uri = store_uri(text)
    folder = folder_of(uri)
    if folder is not None:
        there = is_file_store(folder) if uri.startswith("file:") else Path(uri.removeprefix("sqlite:///")).is_file()
        if must_exist and not there:
            raise InputError(
                f"there is no store of mlflow at {text}: expected a folder with {DATABASE} or with experiments "
                "(<id>/meta.yaml), or a URI such as sqlite:////data/mlflow.db or http://host:5000"
            )
        folder.mkdir(parents=True, exist_ok=True)
    if uri.startswith("file:"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    with _locked(folder, ".open.lock"):  # two processes cannot make the tables of a database at the same time
        return TrackingStore(uri, _client(uri), folder)


def _refuse_silent_server(uri: str) -> None:
    """Whatever it answers is an answer; of a server that gives none, mlflow itself would ask for four minutes."""
    import ssl
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        urlopen(uri, timeout=PATIENCE).close()
    except HTTPError:
        return
    except (URLError, OSError) as error:
        if not isinstance(getattr(error, "reason", None), ssl.SSLError):
            raise StoreError(f"the server of mlflow {uri} does not answer: {error}") from error


def _client(uri: str) -> Any:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    if uri.startswith(("http:", "https:")):
        _refuse_silent_server(uri)
    # Making the tables of a new SQLite file is reported line by line; users need not read it.
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # mlflow 3.17 declares its tables with a loader that SQLAlchemy 2.1 deprecates.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*filesystem.*", category=FutureWarning)
        try:
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
        except (MlflowException, OSError) as error:
            raise StoreError(f"the store of mlflow {uri} cannot be opened: {error}") from error
    return client
