import csv
import math
import re

import pytest

from taumltools.errors import ConfigError, InputError
from taumltools.training.tracking import start_run
from taumltools.training.tracking.importing import import_logs
from taumltools.training.tracking.record import read_log
from taumltools.training.tracking.results import choose, collect, record_row
from tests.unit.training.tracking.conftest import fill

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)  # mlflow 3.17 itself


@pytest.fixture
def store(new_store, describe):
    """Three finished runs, one that failed, and one of another program."""
    store, logs = new_store(), []
    figures = {"deepset-a": (0.3, 0.99, "0.1"), "deepset-b": (0.2, 0.98, "0.2"), "deeptau-c": (0.25, math.nan, "0.1")}
    for name, (loss, auc, dropout) in figures.items():
        run = start_run(describe(name, tags={"model": name.split("-")[0]}))
        run.log_params({"model": {"name": name.split("-")[0], "dropout": dropout}, "seed": 1})
        run.log_metrics({"loss": 1.0, "val_loss": loss}, 1)
        run.log_summary({"best_val_loss": loss, "best_val_auc_jet": auc, "parameters": 1151378}, 1)
        run.finish()
        logs.append(run.directory)
    failed = start_run(describe("failed"))
    failed.finish("FAILED", "no disk")
    import_logs([*logs, failed.directory], store)
    return store


def test_table_of_what_people_ask_for(store):
    results = choose(collect(store))
    assert results.columns == (
        "run", "model", "status", "minutes", "parameters", "model.dropout", "model.name", "seed",
        "best_val_loss", "best_val_auc_jet", "val_loss", "loss",
    )  # fmt: skip
    lines = results.as_text().splitlines()
    assert lines[0].split()[:3] == ["run", "model", "status"]
    assert re.match(r"deepset-a +deepset +FINISHED +[\d.]+ +1151378 +0\.1 +deepset +1 +0\.3 +0\.99 +0\.3 +1$", lines[2])
    assert lines[5].split()[:2] == ["failed", "FAILED"]


def test_sorting_puts_runs_that_lack_the_figure_last(store):
    rows = collect(store)
    for sort, names in (
        ("best_val_loss", ["deepset-b", "deeptau-c", "deepset-a", "failed"]),
        ("-best_val_loss", ["deepset-a", "deeptau-c", "deepset-b", "failed"]),
        ("-best_val_auc_jet", ["deepset-a", "deepset-b", "deeptau-c", "failed"]),
        ("run", ["deepset-a", "deepset-b", "deeptau-c", "failed"]),
    ):
        assert [row["run"] for row in choose(rows, sort=sort).rows] == names


def test_conditions_are_those_of_mlflow(store):
    def found(condition):
        return {row["run"] for row in collect(store, condition=condition)}

    assert found("metrics.best_val_loss < 0.28") == {"deepset-b", "deeptau-c"}
    assert found("params.`model.name` = 'deepset' and metrics.best_val_loss < 0.28") == {"deepset-b"}
    assert found("tags.model = 'deeptau'") == {"deeptau-c"}
    assert found("attributes.status = 'FAILED'") == {"failed"}


def test_columns_by_pattern(store):
    results = choose(collect(store), ["run", "best_val_*"])
    assert results.columns == ("run", "best_val_auc_jet", "best_val_loss")


def test_csv_has_numbers_in_full(store):
    text = choose(collect(store), ["run", "best_val_loss", "model.dropout"]).as_csv()
    rows = list(csv.DictReader(text.splitlines()))
    assert [float(row["best_val_loss"]) for row in rows[:3]] == [0.3, 0.2, 0.25]
    assert rows[3] == {"run": "failed", "best_val_loss": "", "model.dropout": ""}


def test_page_stands_alone_and_escapes_what_it_shows(store, tmp_path):
    fill(store, "other", "<script>alert(1)</script>", tmp_path)
    page = choose(collect(store)).as_html("Runs & more")
    assert "<title>Runs &amp; more</title>" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert page.count("<tr>") == 6
    assert 'data-value="0.3"' in page
    assert not re.search(r'(src|href)="', page)


def test_runs_of_other_programs_are_shown_by_their_own_figures(new_store, tmp_path):
    store = new_store("other")
    run_id = fill(store, "cnn", "x", tmp_path)
    store.client.log_metric(run_id, "val_weighted_tau_crossentropy_v2", 0.7)
    store.client.log_param(run_id, "n_train_params", "1151378")
    results = choose(collect(store, ["cnn"]))
    assert results.columns[-2:] == ("loss", "val_weighted_tau_crossentropy_v2")
    assert results.rows[0]["parameters"] == 1151378


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda store: collect(store, ["none"]), InputError, "has no experiment 'none'; it has Default, tests"),
        (lambda store: collect(store, condition="metrics.loss < -1"), InputError, "has no run with metrics.loss < -1"),
        (lambda store: collect(store, condition="loss < 1"), ConfigError, "'loss < 1' is not understood"),
        (lambda store: choose(collect(store), ["los"]), ConfigError, "no run has 'los'; there are best_val_auc_jet"),
        (lambda store: choose(collect(store), sort="-los"), ConfigError, "cannot be sorted by 'los'"),
    ],
)
def test_wrong_questions_are_explained(store, call, error, message):
    with pytest.raises(error, match=message):
        call(store)


def test_a_log_gives_the_row_that_its_run_has_in_a_store(new_store, describe):
    run = start_run(describe("deepset-a", tags={"model": "deepset"}))
    run.log_params({"model": {"dropout": "0.1"}})
    for step, loss in ((1, 0.5), (2, 0.25)):
        run.log_metrics({"loss": loss}, step)
    run.log_summary({"best_val_loss": 0.25, "parameters": 5}, 2)
    run.finish()
    store = new_store()
    import_logs([run.directory], store)
    assert [record_row(read_log(run.directory))] == collect(store)
