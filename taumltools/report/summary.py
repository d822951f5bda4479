"""The head of the page: headline numbers and one sentence that says how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taumltools.config.report import ReportConfig
from taumltools.evaluation.artefact import array
from taumltools.evaluation.roc import Roc
from taumltools.plotstyle import TYPE_NAMES
from taumltools.report.content import Card, Cards, Section, Text, in_sentence, missing, percent, significant

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
    same = ("auc", "auc_error", "n_tau", "n_fake", "n_eff_tau", "n_eff_fake")
    return Roc(
        threshold=array(curve["threshold"]),
        tpr=array(curve["true_positive_rate"]),
        fpr=array(curve["false_positive_rate"]),
        **{name: curve[name] for name in same},
    )


def reference_of(performances: list[Performance], performance: Performance, vs: str) -> Performance | None:
    """The performance that ratios vs one fake type are taken to, if the report has it."""
    name = performance["reference"].get(vs)
    found = [p for p in performances if p["discriminator"] == name and p is not performance]
    return found[0] if found else None


def all_vs(performances: Sequence[Performance]) -> list[str]:
    """Fake types that any discriminator is meant for, jets first: they are the main background."""
    found = {vs for p in performances for vs in p["vs"]}
    return [vs for vs in ("jet", "e", "mu") if vs in found]


def region_words(region: dict[str, Any]) -> str:
    """A region as text.

    Examples:
        >>> region_words({"pt": [20, 100], "abs_eta": [0, 2.3], "decay_modes": [0, 1]})
        'pT 20 to 100 GeV, |η| 0 to 2.3'
    """
    (pt_low, pt_high), (eta_low, eta_high) = region["pt"], region["abs_eta"]
    return f"pT {pt_low:g} to {pt_high:g} GeV, |η| {eta_low:g} to {eta_high:g}"


def region_title(region: dict[str, Any]) -> str:
    """A region as text, with its decay modes and datasets.

    Examples:
        >>> region_title({"pt": [20, 100], "abs_eta": [0, 2.3], "decay_modes": [0, 1], "datasets": "top"})
        'pT 20 to 100 GeV, |η| 0 to 2.3, decay modes 0, 1, top'
    """
    return ", ".join(_region_parts(region))


def _region_parts(region: dict[str, Any]) -> list[str]:
    modes = ", ".join(str(mode) for mode in region["decay_modes"])
    return [*region_words(region).split(", "), f"decay modes {modes}", *filter(None, [region.get("datasets", "")])]


def region_names(regions: Sequence[dict[str, Any]]) -> list[str]:
    """Short names of regions: only what they do not all share, and always the range of pT.

    Examples:
        >>> cuts = {"abs_eta": [0, 2.3], "decay_modes": [0, 1]}
        >>> region_names([{"pt": [20, 100], **cuts}, {"pt": [100, 1000], **cuts}])
        ['pT 20 to 100 GeV', 'pT 100 to 1000 GeV']
    """
    parts = [_region_parts(region) for region in regions]
    return [
        ", ".join(p for i, p in enumerate(own) if i == 0 or not all(p in other for other in parts)) for own in parts
    ]


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
    facts = [
        ("68% interval", f"{low} to {high}"),
        ("AUC", f"{curve['auc']:.4f} ± {significant(curve['auc_error'], 1)}"),
    ]
    if other and theirs:
        facts += [
            (other["title"], _rate(stored_roc(theirs), efficiency)),
            (f"{other['title']}, AUC", f"{theirs['auc']:.4f}"),
        ]
    label = f"of {TYPE_NAMES[vs]} pass at {percent(efficiency)} efficiency for genuine taus"
    return Card(_rate(roc, efficiency), label, tuple(facts))


def _rate(roc: Roc, efficiency: float) -> str:
    return percent(float(roc.fpr_at(efficiency))) if efficiency >= roc.lowest else "not reached"


def _sentence(
    main: Performance,
    curve: dict[str, Any],
    other: Performance | None,
    their_curve: dict[str, Any] | None,
    vs: str,
    efficiency: float,
) -> str:
    roc, name = stored_roc(curve), TYPE_NAMES[vs]
    misid = float(roc.fpr_at(efficiency))
    if efficiency < roc.lowest:
        return (
            f"No threshold of {in_sentence(main['title'])} is as strict as {percent(efficiency)} efficiency vs {name}."
        )
    text = f"At {percent(efficiency)} efficiency for genuine taus, {percent(misid)} of {name} pass ({in_sentence(main['title'])})"
    other_roc = stored_roc(their_curve) if their_curve else None
    theirs = float(other_roc.fpr_at(efficiency)) if other_roc and efficiency >= other_roc.lowest else 0.0
    if other is None or misid <= 0 or theirs <= 0:
        return text + "."
    factor = theirs / misid
    compared = f"{significant(factor, 2)} times fewer" if factor >= 1 else f"{significant(1 / factor, 2)} times more"
    return f"{text}: {compared} than with {in_sentence(other['title'])} ({percent(theirs)})."
