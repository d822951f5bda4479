import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from taumltools.errors import InputError, StoreError
from taumltools.training.tracking.importing import import_logs, origin_of
from taumltools.training.tracking.merge import FROM_TAG, artifact_names, merge_stores, records_of, verify
from taumltools.training.tracking.stores import open_store
from tests.unit.training.tracking.conftest import fill

pytestmark = [
    pytest.mark.usefixtures("file_store_allowed"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),  # mlflow 3.17 itself
]


@pytest.fixture
def anna(make_file_store):
    return make_file_store("anna", {"cnn": ("a1", "a2")})


@pytest.fixture
def ben(new_store, tmp_path):
    store = new_store("ben")
    parent = fill(store, "cnn", "b1", tmp_path)
    fill(store, "cnn", "b2", tmp_path, parent=parent)
    fill(store, "snn", "b3", tmp_path)
    return tmp_path / "ben"


def names(store, experiment):
    return sorted(run.info.run_name for run in store.runs([store.experiments()[experiment]]))


def test_files_and_database_become_one(anna, ben, new_store):
    target = new_store("all")
    done = merge_stores({"anna": str(anna), "ben": str(ben)}, str(target.folder))
    assert done.summary() == "5 new, 0 renewed, 0 as they were"
    store = open_store(str(target.folder), must_exist=True)
    assert names(store, "cnn") == ["a1", "a2", "b1", "b2"]
    assert names(store, "snn") == ["b3"]
    runs = {run.info.run_name: run for run in store.runs()}
    for name, run in runs.items():
        assert run.data.params == {"model": name}
        history = store.client.get_metric_history(run.info.run_id, "loss")
        assert [(m.step, m.value, m.timestamp) for m in history] == [(1, 0.5, 1000), (2, 0.25, 2000)]
        assert artifact_names(store, run.info.run_id) == ["plots/roc.txt"]
        assert (target.folder / "artifacts" / run.info.run_id / "artifacts/plots/roc.txt").read_text() == name
        assert (run.info.status, run.info.end_time > 0) == ("FINISHED", True)
    assert runs["b2"].data.tags["mlflow.parentRunId"] == runs["b1"].info.run_id
    assert runs["a1"].data.tags[FROM_TAG] == anna.as_uri()


def test_merging_again_brings_only_what_is_new(anna, ben, new_store, tmp_path):
    target = new_store("all")
    sources = {"anna": str(anna), "ben": str(ben)}
    merge_stores(sources, str(target.folder))
    fill(open_store(str(ben)), "cnn", "b4", tmp_path)
    assert merge_stores(sources, str(target.folder)).summary() == "1 new, 0 renewed, 5 as they were"


def test_run_that_both_have_is_there_once(anna, new_store, tmp_path):
    shutil.copytree(anna, tmp_path / "copy")
    target = new_store("all")
    sources = {"anna": str(anna), "copy": str(tmp_path / "copy")}
    merge_stores(sources, str(target.folder))
    assert names(target, "cnn") == ["a1", "a2"]
    assert merge_stores(sources, str(target.folder)).summary() == "0 new, 0 renewed, 2 as they were"


@pytest.mark.parametrize("outdated", [0, 1])
def test_an_older_copy_of_a_run_does_not_undo_its_end(anna, new_store, tmp_path, outdated):
    """The copy that was merged last won, so that a run became FAILED again."""
    shutil.copytree(anna, tmp_path / "copy")
    sources, target = [str(anna), str(tmp_path / "copy")], new_store("all")
    old = open_store(sources[outdated])
    for run in old.runs():
        old.client.set_terminated(run.info.run_id, "FAILED")
    merge_stores({"one": sources[0], "two": sources[1]}, str(target.folder))
    assert {run.info.status for run in target.runs()} == {"FINISHED"}
    assert merge_stores({"old": sources[outdated]}, str(target.folder)).summary() == "0 new, 0 renewed, 2 as they were"
    assert {run.info.status for run in target.runs()} == {"FINISHED"}


def test_run_that_was_imported_and_merged_is_there_once(finished, new_store):
    log, ours, target = finished(), new_store("ours"), new_store("all")
    import_logs([log.directory], ours)
    merge_stores({"ours": str(ours.folder)}, str(target.folder))
    import_logs([log.directory], target)
    (run,) = target.runs()
    assert origin_of(run) == log.run_id
    assert len(target.client.get_metric_history(run.info.run_id, "loss")) == 2


def test_labels_keep_experiments_of_the_same_name_apart(anna, ben, new_store):
    target = new_store("all")
    merge_stores({"anna": str(anna), "ben": str(ben)}, str(target.folder), experiments=["cnn"], labelled=True)
    assert {"cnn (anna)", "cnn (ben)"} == set(target.experiments()) - {"Default"}
    assert names(target, "cnn (ben)") == ["b1", "b2"]


