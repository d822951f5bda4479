import numpy as np
import pytest

from taumltools.config.training import TrainingConfig
from taumltools.training.tracking import PARAM_LENGTH, local_uri, start_run


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def run(directory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return start_run(str(directory), "tests", "a run", {"campaign": "demo"})


def test_run_has_name_tags_and_identities(run, directory):
    found = run.client.get_run(run.run_id)
    assert found.info.run_name == "a run"
    assert found.data.tags["campaign"] == "demo"
    assert run.ids()["tracking_uri"] == local_uri(directory)
    assert run.artifact_uri.startswith((directory / "artifacts").as_uri())


def test_second_run_joins_the_experiment(run, directory):
    assert start_run(str(directory), "tests", "another").experiment_id == run.experiment_id


def test_settings_figures_and_files(run, directory, tmp_path):
    run.log_params({"training": TrainingConfig(), "note": "x" * 2 * PARAM_LENGTH})
    run.log_metrics({"loss": np.float32(0.5), "val_loss": 0.25}, step=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "history.json").write_text("{}")
    run.log_artifacts(tmp_path / "out")
    run.finish()
    data = run.client.get_run(run.run_id).data
    assert data.params["training.batch_size"] == "512"
    assert data.params["training.tracking.experiment"] == "tau identification"
    assert len(data.params["note"]) == PARAM_LENGTH
    assert data.metrics == {"loss": 0.5, "val_loss": 0.25}
    assert (directory / "artifacts" / run.run_id / "artifacts" / "history.json").is_file()


def test_failed_runs_are_marked(run):
    run.finish(failed=True)
    assert run.client.get_run(run.run_id).info.status == "FAILED"


def test_nothing_in_the_working_directory(run, tmp_path):
    run.finish()
    assert list(tmp_path.iterdir()) == []


def test_any_uri_of_mlflow_is_taken(tmp_path):
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    assert start_run(uri, "tests", "x").tracking_uri == uri
