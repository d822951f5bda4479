import csv
import json
import math

import pytest
import yaml

from taumltools.config.training import TrainingConfig
from taumltools.errors import InputError, StoreError
from taumltools.training.tracking import start_run, tracked
from taumltools.training.tracking.attempts import read_attempts
from taumltools.training.tracking.record import find_logs, read_log
from tests.unit.training.tracking.conftest import kill


def test_what_a_run_is_stands_in_the_log_before_anything_else(describe):
    documents = {"code": {"commit": "abc", "dirty": False}}
    data = [{"name": "flat", "digest": "1a2b", "source": ["flat_0.h5"]}]
    run = start_run(describe(tags={"campaign": "tiny"}, documents=documents, data=data))
    run.log_params({"training": TrainingConfig(), "note": "x"})
    record = read_log(run.directory)  # it is open: nothing was closed or flushed by the test
    assert (record.status, record.end, record.name, record.experiment) == ("RUNNING", None, "a", "tests")
    assert record.params["training.batch_size"] == "512"
    assert record.params["training.tracking.experiment"] == "tau identification"
    assert record.tags["campaign"] == "tiny"
    assert list(record.data) == data
    assert yaml.safe_load((run.files / "code.yaml").read_text()) == documents["code"]
    run.finish()


def test_figures_are_in_log_csv_and_tensorboard(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = finished(losses=(1.0, 0.5, 0.25))
    points = {(p.name, p.step): p.value for p in read_log(run.directory).points}
    assert points["loss", 3] == 0.25
    rows = list(csv.DictReader((run.files / "metrics.csv").read_text().splitlines()))
    assert [float(row["val_loss"]) for row in rows] == [1.1, 0.55, 0.275]
    events = EventAccumulator(str(run.files / "tensorboard" / "validation")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [
        (step, pytest.approx(1.1 * loss)) for step, loss in ((1, 1.0), (2, 0.5), (3, 0.25))
    ]


def test_figures_that_are_no_numbers_are_kept(describe):
    run = start_run(describe())
    run.log_metrics({"loss": math.nan}, 1)
    run.finish("FAILED", "the loss became nan")
    (point,) = read_log(run.directory).points
    assert math.isnan(point.value)


def test_plots_show_training_and_validation(finished):
    run = finished()
    run.log_figures()
    assert [path.name for path in sorted((run.files / "plots").iterdir())] == ["loss.png"]


@pytest.mark.parametrize(
    ("error", "status", "note"),
    [
        (InputError("no such feature"), "FAILED", "InputError: no such feature"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
        (SystemExit(143), "KILLED", "SystemExit: 143"),
    ],
)
def test_failed_runs_say_why(describe, error, status, note):
    description = describe()
    with pytest.raises(type(error)), tracked(description) as run:
        run.log_params({"seed": 3})
        raise error
    record = read_log(description.directory)
    assert (record.status, record.tags["tauml.end"], record.params) == (status, note, {"seed": "3"})
    assert record.end >= record.start


def test_without_description_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tracked(None) as run:
        assert run is None
    assert list(tmp_path.iterdir()) == []


def test_killed_run_is_known_as_failed(working):
    directory, process = working()
    assert read_log(directory).status == "RUNNING"
    kill(process)
    record = read_log(directory)
    assert record.status == "FAILED"
    assert record.tags["tauml.end"].startswith(f"killed after epoch 2: process {process.pid} on ")
    assert record.params == {"seed": "3"}
    assert record.end == max(p.time for p in record.points)


def test_resumed_run_goes_on_and_later_figures_count(working, describe):
    directory, process = working()
    kill(process)
    before = read_log(directory)
    run = start_run(describe())
    assert run.run_id == before.run_id
    assert read_log(directory).status == "RUNNING"
    run.log_metrics({"loss": 1.9}, 2)  # its last checkpoint was before the second epoch
    run.log_metrics({"loss": 1.5}, 3)
    run.finish()
    record = read_log(directory)
    assert record.status == "FINISHED"
    assert "tauml.end" not in record.tags
    assert record.tags["tauml.attempts"] == "2"
    assert record.tags["tauml.resumed"].startswith("killed after epoch 2")
    assert {(p.name, p.step): p.value for p in record.points if p.name == "loss"} == {
        ("loss", 1): 3.0, ("loss", 2): 1.9, ("loss", 3): 1.5,
    }  # fmt: skip
    rows = list(csv.DictReader((run.files / "metrics.csv").read_text().splitlines()))
    assert [row["loss"] for row in rows] == ["3.0", "1.9", "1.5"]


def test_training_at_work_is_not_begun_again(working, describe):
    directory, process = working()
    with pytest.raises(StoreError, match=rf"process {process.pid} on \S+ is at work on this training"):
        start_run(describe())
    assert len(read_attempts(directory)) == 1


def test_attempt_on_another_machine_is_watched_for_a_sign_of_life(working, describe):
    directory, process = working(host="node12")
    with pytest.raises(StoreError, match="on node12 is at work"):
        start_run(describe(), watch_s=2)
    kill(process)
    start_run(describe(), watch_s=0.3).finish()
    assert read_log(directory).tags["tauml.attempts"] == "2"


def test_attempt_on_another_machine_without_sign_of_life_for_long_is_dead(working, monkeypatch):
    directory, process = working(host="node12")
    kill(process)
    assert read_log(directory).status == "RUNNING"
    monkeypatch.setattr("taumltools.training.tracking.attempts.SILENCE_S", 0.0)
    assert read_log(directory).status == "FAILED"


def test_line_that_was_cut_short_is_left_out(finished):
    run = finished()
    (path,) = run.directory.glob("attempt_*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + '{"event": "metr')
    assert [event["event"] for event in read_attempts(run.directory)[0].events] == ["start", "params", *2 * ["metrics"]]


def test_foreign_files_are_named(tmp_path):
    (tmp_path / "attempt_001.jsonl").write_text(json.dumps({"event": "metrics"}) + "\n")
    with pytest.raises(InputError, match=r"attempt_001\.jsonl is not the log of a training"):
        read_log(tmp_path)
    (tmp_path / "attempt_001.jsonl").write_text("hello\n")
    with pytest.raises(InputError, match=r"attempt_001\.jsonl is not the log of a training"):
        read_log(tmp_path)


def test_folder_without_log(tmp_path):
    assert read_log(tmp_path) is None


def test_product_brings_its_files(finished, tmp_path):
    run = finished()
    product = tmp_path / "runs" / "a" / "model"
    product.mkdir()
    for name in ("model.keras", "run.json"):
        (product / name).write_text("{}")
    run.deliver(product)
    assert find_logs(tmp_path / "runs", "*/*") == [product / "tracking", run.directory]
    files = read_log(product / "tracking").files()
    assert {"model/model.keras", "model/run.json", "metrics.csv", "plots/loss.png"} <= set(files)
    assert not [name for name in files if "attempt" in name]
    assert "model/model.keras" not in read_log(run.directory).files()
