import pytest

from taumltools.errors import InputError, StoreError
from taumltools.training.tracking.importing import import_logs
from taumltools.training.tracking.tensorboard import folder_names, make_logdir
from tests.unit.training.tracking.conftest import fill

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)  # mlflow 3.17 itself


def curves(directory):
    """What TensorBoard itself finds: values by run and name."""
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    found = EventMultiplexer().AddRunsFromDirectory(str(directory)).Reload()
    return {
        (run, tag): [(e.step, round(e.value, 6)) for e in found.Scalars(run, tag)]
        for run, content in found.Runs().items()
        for tag in content["scalars"]
    }


@pytest.fixture
def store(new_store, finished, tmp_path):
    store = new_store()
    import_logs([finished("deepset one").directory], store)
    fill(store, "cnn", "legacy", tmp_path)
    return store


def test_all_runs_are_there_under_their_names(store, tmp_path):
    assert make_logdir(store, tmp_path / "tb") == ["deepset_one", "legacy"]
    expected = {
        ("deepset_one/train", "loss"): [(1, 1.0), (2, 0.5)],
        ("deepset_one/validation", "loss"): [(1, 1.1), (2, 0.55)],
        ("legacy/train", "loss"): [(1, 0.5), (2, 0.25)],
    }
    assert curves(tmp_path / "tb") == expected
    make_logdir(store, tmp_path / "tb")  # again: no curve is there twice
    assert curves(tmp_path / "tb") == expected
    assert [path.name for path in tmp_path.glob(".tb*")] == []


def test_runs_of_one_experiment(store, tmp_path):
    assert make_logdir(store, tmp_path / "tb", ["cnn"]) == ["legacy"]


def test_folder_of_others_is_left_alone(store, tmp_path):
    (tmp_path / "tb").mkdir()
    (tmp_path / "tb" / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="holds something else, which is not replaced"):
        make_logdir(store, tmp_path / "tb")
    assert (tmp_path / "tb" / "thesis.tex").exists()


def test_nothing_to_show(new_store, tmp_path):
    with pytest.raises(InputError, match="has no run with metrics"):
        make_logdir(new_store("none"), tmp_path / "tb")
    with pytest.raises(InputError, match="has no experiment 'x'"):
        make_logdir(new_store("other"), tmp_path / "tb", ["x"])
    assert list(tmp_path.glob("*tb*")) == []


def test_names_of_folders_are_never_hidden_or_nested():
    assert folder_names([("../a", "1"), ("", "2"), ("a/b", "3")]) == ["_a", "run", "a_b"]
