"""Runs into a store of mlflow: any number of times, each run once."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taumltools.training.tracking.record import Point, RunRecord, read_log
from taumltools.training.tracking.stores import TrackingStore

log = logging.getLogger(__name__)

RUN_TAG = "tauml.run_id"
"""Tag with the id that a run has whatever store it is in; mlflow gives it another one in each."""

DIGEST_TAG = "tauml.digest"
"""Tag that tells whether a run in the store is up to date."""

NESTED_TAG = "mlflow.parentRunId"
PARAM_LENGTH = 500
"""Longest parameter value that every mlflow server accepts."""
LARGEST = sys.float_info.max
BATCH = 100
"""Parameters, and metrics, that every server accepts in one call."""


@dataclass
class ImportResult:
    """What an import did.

    Attributes:
        made: names of runs that are new in the store.
        renewed: of those that were changed there.
        unchanged: of those that were there as they are.
        ids: id in the store by :data:`RUN_TAG`.
    """

    made: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """One line.

        Examples:
            >>> ImportResult(made=["a", "b"]).summary()
            '2 new, 0 renewed, 0 as they were'
        """
        return f"{len(self.made)} new, {len(self.renewed)} renewed, {len(self.unchanged)} as they were"


def import_logs(logs: Iterable[Path], store: TrackingStore, *, parent: str = "") -> ImportResult:
    """Bring the logs of trainings into a store.

    Args:
        logs: folders of logs; several may tell of the same run, then what is finished counts, and else the later one.
        store: where to.
        parent: id in the store of a run under which those that have no other parent are nested; empty: none.

    Returns:
        What was done.
    """
    best: dict[str, RunRecord] = {}
    for record in filter(None, map(read_log, logs)):
        known = best.get(record.run_id)
        if known is None or rank_of(record) > rank_of(known):
            best[record.run_id] = record
    return write_records(list(best.values()), store, parent=parent)


def rank_of(record: RunRecord) -> tuple[bool, int, int]:
    """Of several copies of a run the one with the highest rank counts: finished, with more files, written later.

    Args:
        record: the copy.
    """
    last = max((point.time for point in record.points), default=record.start)
    return record.status == "FINISHED", len(record.folders), last


def write_records(records: Sequence[RunRecord], store: TrackingStore, *, parent: str = "") -> ImportResult:
    """Write runs into a store; those that are there already are brought up to date.

    Args:
        records: the runs.
        store: where to.
        parent: see :func:`import_logs`.

    Returns:
        What was done.
    """
    result = ImportResult()
    with store.locked():
        known = known_runs(store)
        result.ids = {origin: run.info.run_id for origin, run in known.items()}
        for record in parents_first(records):
            nested = result.ids.get(record.parent, "") if record.parent else parent
            run = known.get(record.run_id)
            if run is not None and (_is_current(run, record, nested) or is_behind(run, record)):
                result.unchanged.append(record.name)
                continue
            (result.made if run is None else result.renewed).append(record.name)
            result.ids[record.run_id] = _write(record, store, run, nested)
    return result


def parents_first(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Runs in the order in which they began, but none before the run that it is nested under."""
    waiting = {record.run_id: record for record in sorted(records, key=lambda r: (r.start, r.run_id))}
    ordered: list[RunRecord] = []
    while waiting:
        ready = [record for record in waiting.values() if record.parent not in waiting]
        ordered += ready or list(waiting.values())  # runs that name each other as parents are taken as they are
        waiting = {record.run_id: record for record in waiting.values() if ready and record not in ready}
    return ordered


def known_runs(store: TrackingStore) -> dict[str, Any]:
    """Runs of a store by the id they have whatever store they are in."""
    runs: dict[str, Any] = {}
    for run in store.runs():
        runs.setdefault(origin_of(run), run)
    return runs


def origin_of(run: Any) -> str:
    """The id that a run of mlflow has in any store: the one where it was recorded first."""
    return run.data.tags.get(RUN_TAG, run.info.run_id)


def _is_current(run: Any, record: RunRecord, nested: str) -> bool:
    tags = run.data.tags
    return tags.get(DIGEST_TAG) == record.digest() and (not nested or tags.get(NESTED_TAG) == nested)


