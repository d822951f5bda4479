"""Networks against boosted trees in one table and one plot: ``python benchmarks/proof_table.py``.

Reads the predictions of ``benchmarks/proof_trees.py`` and those of the networks in ``benchmarks/proof.txt``, all of the
same test candidates.  The error of a difference is that of 200 bootstrap samples which both draw alike.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config import load_campaign
from taumltools.config.commands import read_commands
from taumltools.evaluation.frame import Frame, make_frame
from taumltools.evaluation.predictions import Predictions
from taumltools.evaluation.roc import Roc, make_roc
from taumltools.evaluation.scores import vs_score

EFFICIENCIES = {"jet": 0.7, "e": 0.9, "mu": 0.9}
"""Genuine-tau efficiency at which misidentification is compared, by fake type."""

BOOTSTRAPS = 200


@dataclass(frozen=True)
class Entry:
    """One line of the table.

    Attributes:
        name: of the model.
        frame: its scored test candidates.
        about: figures of the training.
    """

    name: str
    frame: Frame
    about: dict[str, Any]

    def roc(self, vs: str, weight: np.ndarray | None = None) -> Roc:
        """ROC curve against one type of fake, with a weight for every entry of the frame."""
        pair = self.frame.pair(vs)
        score = vs_score(self.frame.outputs[pair], vs)
        return make_roc(score, self.frame.is_tau[pair], None if weight is None else weight[pair])


def of_trees(folder: Path, config: Any) -> Entry:
    """What ``proof_trees.py`` wrote."""
    about = json.loads((folder / "about.json").read_text())
    about |= {"model": f"{about['features']} scalar features, {about['rounds']} rounds", "epochs": about["rounds"]}
    return Entry("trees", _frame(sorted(folder.glob("predictions_*.h5")), config), about)


def of_network(overrides: str, version: str, campaign: str, config: Any) -> Entry | None:
    """A training and its predictions; None if they are not there yet."""
    from tasks.evaluation import ApplyTraining

    task = ApplyTraining(version=version, campaign=campaign, overrides=overrides)
    paths, model = task.paths(), task.upstream()["model"].path
    if not all(path.exists() for path in paths):
        return None
    figures = json.loads((model / "metrics.json").read_text())
    history = json.loads((model / "history.json").read_text())
    name = dict(word.split("=", 1) for word in overrides.split())["model"]
    # Trainings that were interrupted, or stopped while something else was measured, have epochs of any length.
    seconds = float(np.median(history["wall_s"])) * len(history["wall_s"])
    about = {"seconds": seconds, "epochs": len(history["epoch"]), "parameters": figures["parameters"]}
    return Entry(name, _frame(sorted(paths), config), about)


def _frame(paths: list[Path], config: Any) -> Frame:
    return make_frame(Predictions.concatenate([Predictions.read(path) for path in paths]), config)


def difference(one: Entry, other: Entry, vs: str) -> tuple[float, float]:
    """Difference of the areas under two curves of the same candidates, and its standard deviation."""
    random = np.random.default_rng(1)
    values = []
    for _ in range(BOOTSTRAPS):
        weight = random.poisson(1, len(one.frame)).astype(float)
        values.append(one.roc(vs, weight).auc - other.roc(vs, weight).auc)
    return one.roc(vs).auc - other.roc(vs).auc, float(np.std(values))


def table(entries: list[Entry]) -> str:
    """Markdown: a line a model, areas under the curve, differences to the first one, misidentification."""
    types = list(EFFICIENCIES)
    head = ["model", "parameters", "epochs", "training, min"]
    head += [f"AUC vs {vs} (difference to trees, 1e-4)" for vs in types]
    head += [f"misid. of {vs} at {EFFICIENCIES[vs]:.0%}" for vs in types]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for entry in entries:
        about = entry.about
        cells = [entry.name, str(about.get("parameters", "")), str(about["epochs"]), f"{about['seconds'] / 60:.1f}"]
        for vs in types:
            cell = f"{entry.roc(vs).auc:.5f}"
            if entry is not entries[0]:
                shift, error = difference(entry, entries[0], vs)
                cell += f" ({shift * 1e4:+.1f} ± {error * 1e4:.1f})"
            cells.append(cell)
        for vs in types:
            roc, efficiency = entry.roc(vs), EFFICIENCIES[vs]
            low, high = roc.fpr_interval_at(efficiency)
            cells.append(f"{float(roc.fpr_at(efficiency)):.3%} ± {float(high - low) / 2:.3%}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(entries: list[Entry], path: Path) -> None:
    """Misidentification against efficiency, a panel for each type of fake."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
    for panel, vs in zip(axes, EFFICIENCIES, strict=True):
        for entry in entries:
            roc = entry.roc(vs).thinned(600)
            panel.semilogy(roc.tpr, roc.fpr, label=entry.name, color="black" if entry is entries[0] else None)
        panel.set(xlim=(0.4, 1), ylim=(5e-5, 1), xlabel="genuine tau efficiency", ylabel=f"misidentification of {vs}")
        panel.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Print the table and write the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", default="v1")
    parser.add_argument("--campaign", default="proof")
    parser.add_argument("--trees", type=Path, default=Path("proof/trees"))
    parser.add_argument("--networks", type=Path, default=Path(__file__).with_name("proof.txt"))
    parser.add_argument("--plot", type=Path, default=Path("proof/roc.png"))
    words = parser.parse_args()
    config = load_campaign(words.campaign).evaluation
    entries = [of_trees(words.trees, config)]
    for overrides in read_commands(words.networks):
        entry = of_network(overrides, words.version, words.campaign, config)
        print(f"no predictions yet: {overrides}") if entry is None else entries.append(entry)
    print({name: int(count) for name, count in entries[0].frame.counts.items()})
    print(table(entries))
    draw(entries, words.plot)


if __name__ == "__main__":
    main()
