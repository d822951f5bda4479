from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, FeaturesConfig
from taumltools.errors import InputError
from taumltools.evaluation.apply import Reading, apply_models, apply_network, one_hot
from taumltools.evaluation.models import StoredModel
from taumltools.evaluation.predictions import Predictions
from taumltools.features.flat import FlatTuples, make_flat, write_flat
from taumltools.training.preparation import Preparation
from taumltools.training.trained_on import TrainedOn
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import TauType, truth_type

FEATURES = FeaturesConfig(taus={"tau_pt": FeatureConfig(), "tau_eta": FeatureConfig()})
COLUMNS = ("run", "evt", "tau_pt", "tau_decayMode")


class FromPt:
    """Stands for a network: outputs that follow from pt, so that each row can be checked."""

    def predict(self, flat: FlatTuples, batch_size: int = 2048) -> np.ndarray:
        tau = 1 / (1 + flat.taus["tau_pt"] / 50)
        return np.stack([(1 - tau) / 3, (1 - tau) / 3, tau, (1 - tau) / 3], axis=1).astype(np.float32)


class Broken(FromPt):
    def predict(self, flat: FlatTuples, batch_size: int = 2048) -> np.ndarray:
        outputs = super().predict(flat, batch_size)
        outputs[1] = np.nan
        return outputs


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("tuples")
    paths = [folder / f"taus_{seed}.arrow" for seed in range(2)]
    for seed, path in enumerate(paths):
        write_tuples(path, mock_tuples(200, seed=seed))
    return paths


def apply(files: list[Path], out: Path, **options: object) -> dict:
    options = {"network": FromPt(), "dataset": "mock"} | options
    return apply_network(Path("model"), files, out, FEATURES, COLUMNS, **options)


def test_one_row_per_entry_in_input_order(files: list[Path], tmp_path: Path):
    summary = apply(files, tmp_path / "p.h5")
    found = Predictions.read(tmp_path / "p.h5")
    taus = [mock_tuples(200, seed=seed) for seed in range(2)]
    assert len(found) == summary["entries"] == 400
    for name in COLUMNS:
        np.testing.assert_array_equal(found.columns[name], np.concatenate([t[name] for t in taus]))
    reconstructed = np.concatenate([t["tau_index"] >= 0 for t in taus])
    np.testing.assert_array_equal(found.scored, reconstructed)
    assert 0 < summary["scored"] == reconstructed.sum() < 400
    expected = 1 / (1 + found.columns["tau_pt"] / 50)
    np.testing.assert_allclose(found.outputs[reconstructed, 2], expected[reconstructed], rtol=1e-6)
    assert np.isnan(found.outputs[~reconstructed]).all()


def test_truth_is_that_of_the_tuples(files: list[Path], tmp_path: Path):
    summary = apply(files, tmp_path / "p.h5")
    found = Predictions.read(tmp_path / "p.h5")
    types = np.concatenate([truth_type(mock_tuples(200, seed=seed)) for seed in range(2)])
    np.testing.assert_array_equal(found.truth, types)
    assert (found.scored & (found.truth == -1)).any(), "entries without type are scored"
    assert summary["entries_by_type"]["none"] == (types == -1).sum()
    assert sum(summary["entries_by_type"].values()) == 400


def test_result_does_not_depend_on_chunks(files: list[Path], tmp_path: Path):
    apply(files, tmp_path / "a.h5", step=7)
    apply(files, tmp_path / "b.h5")
    a, b = (Predictions.read(tmp_path / name) for name in ("a.h5", "b.h5"))
    np.testing.assert_array_equal(a.outputs, b.outputs)
    np.testing.assert_array_equal(a.columns["evt"], b.columns["evt"])


@pytest.mark.parametrize("step", [1, 199, 200, 201])
def test_chunk_edges_change_nothing(files: list[Path], tmp_path: Path, step: int):
    summaries = [apply(files[:1], tmp_path / f"{name}.h5", step=s) for name, s in (("a", step), ("b", 10_000))]
    assert summaries[0] == summaries[1]
    a, b = (Predictions.read(tmp_path / f"{name}.h5") for name in "ab")
    for found, expected in ((a.outputs, b.outputs), (a.targets, b.targets), (a.scored, b.scored)):
        np.testing.assert_array_equal(found, expected)
    for name in COLUMNS:
        np.testing.assert_array_equal(a.columns[name], b.columns[name])
        assert a.columns[name].dtype == b.columns[name].dtype


def test_files_follow_each_other_as_given(files: list[Path], tmp_path: Path):
    apply(files, tmp_path / "ab.h5")
    apply(files[::-1], tmp_path / "ba.h5")
    ab, ba = (Predictions.read(tmp_path / f"{name}.h5") for name in ("ab", "ba"))
    np.testing.assert_array_equal(ab.outputs, np.roll(ba.outputs, 200, axis=0))
    np.testing.assert_array_equal(ab.columns["evt"], np.roll(ba.columns["evt"], 200))


