"""Are two stores the same?  Times, places and names of runs aside, every product has to be, byte by byte."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.report.embed import plots_of

TIMES = {"wall_s", "cpu_s", "peak_rss_mb", "started", "created", "date"}
"""Keys of JSON products that hold what a run cost or when it was."""

RUNS = {"run_id", "artifact_uri", "tracking_uri", "experiment_id"}
"""Keys of JSON products that name an mlflow run."""

LOGS = "tracking"
"""Folder of products with the log of a training: when, where and how fast it ran."""


def differences(one: Path, other: Path) -> list[str]:
    """Compare all products below two folders; side-cars, journals and mlflow's files are not products.

    Args:
        one: folder of a store, e.g. of one campaign.
        other: the same of another store.

    Returns:
        What differs, in words; empty if nothing does.
    """
    files, others = ({str(p.relative_to(root)): p for p in root.rglob("*") if is_product(p)} for root in (one, other))
    found = [f"only in {root}: {name}" for name, root in only(files, others, one, other)]
    for name in sorted(set(files) & set(others)):
        if files[name].read_bytes() != others[name].read_bytes() and not same(files[name], others[name]):
            found.append(f"{name} differs")
    return found


def is_product(path: Path) -> bool:
    return path.is_file() and not path.name.endswith(".meta.json") and LOGS not in path.parts


def only(files, others, one, other):
    return [(n, one) for n in sorted(set(files) - set(others))] + [(n, other) for n in sorted(set(others) - set(files))]


def same(one: Path, other: Path) -> bool:
    """Compare two products that are not the same bytes, by what they hold."""
    kind = {".root": same_root, ".json": same_json, ".keras": same_model, ".pdf": same_pdf, ".html": same_page}
    compare = kind.get(one.suffix)
    return compare is not None and compare(one, other)


def same_root(one: Path, other: Path) -> bool:
    """ROOT files hold their name and time of writing; all columns of all trees have to be the same bytes."""
    import uproot

    with uproot.open(one) as a, uproot.open(other) as b:
        if a.classnames(cycle=False) != b.classnames(cycle=False):
            return False
        return all(columns(a[name]) == columns(b[name]) for name in a.keys(cycle=False))


def columns(tree: Any) -> tuple[str, dict[str, bytes]]:
    """Structure and bytes of all columns of a tree."""
    import awkward as ak

    form, _, buffers = ak.to_buffers(ak.to_packed(tree.arrays()))
    return form.to_json(), {name: np.asarray(content).tobytes() for name, content in buffers.items()}


def same_json(one: Path, other: Path) -> bool:
    return stripped(json.loads(one.read_text())) == stripped(json.loads(other.read_text()))


def stripped(content: Any) -> Any:
    """JSON without what tells of the run and not of the product."""
    if isinstance(content, dict):
        return {k: stripped(v) for k, v in content.items() if k not in TIMES | RUNS}
    if isinstance(content, list):
        return [stripped(v) for v in content]
    return content


def same_model(one: Path, other: Path) -> bool:
    """Keras writes a date, and addresses of objects in its memory; the weights have to be the same bytes."""
    with zipfile.ZipFile(one) as a, zipfile.ZipFile(other) as b:
        if a.namelist() != b.namelist():
            return False
        for name in a.namelist():
            first, second = a.read(name), b.read(name)
            if name == "config.json":
                first, second = (re.sub(rb'"shared_object_id": \d+', b"", x) for x in (first, second))
            if first != second and name != "metadata.json":
                return False
    return True


def same_pdf(one: Path, other: Path) -> bool:
    dated = re.compile(rb"/(CreationDate|ModDate) \([^)]*\)")
    return dated.sub(b"", one.read_bytes()) == dated.sub(b"", other.read_bytes())


def same_page(one: Path, other: Path) -> bool:
    """The report page tells when, where and how fast things were made; its plots' numbers have to be the same."""
    first, second = (page_numbers(path.read_text()) for path in (one, other))
    return bool(first) and first == second


COSTS = re.compile(r'\["y",\[(?:"[A-Z]\w+",?)+\]\],\["right",\[[^\]]*\]\]')
"""Data of the bars that show time and memory by task."""


def page_numbers(text: str) -> list[str]:
    """The data of the page's figures, long runs of numbers or of encoded arrays; what the tasks cost is left out."""
    text = COSTS.sub("", text + json.dumps(plots_of(text), separators=(",", ":")))
    return re.findall(r'"data":"[A-Za-z0-9+/=]{40,}"|\[(?:-?[\d.e+-]+,){8,}-?[\d.e+-]+\]', text)
