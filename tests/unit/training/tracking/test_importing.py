import json
import math
import multiprocessing
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.training.tracking import start_run
from taumltools.training.tracking.importing import (
    PARAM_LENGTH,
    RUN_TAG,
    clean_name,
    import_logs,
    known_runs,
    missing_points,
    parents_first,
    write_records,
)
from taumltools.training.tracking.record import RunRecord, read_log
from taumltools.training.tracking.stores import open_store
from tests.unit.training.tracking.conftest import kill


def by_name(store):
    return {run.info.run_name: run for run in store.runs()}


def test_run_is_in_the_store_as_it_was_logged(new_store, finished, tmp_path):
    store, data = new_store(), [{"name": "flat", "digest": "1a2b", "source": ["flat_0.h5"]}]
    log = finished(tags={"campaign": "tiny"}, data=data)
    result = import_logs([log.directory], store)
    assert result.summary() == "1 new, 0 renewed, 0 as they were"
    run = by_name(store)["a"]
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (read_log(log.directory).start, read_log(log.directory).end)
    assert run.data.params == {"model.name": "deepset", "model.units": "[8, 8]", "seed": "3"}
    assert run.data.tags["campaign"] == "tiny"
    assert run.data.tags[RUN_TAG] == log.run_id
    history = store.client.get_metric_history(run.info.run_id, "val_loss")
    assert [(m.step, m.value) for m in history] == [(1, 1.1), (2, 0.55)]
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, json.loads(used.dataset.source)) == ("flat", "1a2b", ["flat_0.h5"])
    artifacts = tmp_path / "store" / "artifacts" / run.info.run_id / "artifacts"
    assert (artifacts / "metrics.csv").is_file()
    assert {a.path for a in store.client.list_artifacts(run.info.run_id)} == {"metrics.csv", "tensorboard"}


def test_importing_again_changes_nothing(new_store, finished):
    store, logs = new_store(), [finished("a").directory, finished("b").directory]
    first = import_logs(logs, store)
    again = import_logs(logs, store)
    assert again.summary() == "0 new, 0 renewed, 2 as they were"
    assert again.ids == first.ids
    (run,) = (run for run in store.runs() if run.info.run_name == "a")
    assert len(store.client.get_metric_history(run.info.run_id, "loss")) == 2


def test_a_fit_that_began_anew_replaces_the_epochs_of_the_first(new_store, finished):
    """Of a run that was there, epochs that it had already were never looked at again."""
    store, log = new_store(), finished(losses=(1.0, math.inf, math.nan))
    import_logs([log.directory], store)
    record = read_log(log.directory)
    (run,) = store.runs()
    assert missing_points(store.client, run, record.points) == []
    later = [replace(point, value=0.7, time=point.time + 5000) for point in record.points if point.step == 1]
    write_records([replace(record, points=[*later, *record.points[len(later) :]])], store)
    assert store.client.get_metric_history(run.info.run_id, "loss")[-1].value == 0.7
    assert len(store.client.get_metric_history(run.info.run_id, "loss")) == 4
    assert store.client.get_run(run.info.run_id).info.status == "FINISHED"


def test_run_in_progress_is_brought_up_to_date(new_store, working, describe):
    store = new_store()
    directory, process = working()
    import_logs([directory], store)
    assert by_name(store)["a"].info.status == "RUNNING"
    kill(process)
    assert import_logs([directory], store).summary() == "0 new, 1 renewed, 0 as they were"
    run = by_name(store)["a"]
    assert run.info.status == "FAILED"
    assert run.data.params == {"seed": "3"}
    assert "killed after epoch 2" in run.data.tags["tauml.end"]
    resumed = start_run(describe())
    resumed.log_metrics({"loss": 2.0}, 2)
    resumed.log_metrics({"loss": 1.0}, 3)
    resumed.finish()
    import_logs([directory], store)
    (run,) = store.runs()
    assert run.info.status == "FINISHED"
    assert "tauml.end" not in run.data.tags
    assert run.data.tags["tauml.attempts"] == "2"
    history = store.client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_continuation_is_nested_under_what_it_continues(new_store, finished):
    store = new_store()
    child = finished("child", parent=finished("parent").run_id)
    parent = next(path for path in child.directory.parents if path.name == "runs") / "parent" / "work" / "tracking"
    import_logs([child.directory], store)  # its parent is not known yet
    assert "mlflow.parentRunId" not in by_name(store)["child"].data.tags
    import_logs([parent, child.directory], store)
    runs = by_name(store)
    assert runs["child"].data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id