@pytest.mark.parametrize("suffix", ["arrow", "root"])
def test_file_without_entries_gives_an_empty_table(files: list[Path], tmp_path: Path, suffix: str):
    write_tuples(tmp_path / f"empty.{suffix}", mock_tuples(5).slice(0, 0))
    summary = apply([tmp_path / f"empty.{suffix}"], tmp_path / "p.h5")
    assert summary["entries"] == summary["scored"] == 0
    found = Predictions.read(tmp_path / "p.h5")
    assert len(found) == 0
    apply(files[:1], tmp_path / "q.h5")
    full = Predictions.read(tmp_path / "q.h5")
    assert {n: c.dtype for n, c in found.columns.items()} == {n: c.dtype for n, c in full.columns.items()}
    assert len(Predictions.concatenate([found, full])) == 200


def test_entries_without_tau_never_reach_the_network(files: list[Path], tmp_path: Path):
    class Counting(FromPt):
        seen = 0

        def predict(self, flat: FlatTuples, batch_size: int = 2048) -> np.ndarray:
            self.seen += len(flat.taus["tau_pt"])
            assert np.isfinite(flat.taus["tau_pt"]).all()
            return super().predict(flat, batch_size)

    network = Counting()
    summary = apply(files, tmp_path / "p.h5", network=network, step=64)
    found = Predictions.read(tmp_path / "p.h5")
    assert network.seen == summary["scored"] == found.scored.sum() < len(found)
    np.testing.assert_array_equal(np.isnan(found.outputs).all(axis=1), ~found.scored)
    assert (found.truth[~found.scored] == -1).all()


@pytest.mark.parametrize("value", [-0.1, 1.5, np.inf])
def test_outputs_have_to_be_probabilities(files: list[Path], tmp_path: Path, value: float):
    class Odd(FromPt):
        def predict(self, flat: FlatTuples, batch_size: int = 2048) -> np.ndarray:
            outputs = super().predict(flat, batch_size)
            outputs[-1, 3] = value
            return outputs

    with pytest.raises(InputError, match=r"outside of \[0, 1\] for 1 of \d+ entries"):
        apply(files, tmp_path / "p.h5", network=Odd())


def test_one_file_may_be_given_alone(files: list[Path], tmp_path: Path):
    assert apply(files[0], tmp_path / "p.h5")["entries"] == 200  # type: ignore[arg-type]


def test_data_has_no_targets(files: list[Path], tmp_path: Path):
    apply(files[:1], tmp_path / "p.h5", sample_type="Data")
    found = Predictions.read(tmp_path / "p.h5")
    assert not found.targets.any()
    assert found.scored.any()


def test_bad_output_names_file_and_event(files: list[Path], tmp_path: Path):
    with pytest.raises(InputError, match=r"taus_0\.arrow: the network gives NaN .* run=\d+, lumi=\d+, evt=\d+"):
        apply(files, tmp_path / "p.h5", network=Broken())


def test_unknown_column_is_named(files: list[Path], tmp_path: Path):
    with pytest.raises(InputError, match="tau_nonsense"):
        apply_network(Path("m"), files, tmp_path / "p.h5", FEATURES, ["tau_nonsense"], network=FromPt())


def test_one_hot_of_embedded_and_data():
    types = np.array([TauType.emb_tau, TauType.emb_jet, TauType.data, -1, TauType.e], np.int8)
    assert one_hot(types).argmax(axis=1)[[0, 1, 4]].tolist() == [2, 3, 0]
    assert one_hot(types).sum(axis=1).tolist() == [1, 1, 0, 0, 1]


def test_several_models_in_one_pass_evaluate_features_once(files: list[Path], tmp_path: Path, monkeypatch):
    from taumltools.evaluation import sources

    made: list[int] = []
    real = sources.make_flat

    def counted(tuples, *args, **options):
        made.append(len(tuples))
        return real(tuples, *args, **options)

    class Swapped(FromPt):
        def predict(self, flat: FlatTuples, batch_size: int = 2048) -> np.ndarray:
            return super().predict(flat, batch_size)[:, ::-1]

    monkeypatch.setattr(sources, "make_flat", counted)
    outs = {name: tmp_path / f"{name}.h5" for name in ("one", "two")}
    models = {"one": StoredModel(FromPt(), "a"), "two": StoredModel(Swapped(), "b")}
    account = apply_models(models, files, outs, Reading(FEATURES, COLUMNS, step=150))
    assert made == [150, 50, 150, 50]
    one, two = (Predictions.read(path) for path in outs.values())
    np.testing.assert_array_equal(one.outputs, two.outputs[:, ::-1])
    assert (one.model, two.model) == ("a", "b")
    assert account["files"] == {str(path): 200 for path in files}


