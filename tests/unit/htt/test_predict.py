import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.htt.evaluate import read_scores
from taumltools.htt.foldfile import FoldFile, write_foldfile
from taumltools.htt.friend import by_number, write_friend
from taumltools.htt.mock import mock_events, write_events
from taumltools.htt.predict import Ensemble, load_ensemble, predict_for_evaluation, score_columns
from taumltools.htt.preprocess import TRANSFORM, preprocess_prediction
from taumltools.htt.table import EventTable
from taumltools.htt.transform import Transform


def read(path):
    with FoldFile(path) as file:
        return file.read()


def test_every_event_is_scored_by_the_model_that_has_not_seen_it(trained):
    """Proved model by model: the scores are those of one model each, and that one has not seen the event."""
    events = read(trained.folder / "events/train.hdf5")
    scores = trained.ensemble.predict(events)
    all_scores = np.stack([model.predict(events) for model in trained.ensemble.models])
    assert len(np.unique(all_scores[:, :, 0], axis=0)) == 3  # the models differ
    for row in range(len(events)):
        own = int(events["evt"][row]) % 3
        np.testing.assert_array_equal(scores[row], all_scores[own, row])
    seen = np.stack([model.has_seen(events) for model in trained.ensemble.models])
    fold = (events["evt"] % 3).astype(int)
    assert not seen[fold, np.arange(len(events))].any()
    assert seen.sum(axis=0).tolist() == [2] * len(events)  # the two others have


def test_the_test_sample_is_seen_by_no_model(trained):
    events = read(trained.folder / "events/test.hdf5")
    train = read(trained.folder / "events/train.hdf5")
    # samples number their events alike: another sample's event may have been seen, which says nothing
    mine = ~np.isin(events["evt"], train["evt"])
    assert not any(model.has_seen(events)[mine].any() for model in trained.ensemble.models)


def test_models_in_the_wrong_order_would_score_what_they_have_seen(trained):
    first, second, third = trained.ensemble.models
    events = read(trained.folder / "events/train.hdf5")
    with pytest.raises(InputError, match="the model of fold 1 was trained on"):
        Ensemble((second, first, third)).predict(events)


def test_a_fold_that_is_missing_or_there_twice_is_refused(trained):
    folders = [trained.folder / f"model_{i}" for i in (2, 0, 1)]
    assert [m.description.fold for m in load_ensemble(folders).models] == [0, 1, 2]
    for wrong in (folders[:2], [*folders, folders[0]]):
        with pytest.raises(InputError, match="expected one of each fold"):
            load_ensemble(wrong)


def test_csv_for_evaluation(trained, tmp_path):
    account = predict_for_evaluation(trained.folder / "events/test.hdf5", trained.ensemble, tmp_path / "test.csv")
    columns, events = read_scores(tmp_path / "test.csv"), read(trained.folder / "events/test.hdf5")
    assert account == {"events": len(events)}
    assert columns["evt"].tolist() == events["evt"].tolist()
    assert columns["fold"].tolist() == (events["evt"] % 3).tolist()
    assert columns["group_name"].tolist() == events["group_name"].astype(str).tolist()
    scores = trained.ensemble.predict(events)
    np.testing.assert_allclose(columns["pred_class_2_proba"], scores[:, 2], rtol=1e-6)
    np.testing.assert_allclose(columns["w_class_imbalance"], events["w_class_imbalance"], rtol=1e-6)


def test_the_first_class_wins_ties():
    assert score_columns(np.array([[0.5, 0.5]], np.float32))["pred_class"].tolist() == [0]


