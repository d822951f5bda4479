"""The page on event classification: samples, scores, confusion, curves, importance, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.campaign import CampaignConfig
from taumltools.config.htt import HttConfig
from taumltools.config.identity import plain
from taumltools.htt.evaluate import Evaluation
from taumltools.report.content import Card, Cards, Details, Facts, Grid, Plot, Section, Table, Tabs, Text, thousands
from taumltools.report.figures import add_hover, add_legend, new_figure
from taumltools.report.htt_figures import curves_figure, density_figure, importance_figure, shap_figure
from taumltools.report.inputs import ReportInputs, read_json
from taumltools.report.page import render_sections
from taumltools.report.resources import provenance_section, resources_section

NAMES = {"test": "Test sample", "train": "Training sample"}
"""Headings of samples; the first one leads."""


@dataclass(frozen=True)
class HttInputs:
    """What the page is made from.

    Attributes:
        campaign: name of the campaign.
        version: version label.
        config: all settings.
        account: events by sample, process and class (``account.json`` of the preprocessing).
        evaluations: figures by sample: ``test`` and ``train``.
        models: folders of the models, by fold.
        resources: side-cars of all products.
    """

    campaign: str
    version: str
    config: CampaignConfig
    account: Mapping[str, Any]
    evaluations: Mapping[str, Evaluation]
    models: Sequence[Path]
    resources: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def write_htt_report(path: Path, inputs: HttInputs) -> None:
    """Write the page as one HTML file that needs nothing else.

    Args:
        path: where to write.
        inputs: what it shows.

    Raises:
        InputError: an input cannot be read.
    """
    common = ReportInputs(inputs.campaign, inputs.version, inputs.config, resources=inputs.resources)
    text = render_sections(htt_sections(inputs, common), common, title=inputs.config.htt.title)
    path.write_text(text, encoding="utf-8")


def htt_sections(inputs: HttInputs, common: ReportInputs) -> list[Section]:
    """All sections, in order.

    Args:
        inputs: what the page is made from.
        common: the same for sections that other pages have, too.

    Returns:
        The sections.
    """
    found = {name: inputs.evaluations[name] for name in NAMES if name in inputs.evaluations}
    main = next(iter(found.values()))
    return [
        _summary(found, inputs),
        _by_sample("scores", "Scores", "Events are assigned to the class with the largest score. Of those that are assigned to "
                   "a class, the distribution of that score by true class; each has area one.", found, _densities),
        _by_sample("confusion", "Confusion", "In percent; all true classes count the same.", found, _confusion),
        _by_sample("curves", "ROC and precision", "Each class against all others together, both sides weighted equally.",
                   found, _curves),
        _importance(main),
        _training(inputs),
        _events(inputs),
        resources_section(common),
        _settings(inputs.config.htt),
        provenance_section(common),
    ]  # fmt: skip


def _summary(found: Mapping[str, Evaluation], inputs: HttInputs) -> Section:
    main = next(iter(found.values()))
    other = found.get("train")
    cards = []
    for number, (one, curve) in enumerate(zip(main["classes"], main["curves"], strict=True)):
        right = main["confusion"]["true"][number][number]
        facts = [
            ("Assigned correctly", f"{100 * right:.1f}%"),
            ("Average precision", f"{curve['average_precision']:.3f}"),
            ("Test events", thousands(main["entries"][number])),
        ]
        if other:
            facts.append(("AUC, training sample", f"{other['curves'][number]['auc']:.4f}"))
        cards.append(Card(f"{curve['auc']:.4f}", f"AUC of {one['title']} against the other classes", tuple(facts)))
    training = inputs.config.htt.training
    kind = "Boosted trees" if training.model == "boosting" else "A dense network"
    mean = np.mean([main["confusion"]["true"][i][i] for i in range(len(main["classes"]))])
    text = (
        f"{kind} in {training.n_splits} folds, channel {inputs.config.htt.channel}: {100 * mean:.0f}% of the test events are "
        f"assigned to their class, all {len(main['classes'])} classes counting the same. Each event is scored by the model "
        "that has not seen it."
    )
    notes = {
        "mock": "The events are random numbers that only exercise the chain; nothing here is physics.",
        "simulated": "The events come from a simplified simulation; nothing here is a result of an experiment.",
    }
    note = notes.get(inputs.config.htt.source)
    return Section("summary", "Summary", (Text(text), *([Text(note, note=True)] if note else []), Cards(tuple(cards))))


def _by_sample(anchor: str, title: str, intro: str, found: Mapping[str, Evaluation], make: Any) -> Section:
    """A section with the same content for each sample, side by side as tabs."""
    tabs = tuple((NAMES[name], make(evaluation)) for name, evaluation in found.items())
    return Section(anchor, title, (Text(intro), Tabs(title, tabs)))


def _densities(evaluation: Evaluation) -> tuple[Any, ...]:
    return (Grid(tuple(Plot(density_figure(evaluation, i)) for i in range(len(evaluation["classes"]))), columns=2),)


def _confusion(evaluation: Evaluation) -> tuple[Any, ...]:
    titles = [one["title"] for one in evaluation["classes"]]
    captions = {
        "true": "Share of the events of a class (row) that are assigned to each class",
        "pred": "Share of each class (row) among the events that are assigned to a class (column)",
    }
    tables = []
    for norm, caption in captions.items():
        matrix = evaluation["confusion"][norm]
        rows = tuple((name, *(f"{100 * value:.1f}" for value in row)) for name, row in zip(titles, matrix, strict=True))
        shades = tuple((0.0, *map(float, row)) for row in matrix)
        tables.append(Table(("True class", *titles), rows, caption=caption, shades=shades))
    return tuple(tables)


def _curves(evaluation: Evaluation) -> tuple[Any, ...]:
    return (
        Grid(
            (
                Plot(curves_figure(evaluation, "roc"), title="ROC curves"),
                Plot(curves_figure(evaluation, "pr"), title="Precision against recall"),
            )
        ),
    )


def _importance(evaluation: Evaluation) -> Section:
    importance = evaluation.get("importance")
    title = "Importance of features"
    if not importance:
        return Section("importance", title, (Text("Not computed: htt.evaluation.importance_events is 0.", note=True),))
    panels = [
        Plot(importance_figure(importance), title="By permutation", caption="Bars: spread over folds and repetitions.")
    ]
    if importance["shap"]:
        caption = "How far a feature moves the raw score of each class, on average."
        panels.append(Plot(shap_figure(evaluation), title="By SHAP values", caption=caption))
    intro = Text(
        f"{NAMES[evaluation['dataset']]}. How much the loss rises when a feature is permuted among the events; features that "
        "say the same share their importance."
    )
    return Section("importance", title, (intro, Grid(tuple(panels))))


def _training(inputs: HttInputs) -> Section:
    """Loss and share of wrong answers by step, of each fold."""
    rows, panels = [], []
    for fold, folder in enumerate(inputs.models):
        metrics, history = read_json(folder / "metrics.json"), read_json(folder / "history.json")
        entries = (thousands(metrics[f"entries_{name}"]) for name in ("train", "validation", "held_out"))
        figures = (f"{metrics[f'best_{name}']:.4f}" for name in ("logloss", "val_logloss", "error", "val_error"))
        rows.append((str(fold), *entries, str(metrics["best_step"]), *figures))
        panels.append(Plot(_history(history, "logloss", "Loss"), title=f"Fold {fold}"))
    heads = (
        "Fold", "Fitted to", "Validation", "Held out", "Best step", "Loss", "Loss, validation", "Wrong", "Wrong, validation"
    )  # fmt: skip
    training = inputs.config.htt.training
    where = "a part of the folds that are trained on" if training.validation == "part" else "the fold that is held out"
    intro = Text(f"A fold is {training.split_feature} modulo {training.n_splits}. The fit stops by {where}.")
    return Section("training", "Training", (intro, Table(heads, tuple(rows)), Grid(tuple(panels), columns=3)))


def _history(history: dict[str, list[float]], name: str, label: str) -> Any:
    plot = new_figure("Step", label, height=240)
    legend, lines = [], []
    for key, title, colour, dash in (
        (name, "training", "#1B1F24", "solid"),
        (f"val_{name}", "validation", "#E69F00", "dashed"),
    ):
        line = plot.line(history["step"], history[key], line_color=colour, line_width=2, line_dash=dash, name=title)
        lines.append(line)
        legend.append((title, [line]))
    add_legend(plot, legend)
    add_hover(plot, lines, [("", "$name"), ("step", "@x"), (label, "@y{0.0000}")])
    return plot


def _events(inputs: HttInputs) -> Section:
    """What was read and selected, and how classes are divided."""
    config = inputs.config.htt
    titles = {number: one.title or one.name for number, one in config.classes.items()}
    rows = [
        (name, process, titles[config.samples[name].processes[process].target], *_counted(counts))
        for name, processes in inputs.account["selected"].items()
        for process, counts in processes.items()
    ]
    classes = inputs.account["classes"]
    divided = [
        (titles[number], *(thousands(classes[part][one.name]) for part in ("train", "test")))
        for number, one in config.classes.items()
    ]
    cuts = [("all", "all", config.preprocess.common_cut or "none")]
    cuts += [(n, p, how.cut) for n, sample in config.samples.items() for p, how in sample.processes.items() if how.cut]
    return Section(
        "events",
        "Events",
        (
            Table(("Sample", "Process", "Class", "Read", "Selected", "Share"), tuple(rows), text_columns=3),
            Table(("Class", "Training", "Test"), tuple(divided), caption="Selected events by class"),
            Table(("Sample", "Process", "Cut"), tuple(cuts), caption="Cuts", text_columns=3),
            Facts((("Source of events", config.source), ("Channel", config.channel), ("Tree", config.tree))),
        ),
    )


def _counted(counts: Mapping[str, int]) -> tuple[str, str, str]:
    share = counts["selected"] / counts["read"] if counts["read"] else 0.0
    return thousands(counts["read"]), thousands(counts["selected"]), f"{100 * share:.1f}%"


def _settings(config: HttConfig) -> Section:
    import yaml

    content = plain(config)
    parts = {"general": {k: v for k, v in content.items() if not isinstance(v, dict)}}
    parts |= {k: v for k, v in content.items() if isinstance(v, dict)}
    details = (
        Details(name, yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None))
        for name, value in parts.items()
    )
    return Section("settings", "Settings", tuple(details))
