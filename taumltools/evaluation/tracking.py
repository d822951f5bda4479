"""Evaluations kept with the run of the network that they are of: figures as metrics, artefacts as artefacts.

Jobs write nothing for this: their products tell it all.  An evaluation names its network, whose training is in the same
campaign and version; plots name the evaluations that they show, in their side-cars.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taumltools.config.evaluation import NETWORK
from taumltools.evaluation.artefact import find_curve, load_performance, regions_of
from taumltools.evaluation.draw import region_name
from taumltools.evaluation.models import model_identity
from taumltools.store import read_sidecar, sidecar_path
from taumltools.training.tracking.importing import ImportResult, known_runs, log_files, log_points
from taumltools.training.tracking.record import PRODUCT_MARK, Point
from taumltools.training.tracking.stores import TrackingStore

PLOT_TASKS = ("PlotROC", "PlotEfficiency", "PlotScores")

FOLDER = "evaluation"
"""Folder of evaluations among the artefacts of a run."""

TAG = "tauml.evaluation."
"""Beginning of the tag that tells whether an evaluation in the store is up to date; its identity follows."""

Metrics = dict[str, float]


@dataclass
class Evaluated:
    """All that was evaluated of one network with the same settings.

    Attributes:
        campaign: name of the campaign.
        version: label of the version.
        identity: of ``EvaluatePerformance``.
        model: what tells the network from others.
        time: when it was evaluated, ms since 1970.
        metrics: figures by name.
        files: artefacts by path below the evaluation's folder.
    """

    campaign: str
    version: str
    identity: str
    model: str
    time: int
    metrics: Metrics = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    def digest(self) -> str:
        """16 hex digits over figures and files."""
        found = hashlib.sha256(json.dumps([self.time, self.metrics], sort_keys=True).encode())
        for name, path in sorted(self.files.items()):
            found.update(name.encode() + path.read_bytes())
        return found.hexdigest()[:16]


def figures_of(performance: Mapping[str, Any]) -> Metrics:
    """Areas and working points of an artefact under the names that they have as metrics.

    Args:
        performance: the artefact.

    Returns:
        Areas of all regions; thresholds, efficiencies and misidentification probabilities of the leading one.
    """
    found: Metrics = {}
    for number, region in enumerate(regions_of([dict(performance)])):
        prefix = f"test/{performance['discriminator']}/{region_name(region)}"
        for vs in performance["vs"]:
            curve = find_curve(dict(performance), vs, region)
            if curve is not None:
                found |= {f"{prefix}/auc_{vs}": curve["auc"], f"{prefix}/auc_error_{vs}": curve["auc_error"]}
        if number == 0:
            found |= _points(performance, region, prefix)
    return found


def _points(performance: Mapping[str, Any], region: Mapping[str, Any], prefix: str) -> Metrics:
    found: dict[str, float | None] = {}
    for entry in (e for e in performance["working_points"] if e["region"] == region):
        for point in entry["points"]:
            values = {"threshold": point["threshold"]} | {k: point[k]["value"] for k in ("efficiency", "misid")}
            found |= {f"{prefix}/{name}_{entry['vs']}_{point['name']}": value for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}


def leading_areas(performance: Mapping[str, Any]) -> Metrics:
    """Areas of the leading region, as ``test_auc_jet`` and so on, for tables of runs."""
    regions = regions_of([dict(performance)])
    curves = {vs: find_curve(dict(performance), vs, regions[0]) for vs in performance["vs"]} if regions else {}
    return {f"test_auc_{vs}": curve["auc"] for vs, curve in curves.items() if curve is not None}


def find_evaluations(root: Path, campaign: str = "*", version: str = "*") -> list[Evaluated]:
    """The evaluations in a store of products, with their plots.

    Args:
        root: the store.
        campaign: only of this campaign.
        version: only of this version.

    Returns:
        The evaluations, the first ones first.
    """
    found: dict[tuple[str, str, str], Evaluated] = {}
    for file in sorted(Path(root).glob(f"{campaign}/EvaluatePerformance/{version}/*/performance_*/performance.json")):
        product, performance = file.parent, load_performance(file)
        key = _key(product)
        one = found.setdefault(key, Evaluated(*key, performance["model"], 0))
        one.time = max(one.time, _time(product))
        if performance["score"] == NETWORK:
            one.metrics = leading_areas(performance) | one.metrics | figures_of(performance)
        for folder in (product, *_working_points(product, Path(root))):
            one.files |= _content(folder)
    for product in _plots(Path(root), campaign, version):
        for key in {_key(Path(name)) for name in _inputs(product)[:1]} & set(found):
            found[key].files |= _content(product)
    return sorted(found.values(), key=lambda one: (one.time, one.identity))


def _key(product: Path) -> tuple[str, str, str]:
    """Campaign, version and identity of a product at ``<campaign>/<task>/<version>/<identity>/<product>``."""
    parts = product.parts
    return parts[-5], parts[-3], parts[-2]


def _time(product: Path) -> int:
    if sidecar_path(product).exists():
        return int(datetime.datetime.fromisoformat(read_sidecar(product)["started"]).timestamp() * 1000)
    return int(product.stat().st_mtime * 1000)


def _inputs(product: Path) -> list[str]:
    """What a product was made from, as its side-car names it."""
    return [item["path"] for item in read_sidecar(product)["inputs"]] if sidecar_path(product).exists() else []


def _working_points(product: Path, root: Path) -> Iterator[Path]:
    """The working points that an evaluation used, wherever the store was then."""
    for name in _inputs(product):
        if "DeriveWorkingPoints" in (parts := Path(name).parts[-5:]) and (folder := root.joinpath(*parts)).is_dir():
            yield folder


def _plots(root: Path, campaign: str, version: str) -> list[Path]:
    """Folders of plots, the last ones last: of two with one name, these are kept."""
    found = [path for task in PLOT_TASKS for path in root.glob(f"{campaign}/{task}/{version}/*/*") if path.is_dir()]
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: path.stat().st_mtime_ns)


def _content(folder: Path) -> dict[str, Path]:
    return {f"{folder.name}/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*")) if path.is_file()}


def runs_of_models(root: Path, campaign: str = "*", version: str = "*") -> dict[tuple[str, str, str], list[str]]:
    """Ids of the runs of trainings by campaign, version and network.

    Args:
        root: the store of products.
        campaign: only of this campaign.
        version: only of this version.

    Returns:
        Run ids, as trainings recorded them; more than one if trainings came to the same network.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for mark in sorted(Path(root).glob(f"{campaign}/Training/{version}/*/*/{PRODUCT_MARK}")):
        run = json.loads(mark.read_text(encoding="utf-8")).get("mlflow", {}).get("run_id", "")
        if run:
            names = _key(mark.parent)
            found.setdefault((names[0], names[1], model_identity(mark.parent)), []).append(run)
    return found


