"""The head of the page: headline numbers and one sentence that says how good it is."""

from __future__ import annotations

from typing import Any

from taumltools.config.report import ReportConfig
from taumltools.evaluation.plots import array
from taumltools.evaluation.roc import Roc
from taumltools.evaluation.style import TYPE_NAMES
from taumltools.report.content import Card, Cards, Section, Text, missing, percent, significant

Performance = dict[str, Any]


def leading(performances: list[Performance]) -> Performance | None:
    """The performance of the first network, else the first one at all."""
    networks = [p for p in performances if p["score"] == "network"]
    return (networks or performances or [None])[0]  # type: ignore[list-item]


def leading_curve(performance: Performance, vs: str) -> dict[str, Any] | None:
    """The ROC curve of the first region, which the report leads with; None if it is empty."""
    curves = [curve for curve in performance["curves"] if curve["vs"] == vs]
    return curves[0] if curves and "missing" not in curves[0] else None


def stored_roc(curve: dict[str, Any]) -> Roc:
    """The curve of an artefact as an object."""
    return Roc(
        *(array(curve[key]) for key in ("threshold", "true_positive_rate", "false_positive_rate")),
        *(curve[key] for key in ("auc", "auc_error", "n_tau", "n_fake", "n_eff_tau", "n_eff_fake")),
    )


def reference_of(performances: list[Performance], performance: Performance, vs: str) -> Performance | None:
    """The performance that ratios vs one fake type are taken to, if the report has it."""
    name = performance["reference"].get(vs)
    found = [p for p in performances if p["discriminator"] == name and p is not performance]
    return found[0] if found else None


def headline(performances: list[Performance], config: ReportConfig) -> Section:
    """Headline numbers.

    Args:
        performances: artefacts of all discriminators.
        config: settings of the report: efficiencies at which fakes are quoted.

    Returns:
        The section; a note if there is no performance.
    """
    main = leading(performances)
    if main is None:
        return Section("summary", "Summary", (missing("Performance numbers", "EvaluatePerformance"),))
    cards, sentences = [], []
    for vs, efficiency in config.headline_efficiency.items():
        curve, other = leading_curve(main, vs), reference_of(performances, main, vs)
        if curve is None:
            continue
        theirs = leading_curve(other, vs) if other else None
        cards.append(_card(curve, other, theirs, vs, efficiency))
        sentences.append(_sentence(main, curve, other, theirs, vs, efficiency))
    if not cards:
        return Section("summary", "Summary", (Text("The test sample has no taus and fakes to compare.", note=True),))
    return Section("summary", "Summary", (Text(sentences[0]), Cards(tuple(cards))))


def _card(
    curve: dict[str, Any], other: Performance | None, theirs: dict[str, Any] | None, vs: str, efficiency: float
) -> Card:
    roc = stored_roc(curve)
    low, high = (percent(float(limit)) for limit in roc.fpr_interval_at(efficiency))
    facts = [("68% interval", f"{low} to {high}"), ("AUC", f"{curve['auc']:.4f} ± {significant(curve['auc_error'], 1)}")]
    if other and theirs:
        rate = percent(float(stored_roc(theirs).fpr_at(efficiency)))
        facts += [(other["title"], rate), (f"{other['title']}, AUC", f"{theirs['auc']:.4f}")]
    label = f"of {TYPE_NAMES[vs]} pass at {percent(efficiency)} efficiency for genuine taus"
    return Card(percent(float(roc.fpr_at(efficiency))), label, tuple(facts))


def _sentence(
    main: Performance,
    curve: dict[str, Any],
    other: Performance | None,
    their_curve: dict[str, Any] | None,
    vs: str,
    efficiency: float,
) -> str:
    misid, name = float(stored_roc(curve).fpr_at(efficiency)), TYPE_NAMES[vs]
    text = f"At {percent(efficiency)} efficiency for genuine taus, {percent(misid)} of {name} pass ({main['title'].lower()})"
    theirs = float(stored_roc(their_curve).fpr_at(efficiency)) if their_curve else 0.0
    if other is None or misid <= 0 or theirs <= 0:
        return text + "."
    factor = theirs / misid
    compared = f"{significant(factor, 2)} times fewer" if factor >= 1 else f"{significant(1 / factor, 2)} times more"
    return f"{text}: {compared} than with {other['title'].lower()} ({percent(theirs)})."
