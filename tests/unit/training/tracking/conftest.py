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