def import_evaluations(root: Path, store: TrackingStore, campaign: str = "*", version: str = "*") -> ImportResult:
    """Bring evaluations into the runs of their networks; any number of times.

    Args:
        root: the store of products.
        store: the store of mlflow, which has the runs already.
        campaign: only of this campaign.
        version: only of this version.

    Returns:
        What was done, with names of runs; evaluations of networks without a run are left out.
    """
    result = ImportResult()
    evaluations = find_evaluations(root, campaign, version)
    owners = runs_of_models(root, campaign, version) if evaluations else {}
    with store.locked():
        known = known_runs(store) if owners else {}
        for one in evaluations:
            for run_id in owners.get((one.campaign, one.version, one.model), []):
                if run_id in known:
                    _bring(one, known[run_id], store, result)
    return result


def _bring(one: Evaluated, run: Any, store: TrackingStore, result: ImportResult) -> None:
    """One evaluation into one run; its tag comes last, so that a broken import is taken up again."""
    tag, digest, name = f"{TAG}{one.identity}", one.digest(), run.info.run_name
    before = run.data.tags.get(tag)
    if before == digest:
        result.unchanged.append(name)
        return
    (result.made if before is None else result.renewed).append(name)
    points: Sequence[Point] = [Point(metric, 0, value, one.time) for metric, value in one.metrics.items()]
    log_points(store.client, run.info.run_id, points)
    log_files(store.client, run.info.run_id, {f"{FOLDER}/{one.identity}/{name}": p for name, p in one.files.items()})
    store.client.set_tag(run.info.run_id, tag, digest)