def test_flat_tuples_give_the_scores_of_their_tuples(files: list[Path], tmp_path: Path, caplog):
    flat = make_flat(mock_tuples(200, seed=0), FEATURES, keep="reconstructed")
    write_flat(tmp_path / "flat.h5", [flat], config=FEATURES)
    apply(files[:1], tmp_path / "a.h5")
    summary = apply_network(
        tmp_path, tmp_path / "flat.h5", tmp_path / "b.h5", FEATURES, [*COLUMNS, "tau_dz"], network=FromPt(), step=64
    )
    tuples, found = (Predictions.read(tmp_path / f"{name}.h5") for name in "ab")
    assert summary["entries"] == summary["scored"] == len(flat) < 200
    np.testing.assert_array_equal(found.outputs, tuples.outputs[tuples.scored])
    np.testing.assert_array_equal(found.truth, tuples.truth[tuples.scored])
    for name in COLUMNS:
        np.testing.assert_array_equal(found.columns[name], tuples.columns[name][tuples.scored])
    assert "flat tuples have no tau_dz: these columns are left out" in caplog.text


def trained_on(path: Path, seeds: list[int], **options: int) -> Path:
    """A folder of a training whose sample had the candidates of these seeds."""
    path.mkdir()
    chunks = [make_flat(mock_tuples(200, seed=seed), FEATURES).index for seed in seeds]
    TrainedOn.of(chunks, **options).save(path / "trained_on.npz")
    return path


def apply_trained(model: Path, files: list[Path], out: Path, **options: object) -> dict:
    return apply_network(model, files, out, FEATURES, COLUMNS, network=FromPt(), **options)


@pytest.mark.parametrize("kind", ["tuples", "flat"])
def test_models_trained_on_other_features_are_refused(files: list[Path], tmp_path: Path, kind: str):
    other = FeaturesConfig(taus={"tau_pt": FeatureConfig("tau_pt * 1000"), "tau_eta": FeatureConfig()})
    model = StoredModel(FromPt(), "x", Preparation.of_settings(FEATURES, "sets"), definition=FEATURES)
    path, features = files[0], other
    if kind == "flat":
        path, features = tmp_path / "flat.h5", FEATURES  # the settings are right, the file was made with others
        write_flat(path, [make_flat(mock_tuples(20, seed=0), other)], config=other)
    with pytest.raises(InputError, match=r"for the model 'old': .* taus.tau_pt: 'tau_pt \* 1000', not 'tau_pt'"):
        apply_models({"old": model}, [path], {"old": tmp_path / "p.h5"}, Reading(features))


def test_training_events_are_refused_with_their_number(files: list[Path], tmp_path: Path):
    """Whatever the files are called: part of the second one was trained on."""
    model = trained_on(tmp_path / "model", [1, 7])
    known = len(make_flat(mock_tuples(200, seed=1), FEATURES))
    total = sum(int((mock_tuples(200, seed=seed)["tau_index"] >= 0).sum()) for seed in (0, 1))
    with pytest.raises(InputError) as error:
        apply_trained(model, files, tmp_path / "p.h5", step=64)
    text = str(error.value)
    assert f"trained on {known} of the {total} candidates in {files[1]} (run=" in text
    assert "--allow-training-events" in text
    assert str(files[0]) not in text
    account = apply_trained(model, files, tmp_path / "q.h5", allow_training_events=True)
    assert list(account["training_events"].values()) == [known]
    clean = apply_trained(model, files[:1], tmp_path / "r.h5")
    assert "training_events" not in clean
    assert clean["unchecked"] == []
    assert apply_trained(tmp_path / "nothing", files[:1], tmp_path / "s.h5")["unchecked"] == [
        f"the network of {tmp_path}/nothing"
    ]


def test_equal_numbers_of_different_events_are_not_refused(tmp_path: Path):
    """Simulated samples count from one: the test sample has the run, lumi and evt of the training sample."""
    first, second = (mock_tuples(200, seed=seed) for seed in (3, 4))
    numbers = {name: first[name] for name in ("run", "lumi", "evt")}
    assert not np.array_equal(first["tau_pt"], second["tau_pt"])
    write_tuples(tmp_path / "test.arrow", type(second)({**second.scalars, **numbers}, second.collections))
    model = trained_on(tmp_path / "model", [3])
    assert apply_trained(model, [tmp_path / "test.arrow"], tmp_path / "p.h5")["scored"] > 0
    write_tuples(tmp_path / "train.arrow", first)
    with pytest.raises(InputError, match="was trained on"):
        apply_trained(model, [tmp_path / "train.arrow"], tmp_path / "q.h5")


def test_of_a_large_training_sample_a_part_is_remembered(files: list[Path], tmp_path: Path):
    model = trained_on(tmp_path / "model", [1, 7, 8], kept=100)
    with pytest.raises(InputError, match=r"was trained on about \d+ of the \d+ candidates") as error:
        apply_trained(model, files, tmp_path / "p.h5")
    about = int(str(error.value).split("about ")[1].split()[0])
    assert about == pytest.approx(len(make_flat(mock_tuples(200, seed=1), FEATURES)), rel=0.5)
