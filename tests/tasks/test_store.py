"""A remote store: products live on a real xrootd server, and the local mirror may be lost at any time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import taumltools.store.remote as remote
from tasks import store as module
from tasks.production import ProduceTuples
from tasks.sampling_inputs import CountSpectra
from taumltools.errors import InputError, ServerError, StoreError
from taumltools.sampling.spectra import Spectra
from taumltools.store import read_sidecar
from tests.tasks.making import make

NANO = Path(__file__).parents[1] / "data/nano/nano_dy.root"
OVERRIDES = (
    f"+datasets.mine={{title:Mine,source:nanoaod,files:['{NANO}']}} ~samples.train +samples.train.mine={{chunks:1}}"
)


@pytest.fixture
def server(xrootd_server, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "TIMEOUT", 3)
    monkeypatch.setenv("TAUML_STORE", xrootd_server.url("store"))
    monkeypatch.setenv("TAUML_MIRROR", str(tmp_path / "mirror"))
    return xrootd_server


def task(task_class):
    return task_class(version="v1", campaign="tiny", overrides=OVERRIDES, dataset="mine")


def there(server):
    top = server.data / "store"
    return sorted(path.name for path in top.rglob("*") if path.is_file())


def test_a_chain_of_tasks_runs_on_a_remote_store(server, tmp_path):
    workflow = make(task(CountSpectra))
    spectra = workflow.path_of(0).name
    names = ["files.json", spectra, "tuples_0.arrow"]
    assert there(server) == sorted([*names, *(f"{name}.meta.json" for name in names)])
    inputs = read_sidecar(workflow.path_of(0))["inputs"]
    assert [source["path"].startswith(server.url("store")) for source in inputs] == [True]


def test_the_mirror_may_be_lost_between_tasks(server, tmp_path):
    tuples = make(task(ProduceTuples))
    shutil.rmtree(tmp_path / "mirror")
    workflow = task(CountSpectra)
    assert tuples.req_branch(0).complete()
    assert not workflow.complete()
    make(workflow)
    assert Spectra.load(workflow.path_of(0)).entries > 20
    shutil.rmtree(tmp_path / "mirror")
    assert workflow.complete()
    assert workflow.req_branch(0).output().exists()


def test_a_product_that_is_gone_from_the_server_is_made_again(server):
    workflow = make(task(ProduceTuples))
    (gone,) = (server.data / "store").rglob("tuples_0.arrow")
    gone.unlink()
    assert not workflow.req_branch(0).complete()
    make(workflow)
    assert gone.exists()


def test_a_product_that_is_not_valid_reaches_neither(server, monkeypatch):
    def refuse(_self, _path):
        raise InputError("not good")

    monkeypatch.setattr(ProduceTuples, "validate", refuse)
    with pytest.raises(InputError, match="not good"):
        make(task(ProduceTuples))
    assert there(server) == ["files.json", "files.json.meta.json"]


def test_a_server_that_is_gone_is_an_error_that_names_it(server, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE", 0.01)
    workflow = task(ProduceTuples)
    server.kill()
    with pytest.raises(ServerError, match=r"listing root://127.0.0.1:.* failed 5 times"):
        workflow.complete()


def test_folders_and_names_of_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("TAUML_STORE", "root://eos.example//store/me")
    monkeypatch.delenv("TAUML_MIRROR", raising=False)
    assert module.store_root() == module.DEFAULT / "_mirror" / "eos.example_store_me"
    assert module.address(module.store_root() / "demo/a.root") == "root://eos.example//store/me/demo/a.root"
    assert module.address(module.store_root() / "_batch/journal.jsonl") == str(
        module.store_root() / "_batch/journal.jsonl"
    )
    assert module.store_variables() == {
        "TAUML_STORE": "root://eos.example//store/me", "TAUML_MIRROR": str(module.store_root()),
    }  # fmt: skip
    monkeypatch.setenv("TAUML_STORE", str(tmp_path))
    assert module.store_variables() == {"TAUML_STORE": str(tmp_path)}
    assert module.address(tmp_path / "a") == str(tmp_path / "a")


def test_a_damaged_product_is_said_to_be_a_copy(server, monkeypatch):
    """Users removed the copy that the message named, which mended nothing."""
    make(task(ProduceTuples))
    (damaged,) = (server.data / "store").rglob("tuples_0.arrow")
    damaged.write_bytes(b"not a table")
    with pytest.raises(InputError) as caught:
        make(task(CountSpectra))
    assert [server.url("store") in note for note in caught.value.__notes__] == [True]


@pytest.mark.parametrize("url", ["roott://x//y", "nosuch+thing://x/y"])
def test_a_wrong_address_is_not_waited_for(monkeypatch, tmp_path, url):
    monkeypatch.setenv("TAUML_STORE", url)
    monkeypatch.setenv("TAUML_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr(remote.time, "sleep", lambda _: pytest.fail("waited"))
    with pytest.raises(StoreError, match="check the address"):
        task(ProduceTuples).complete()
