"""Stores of mlflow of several people in one."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from taumltools.errors import InputError, StoreError
from taumltools.training.tracking.importing import (
    DIGEST_TAG,
    NESTED_TAG,
    RUN_TAG,
    ImportResult,
    clean_name,
    is_behind,
    known_runs,
    origin_of,
    rank_of,
    write_records,
)
from taumltools.training.tracking.record import Point, RunRecord
from taumltools.training.tracking.stores import TrackingStore, open_store, store_uri

log = logging.getLogger(__name__)

FROM_TAG = "tauml.merged_from"
"""Tag with the store that a run was merged from."""


def merge_stores(
    sources: Mapping[str, str], target: str, *, experiments: Sequence[str] = (), labelled: bool = False
) -> ImportResult:
    """Copy the runs of stores into one, with their artefacts; nothing is taken away from the sources.

    Runs and experiments get new ids in the target.  A run is recognised by the id under which it was recorded first, so
    that it is there once, however often and from wherever it is merged; of several copies the one that is finished
    counts, or else the later one.  Experiments of the same name become one.

    Args:
        sources: stores by a label for each.
        target: the store to copy into, made if it does not exist.
        experiments: names of experiments; empty: all.
        labelled: give each experiment the label of its source in brackets, so that those of the same name stay apart.

    Returns:
        What was done.

    Raises:
        InputError: a source does not exist, has no such experiment, or is the target.
        StoreError: what was written cannot be read back.
    """
    opened = {label: open_store(source, must_exist=True) for label, source in sources.items()}
    if own := [source for label, source in sources.items() if opened[label].uri == store_uri(target)]:
        raise InputError(f"the store {own[0]} cannot be merged into itself: name another target")
    store, total = open_store(target), ImportResult()
    homes = _homes(opened, experiments) if len(opened) > 1 else {}
    for label, read in opened.items():
        with tempfile.TemporaryDirectory(prefix="tauml-merge-") as scratch:
            records = records_of(read, experiments, f" ({label})" if labelled else "", Path(scratch))
            records = [record for record in records if homes.get(record.run_id, label) == label]
            result = write_records(records, store)
            verify(records, open_store(target))
        for name in ("made", "renewed", "unchanged"):
            getattr(total, name).extend(getattr(result, name))
        total.ids |= result.ids
    return total


def _homes(stores: Mapping[str, TrackingStore], experiments: Sequence[str]) -> dict[str, str]:
    """Label of the store that has the best copy of each run, by its lasting id; of equal ones the first."""
    best: dict[str, tuple[Any, str]] = {}
    for label, store in stores.items():
        for record in records_of(store, experiments):
            rank = rank_of(record)
            if record.run_id not in best or rank > best[record.run_id][0]:
                best[record.run_id] = rank, label
    return {run_id: label for run_id, (_, label) in best.items()}


def records_of(
    store: TrackingStore, experiments: Sequence[str] = (), suffix: str = "", scratch: Path | None = None
) -> list[RunRecord]:
    """All runs of a store.

    Args:
        store: the store.
        experiments: names of experiments; empty: all.
        suffix: is added to the names of experiments.
        scratch: where artefacts on servers are copied to; None: they are left out.

    Returns:
        The runs.

    Raises:
        InputError: the store has no such experiment.
    """
    known = store.experiments()
    if absent := [name for name in experiments if name not in known]:
        raise InputError(f"{store.uri} has no experiment '{absent[0]}'; it has {', '.join(sorted(known)) or 'none'}")
    ids = {identity: name for name, identity in known.items() if not experiments or name in experiments}
    runs = list(store.runs(list(ids)))
    origins = {run.info.run_id: origin_of(run) for run in runs}
    return [_record(store, run, ids[run.info.experiment_id] + suffix, origins, scratch) for run in runs]


def _record(
    store: TrackingStore, run: Any, experiment: str, origins: Mapping[str, str], scratch: Path | None
) -> RunRecord:
    info, tags = run.info, dict(run.data.tags)
    folder = artifact_folder(store, run, scratch)
    parent = tags.get(NESTED_TAG, "")
    left_out = {RUN_TAG, DIGEST_TAG, NESTED_TAG, "mlflow.runName"}
    return RunRecord(
        run_id=origin_of(run),
        experiment=experiment,
        name=info.run_name or info.run_id,
        status=info.status,
        start=info.start_time,
        end=info.end_time,
        params=dict(run.data.params),
        tags={name: value for name, value in tags.items() if name not in left_out} | {FROM_TAG: store.uri},
        points=points_of(store, run),
        data=[_data(used.dataset) for used in (run.inputs.dataset_inputs if run.inputs else [])],
        parent=origins.get(parent, parent),
        folders={"": folder} if folder else {},
    )


def points_of(store: TrackingStore, run: Any) -> list[Point]:
    """All values of all metrics of a run.

    Args:
        store: where the run is.
        run: of mlflow.

    Returns:
        One point per value.
    """
    return [
        Point(metric.key, metric.step, metric.value, metric.timestamp)
        for name in sorted(run.data.metrics)
        for metric in store.client.get_metric_history(run.info.run_id, name)
    ]


def _data(dataset: Any) -> dict[str, Any]:
    try:
        source = json.loads(dataset.source)
    except ValueError:
        source = dataset.source
    return {"name": dataset.name, "digest": dataset.digest, "source": source}


def artifact_folder(store: TrackingStore, run: Any, scratch: Path | None = None) -> Path | None:
    """The folder with the artefacts of a run.

    Args:
        store: its store; in one that was moved as a whole, artefacts are found where they are now.
        run: the run, as mlflow knows it.
        scratch: where artefacts on servers are copied to; None: they are left out.

    Returns:
        The folder; None if there is none.
    """
    info, uri = run.info, str(run.info.artifact_uri or "")
    if uri.startswith("file:") or ("://" not in uri and not uri.startswith("mlflow-artifacts:")):
        places = [Path(unquote(urlparse(uri).path))] if uri else []
        if store.folder is not None:
            places += [
                store.folder / info.experiment_id / info.run_id / "artifacts",
                store.folder / "artifacts" / info.run_id / "artifacts",
            ]
        return next((place for place in places if place.is_dir()), None)
    if scratch is None or not store.client.list_artifacts(info.run_id):
        return None
    folder = scratch / info.run_id
    folder.mkdir()
    store.client.download_artifacts(info.run_id, "", str(folder))
    return folder


def verify(records: Sequence[RunRecord], store: TrackingStore) -> None:
    """Read back what was written.

    Args:
        records: the runs.
        store: where they were written to, opened anew.

    Raises:
        StoreError: something is missing; the message names the run.
    """
    known = known_runs(store)
    for record in records:
        run = known.get(record.run_id)
        if run is None:
            raise StoreError(f"{store.uri} lacks the run '{record.name}' ({record.run_id}) that was written to it")
        if is_behind(run, record):
            continue
        missing = [
            *({clean_name(name) for name in record.params} - set(run.data.params)),
            *({clean_name(point.name) for point in record.points} - set(run.data.metrics)),
            *(set(record.files()) - set(artifact_names(store, run.info.run_id))),
        ]
        if missing:
            raise StoreError(f"the run '{record.name}' ({record.run_id}) in {store.uri} lacks {', '.join(missing[:5])}")


def artifact_names(store: TrackingStore, run_id: str, folder: str = "") -> list[str]:
    """Paths of all files among the artefacts of a run, as mlflow lists them.

    Args:
        store: where the run is.
        run_id: its id there.
        folder: among its artefacts.

    Returns:
        Paths relative to the artefacts.
    """
    names: list[str] = []
    for entry in store.client.list_artifacts(run_id, folder or None):
        names += artifact_names(store, run_id, entry.path) if entry.is_dir else [entry.path]
    return names
