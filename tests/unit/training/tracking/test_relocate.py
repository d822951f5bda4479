import shutil
import warnings
from pathlib import Path

import pytest
import yaml

from taumltools.errors import ConfigError, InputError, StoreError
from taumltools.training.tracking.merge import artifact_names
from taumltools.training.tracking.relocate import experiments, relocate
from taumltools.training.tracking.stores import open_store

pytestmark = pytest.mark.usefixtures("file_store_allowed")


@pytest.fixture
def mlruns(make_file_store, tmp_path):
    """A store of files of two experiments with two runs each, written by mlflow itself."""
    return make_file_store("mlruns", {"cnn": ("one", "two"), "snn": ("three", "four")})


def identity_of(root, name):
    return next(identity for identity, known in experiments(root) if known == name)


def meta(path):
    return yaml.safe_load((path / "meta.yaml").read_text())


def test_new_id_name_and_path(mlruns, tmp_path):
    old = identity_of(mlruns, "cnn")
    done = relocate(mlruns, old, new_root=tmp_path / "all", new_id="4711", new_name="cnn of anna")
    assert (done.folder, done.runs, done.name) == (mlruns / "4711", 2, "cnn of anna")
    assert not (mlruns / old).exists()
    location = f"file://{tmp_path}/all/4711"
    assert meta(done.folder)["artifact_location"] == location == done.location
    assert meta(done.folder)["experiment_id"] == "4711"
    runs = [path for path in done.folder.iterdir() if len(path.name) == 32]
    assert len(runs) == 2
    for run in runs:
        assert meta(run)["artifact_uri"] == f"{location}/{run.name}/artifacts"
        assert meta(run)["experiment_id"] == "4711"
    assert not list(mlruns.rglob(".meta.yaml.new"))


def test_stores_of_two_people_copied_together_are_one_for_mlflow(make_file_store, tmp_path):
    theirs = [make_file_store(name, {"cnn": (name,)}) for name in ("anna", "ben")]
    for number, root in enumerate(theirs):
        identity = identity_of(root, "cnn")
        relocate(root, identity, new_root=tmp_path / "all", new_id=f"10{number}", new_name=f"cnn of {root.name}")
        shutil.copytree(root, tmp_path / "all", dirs_exist_ok=True)  # rsync
    for root in theirs:
        shutil.rmtree(root)
    store = open_store(str(tmp_path / "all"), must_exist=True)
    assert {"cnn of anna", "cnn of ben"} <= set(store.experiments())
    for run in store.runs():
        assert run.data.metrics["loss"] == 0.25
        assert artifact_names(store, run.info.run_id) == ["plots/roc.txt"]
        copied = Path(store.client.download_artifacts(run.info.run_id, "plots/roc.txt", str(tmp_path)))
        assert copied.read_text() == run.info.run_name


def test_store_that_was_moved_is_mended(mlruns, tmp_path):
    moved = mlruns.rename(tmp_path / "elsewhere")
    identity = identity_of(moved, "cnn")
    assert meta(moved / identity)["artifact_location"].startswith(f"file://{mlruns}")
    done = relocate(moved, identity)
    assert done.location == f"file://{moved}/{identity}"
    assert relocate(moved, identity) == done
    store = open_store(str(moved))
    assert {run.info.artifact_uri.startswith(done.location) for run in store.runs([identity])} == {True}


def test_interrupted_change_is_completed_by_the_same_call(mlruns, monkeypatch):
    from taumltools.training.tracking import relocate as module

    identity, change, calls = identity_of(mlruns, "cnn"), module._change, []

    def broken(path, **changes):
        calls.append(path)
        if len(calls) == 2:
            raise OSError("the disk is away")
        return change(path, **changes)

    monkeypatch.setattr(module, "_change", broken)
    with pytest.raises(OSError, match="away"):
        relocate(mlruns, identity, new_id="7")
    monkeypatch.undo()
    assert relocate(mlruns, identity, new_id="7").folder == mlruns / "7"
    assert len(list(open_store(str(mlruns)).runs(["7"]))) == 2


def test_ids_and_names_that_are_taken_are_refused(mlruns, tmp_path):
    cnn, snn = (identity_of(mlruns, name) for name in ("cnn", "snn"))
    before = {path: path.read_text() for path in mlruns.rglob("meta.yaml")}
    with pytest.raises(StoreError, match=f"has an experiment '{snn}' already"):
        relocate(mlruns, cnn, new_id=snn)
    with pytest.raises(StoreError, match=r"has an experiment of the name 'snn' already"):
        relocate(mlruns, cnn, new_name="snn")
    (tmp_path / "all" / "9").mkdir(parents=True)
    with pytest.raises(StoreError, match=f"{tmp_path}/all has an experiment '9' already"):
        relocate(mlruns, cnn, new_root=tmp_path / "all", new_id="9")
    assert {path: path.read_text() for path in mlruns.rglob("meta.yaml")} == before


def test_folder_that_is_no_run_is_named(mlruns):
    cnn = identity_of(mlruns, "cnn")
    (mlruns / cnn / "notes").mkdir()
    with pytest.raises(InputError, match=r"has folders without meta.yaml, which are no runs: notes; move them away"):
        relocate(mlruns, cnn, new_id="5")


@pytest.mark.parametrize(
    ("experiment", "options", "error", "message"),
    [
        ("77", {}, InputError, r"has no experiment '77'; it has .*\(cnn\)"),
        ("", {}, InputError, r"has no experiment ''"),
        ("cnn", {"new_id": "../x"}, ConfigError, r"'\.\./x' is no id of an experiment"),
    ],
)
def test_wrong_options_are_explained(mlruns, experiment, options, error, message):
    identity = identity_of(mlruns, "cnn") if experiment == "cnn" else experiment
    with pytest.raises(error, match=message):
        relocate(mlruns, identity, **options)


def test_no_store_there(tmp_path):
    with pytest.raises(InputError, match="expected a store of files of mlflow"):
        relocate(tmp_path / "none", "0")


def test_artefacts_on_servers_stay_where_they_are(mlruns):
    cnn = identity_of(mlruns, "cnn")
    content = meta(mlruns / cnn) | {"artifact_location": "s3://bucket/cnn"}
    (mlruns / cnn / "meta.yaml").write_text(yaml.safe_dump(content))
    assert relocate(mlruns, cnn, new_id="6").location == "s3://bucket/cnn"


def test_meta_file_that_is_none(mlruns):
    cnn = identity_of(mlruns, "cnn")
    for text, message in (("", "is empty or no mapping"), ("a: [", "is no YAML")):
        (mlruns / cnn / "meta.yaml").write_text(text)
        with warnings.catch_warnings(), pytest.raises(InputError, match=message):
            relocate(mlruns, cnn, new_id="6")
