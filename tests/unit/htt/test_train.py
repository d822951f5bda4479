import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.htt_training import EventTrainingConfig
from taumltools.errors import InputError
from taumltools.htt.boosting import parameters
from taumltools.htt.foldfile import FoldFile
from taumltools.htt.folds import fold_of, rows_of_fold
from taumltools.htt.model import load_model
from taumltools.htt.sets import FitSet
from taumltools.htt.split import event_key
from taumltools.htt.table import EventTable
from taumltools.htt.train import targets, train_fold
from taumltools.training.tracking import RunDescription
from taumltools.training.tracking.record import read_log
from tests.unit.htt.case import settings


def numbered(evt, run=1):
    return EventTable({"evt": np.asarray(evt, np.uint64), "run": np.full(len(evt), run, np.uint32)})


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.integers(2, 7))
def test_the_fold_is_the_remainder_for_any_event_number(evt, n):
    assert fold_of(np.array(evt, np.uint64), n).tolist() == [number % n for number in evt]


def test_numbers_that_are_not_whole_make_no_folds():
    with pytest.raises(InputError, match="is not whole"):
        fold_of(np.array([1.5]), 2)


@pytest.mark.parametrize("validation", ["part", "fold"])
def test_a_fold_is_never_fitted_to_its_own_events(validation):
    events = numbered(range(600))
    for fold in range(3):
        rows = rows_of_fold(events, EventTrainingConfig(n_splits=3, validation=validation), fold)
        assert set(events["evt"][rows.held_out] % 3) == {fold}
        assert not set(rows.train) & set(rows.held_out)
        assert not set(rows.train) & set(rows.validation)
        assert set(rows.validation) <= set(rows.held_out) or not set(rows.validation) & set(rows.held_out)


def test_uneven_folds_are_refused():
    with pytest.raises(InputError, match=r"evt modulo 2 have \[1000, 300\] events, too uneven"):
        rows_of_fold(numbered([*range(0, 2000, 2), *range(1, 600, 2)]), EventTrainingConfig(), 0)


def test_weights_of_a_fit_have_mean_one_and_are_not_negative():
    made = FitSet.make(np.zeros((3, 1)), np.zeros(3), np.array([1.0, 2.0, 3.0]))
    assert made.weight.tolist() == [0.5, 1.0, 1.5]
    with pytest.raises(InputError, match="range from -1 to 1"):
        FitSet.make(np.zeros((2, 1)), np.zeros(2), np.array([1.0, -1.0]))


def test_targets_of_binary_mode():
    config = settings("htt.training.mode=binary htt.training.signal=[1,3]")
    assert targets(np.array([0, 1, 2, 3]), config).tolist() == [0, 1, 0, 1]


def test_parameters_have_the_names_of_lightgbm():
    config = settings("+htt.training.boosting.more.min_data_in_leaf=3").training.boosting
    found = parameters(config, 4)
    assert (found["objective"], found["num_class"], found["min_data_in_leaf"]) == ("multiclass", 4, 3)
    assert found["metric"][0] == "multi_logloss"  # the first one stops the fit
    binary = parameters(config, 2)
    assert binary["objective"] == "binary"
    assert "num_class" not in binary


def test_model_knows_what_it_has_seen_and_its_fold_is_not_in_it(trained):
    with FoldFile(trained.folder / "events/train.hdf5") as file:
        events = file.read(["run", "evt"])
    fold = events["evt"] % 3
    for number, model in enumerate(trained.ensemble.models):
        assert model.description.fold == number
        seen = model.has_seen(events)
        assert not seen[fold == number].any()
        assert seen[fold != number].all()
        assert len(model.seen) == len(np.unique(event_key(events["run"][seen], events["evt"][seen])))


def test_it_learns_something(trained):
    metrics = json.loads((trained.folder / "model_0/metrics.json").read_text())
    assert metrics["best_val_logloss"] < 0.9 * np.log(4)
    history = json.loads((trained.folder / "model_0/history.json").read_text())
    assert history["step"][-1] >= metrics["best_step"]
    assert history["logloss"][-1] < history["logloss"][0]


def test_the_same_training_gives_the_same_model_for_any_number_of_threads(trained, tmp_path):
    config = settings("htt.training.n_splits=3 htt.training.boosting.num_threads=2")
    train_fold(trained.folder / "events/train.hdf5", config, 1, tmp_path)
    first, second = ((folder / "model.txt").read_text() for folder in (trained.folder / "model_1", tmp_path))
    # LightGBM writes its parameters, and so the number of threads, at the end
    assert first.split("end of trees")[0] == second.split("end of trees")[0]


@pytest.mark.parametrize("mode", ["multi", "binary"])
@pytest.mark.parametrize("model", ["boosting", "dense"])
def test_models_reload_as_they_were(trained, tmp_path, model, mode):
    config = settings(
        f"htt.training.model={model} htt.training.mode={mode} htt.training.features=[m_sv,njets,pt_1] "
        "htt.training.dense.epochs=6 htt.training.dense.batch_size=64"
    )
    train_fold(trained.folder / "events/train.hdf5", config, 0, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.description.features == ("m_sv", "njets", "pt_1")
    assert loaded.description.categories == {"njets": 6}
    with FoldFile(trained.folder / "events/test.hdf5") as file:
        events = file.read()
    scores = loaded.predict(events)
    assert scores.shape == (len(events), 4 if mode == "multi" else 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    best = scores.argmax(axis=1) == targets(events["target"], config)
    assert best.mean() > (0.35 if mode == "multi" else 0.6)  # by chance 1/4 and 1/2; few events, few epochs


def test_unknown_categories_are_scored(trained):
    with FoldFile(trained.folder / "events/test.hdf5") as file:
        events = file.read()
    odd = events.having({"njets": np.full(len(events), -1, np.int16)})
    assert np.isfinite(trained.ensemble.models[0].predict(odd)).all()


def test_run_is_logged(trained, tmp_path):
    config = settings("htt.training.boosting.metric_freq=10")
    description = RunDescription(tmp_path / "log", "htt", "fold 0")
    train_fold(trained.folder / "events/train.hdf5", config, 0, tmp_path / "model", description)
    record = read_log(tmp_path / "model/tracking")
    assert record.status == "FINISHED"
    assert record.params["n_splits"] == "2"
    assert record.params["xtrain_split_feature"] == "evt"
    assert record.params["model_param.learning_rate"] == "0.1"
    assert {point.step for point in record.points if point.name == "val_logloss"} == {1, 10, 20}


@pytest.mark.parametrize("text", ["", "{}", '{"format": "taumltools event classifier", "version": 9}'])
def test_other_folders_are_refused(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(InputError, match=r"run TrainEvents|version 9"):
        load_model(tmp_path)


def test_feature_that_the_sample_lacks_is_named(trained, tmp_path):
    config = settings("htt.preprocess.cont_features=[m_sv,extra] ~htt.preprocess.clip htt.training.features=[extra]")
    with pytest.raises(InputError, match="no feature extra"):
        train_fold(trained.folder / "events/train.hdf5", config, 0, tmp_path)