def test_merging_into_a_store_of_files(ben, make_file_store):
    target = make_file_store("all", {"cnn": ("c1",)})
    merge_stores({"ben": str(ben)}, str(target))
    store = open_store(str(target))
    assert names(store, "cnn") == ["b1", "b2", "c1"]
    assert sorted(merge_stores({"ben": str(ben)}, str(target)).unchanged) == ["b1", "b2", "b3"]


def test_artefacts_of_a_store_that_was_moved_are_found(anna, ben, new_store, tmp_path):
    for number, source in enumerate((anna, ben)):
        source.rename(tmp_path / f"moved{number}")
        target = new_store(f"all{number}")
        merge_stores({"x": str(tmp_path / f"moved{number}")}, str(target.folder))
        assert {tuple(artifact_names(target, run.info.run_id)) for run in target.runs()} == {("plots/roc.txt",)}


def test_what_was_lost_on_the_way_is_noticed(ben, new_store):
    target = new_store("all")
    merge_stores({"ben": str(ben)}, str(target.folder))
    records = records_of(open_store(str(ben)))
    (run,) = (run for run in target.runs() if run.info.run_name == "b3")
    shutil.rmtree(target.folder / "artifacts" / run.info.run_id)
    with pytest.raises(StoreError, match=r"the run 'b3' .* lacks plots/roc.txt"):
        verify(records, target)
    target.client.delete_run(run.info.run_id)
    with pytest.raises(StoreError, match="lacks the run 'b3'"):
        verify(records, target)


def test_wrong_stores_are_named(anna, new_store, tmp_path):
    with pytest.raises(InputError, match=f"there is no store of mlflow at {tmp_path}/none"):
        merge_stores({"x": str(anna), "y": str(tmp_path / "none")}, str(tmp_path / "all"))
    assert not (tmp_path / "all").exists()
    with pytest.raises(InputError, match=r"has no experiment 'dnn'; it has cnn"):
        merge_stores({"x": str(anna)}, str(new_store("a").folder), experiments=["dnn"])
    with pytest.raises(InputError, match="cannot be merged into itself"):
        merge_stores({"x": str(anna)}, str(anna))


# ---------------------------------------------------------------------- the server of mlflow, as people use it


@pytest.fixture
def server(request):
    """Start mlflow's server on loopback for a store; returns its address."""
    processes = []

    def start(store):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri, "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1", "--artifacts-destination", str(store.folder / "served")]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        processes.append(subprocess.Popen(command, env=environment, **quiet))
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                    assert answer.read() == b"OK"
                return address
            except OSError:
                time.sleep(0.3)
        raise AssertionError("the server did not start")

    yield start
    for process in processes:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def ask(address, path, content=None):
    request = urllib.request.Request(address + path)
    if content is not None:
        request.data = json.dumps(content).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


@pytest.mark.slow
def test_server_and_its_page_show_the_merged_store(anna, ben, new_store, server):
    target = new_store("all")
    merge_stores({"anna": str(anna), "ben": str(ben)}, str(target.folder))
    address = server(target)
    assert b"<title>MLflow</title>" in ask(address, "/")
    experiments = json.loads(ask(address, "/api/2.0/mlflow/experiments/search?max_results=10"))["experiments"]
    ids = {experiment["name"]: experiment["experiment_id"] for experiment in experiments}
    found = json.loads(ask(address, "/api/2.0/mlflow/runs/search", {"experiment_ids": [ids["cnn"]]}))["runs"]
    assert sorted(run["info"]["run_name"] for run in found) == ["a1", "a2", "b1", "b2"]
    run_id = next(run["info"]["run_id"] for run in found if run["info"]["run_name"] == "a1")
    listed = json.loads(ask(address, f"/api/2.0/mlflow/artifacts/list?run_id={run_id}&path=plots"))["files"]
    assert [file["path"] for file in listed] == ["plots/roc.txt"]
    assert ask(address, f"/get-artifact?run_id={run_id}&path=plots/roc.txt") == b"a1"


@pytest.mark.slow
def test_merging_from_and_into_a_server(ben, new_store, server, tmp_path, finished):
    address = server(new_store("served"))
    assert merge_stores({"ben": str(ben)}, address).summary() == "3 new, 0 renewed, 0 as they were"
    log = finished()
    assert import_logs([log.directory], open_store(address)).made == ["a"]
    assert import_logs([log.directory], open_store(address)).unchanged == ["a"]
    back = new_store("back")
    merge_stores({"server": address}, str(back.folder))
    assert names(back, "cnn") == ["b1", "b2"]
    runs = {run.info.run_name: run for run in back.runs()}
    assert artifact_names(back, runs["b1"].info.run_id) == ["plots/roc.txt"]
    assert runs["b2"].data.tags["mlflow.parentRunId"] == runs["b1"].info.run_id