def test_runs_of_a_project_are_nested_under_its_run(new_store, finished):
    store = new_store()
    outer = store.client.create_run(store.experiment("outer")).info.run_id
    a = finished("a")
    import_logs([a.directory, finished("b", parent=a.run_id).directory], store, parent=outer)
    runs = by_name(store)
    assert runs["a"].data.tags["mlflow.parentRunId"] == outer
    assert runs["b"].data.tags["mlflow.parentRunId"] == runs["a"].info.run_id


def test_finished_log_in_the_product_counts_more_than_the_one_it_was_copied_from(new_store, finished, tmp_path):
    run = finished()
    product = tmp_path / "runs" / "a" / "model"
    product.mkdir()
    (product / "run.json").write_text("{}")
    run.deliver(product)
    store = new_store()
    assert import_logs([run.directory, product / "tracking"], store).made == ["a"]
    run_id = by_name(store)["a"].info.run_id
    assert [a.path for a in store.client.list_artifacts(run_id, "model")] == ["model/run.json"]


def test_long_values_and_odd_names_are_made_to_fit(new_store, describe):
    run = start_run(describe())
    run.log_params({f"p{i}": i for i in range(250)} | {"note": "x" * 2 * PARAM_LENGTH, "cut(pt > 20)": 1})
    run.log_metrics({f"m{i}": i for i in range(1001)} | {"auc(jet)": 0.9}, 1)
    run.finish()
    store = new_store()
    import_logs([run.directory], store)
    data = by_name(store)["a"].data
    assert len(data.params) == 252
    assert len(data.params["note"]) == PARAM_LENGTH
    assert data.metrics["auc_jet_"] == 0.9
    assert len(data.metrics) == 1002
    assert import_logs([run.directory], store).renewed == []


def test_two_imports_at_the_same_time_make_each_run_once_and_the_store_too(tmp_path, finished):
    logs, folder = [finished(name).directory for name in "abc"], str(tmp_path / "new")
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=lambda: import_logs(logs, open_store(folder))) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(run.info.run_name for run in open_store(folder).runs()) == ["a", "b", "c"]


def test_broken_import_is_taken_up_again(new_store, finished, monkeypatch):
    store, run = new_store(), finished()
    monkeypatch.setattr(type(store.client), "log_artifacts", lambda *_: os.stat("/nowhere"))
    with pytest.raises(FileNotFoundError):
        import_logs([run.directory], store)
    monkeypatch.undo()
    assert import_logs([run.directory], store).renewed == ["a"]
    assert [a.path for a in store.client.list_artifacts(by_name(store)["a"].info.run_id)] != []


def test_runs_of_other_origin_are_left_alone(new_store, finished):
    store = new_store()
    other = store.client.create_run(store.experiment("other"), run_name="other").info.run_id
    import_logs([finished().directory], store)
    assert set(known_runs(store)) == {other, read_log(finished("b").directory.parents[2] / "a/work/tracking").run_id}


def test_changed_record_has_another_digest(finished):
    record = read_log(finished().directory)
    assert record.digest() == read_log(record.folders[""].parent).digest()
    for change in ({"status": "FAILED"}, {"points": record.points[:-1]}, {"tags": {"x": "y"}}, {"parent": "p"}):
        assert replace(record, **change).digest() != record.digest()


def test_store_of_nothing(new_store):
    assert write_records([], new_store()).summary() == "0 new, 0 renewed, 0 as they were"


@given(st.lists(st.integers(0, 5), max_size=6))
def test_no_run_comes_before_its_parent(parents):
    records = [RunRecord(str(i), "e", "n", "FINISHED", 0, 0, parent=str(p)) for i, p in enumerate(parents)]
    place = {record.run_id: n for n, record in enumerate(parents_first(records))}
    assert sorted(place) == sorted(record.run_id for record in records)
    looped = {r.run_id for r in records if reaches_loop(r.run_id, {r.run_id: r.parent for r in records})}
    assert all(place.get(r.parent, -1) < place[r.run_id] for r in records if r.run_id not in looped)


def reaches_loop(name, parent_of):
    seen = set()
    while name in parent_of and name not in seen:
        seen.add(name)
        name = parent_of[name]
    return name in seen


@given(st.text(min_size=1))
def test_clean_names_are_names_that_stay(name):
    assert clean_name(clean_name(name)) == clean_name(name)