@pytest.fixture
def shuffled(trained, tmp_path):
    """A sample whose events are in no order, in two files, and its fold file in yet another order."""
    order = np.random.default_rng(5).permutation(700)
    raw = {name: values[order] for name, values in mock_events("ggH", 700).items()}
    raw["run"] = np.random.default_rng(6).integers(1, 4, 700).astype(np.uint32)
    files = [tmp_path / "a.root", tmp_path / "b.root"]
    for path, part in zip(files, (slice(0, 300), slice(300, None)), strict=True):
        write_events(path, {name: values[part] for name, values in raw.items()})
    transform = Transform.load(trained.folder / f"events/{TRANSFORM}")
    preprocess_prediction(trained.config, "ggH", files, transform, tmp_path / "ordered.hdf5")
    events = read(tmp_path / "ordered.hdf5")
    other = events.take(np.random.default_rng(7).permutation(700))
    write_foldfile(
        tmp_path / "ggH.hdf5", other, np.arange(700) % 4,
        cont_features=transform.outputs, cat_features=transform.cat_features, categories=transform.categories,
    )  # fmt: skip
    return raw, files, tmp_path / "ggH.hdf5", events


@pytest.mark.parametrize("duplicates", ["refuse", "entry"])
def test_friend_tree_is_in_the_original_order_though_inputs_are_shuffled(trained, shuffled, tmp_path, duplicates):
    raw, files, predictions, events = shuffled
    out = tmp_path / "ggH_pred.root"
    found = write_friend(
        files, predictions, trained.ensemble, out, tree="TauCheck", misc=["weight"], duplicates=duplicates
    )
    assert found == {"events": 700}
    with uproot.open(out) as file:
        friend = file["TauCheck"].arrays(library="np")
    for name in ("run", "evt", "weight"):
        np.testing.assert_array_equal(friend[name], raw[name])
        assert friend[name].dtype == raw[name].dtype
    seen_by_none = Ensemble(trained.ensemble.models).predict(events)  # events are in the order of the ntuples
    np.testing.assert_array_equal(friend["pred_class_1_proba"], seen_by_none[:, 1])
    np.testing.assert_array_equal(friend["pred_class"], seen_by_none.argmax(axis=1))
    assert friend["pred_class"].dtype == np.int32
    assert friend["pred_class_proba"].dtype == np.float32


def test_duplicates_are_detected_and_named(trained, shuffled, tmp_path):
    raw, files, _predictions, _events = shuffled
    for name in ("run", "evt"):
        raw[name][17] = raw[name][650]
    for path, part in zip(files, (slice(0, 300), slice(300, None)), strict=True):
        write_events(path, {name: values[part] for name, values in raw.items()})
    transform = Transform.load(trained.folder / f"events/{TRANSFORM}")
    preprocess_prediction(trained.config, "ggH", files, transform, tmp_path / "twice.hdf5")
    arguments = (files, tmp_path / "twice.hdf5", trained.ensemble, tmp_path / "out.root")
    with pytest.raises(InputError, match=rf"1 events have the same run .*event {raw['evt'][650]}.*duplicates=entry"):
        write_friend(*arguments, tree="TauCheck")
    assert not (tmp_path / "out.root").exists()
    assert write_friend(*arguments, tree="TauCheck", duplicates="entry") == {"events": 700}


@pytest.mark.parametrize("duplicates", ["refuse", "entry"])
def test_ntuples_that_changed_are_refused(trained, shuffled, tmp_path, duplicates):
    raw, files, predictions, _events = shuffled
    raw["evt"][0] += 10_000
    write_events(files[0], {name: values[:300] for name, values in raw.items()})
    options = {"tree": "TauCheck", "duplicates": duplicates}
    with pytest.raises(InputError, match="different events"):
        write_friend(files, predictions, trained.ensemble, tmp_path / "out.root", **options)
    with pytest.raises(InputError, match=r"different events|the ntuples have 300"):
        write_friend(files[:1], predictions, trained.ensemble, tmp_path / "out.root", **options)


def test_orders_lead_back():
    rng = np.random.default_rng(3)
    run, evt = rng.integers(1, 4, 500).astype(np.uint32), rng.permutation(500).astype(np.uint64) + np.uint64(2**63)
    moved = rng.permutation(500)
    original, other = EventTable({"run": run, "evt": evt}), EventTable({"run": run[moved], "evt": evt[moved]})
    rows = by_number(original, other, "x")
    assert np.array_equal(other["evt"][rows], evt)
