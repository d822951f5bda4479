import multiprocessing
import socket
import time

import pytest

from taumltools.training.tracking import RunDescription, log, start_run
from taumltools.training.tracking.stores import open_store


@pytest.fixture
def describe(tmp_path):
    """Make the description of a run whose log is in a folder of its own."""

    def make(name="a", **changes):
        content = {"directory": tmp_path / "runs" / name / "work" / "tracking", "experiment": "tests", "name": name}
        return RunDescription(**content | changes)

    return make


@pytest.fixture
def finished(describe):
    """Make the log of a training that came to its end."""

    def make(name="a", losses=(1.0, 0.5), **changes):
        run = start_run(describe(name, **changes))
        run.log_params({"model": {"name": "deepset", "units": [8, 8]}, "seed": 3})
        for epoch, loss in enumerate(losses, 1):
            run.log_metrics({"loss": loss, "val_loss": 1.1 * loss}, epoch)
        run.finish()
        return run

    return make


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """An empty database; making its tables takes seconds, copying it does not."""
    folder = tmp_path_factory.mktemp("empty")
    open_store(str(folder))
    return folder / "mlflow.db"


@pytest.fixture
def new_store(tmp_path, empty_database):
    """Make an empty store in a folder of a given name."""

    def make(name="store"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
        return open_store(str(folder))

    return make


def train_two_epochs(directory, name, host, ready):
    """What the process does that is killed later."""
    if host:
        socket.gethostname = lambda: host
    log.PULSE_S = 0.1
    run = start_run(RunDescription(directory, "tests", name))
    run.log_params({"seed": 3})
    run.log_metrics({"loss": 3.0, "val_loss": 3.5}, 1)
    run.log_metrics({"loss": 2.0, "val_loss": 2.5}, 2)
    ready.set()
    time.sleep(60)


@pytest.fixture
def working(describe):
    """Begin a training in another process, which is at work after its second epoch."""
    fork, processes = multiprocessing.get_context("fork"), []

    def make(name="a", host=None):
        directory, ready = describe(name).directory, fork.Event()
        process = fork.Process(target=train_two_epochs, args=(directory, name, host, ready))
        processes.append(process)
        process.start()
        assert ready.wait(20)
        return directory, process

    yield make
    for process in processes:
        kill(process)


def kill(process):
    """End a process as the kernel does when memory runs out."""
    process.kill()
    process.join()


@pytest.fixture
def file_store_allowed(monkeypatch):
    """What opening a store of files sets for the process is undone after the test."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


@pytest.fixture
def make_file_store(tmp_path, file_store_allowed):
    """Make a store of files as older versions wrote it, with the client of mlflow: runs by experiment."""

    def make(name, content):
        root = tmp_path / name
        store = open_store(root.as_uri())
        for experiment, runs in content.items():
            for run in runs:
                fill(store, experiment, run, tmp_path)
        return root

    return make


def fill(store, experiment, name, scratch, parent=None):
    """Write a run with settings, figures and a file into a store; returns its id there."""
    tags = {"mlflow.parentRunId": parent} if parent else {}
    run_id = store.client.create_run(store.experiment(experiment), run_name=name, tags=tags).info.run_id
    store.client.log_param(run_id, "model", name)
    for step, loss in ((1, 0.5), (2, 0.25)):
        store.client.log_metric(run_id, "loss", loss, step=step, timestamp=1000 * step)
    path = scratch / "roc.txt"
    path.write_text(name)
    store.client.log_artifact(run_id, str(path), "plots")
    store.client.set_terminated(run_id)
    return run_id
