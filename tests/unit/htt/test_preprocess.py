import numpy as np
import pytest

from taumltools.errors import ConfigError, InputError
from taumltools.htt.foldfile import FoldFile
from taumltools.htt.mock import mock_events, write_events
from taumltools.htt.ntuples import count_events, iterate_events
from taumltools.htt.preprocess import TRANSFORM, preprocess_prediction, preprocess_training, read_account
from taumltools.htt.selection import select_training
from taumltools.htt.transform import Transform
from tests.unit.htt.case import make_files, settings

CUT = """+htt.samples.QCD.processes.fakes.cut="'%s'\""""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    config = settings("htt.preprocess.pandas=true")
    files = make_files(config, folder)
    return config, files, folder / "out", preprocess_training(config, files, folder / "out")


def read(path):
    with FoldFile(path) as file:
        return file.read()


def test_what_is_written(done):
    _config, _files, folder, account = done
    names = {"train.hdf5", "test.hdf5", "train.h5", "test.h5", "transform.json", "account.json", "config.yaml"}
    assert {path.name for path in folder.iterdir()} == names
    assert read_account(folder) == account


def test_events_are_those_that_pass_the_cuts(done):
    config, _files, folder, account = done
    both = [read(folder / f"{name}.hdf5") for name in ("train", "test")]
    groups = np.concatenate([part["group_name"] for part in both])
    evt = np.concatenate([part["evt"] for part in both])
    for process, b_jets in (("ggH_b", True), ("ggH_no_b", False)):
        raw = mock_events("ggH", 700)
        passes = (raw["pt_1"] > 40) & (raw["pt_2"] > 40) & (raw["dr_tt"] > 0.5) & (raw["os"] > 0)
        passes &= (raw["gen_nbjets_cut"] > 0) == b_jets
        assert sorted(evt[groups == process.encode()]) == raw["evt"][passes].tolist()
        assert account["selected"]["ggH"][process] == {"read": 700, "selected": int(passes.sum())}
    assert sum(len(part) for part in both) == sum(sum(a.values()) for a in account["classes"].values())
    assert config.classes[0].name in account["classes"]["train"]


def test_no_event_is_in_both_samples_and_shares_hold(done):
    _config, _files, folder, _account = done
    train, test = (read(folder / f"{name}.hdf5") for name in ("train", "test"))
    assert not {*zip(train["run"], train["evt"], strict=True)} & {*zip(test["run"], test["evt"], strict=True)}
    shares = np.bincount(train["target"]) / (np.bincount(train["target"]) + np.bincount(test["target"]))
    np.testing.assert_allclose(shares, 0.8, atol=0.06)


def test_features_are_standardised_on_the_training_sample_only(done):
    config, _files, folder, _account = done
    train, test = (read(folder / f"{name}.hdf5") for name in ("train", "test"))
    for name in config.preprocess.cont_features:
        assert abs(train[name].astype(float).mean()) < 1e-5
        assert train[name].astype(float).std() == pytest.approx(1, abs=1e-4)
        assert abs(test[name].astype(float).mean()) > 1e-5


def test_weights_are_there(done):
    _config, _files, folder, _account = done
    train = read(folder / "train.hdf5")
    np.testing.assert_allclose(np.bincount(train["target"], train["w_class_imbalance"]), len(train), rtol=1e-4)
    assert (train["w_cp"] > 0).all()


def test_clipping_limits_what_categories_there_are(done):
    config, _files, folder, _account = done
    transform = Transform.load(folder / TRANSFORM)
    assert max(transform.categories["njets"]) <= 5
    assert transform.cat_features == config.preprocess.cat_features


def test_chunks_do_not_change_the_result(done, tmp_path):
    _config, files, folder, account = done
    again = preprocess_training(settings("htt.preprocess.step=100000"), files, tmp_path / "again")
    assert again == account
    first, second = read(folder / "train.hdf5"), read(tmp_path / "again/train.hdf5")
    # the order within a fold is that in which rows are read, process by process of each chunk
    order = [np.lexsort((part["evt"], part["group_name"])) for part in (first, second)]
    for name in first.columns:
        np.testing.assert_allclose(
            first[name][order[0]].astype(float) if first[name].dtype.kind != "S" else 0,
            second[name][order[1]].astype(float) if second[name].dtype.kind != "S" else 0,
            rtol=1e-5, atol=1e-5, err_msg=name,
        )  # fmt: skip


