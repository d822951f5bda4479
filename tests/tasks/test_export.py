"""ExportModel: what it is made of, and that its product reloads."""

import keras
import pytest

from tasks.export import ExportModel
from tasks.training import Training
from taumltools.errors import InputError
from taumltools.training.models import build_model
from taumltools.training.network import MODEL_FILE
from tests.unit.training.deeptau_case import some_scaling

TINY = {"version": "v1", "campaign": "tiny"}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def test_export_follows_the_training():
    task, other = ExportModel(**TINY), ExportModel(**TINY, overrides="training.epochs=9")
    assert [type(upstream) for upstream in task.upstream_tasks()] == [Training]
    assert task.identity != other.identity
    assert task.path.name == "export"


def test_export_is_written_and_reloads(tmp_path):
    """The network need not be trained for that."""
    task = ExportModel(**TINY, overrides="model=mini", branch=0)
    campaign = task.campaign_config
    trained = task.upstream()["model"].path
    trained.mkdir(parents=True)
    build_model(campaign.model, campaign.features, some_scaling(campaign.features)).save(trained / MODEL_FILE)
    figures = task.produce(tmp_path / "export")
    assert set(figures["differences"]) == {"keras", "saved_model", "onnx"}
    task.validate(tmp_path / "export")
    assert keras.saving.load_model(tmp_path / "export" / MODEL_FILE).output_shape == (None, 4)


def test_without_training_the_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no trained network there"):
        ExportModel(**TINY, branch=0).produce(tmp_path / "export")
