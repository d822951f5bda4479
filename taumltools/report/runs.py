"""Section on the trainings of a campaign and version, and where their runs are in mlflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taumltools.evaluation.tracking import find_evaluations, runs_of_models
from taumltools.report.content import Section, Table, Text, missing, thousands
from taumltools.report.inputs import ReportInputs, read_json
from taumltools.training.tracking.record import PRODUCT_MARK, find_logs, read_log
from taumltools.training.tracking.results import TEXT_COLUMNS, choose, record_row, shown

Row = dict[str, Any]

PLACE = "folder"
"""Key of a row: the product of the training, or else the folder of its log."""


def read_runs(root: Path, campaign: str, version: str) -> list[Row]:
    """The trainings of a version, from their logs; no store of mlflow is asked.

    Args:
        root: the store of products.
        campaign: name of the campaign.
        version: label of the version.

    Returns:
        A row for each training as of ``ShowResults``, with areas on the test sample (``test_auc_jet``) where the network
        was evaluated, and the place of its product, the first ones first.
    """
    rows: dict[str, Row] = {}
    for folder in find_logs(Path(root), f"{campaign}/Training/{version}/*/*"):
        record = read_log(folder)
        if record is not None:
            done = (folder.parent / PRODUCT_MARK).is_file()
            # Of one run, finished logs come last.
            rows[record.run_id] = record_row(record) | {PLACE: str(folder.parent if done else folder)}
    owners = runs_of_models(root, campaign, version)
    for one in find_evaluations(root, campaign, version):
        areas = {name: value for name, value in one.metrics.items() if name.startswith("test_auc_")}
        for run_id in owners.get((one.campaign, one.version, one.model), []):
            if run_id in rows:
                rows[run_id] |= areas
    return sorted(rows.values(), key=lambda row: (row["started"], row["run"]))


def runs_section(inputs: ReportInputs) -> Section:
    """A table of all trainings of the version, and how to find them in mlflow."""
    title = "Runs"
    if not inputs.runs:
        return Section("runs", title, (missing("Logs of trainings", "Training"),))
    places = [str(row.get(PLACE, "")) for row in inputs.runs]
    rows = [{name: value for name, value in row.items() if name != PLACE} for row in inputs.runs]
    table = choose(rows)
    columns = (*table.columns, *(name for name in ("started", "run_id") if name not in table.columns))
    cells = tuple(tuple(_cell(row.get(name)) for name in columns) for row in table.rows)
    heads = tuple(_heading(name) for name in columns)
    links = tuple(_link(inputs.tracking_uri, place) for place in places)
    text_columns = len([name for name in TEXT_COLUMNS[:3] if name in columns])
    runs = Table(heads, cells, caption=_caption(inputs), text_columns=text_columns, links=links)
    return Section("runs", title, (runs, *_where(inputs)))


def _caption(inputs: ReportInputs) -> str:
    count = len(inputs.runs)
    text = f"{count} training{'s' * (count != 1)} of campaign '{inputs.campaign}', version '{inputs.version}', when this page was made."
    path = None if inputs.training is None else Path(inputs.training) / PRODUCT_MARK
    name = read_json(path)["mlflow"].get("run_name") if path is not None and path.is_file() else None
    return f"{text} This page is about the run {name}." if name else text


def _cell(value: Any) -> str:
    return thousands(value) if isinstance(value, int) and not isinstance(value, bool) else shown(value)


def _heading(name: str) -> str:
    """A column's name as people read it; settings keep theirs.

    Examples:
        >>> _heading("best_val_auc_jet"), _heading("test_auc_jet"), _heading("run_id"), _heading("training.epochs")
        ('Validation AUC jet', 'Test AUC jet', 'Run id', 'training.epochs')
    """
    if "." in name:
        return name
    words = name.removeprefix("best_").replace("val_", "validation ").replace("auc", "AUC").replace("_", " ")
    return words[:1].upper() + words[1:]


def _link(uri: str, place: str) -> str:
    """Where a run is seen: the server of mlflow, or else the files of the training."""
    if uri.startswith(("http://", "https://")):
        return uri
    return Path(place).as_uri() if place.startswith("/") else ""


def _where(inputs: ReportInputs) -> Sequence[Any]:
    if not inputs.tracking_uri:
        return (Text("Names lead to the files of a training, where this machine has them."),)
    served = inputs.tracking_uri.startswith(("http://", "https://"))
    lead = "the server" if served else "the files of the training, where this machine has them"
    first = inputs.runs[0]
    rows = (
        ("Store of mlflow", inputs.tracking_uri),
        ("To look at it", inputs.tracking_command),
        ("To find a run there, search for", f"tags.`tauml.run_id` = '{first['run_id']}'"),
    )
    words = f"Names lead to {lead}. mlflow gives a run another id in each store; these are in the tag tauml.run_id:"
    return (Text(words), Table(("What", "Value"), rows, text_columns=2))