def is_behind(run: Any, record: RunRecord) -> bool:
    """Whether a run in a store has come to its end, and a record is an older copy of it.

    Args:
        run: of mlflow.
        record: the copy.
    """
    return bool(run.info.status == "FINISHED" != record.status)


def _write(record: RunRecord, store: TrackingStore, run: Any, nested: str) -> str:
    """Bring one run into the store; its digest comes last, so that a broken import is taken up again."""
    from mlflow.entities import RunTag

    client = store.client
    tags = dict(record.tags) | {RUN_TAG: record.run_id} | ({NESTED_TAG: nested} if nested else {})
    if run is None:
        experiment = store.experiment(record.experiment)
        run = client.create_run(experiment, start_time=record.start, run_name=record.name, tags=tags)
        _log_data(record, client, run.info.run_id)
    run_id = str(run.info.run_id)
    new = {name: value for name, value in record.params.items() if clean_name(name) not in run.data.params}
    _log_params(client, run_id, new)
    log_points(client, run_id, missing_points(client, run, record.points))
    log_files(client, run_id, record.files())
    if record.end is None:
        client.update_run(run_id, status=record.status)
    else:
        client.set_terminated(run_id, record.status, record.end)
    outdated = {"tauml.end"} & set(run.data.tags) - set(tags)
    for name in outdated:
        client.delete_tag(run_id, name)
    client.log_batch(run_id, tags=[RunTag(k, str(v)[:5000]) for k, v in {**tags, DIGEST_TAG: record.digest()}.items()])
    return run_id


def _log_params(client: Any, run_id: str, params: dict[str, str]) -> None:
    from mlflow.entities import Param

    items = [Param(clean_name(name), value[:PARAM_LENGTH]) for name, value in params.items()]
    for start in range(0, len(items), BATCH):
        client.log_batch(run_id, params=items[start : start + BATCH])


def missing_points(client: Any, run: Any, points: Sequence[Point]) -> list[Point]:
    """Those values of metrics that the store does not have yet.

    A fit that began anew has other values at steps that are there; mlflow shows the later one.
    """
    known = {
        (name, metric.step, _told(metric.value))
        for name in run.data.metrics
        for metric in client.get_metric_history(run.info.run_id, name)
    }
    return [point for point in points if (clean_name(point.name), point.step, _told(point.value)) not in known]


def _told(value: float) -> str:
    """A value as it can be compared, NaN too; of infinity mlflow keeps the largest number."""
    return repr(min(max(float(value), -LARGEST), LARGEST)) if value == value else "nan"


def log_points(client: Any, run_id: str, points: Sequence[Point]) -> None:
    """Write values of metrics into a run of a store."""
    from mlflow.entities import Metric

    for start in range(0, len(points), 10 * BATCH):
        batch = points[start : start + 10 * BATCH]
        client.log_batch(run_id, metrics=[Metric(clean_name(p.name), p.value, p.time, p.step) for p in batch])


def clean_name(name: str) -> str:
    """A name with characters that mlflow allows.

    Examples:
        >>> clean_name("auc(tau vs jet)"), clean_name("model.dropout")
        ('auc_tau vs jet_', 'model.dropout')
    """
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name)


def _log_data(record: RunRecord, client: Any, run_id: str) -> None:
    """Tell what the run was trained on."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if record.data:
        inputs = [
            DatasetInput(
                Dataset(item["name"], item["digest"], "local", json.dumps(item["source"])[:60000]),
                [InputTag("mlflow.data.context", "training")],
            )
            for item in record.data
        ]
        client.log_inputs(run_id, inputs)


def log_files(client: Any, run_id: str, files: Mapping[str, Path]) -> None:
    """Copy files by their path in the artefacts; one call for all, since each call may cost a connection."""
    if not files:
        return
    with tempfile.TemporaryDirectory(prefix="tauml-import-") as folder:
        for name, path in files.items():
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.hardlink_to(path)
            except OSError:  # another file system
                shutil.copy2(path, target)
        client.log_artifacts(run_id, folder)