def test_prediction_has_all_events_in_order(done, tmp_path):
    config, files, folder, _account = done
    transform = Transform.load(folder / TRANSFORM)
    found = preprocess_prediction(config, "ggH", files["ggH"], transform, tmp_path / "ggH.hdf5")
    assert found["events"] == 700
    events = read(tmp_path / "ggH.hdf5")
    raw = mock_events("ggH", 700)
    assert np.array_equal(events["evt"], raw["evt"])
    assert np.array_equal(events["entry"], np.arange(700))
    assert set(events["target"]) == {-1}
    expected = (raw["m_vis"] - transform.mean[3]) / transform.std[3]
    np.testing.assert_allclose(events["m_vis"], expected, atol=1e-5)


@pytest.mark.parametrize(("value", "word"), [(np.nan, "1 NaN and 0 infinite"), (np.inf, "0 NaN and 1 infinite")])
def test_nan_and_infinity_are_refused_by_name(tmp_path, value, word):
    config = settings()
    files = make_files(config, tmp_path)
    events = mock_events("ZTT", 900)
    row = int(np.flatnonzero((events["os"] > 0) & (events["dr_tt"] > 0.5))[-1])
    events["m_sv"][row] = value
    events["pt_1"][:] = events["pt_2"][:] = 50  # passes
    write_events(files["ZTT"][0], events)
    with pytest.raises(InputError, match=rf"sample 'ZTT', process 'ztt', .*m_sv has {word} value.*event {row}\)"):
        preprocess_training(config, files, tmp_path / "out")
    transform = Transform(("m_sv",), (), ("m_sv",), (0.0,), (), (), (0.0,), (1.0,))
    with pytest.raises(InputError, match="m_sv"):
        preprocess_prediction(config, "ZTT", files["ZTT"], transform, tmp_path / "x.hdf5")


def test_nan_in_events_that_are_cut_away_does_not_matter(tmp_path):
    config = settings()
    files = make_files(config, tmp_path)
    events = mock_events("ZTT", 900)
    events["pt_1"][7], events["m_sv"][7] = 1, np.nan
    write_events(files["ZTT"][0], events)
    select_training(config, files)


def test_process_that_the_cuts_empty_is_named(tmp_path):
    config = settings(CUT % "pt_1 > 1e6")
    with pytest.raises(InputError, match="sample 'QCD', process 'fakes': none of 800 events"):
        preprocess_training(config, make_files(config, tmp_path), tmp_path / "out")


def test_wrong_cut_and_missing_branch_are_named(tmp_path):
    config = settings(CUT % "pt_1 >")
    files = make_files(config, tmp_path)
    with pytest.raises(ConfigError, match="cut of sample 'QCD'"):
        preprocess_training(config, files, tmp_path / "out")
    config = settings(CUT % "iso_3 > 1")
    with pytest.raises(InputError, match=r"QCD.root, tree 'TauCheck': no branch iso_3"):
        preprocess_training(config, files, tmp_path / "out")


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "text.root").write_text("no")
    with pytest.raises(InputError, match=r"text.root cannot be read"):
        list(iterate_events([tmp_path / "text.root"], "TauCheck", ["evt"], 10))
    with pytest.raises(InputError, match="no such file"):
        count_events([tmp_path / "absent.root"], "TauCheck")
    with pytest.raises(InputError, match="no such file of events; name each file, patterns are not expanded"):
        count_events([tmp_path / "a*.root"], "TauCheck")
    write_events(tmp_path / "other.root", {"evt": np.arange(3)}, "events")
    with pytest.raises(InputError, match=r"no tree 'TauCheck'; it has \['events'\]"):
        count_events([tmp_path / "other.root"], "TauCheck")


def test_entries_count_through_all_files(tmp_path):
    for i in range(3):
        write_events(tmp_path / f"{i}.root", mock_events("ggH", 10 + i, first=1 + 100 * i))
    chunks = list(iterate_events([tmp_path / f"{i}.root" for i in range(3)], "TauCheck", ["evt"], 7))
    assert [(chunk.first, len(chunk)) for chunk in chunks] == [(0, 7), (7, 3), (10, 7), (17, 4), (21, 7), (28, 5)]
    assert count_events([tmp_path / f"{i}.root" for i in range(3)], "TauCheck") == 33
